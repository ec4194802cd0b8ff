-- The topics of the new labels.
INSERT INTO label_topic BY NAME
SELECT
    new.article_id,
    new.revision,
    new.taxonomy_version,
    unnest(staged.topics, max_depth := 2),
    $run_id AS run_id,
    $recorded_at::TIMESTAMPTZ AS recorded_at
FROM staged_label AS new
JOIN staged_article AS staged USING (ordinal);
