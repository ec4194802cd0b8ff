-- The start of a run; starting the same run again adds nothing.
INSERT INTO run BY NAME
SELECT
    $run_id AS run_id,
    $kind AS kind,
    $started_at::TIMESTAMPTZ AS started_at,
    $program_version AS program_version,
    $extractor_version AS extractor_version,
    $rules_version AS rules_version,
    $taxonomy_version AS taxonomy_version,
    $parameters::JSON AS parameters,
    $configs::JSON AS configs,
    $recorded_at::TIMESTAMPTZ AS recorded_at
WHERE NOT EXISTS (FROM run WHERE run.run_id = $run_id);
