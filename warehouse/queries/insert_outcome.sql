-- How candidates ended. Handing the same outcomes of a run in again adds nothing.
INSERT INTO outcome BY NAME
SELECT given.*, $run_id AS run_id, $known_at::TIMESTAMPTZ AS known_at, $recorded_at::TIMESTAMPTZ AS recorded_at
FROM (
    SELECT unnest(
        from_json_strict(
            $rows::JSON,
            '[{
                "source_id": "VARCHAR", "url": "VARCHAR", "canonical_url": "VARCHAR", "outcome": "VARCHAR",
                "reason": "VARCHAR", "capture_id": "VARCHAR", "article_id": "VARCHAR", "revision": "INTEGER",
                "access": "VARCHAR", "found_in": "VARCHAR", "trace": "VARCHAR"
            }]'
        ),
        max_depth := 2
    )
) AS given
ANTI JOIN (FROM outcome WHERE run_id = $run_id) AS known
    ON known.source_id = given.source_id
    AND known.url = given.url
    AND known.capture_id IS NOT DISTINCT FROM given.capture_id
    AND known.found_in IS NOT DISTINCT FROM given.found_in;
