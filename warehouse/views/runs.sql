-- Every run; status is NULL while it goes on, and for ever when it was killed.
CREATE OR REPLACE VIEW runs AS
SELECT
    run_id,
    run.kind,
    run_end.status,
    run.started_at,
    run.recorded_at,
    run_end.recorded_at AS ended_at,
    run_end.counts,
    run.parameters,
    run.configs,
    run.program_version,
    run.extractor_version,
    run.rules_version,
    run.taxonomy_version
FROM run
LEFT JOIN run_end USING (run_id);
