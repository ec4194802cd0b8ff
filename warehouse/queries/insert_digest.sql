-- A digest that was built.
INSERT INTO digest BY NAME
SELECT
    $week AS week,
    $as_of::TIMESTAMPTZ AS as_of,
    $recorded_through::TIMESTAMPTZ AS recorded_through,
    $config_sha256 AS config_sha256,
    $program_version AS program_version,
    $parts::JSON AS parts,
    $item_count AS item_count,
    $built_at::TIMESTAMPTZ AS built_at,
    $run_id AS run_id,
    $recorded_at::TIMESTAMPTZ AS recorded_at;
