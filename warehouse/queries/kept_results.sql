-- How each capture ended the last time, with the present revision of the article it gave.
WITH ended AS (
    SELECT
        capture_id,
        max_by(outcome, row(recorded_at, run_id)) AS outcome,
        max_by(article_id, row(recorded_at, run_id)) AS article_id
    FROM outcome
    WHERE capture_id IN (SELECT unnest($capture_ids::VARCHAR[]))
    GROUP BY capture_id
),
present AS (
    SELECT article_id, max_by(revision, row(known_at, revision)) AS revision
    FROM revision
    SEMI JOIN ended USING (article_id)
    GROUP BY article_id
),
cut AS (
    SELECT article_id, revision, list(text ORDER BY position) AS removed
    FROM removal
    SEMI JOIN present USING (article_id, revision)
    GROUP BY article_id, revision
)
SELECT ended.*, revision.content_hash, revision.title, revision.paragraphs, revision.access_status, cut.removed
FROM ended
LEFT JOIN present USING (article_id)
LEFT JOIN revision USING (article_id, revision)
LEFT JOIN cut USING (article_id, revision);
