-- Why: a digest must be rebuildable years later, so what it was made from and what came out are on record.

CREATE TABLE digest (
    week             VARCHAR     NOT NULL,
    as_of            TIMESTAMPTZ NOT NULL,
    recorded_through TIMESTAMPTZ NOT NULL,
    config_sha256    VARCHAR     NOT NULL,
    program_version  VARCHAR     NOT NULL,
    parts            JSON        NOT NULL,
    item_count       INTEGER     NOT NULL,
    built_at         TIMESTAMPTZ NOT NULL,
    run_id           VARCHAR     NOT NULL,
    recorded_at      TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE digest IS 'One row each time a digest was built';
COMMENT ON COLUMN digest.week IS 'ISO week in Asia/Tokyo, such as 2026-W47';
COMMENT ON COLUMN digest.as_of IS 'It shows what was known by then';
COMMENT ON COLUMN digest.recorded_through IS 'and recorded by then';
COMMENT ON COLUMN digest.config_sha256 IS 'Hash over the config it used; contents are in config_content';
COMMENT ON COLUMN digest.parts IS 'File name to sha256 of the rendered bytes';
