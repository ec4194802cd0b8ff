-- Captures with their bodies or where those lie, oldest fetch first.
SELECT
    capture_id, source_id, url, final_url, fetched_at, status, content_type, headers, body_sha256, body_zlib,
    warc_file, warc_offset, warc_length, candidate
FROM capture
WHERE capture_id IN (SELECT unnest($capture_ids::VARCHAR[]))
ORDER BY fetched_at, capture_id;
