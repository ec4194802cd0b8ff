-- The latest definition of each source a run has read, with what came of it so far.
CREATE OR REPLACE VIEW sources AS
WITH latest AS (
    SELECT source_id, max_by(definition, row(known_at, recorded_at)) AS definition, max(recorded_at) AS recorded_at
    FROM source
    GROUP BY source_id
),
article_count AS (
    SELECT source_id, count(*) AS article_count, max(first_seen_at) AS last_seen_at FROM article GROUP BY source_id
),
last_poll AS (
    SELECT source_id, max(polled_at) AS last_polled_at FROM poll GROUP BY source_id
)
SELECT
    source_id,
    definition ->> 'name' AS name,
    definition ->> 'kind' AS kind,
    definition ->> 'country' AS country,
    from_json(definition -> 'lang', '["VARCHAR"]') AS lang,
    definition ->> 'homepage' AS homepage,
    definition ->> 'paywall' AS paywall,
    coalesce((definition ->> 'enabled')::BOOLEAN, false) AS is_enabled,
    definition ->> 'reason' AS reason,
    definition ->> 'mode' AS mode,
    definition ->> 'redistribution' AS redistribution,
    (definition ->> 'expected_per_week')::INTEGER AS expected_per_week,
    coalesce(article_count.article_count, 0) AS article_count,
    article_count.last_seen_at,
    last_poll.last_polled_at,
    latest.definition,
    latest.recorded_at
FROM latest
LEFT JOIN article_count USING (source_id)
LEFT JOIN last_poll USING (source_id);
