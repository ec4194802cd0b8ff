-- One row per article, revision, taxonomy version and topic; an article without topics has one row with topic NULL.
CREATE OR REPLACE VIEW labels AS
SELECT
    article_id,
    revision,
    taxonomy_version,
    label_topic.topic,
    label_topic.position,
    label_topic.score,
    coalesce(label_topic.topic = label.primary_topic, false) AS is_primary,
    label_topic.evidence,
    label.relevance,
    label.relevance_score,
    label.relevance_evidence,
    label.run_id,
    label.known_at,
    label.recorded_at
FROM label
LEFT JOIN label_topic USING (article_id, revision, taxonomy_version);
