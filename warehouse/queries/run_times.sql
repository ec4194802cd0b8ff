-- When runs of one kind began last.
--
-- parameters  kind
-- columns     last_started_at, last_done_at (of the runs that ended well); NULL without any
SELECT
    max(started_at) AS last_started_at,
    max(started_at) FILTER (status = 'done') AS last_done_at
FROM runs
WHERE kind = $kind;
