-- Definitions that differ from the latest one of their source.
INSERT INTO source BY NAME
WITH latest AS (
    SELECT source_id, max_by(sha256, row(known_at, recorded_at)) AS sha256 FROM source GROUP BY source_id
)
SELECT
    source_id,
    definition,
    sha256,
    $run_id AS run_id,
    $known_at::TIMESTAMPTZ AS known_at,
    $recorded_at::TIMESTAMPTZ AS recorded_at
FROM (
    SELECT unnest(
        from_json_strict($rows::JSON, '[{"source_id": "VARCHAR", "definition": "JSON", "sha256": "VARCHAR"}]'),
        max_depth := 2
    )
) AS given
ANTI JOIN latest USING (source_id, sha256);
