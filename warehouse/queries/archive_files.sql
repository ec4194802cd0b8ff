-- The files of the archive, each with its newest capture and how many it holds.
SELECT warc_file, max(fetched_at) AS newest_at, count(*) AS capture_count
FROM capture
WHERE warc_file IS NOT NULL
GROUP BY warc_file;
