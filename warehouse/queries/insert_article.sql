-- Articles seen for the first time.
INSERT INTO article BY NAME
SELECT
    staged.article_id,
    staged.canonical_url,
    staged.source_id,
    staged.first_seen_at,
    $run_id AS run_id,
    $known_at::TIMESTAMPTZ AS known_at,
    $recorded_at::TIMESTAMPTZ AS recorded_at
FROM staged_article AS staged
JOIN decided_article AS decided USING (ordinal)
WHERE decided.outcome = 'stored';
