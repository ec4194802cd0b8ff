-- When pages of the same source, address and bytes were first kept.
SELECT source_id, url, body_sha256, min_by(fetched_at, row(recorded_at, fetched_at)) AS fetched_at
FROM capture
SEMI JOIN (
    SELECT unnest(
        from_json_strict($rows::JSON, '[{"source_id": "VARCHAR", "url": "VARCHAR", "body_sha256": "VARCHAR"}]'),
        max_depth := 2
    )
) AS given USING (source_id, url, body_sha256)
GROUP BY source_id, url, body_sha256;
