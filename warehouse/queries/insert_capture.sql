-- Captures that are not kept yet; gives back the ids that were new.
INSERT INTO capture BY NAME
SELECT given.*, $run_id AS run_id, $known_at::TIMESTAMPTZ AS known_at, $recorded_at::TIMESTAMPTZ AS recorded_at
FROM (
    SELECT row_.*, body_zlib
    FROM (
        SELECT
            unnest(
                from_json_strict(
                    $rows::JSON,
                    '[{
                        "capture_id": "VARCHAR", "source_id": "VARCHAR", "url": "VARCHAR", "final_url": "VARCHAR",
                        "canonical_url": "VARCHAR", "fetched_at": "TIMESTAMPTZ", "status": "INTEGER",
                        "content_type": "VARCHAR", "headers": "JSON", "body_sha256": "VARCHAR",
                        "body_bytes": "BIGINT", "candidate": "JSON", "warc_file": "VARCHAR",
                        "warc_offset": "BIGINT", "warc_length": "BIGINT"
                    }]'
                )
            ) AS row_,
            unnest($bodies::BLOB[]) AS body_zlib
    )
    QUALIFY row_number() OVER (PARTITION BY row_.capture_id) = 1
) AS given
ANTI JOIN capture USING (capture_id)
RETURNING capture_id;
