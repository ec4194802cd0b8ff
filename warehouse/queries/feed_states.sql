-- The last look at each feed, sitemap and listing. Validators are those of the last body that parsed; failure_count is
-- the number of looks since then that brought nothing.
WITH last_good AS (
    SELECT
        url,
        max(polled_at) AS last_ok_at,
        max_by({etag: etag, last_modified: last_modified}, polled_at) FILTER (outcome = 'ok') AS validators
    FROM poll
    WHERE outcome IN ('ok', 'not_modified')
    GROUP BY url
)
SELECT
    url,
    max_by(poll.source_id, polled_at) AS source_id,
    max(polled_at) AS last_polled_at,
    max_by(outcome, polled_at) AS last_outcome,
    any_value(last_ok_at) AS last_ok_at,
    any_value(validators.etag) AS etag,
    any_value(validators.last_modified) AS last_modified,
    count(*) FILTER (last_ok_at IS NULL OR polled_at > last_ok_at) AS failure_count
FROM poll
LEFT JOIN last_good USING (url)
GROUP BY url;
