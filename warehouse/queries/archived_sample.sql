-- The newest captures that lie in the archive, and one of each archive file.
SELECT capture_id, body_sha256, warc_file, warc_offset, warc_length
FROM capture
WHERE warc_file IS NOT NULL
QUALIFY
    row_number() OVER (ORDER BY fetched_at DESC, capture_id) <= $count
    OR row_number() OVER (PARTITION BY warc_file ORDER BY warc_offset) = 1
ORDER BY warc_file, warc_offset;
