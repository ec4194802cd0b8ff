-- What was expected of each source in a week, what came and what failed, as known at a cut.
--
-- parameters  week_start, week_end   instants, half-open
--             as_of, recorded_through as in digest_articles
-- columns     source_id, source_name, is_enabled, expected_per_week (NULL: not stated)
--             new_count, revised_count, partial_count (new or revised, of which only the opening is in hand)
--             candidate_count        outcomes in all; they are the sum of the next one's values
--             outcomes               map of outcome to count
--             polls                  map of poll outcome to count
--             failed_poll_count, failed_count (retry, rejected or quarantined candidates)
--             reasons                list of {reason, count} of failures, most frequent first, at most five
-- order       source_id; a source that is switched on stands here even when nothing happened
WITH definition AS (
    SELECT source_id, max_by(definition, row(known_at, recorded_at)) AS definition
    FROM source
    WHERE known_at <= $as_of::TIMESTAMPTZ AND recorded_at <= $recorded_through::TIMESTAMPTZ
    GROUP BY source_id
),
ended AS (
    FROM outcome
    WHERE
        known_at >= $week_start::TIMESTAMPTZ AND known_at < $week_end::TIMESTAMPTZ
        AND known_at <= $as_of::TIMESTAMPTZ AND recorded_at <= $recorded_through::TIMESTAMPTZ
),
looked AS (
    FROM poll
    WHERE
        polled_at >= $week_start::TIMESTAMPTZ AND polled_at < $week_end::TIMESTAMPTZ
        AND polled_at <= $as_of::TIMESTAMPTZ AND recorded_at <= $recorded_through::TIMESTAMPTZ
),
outcome_count AS (
    SELECT
        source_id,
        histogram(outcome) AS outcomes,
        count(*) AS candidate_count,
        count(*) FILTER (outcome = 'stored') AS new_count,
        count(*) FILTER (outcome = 'revised') AS revised_count,
        count(*) FILTER (
            outcome IN ('stored', 'revised') AND access IN ('teaser', 'registration', 'adblock_notice')
        ) AS partial_count,
        count(*) FILTER (outcome IN ('retry', 'rejected', 'quarantined')) AS failed_count
    FROM ended
    GROUP BY source_id
),
poll_count AS (
    SELECT
        source_id,
        histogram(outcome) AS polls,
        count(*) FILTER (outcome NOT IN ('ok', 'not_modified')) AS failed_poll_count
    FROM looked
    GROUP BY source_id
),
reason AS (
    SELECT source_id, list({'reason': reason, 'count': reason_count} ORDER BY reason_count DESC, reason)[:5] AS reasons
    FROM (
        SELECT source_id, reason, count(*) AS reason_count
        FROM (
            SELECT source_id, reason FROM ended WHERE outcome IN ('retry', 'rejected', 'quarantined')
            UNION ALL
            SELECT source_id, reason FROM looked WHERE outcome NOT IN ('ok', 'not_modified')
        )
        GROUP BY ALL
    )
    GROUP BY source_id
)
SELECT
    source_id,
    definition.definition ->> 'name' AS source_name,
    coalesce((definition.definition ->> 'enabled')::BOOLEAN, false) AS is_enabled,
    (definition.definition ->> 'expected_per_week')::INTEGER AS expected_per_week,
    coalesce(new_count, 0) AS new_count,
    coalesce(revised_count, 0) AS revised_count,
    coalesce(partial_count, 0) AS partial_count,
    coalesce(candidate_count, 0) AS candidate_count,
    coalesce(outcomes, MAP {}) AS outcomes,
    coalesce(polls, MAP {}) AS polls,
    coalesce(failed_poll_count, 0) AS failed_poll_count,
    coalesce(failed_count, 0) AS failed_count,
    coalesce(reasons, []) AS reasons
FROM definition
FULL JOIN outcome_count USING (source_id)
FULL JOIN poll_count USING (source_id)
LEFT JOIN reason USING (source_id)
WHERE
    coalesce((definition.definition ->> 'enabled')::BOOLEAN, false)
    OR candidate_count IS NOT NULL
    OR polls IS NOT NULL
ORDER BY source_id;
