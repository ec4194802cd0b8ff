-- Captures that no run has ended yet, oldest fetch first: what a killed run left behind. With $skip_imports, those of an
-- import that has not ended are left to it.
SELECT
    capture_id, source_id, url, final_url, fetched_at, status, content_type, headers, body_sha256, body_zlib,
    warc_file, warc_offset, warc_length, candidate
FROM capture
ANTI JOIN (SELECT capture_id FROM outcome WHERE capture_id IS NOT NULL) AS ended USING (capture_id)
ANTI JOIN (
    SELECT run_id FROM run ANTI JOIN run_end USING (run_id) WHERE kind = 'import' AND $skip_imports
) AS going_on USING (run_id)
ORDER BY fetched_at, capture_id
LIMIT $limit;
