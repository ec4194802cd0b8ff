-- The ledger rows of these recipients (given in lower case), of all weeks, in the order written.
SELECT week, recipient, state, stage, code, detail, message_id, run_id, recorded_at
FROM delivery
WHERE lower(recipient) IN (SELECT unnest($recipients::VARCHAR[]))
ORDER BY position;
