-- The ledger of cuts: one row per block cut from a revision.
CREATE OR REPLACE VIEW removed AS
SELECT
    article_id,
    revision,
    position,
    kind,
    rule,
    evidence,
    text,
    revision.source_id,
    removal.run_id,
    removal.recorded_at
FROM removal
JOIN (SELECT article_id, revision, source_id FROM revision) AS revision USING (article_id, revision);
