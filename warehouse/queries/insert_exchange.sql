-- Exchanges that are not kept yet.
INSERT INTO exchange BY NAME
SELECT given.*, $run_id AS run_id, $recorded_at::TIMESTAMPTZ AS recorded_at
FROM (
    SELECT unnest(
        from_json_strict(
            $rows::JSON,
            '[{
                "exchange_id": "VARCHAR", "source_id": "VARCHAR", "kind": "VARCHAR", "url": "VARCHAR",
                "asked_at": "TIMESTAMPTZ", "status": "INTEGER", "content_type": "VARCHAR", "headers": "JSON",
                "body_sha256": "VARCHAR", "body_bytes": "BIGINT", "is_whole": "BOOLEAN", "same_as": "VARCHAR",
                "warc_file": "VARCHAR", "warc_offset": "BIGINT", "warc_length": "BIGINT"
            }]'
        ),
        max_depth := 2
    )
) AS given
ANTI JOIN exchange USING (exchange_id);
