-- One capture with its body.
SELECT source_id, url, final_url, fetched_at, status, content_type, headers, body_zlib, candidate
FROM capture
WHERE capture_id = $capture_id
LIMIT 1;
