-- What `doctor` asks of the warehouse, in one row.
--
-- parameters  since             only deliveries and quarantined pages after it
-- columns     ingest_done_at, digest_done_at    start of the last run of the kind that ended well
--             last_at           when the last run began
--             unended           runs that began and never ended, the newest of them
--             unended_count
--             pending_count     captures that no run has made anything of
--             quarantined_count
--             undelivered       state and number of deliveries that have not reached anybody
SELECT
    (SELECT max(started_at) FROM runs WHERE kind = 'ingest' AND status = 'done') AS ingest_done_at,
    (SELECT max(started_at) FROM runs WHERE kind = 'digest' AND status = 'done') AS digest_done_at,
    (SELECT max(started_at) FROM runs) AS last_at,
    (SELECT max(run_id) FROM runs WHERE status IS NULL) AS unended,
    (SELECT count(*) FROM runs WHERE status IS NULL) AS unended_count,
    (
        SELECT count(*) FROM capture
        ANTI JOIN (SELECT capture_id FROM outcome WHERE capture_id IS NOT NULL) AS ended USING (capture_id)
    ) AS pending_count,
    (
        SELECT count(DISTINCT url) FROM outcomes
        WHERE outcome = 'quarantined' AND recorded_at >= $since::TIMESTAMPTZ
    ) AS quarantined_count,
    (
        SELECT coalesce(list(state || ': ' || recipient || ' (' || week || ')' ORDER BY week, recipient), [])
        FROM deliveries
        WHERE state <> 'sent' AND last_tried_at >= $since::TIMESTAMPTZ
    ) AS undelivered;
