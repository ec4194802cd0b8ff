-- Polls of a run; the same poll again adds nothing.
INSERT INTO poll BY NAME
SELECT given.*, $run_id AS run_id, $recorded_at::TIMESTAMPTZ AS recorded_at
FROM (
    SELECT unnest(
        from_json_strict(
            $rows::JSON,
            '[{
                "source_id": "VARCHAR", "url": "VARCHAR", "polled_at": "TIMESTAMPTZ", "outcome": "VARCHAR",
                "reason": "VARCHAR", "entry_count": "INTEGER", "new_count": "INTEGER", "dropped_count": "INTEGER",
                "etag": "VARCHAR", "last_modified": "VARCHAR"
            }]'
        ),
        max_depth := 2
    )
) AS given
ANTI JOIN (FROM poll WHERE run_id = $run_id) AS known USING (source_id, url, polled_at);
