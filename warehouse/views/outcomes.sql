-- How each candidate of each run ended.
CREATE OR REPLACE VIEW outcomes AS
SELECT
    run_id,
    run.kind AS run_kind,
    outcome.source_id,
    outcome.url,
    outcome.outcome,
    outcome.reason,
    outcome.capture_id,
    outcome.article_id,
    outcome.revision,
    outcome.access,
    outcome.found_in,
    outcome.canonical_url,
    outcome.trace,
    outcome.known_at,
    outcome.recorded_at
FROM outcome
LEFT JOIN run USING (run_id);
