-- The end of a run; ending it again adds nothing.
INSERT INTO run_end BY NAME
SELECT $run_id AS run_id, $status AS status, $counts::JSON AS counts, $recorded_at::TIMESTAMPTZ AS recorded_at
WHERE NOT EXISTS (FROM run_end WHERE run_end.run_id = $run_id);
