-- The whole delivery ledger, in the order written.
SELECT week, recipient, state, stage, code, detail, message_id, run_id, recorded_at FROM delivery ORDER BY position;
