-- Why: a digest reaches each recipient once, whatever breaks, so what is about to be sent is on record before it is sent
-- (kh0pper/crow#263 mailed 57 copies because the row was written afterwards, and that write failed).

CREATE TABLE delivery (
    position    BIGINT      NOT NULL,
    week        VARCHAR     NOT NULL,
    recipient   VARCHAR     NOT NULL,
    state       VARCHAR     NOT NULL,
    stage       VARCHAR,
    code        INTEGER,
    detail      VARCHAR     NOT NULL,
    message_id  VARCHAR     NOT NULL,
    run_id      VARCHAR     NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE delivery IS 'The delivery ledger: a row before and a row after each exchange with the mail server';
COMMENT ON COLUMN delivery.position IS 'From 1, in the order written; clocks may jump';
COMMENT ON COLUMN delivery.week IS 'ISO week of the digest, such as 2026-W47';
COMMENT ON COLUMN delivery.recipient IS 'Mail address; capitals do not matter';
COMMENT ON COLUMN delivery.state IS 'reserved before; sent, refused, deferred or unknown after';
COMMENT ON COLUMN delivery.stage IS 'How far the exchange had come: connect, tls, auth, mail, rcpt, data or end (the reply to the message)';
COMMENT ON COLUMN delivery.code IS 'Reply code of the server';
COMMENT ON COLUMN delivery.detail IS 'What it said, in one line';
COMMENT ON COLUMN delivery.message_id IS 'The same each time this digest is sent to this recipient, so that a second copy is recognised';
