-- How far each digest has come to each recipient. `reserved` is being sent, or was when the run was killed.
CREATE OR REPLACE VIEW deliveries AS
WITH latest AS (
    SELECT
        week,
        count(*) FILTER (state = 'reserved') AS attempt_count,
        min(recorded_at) AS first_tried_at,
        max_by(delivery, position) AS last
    FROM delivery
    GROUP BY week, lower(recipient)
)
SELECT
    week,
    last.recipient,
    last.state,
    attempt_count,
    last.stage,
    last.code,
    last.detail,
    last.message_id,
    first_tried_at,
    last.recorded_at AS last_tried_at,
    last.run_id
FROM latest;
