-- Captures that no run has ended yet, oldest fetch first: what a killed run left behind.
SELECT
    capture_id, source_id, url, final_url, fetched_at, status, content_type, headers, body_sha256, body_zlib,
    warc_file, warc_offset, warc_length, candidate
FROM capture
ANTI JOIN (SELECT capture_id FROM outcome WHERE capture_id IS NOT NULL) AS ended USING (capture_id)
ORDER BY fetched_at, capture_id
LIMIT $limit;
