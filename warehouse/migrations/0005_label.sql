-- Why: labels are opinions under a dated taxonomy. A new taxonomy adds rows; none is ever changed.

CREATE TABLE label (
    article_id         VARCHAR     NOT NULL,
    revision           INTEGER     NOT NULL,
    taxonomy_version   VARCHAR     NOT NULL,
    relevance          VARCHAR     NOT NULL,
    relevance_score    DOUBLE      NOT NULL,
    primary_topic      VARCHAR,
    relevance_evidence JSON        NOT NULL USING COMPRESSION zstd,
    run_id             VARCHAR     NOT NULL,
    known_at           TIMESTAMPTZ NOT NULL,
    recorded_at        TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE label IS 'Relevance of a revision under one taxonomy; (article_id, revision, taxonomy_version) is unique';
COMMENT ON COLUMN label.relevance IS 'relevant, borderline or irrelevant';
COMMENT ON COLUMN label.relevance_score IS '0 to 1';
COMMENT ON COLUMN label.relevance_evidence IS 'List of {term, field, start, end}, code points of the field';

CREATE TABLE label_topic (
    article_id       VARCHAR     NOT NULL,
    revision         INTEGER     NOT NULL,
    taxonomy_version VARCHAR     NOT NULL,
    topic            VARCHAR     NOT NULL,
    position         INTEGER     NOT NULL,
    score            DOUBLE      NOT NULL,
    evidence         JSON        NOT NULL USING COMPRESSION zstd,
    run_id           VARCHAR     NOT NULL,
    recorded_at      TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE label_topic IS 'Topics of a label, strongest first';
COMMENT ON COLUMN label_topic.position IS 'From 1';
COMMENT ON COLUMN label_topic.evidence IS 'List of {term, field, start, end}, code points of the field';
