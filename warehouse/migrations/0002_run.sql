-- Why: every fact names the run that brought it, and a run names the config and versions it worked with.
--
-- No table has a primary key, an index or a foreign key. One process at a time can write a DuckDB file, so an anti-join
-- inside the writing transaction keeps keys unique (warehouse/checks verifies it); a key's index would be rewritten by
-- each checkpoint and, in the log, is what DuckDB has failed to replay after a kill (duckdb/duckdb#15836, #19712).

CREATE TABLE run (
    run_id            VARCHAR     NOT NULL,
    kind              VARCHAR     NOT NULL,
    started_at        TIMESTAMPTZ NOT NULL,
    program_version   VARCHAR     NOT NULL,
    extractor_version VARCHAR     NOT NULL,
    rules_version     VARCHAR     NOT NULL,
    taxonomy_version  VARCHAR     NOT NULL,
    parameters        JSON        NOT NULL,
    configs           JSON        NOT NULL,
    recorded_at       TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE run IS 'One row when a run starts; a run without a run_end is going on or was killed';
COMMENT ON COLUMN run.kind IS 'ingest, import, digest, reclean or reclassify';
COMMENT ON COLUMN run.started_at IS 'Clock of the run, which an import or the demo may set';
COMMENT ON COLUMN run.parameters IS 'What the run was asked for, by name';
COMMENT ON COLUMN run.configs IS 'Config file name to the sha256 of its content in config_content';
COMMENT ON COLUMN run.recorded_at IS 'True clock of the append';

CREATE TABLE run_end (
    run_id      VARCHAR     NOT NULL,
    status      VARCHAR     NOT NULL,
    counts      JSON        NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE run_end IS 'One row when a run ends by itself';
COMMENT ON COLUMN run_end.counts IS 'Candidates and outcomes as the run counted them; a check compares them with the outcome rows';

CREATE TABLE config_content (
    sha256      VARCHAR     NOT NULL,
    name        VARCHAR     NOT NULL,
    content     VARCHAR     NOT NULL USING COMPRESSION zstd,
    run_id      VARCHAR     NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE config_content IS 'Each content a config file has had, so that an old digest can be built again';

CREATE TABLE source (
    source_id   VARCHAR     NOT NULL,
    definition  JSON        NOT NULL,
    sha256      VARCHAR     NOT NULL,
    run_id      VARCHAR     NOT NULL,
    known_at    TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE source IS 'A row whenever the definition of a source in sources.yaml was new or changed';
COMMENT ON COLUMN source.definition IS 'The whole entry, defaults filled in';
COMMENT ON COLUMN source.known_at IS 'Clock of the run that read it';
