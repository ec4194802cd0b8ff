-- Why: an article is an address; what it said is a list of revisions that only grows, each with the ledger of what was cut.

CREATE TABLE article (
    article_id    VARCHAR     NOT NULL,
    canonical_url VARCHAR     NOT NULL,
    source_id     VARCHAR     NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    run_id        VARCHAR     NOT NULL,
    known_at      TIMESTAMPTZ NOT NULL,
    recorded_at   TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE article IS 'One row per article; article_id is unique and made from the canonical address alone';
COMMENT ON COLUMN article.source_id IS 'The source it was first seen in';
COMMENT ON COLUMN article.first_seen_at IS 'Fetch time of its first capture';

CREATE TABLE url_alias (
    article_id  VARCHAR     NOT NULL,
    url         VARCHAR     NOT NULL,
    run_id      VARCHAR     NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE url_alias IS 'Other addresses an article was offered or answered at';

CREATE TABLE revision (
    article_id        VARCHAR     NOT NULL,
    revision          INTEGER     NOT NULL,
    source_id         VARCHAR     NOT NULL,
    capture_id        VARCHAR     NOT NULL,
    content_hash      VARCHAR     NOT NULL,
    url               VARCHAR     NOT NULL,
    title             VARCHAR,
    standfirst        VARCHAR              USING COMPRESSION zstd,
    text              VARCHAR     NOT NULL USING COMPRESSION zstd,
    byline            VARCHAR[]   NOT NULL,
    published_at      TIMESTAMPTZ,
    published_offset  INTEGER,
    published_raw     VARCHAR,
    lang              VARCHAR     NOT NULL,
    section           VARCHAR,
    paragraphs        JSON        NOT NULL USING COMPRESSION zstd,
    captions          VARCHAR[]   NOT NULL,
    author_bio        VARCHAR              USING COMPRESSION zstd,
    access_status     VARCHAR     NOT NULL,
    access_evidence   VARCHAR[]   NOT NULL,
    remaining_chars   BIGINT,
    total_chars       BIGINT,
    repairs           JSON        NOT NULL USING COMPRESSION zstd,
    flags             VARCHAR[]   NOT NULL,
    provenance        JSON        NOT NULL,
    site_name         VARCHAR,
    program_version   VARCHAR     NOT NULL,
    extractor_version VARCHAR     NOT NULL,
    rules_version     VARCHAR     NOT NULL,
    run_id            VARCHAR     NOT NULL,
    known_at          TIMESTAMPTZ NOT NULL,
    recorded_at       TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE revision IS 'One row per text an article has had; (article_id, revision) is unique, numbers run from 1 without gaps';
COMMENT ON COLUMN revision.source_id IS 'The source this text was fetched for';
COMMENT ON COLUMN revision.content_hash IS 'sha256 of title and text in NFC';
COMMENT ON COLUMN revision.url IS 'The address offered';
COMMENT ON COLUMN revision.text IS 'Standfirst, subheads and paragraphs in page order, joined by blank lines';
COMMENT ON COLUMN revision.published_offset IS 'Minutes east of UTC of the publication time as it was read';
COMMENT ON COLUMN revision.published_raw IS 'The date as the page wrote it';
COMMENT ON COLUMN revision.paragraphs IS 'List of {kind, text}; kind is p, h, li or quote';
COMMENT ON COLUMN revision.access_status IS 'full, teaser, metered, registration or adblock_notice';
COMMENT ON COLUMN revision.remaining_chars IS 'Characters the page says are missing';
COMMENT ON COLUMN revision.total_chars IS 'Characters the page says the whole article has';
COMMENT ON COLUMN revision.repairs IS 'List of {kind, before, after}: changes inside kept blocks';
COMMENT ON COLUMN revision.flags IS 'Remarks for an operator';
COMMENT ON COLUMN revision.provenance IS 'List of [field, where it was read]';
COMMENT ON COLUMN revision.known_at IS 'From when it counts as known: recorded_at, or the stated fetch time of an import';
COMMENT ON COLUMN revision.recorded_at IS 'True clock of the append';

CREATE TABLE removal (
    article_id  VARCHAR     NOT NULL,
    revision    INTEGER     NOT NULL,
    position    INTEGER     NOT NULL,
    text        VARCHAR     NOT NULL USING COMPRESSION zstd,
    kind        VARCHAR     NOT NULL,
    rule        VARCHAR     NOT NULL,
    evidence    VARCHAR     NOT NULL,
    run_id      VARCHAR     NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE removal IS 'The ledger: each block of a page that was cut, and why';
COMMENT ON COLUMN removal.position IS 'From 1, in the order of the ledger';
COMMENT ON COLUMN removal.kind IS 'SHARE, NAV, SUBSCRIBE, DUP and so on';
COMMENT ON COLUMN removal.rule IS 'Step, template or model that cut it';
COMMENT ON COLUMN removal.evidence IS 'What the rule saw';
