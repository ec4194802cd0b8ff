-- Captures that no run has ended yet, oldest fetch first: what a killed run left behind.
SELECT source_id, url, final_url, fetched_at, status, content_type, headers, body_zlib, candidate
FROM capture
ANTI JOIN (SELECT capture_id FROM outcome WHERE capture_id IS NOT NULL) AS ended USING (capture_id)
ORDER BY fetched_at, capture_id
LIMIT $limit;
