-- Every response that was kept, without its bytes.
CREATE OR REPLACE VIEW captures AS
SELECT
    capture_id, source_id, url, final_url, canonical_url, fetched_at, status, content_type, headers, body_sha256,
    body_bytes, warc_file, warc_offset, warc_length, candidate, run_id, known_at, recorded_at
FROM capture;
