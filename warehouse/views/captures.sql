-- Every response that was kept, without its bytes.
CREATE OR REPLACE VIEW captures AS
SELECT
    capture_id, source_id, url, final_url, canonical_url, fetched_at, status, content_type, headers, body_sha256,
    body_bytes, candidate, run_id, known_at, recorded_at
FROM capture;
