-- Every answer of a server: those that are captures, which have a capture_id, and all others.
CREATE OR REPLACE VIEW exchanges AS
SELECT
    exchange_id, NULL AS capture_id, source_id, kind, url, asked_at, status, content_type, headers, body_sha256,
    body_bytes, is_whole, same_as, warc_file, warc_offset, warc_length, run_id, recorded_at
FROM exchange
UNION ALL
SELECT
    NULL AS exchange_id, capture_id, source_id, 'page' AS kind, final_url AS url, fetched_at AS asked_at, status,
    content_type, headers, body_sha256, body_bytes, TRUE AS is_whole, NULL AS same_as, warc_file, warc_offset,
    warc_length, run_id, recorded_at
FROM capture
WHERE status IS NOT NULL;
