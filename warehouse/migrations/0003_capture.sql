-- Why: raw first. What was fetched is kept before anything interprets it, with what the feed said of it, so that a later
-- run can finish what a killed one began and newer rules can read old pages.

CREATE TABLE capture (
    capture_id    VARCHAR     NOT NULL,
    source_id     VARCHAR     NOT NULL,
    url           VARCHAR     NOT NULL,
    final_url     VARCHAR     NOT NULL,
    canonical_url VARCHAR     NOT NULL,
    fetched_at    TIMESTAMPTZ NOT NULL,
    status        INTEGER,
    content_type  VARCHAR,
    headers       JSON        NOT NULL USING COMPRESSION zstd,
    body_sha256   VARCHAR     NOT NULL,
    body_bytes    BIGINT      NOT NULL,
    body_zlib     BLOB        NOT NULL,
    candidate     JSON                 USING COMPRESSION zstd,
    run_id        VARCHAR     NOT NULL,
    known_at      TIMESTAMPTZ NOT NULL,
    recorded_at   TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE capture IS 'A response as it was kept; capture_id is unique';
COMMENT ON COLUMN capture.url IS 'Address as requested';
COMMENT ON COLUMN capture.final_url IS 'Address after redirects';
COMMENT ON COLUMN capture.canonical_url IS 'Canonical form of the address that was offered';
COMMENT ON COLUMN capture.headers IS 'List of [name, value] in the order received';
COMMENT ON COLUMN capture.body_bytes IS 'Bytes of the body before compression';
COMMENT ON COLUMN capture.body_zlib IS 'The body, zlib';
COMMENT ON COLUMN capture.candidate IS 'What the feed, sitemap or listing said: guid, title, summary, date and where it was found';
COMMENT ON COLUMN capture.known_at IS 'From when it counts as known: recorded_at, or the stated fetch time of an import';
COMMENT ON COLUMN capture.recorded_at IS 'True clock of the append';

CREATE TABLE poll (
    source_id     VARCHAR     NOT NULL,
    url           VARCHAR     NOT NULL,
    polled_at     TIMESTAMPTZ NOT NULL,
    outcome       VARCHAR     NOT NULL,
    reason        VARCHAR     NOT NULL,
    entry_count   INTEGER     NOT NULL,
    new_count     INTEGER     NOT NULL,
    dropped_count INTEGER     NOT NULL,
    etag          VARCHAR,
    last_modified VARCHAR,
    run_id        VARCHAR     NOT NULL,
    recorded_at   TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE poll IS 'One look at a feed, sitemap or listing';
COMMENT ON COLUMN poll.outcome IS 'ok, not_modified, retry, gone, reject or blocked';
COMMENT ON COLUMN poll.new_count IS 'Entries whose address was not known before';
COMMENT ON COLUMN poll.etag IS 'Validator, kept only from a body that parsed';

CREATE TABLE outcome (
    source_id     VARCHAR     NOT NULL,
    url           VARCHAR     NOT NULL,
    canonical_url VARCHAR     NOT NULL,
    outcome       VARCHAR     NOT NULL,
    reason        VARCHAR     NOT NULL,
    capture_id    VARCHAR,
    article_id    VARCHAR,
    revision      INTEGER,
    access        VARCHAR,
    found_in      VARCHAR,
    trace         VARCHAR              USING COMPRESSION zstd,
    run_id        VARCHAR     NOT NULL,
    known_at      TIMESTAMPTZ NOT NULL,
    recorded_at   TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE outcome IS 'How each candidate of a run ended, once';
COMMENT ON COLUMN outcome.outcome IS 'stored, revised, unchanged, not_article, walled, not_modified, blocked, gone, retry, rejected or quarantined';
COMMENT ON COLUMN outcome.reason IS 'One sentence for a person';
COMMENT ON COLUMN outcome.revision IS 'The revision that was added, or the one the page equals';
COMMENT ON COLUMN outcome.trace IS 'Trace of an exception of ours, when quarantined';
