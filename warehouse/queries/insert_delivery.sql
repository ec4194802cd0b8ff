-- One more row of the delivery ledger.
INSERT INTO delivery BY NAME
SELECT
    (SELECT coalesce(max(position), 0) + 1 FROM delivery) AS position,
    $week AS week,
    $recipient AS recipient,
    $state AS state,
    $stage AS stage,
    $code::INTEGER AS code,
    $detail AS detail,
    $message_id AS message_id,
    $run_id AS run_id,
    $recorded_at::TIMESTAMPTZ AS recorded_at;
