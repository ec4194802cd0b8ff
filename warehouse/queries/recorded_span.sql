-- When the first and the last row was recorded: no digest can be rebuilt for a cut before the first.
SELECT min(first_at) AS first_at, max(last_at) AS last_at
FROM (
    SELECT min(recorded_at) AS first_at, max(recorded_at) AS last_at FROM run
    UNION ALL
    SELECT NULL AS first_at, max(recorded_at) AS last_at FROM capture
    UNION ALL
    SELECT NULL AS first_at, max(recorded_at) AS last_at FROM poll
    UNION ALL
    SELECT NULL AS first_at, max(recorded_at) AS last_at FROM outcome
    UNION ALL
    SELECT NULL AS first_at, max(recorded_at) AS last_at FROM revision
    UNION ALL
    SELECT NULL AS first_at, max(recorded_at) AS last_at FROM label
    UNION ALL
    SELECT NULL AS first_at, max(recorded_at) AS last_at FROM source
);
