-- Sources that are switched on and bring less than they used to, by the articles first seen in the seven days before now.
--
-- parameters  now
-- columns     source_id      NULL: all together
--             silent_days    days without a new article, where it is at least seven; else NULL
--             new_count      in the last seven days
--             median_count   of the four times seven days before
-- order       all together first, then by source_id
-- A source is silent only if something was to be expected: it said so in expected_per_week, or brought something in the
-- 28 days before. Half of the median means something from four a week on, and only of a source known for five weeks.
WITH source_on AS (
    SELECT
        source_id,
        min(known_at) AS known_since,
        coalesce((max_by(definition, row(known_at, recorded_at)) ->> 'expected_per_week')::INTEGER, 0) AS expected
    FROM source
    WHERE known_at <= $now::TIMESTAMPTZ
    GROUP BY source_id
    HAVING coalesce((max_by(definition, row(known_at, recorded_at)) ->> 'enabled')::BOOLEAN, false)
),
seen AS (
    SELECT source_id, first_seen_at, floor(epoch($now::TIMESTAMPTZ - first_seen_at) / (7 * 86400))::INTEGER AS weeks_ago
    FROM article
    SEMI JOIN source_on USING (source_id)
    WHERE first_seen_at <= $now::TIMESTAMPTZ
),
weekly AS (
    SELECT
        source_id,
        weeks_ago,
        (SELECT count(*) FROM seen WHERE seen.source_id = source_on.source_id AND seen.weeks_ago = week.weeks_ago) AS new_count
    FROM source_on
    CROSS JOIN (SELECT unnest(range(5)) AS weeks_ago) AS week
),
together AS (
    SELECT source_id, weeks_ago, new_count FROM weekly
    UNION ALL
    SELECT NULL AS source_id, weeks_ago, sum(new_count) AS new_count FROM weekly GROUP BY weeks_ago
),
compared AS (
    SELECT
        source_id,
        sum(new_count) FILTER (weeks_ago = 0)::BIGINT AS new_count,
        median(new_count) FILTER (weeks_ago > 0) AS median_count,
        coalesce(max(new_count) FILTER (weeks_ago > 0), 0) AS best_before
    FROM together
    GROUP BY source_id
),
judged AS (
    SELECT
        compared.source_id,
        coalesce(source_on.known_since, (SELECT min(known_since) FROM source_on)) AS known_since,
        greatest(coalesce(source_on.expected, 0), best_before) AS was_expected,
        new_count,
        median_count,
        (
            SELECT max(first_seen_at) FROM seen
            WHERE compared.source_id IS NULL OR seen.source_id = compared.source_id
        ) AS last_seen_at
    FROM compared
    LEFT JOIN source_on ON source_on.source_id = compared.source_id
),
answer AS (
    SELECT
        source_id,
        CASE
            WHEN new_count = 0 AND was_expected >= 1 AND known_since <= $now::TIMESTAMPTZ - INTERVAL 7 DAYS
                THEN floor(epoch($now::TIMESTAMPTZ - coalesce(last_seen_at, known_since)) / 86400)::INTEGER
        END AS silent_days,
        new_count,
        median_count,
        median_count >= 4 AND new_count < median_count / 2 AND known_since <= $now::TIMESTAMPTZ - INTERVAL 35 DAYS AS is_under
    FROM judged
)
SELECT source_id, silent_days, new_count, median_count
FROM answer
WHERE silent_days IS NOT NULL OR is_under
ORDER BY source_id NULLS FIRST;
