-- The files of the archive, each with its newest record and how many it holds.
SELECT warc_file, max(answered_at) AS newest_at, count(*) AS record_count
FROM (
    SELECT warc_file, fetched_at AS answered_at FROM capture
    UNION ALL
    SELECT warc_file, asked_at AS answered_at FROM exchange
)
WHERE warc_file IS NOT NULL
GROUP BY warc_file;
