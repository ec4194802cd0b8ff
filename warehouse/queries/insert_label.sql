-- The new labels of the batch.
INSERT INTO label BY NAME
SELECT
    new.article_id,
    new.revision,
    new.taxonomy_version,
    staged.relevance,
    staged.relevance_score,
    staged.primary_topic,
    staged.relevance_evidence,
    $run_id AS run_id,
    $known_at::TIMESTAMPTZ AS known_at,
    $recorded_at::TIMESTAMPTZ AS recorded_at
FROM staged_label AS new
JOIN staged_article AS staged USING (ordinal);
