-- The ledger of the new texts.
INSERT INTO removal BY NAME
SELECT
    decided.article_id,
    decided.revision,
    unnest(staged.removed, max_depth := 2),
    $run_id AS run_id,
    $recorded_at::TIMESTAMPTZ AS recorded_at
FROM staged_article AS staged
JOIN decided_article AS decided USING (ordinal)
WHERE decided.outcome IN ('stored', 'revised');
