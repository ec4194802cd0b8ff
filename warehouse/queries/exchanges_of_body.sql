-- The last exchange since $since whose record holds this body of this address.
SELECT
    url,
    body_sha256,
    max_by(exchange_id, row(asked_at, exchange_id)) AS exchange_id,
    max_by(asked_at, row(asked_at, exchange_id)) AS asked_at
FROM exchange
SEMI JOIN (
    SELECT unnest(from_json_strict($rows::JSON, '[{"url": "VARCHAR", "body_sha256": "VARCHAR"}]'), max_depth := 2)
) AS given USING (url, body_sha256)
WHERE same_as IS NULL AND is_whole AND warc_file IS NOT NULL AND asked_at >= $since::TIMESTAMPTZ
GROUP BY url, body_sha256;
