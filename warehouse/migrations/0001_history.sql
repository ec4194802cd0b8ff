-- Why: a file must say which changes it has seen, so that the program can bring any older file up to date and refuse a newer one.

CREATE TABLE migration (
    name       VARCHAR     NOT NULL,
    sha256     VARCHAR     NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE migration IS 'Migrations applied to this file, in the order of their names';
COMMENT ON COLUMN migration.name IS 'File name in warehouse/migrations';
COMMENT ON COLUMN migration.sha256 IS 'Hash of the file as it was applied; an applied migration never changes';
COMMENT ON COLUMN migration.applied_at IS 'Clock of the database when it was applied';

CREATE TABLE view_set (
    sha256     VARCHAR     NOT NULL,
    names      VARCHAR[]   NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE view_set IS 'Each set of views and macros this file has had; the newest row is the present one';
COMMENT ON COLUMN view_set.sha256 IS 'Hash over all files of warehouse/views';
COMMENT ON COLUMN view_set.names IS 'File names, without .sql, in the order applied';
COMMENT ON COLUMN view_set.applied_at IS 'Clock of the database when they were replaced';
