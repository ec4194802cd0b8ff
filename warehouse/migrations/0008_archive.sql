-- Why: raw pages fill the warehouse and every snapshot of it, so they lie in WARC files beside it, which other tools can read.

ALTER TABLE capture ADD COLUMN warc_file VARCHAR;
ALTER TABLE capture ADD COLUMN warc_offset BIGINT;
ALTER TABLE capture ADD COLUMN warc_length BIGINT;
ALTER TABLE capture ALTER COLUMN body_zlib DROP NOT NULL;
COMMENT ON COLUMN capture.body_zlib IS 'The body, zlib, of captures kept before there was an archive; NULL for those in the archive';
COMMENT ON COLUMN capture.warc_file IS 'File that holds the response, relative to archive/; `archive prune` may have removed it since';
COMMENT ON COLUMN capture.warc_offset IS 'Where in the file its gzip member begins, in bytes';
COMMENT ON COLUMN capture.warc_length IS 'How long that member is, in bytes';
