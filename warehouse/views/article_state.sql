-- Articles as they stood at a cut: the latest revision, and its latest label, among the rows that were known by
-- `known_by` and recorded by `recorded_by`. Latest is by known_at, so an old page imported late does not become the
-- present text. Analysts may call it: SELECT * FROM article_state('2026-11-16 07:00:00+09', now()).
CREATE OR REPLACE MACRO article_state(known_by, recorded_by) AS TABLE
WITH latest_revision AS (
    SELECT
        article_id,
        max_by(revision, row(known_at, revision)) AS revision,
        count(*) AS revision_count
    FROM revision
    WHERE known_at <= known_by::TIMESTAMPTZ AND recorded_at <= recorded_by::TIMESTAMPTZ
    GROUP BY article_id
),
latest_label AS (
    SELECT
        article_id,
        revision,
        max_by(taxonomy_version, row(known_at, recorded_at, taxonomy_version)) AS taxonomy_version
    FROM label
    WHERE known_at <= known_by::TIMESTAMPTZ AND recorded_at <= recorded_by::TIMESTAMPTZ
    GROUP BY article_id, revision
),
topic_list AS (
    SELECT article_id, revision, taxonomy_version, list({topic: topic, score: score} ORDER BY position) AS topics
    FROM label_topic
    GROUP BY article_id, revision, taxonomy_version
)
SELECT
    article.article_id,
    revision.source_id,
    article.canonical_url AS url,
    revision.title,
    revision.lang,
    revision.published_at,
    article.first_seen_at,
    revision.access_status AS access,
    label.relevance,
    label.primary_topic,
    strftime(
        article_dated_at(revision.published_at, article.first_seen_at) AT TIME ZONE 'Asia/Tokyo', '%G-W%V'
    ) AS week,
    label.relevance_score,
    coalesce(topic_list.topics, []) AS topics,
    revision.byline,
    revision.section,
    revision.site_name,
    revision.published_offset,
    revision.published_raw,
    revision.access_evidence,
    revision.remaining_chars,
    revision.total_chars,
    revision.revision,
    latest_revision.revision_count,
    revision.capture_id,
    revision.content_hash,
    label.taxonomy_version,
    revision.known_at,
    revision.recorded_at,
    revision.flags,
    revision.standfirst,
    revision.text
FROM latest_revision
JOIN revision USING (article_id, revision)
JOIN article USING (article_id)
LEFT JOIN latest_label USING (article_id, revision)
LEFT JOIN label USING (article_id, revision, taxonomy_version)
LEFT JOIN topic_list USING (article_id, revision, taxonomy_version);
