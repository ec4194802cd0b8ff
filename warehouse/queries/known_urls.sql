-- What is known of addresses: when they were first and last asked for, and the headers of the last response if it was
-- an article. A request that failed for the moment does not count.
WITH wanted AS (
    SELECT DISTINCT unnest($urls::VARCHAR[]) AS canonical_url
),
captured AS (
    SELECT canonical_url, capture_id, fetched_at, headers FROM capture SEMI JOIN wanted USING (canonical_url)
),
asked AS (
    SELECT canonical_url, fetched_at FROM captured
    UNION ALL
    SELECT canonical_url, known_at
    FROM outcome
    SEMI JOIN wanted USING (canonical_url)
    WHERE capture_id IS NULL AND outcome NOT IN ('retry', 'quarantined')
),
last_capture AS (
    SELECT canonical_url, max_by(capture_id, fetched_at) AS capture_id, max_by(headers, fetched_at) AS headers
    FROM captured
    GROUP BY canonical_url
),
read_well AS (
    SELECT last_capture.canonical_url, any_value(last_capture.headers) AS headers
    FROM last_capture
    JOIN outcome USING (capture_id)
    WHERE outcome.outcome IN ('stored', 'revised', 'unchanged')
    GROUP BY last_capture.canonical_url
)
SELECT
    asked.canonical_url,
    min(asked.fetched_at) AS first_fetched_at,
    max(asked.fetched_at) AS last_fetched_at,
    any_value(read_well.headers) AS headers
FROM asked
LEFT JOIN read_well USING (canonical_url)
GROUP BY asked.canonical_url;
