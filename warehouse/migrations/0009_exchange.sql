-- Why: a page is not all that a server says. Feeds, robots.txt, redirects and refusals are evidence too: of what was on
-- offer and when, of what we were allowed, of why a page is not here.

CREATE TABLE exchange (
    exchange_id  VARCHAR     NOT NULL,
    source_id    VARCHAR     NOT NULL,
    kind         VARCHAR     NOT NULL,
    url          VARCHAR     NOT NULL,
    asked_at     TIMESTAMPTZ NOT NULL,
    status       INTEGER     NOT NULL,
    content_type VARCHAR,
    headers      JSON        NOT NULL USING COMPRESSION zstd,
    body_sha256  VARCHAR     NOT NULL,
    body_bytes   BIGINT      NOT NULL,
    is_whole     BOOLEAN     NOT NULL,
    same_as      VARCHAR,
    warc_file    VARCHAR,
    warc_offset  BIGINT,
    warc_length  BIGINT,
    run_id       VARCHAR     NOT NULL,
    recorded_at  TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE exchange IS 'A request and the answer to it that is no capture: feeds, sitemaps, listings, robots.txt, redirects, refusals; exchange_id is unique';
COMMENT ON COLUMN exchange.kind IS 'What was asked for: page, feed or robots';
COMMENT ON COLUMN exchange.content_type IS 'As the header states it';
COMMENT ON COLUMN exchange.headers IS 'List of [name, value] in the order received';
COMMENT ON COLUMN exchange.is_whole IS 'Whether the body is all there was; those of redirects and most refusals are not read';
COMMENT ON COLUMN exchange.same_as IS 'The earlier exchange whose record holds the same body; this one is a WARC revisit record then';
COMMENT ON COLUMN exchange.warc_file IS 'File that holds the answer, relative to archive/; `archive prune` may have removed it since';
COMMENT ON COLUMN exchange.warc_offset IS 'Where in the file its gzip member begins, in bytes';
COMMENT ON COLUMN exchange.warc_length IS 'How long that member is, in bytes';
