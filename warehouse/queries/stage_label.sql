-- Which staged articles bring labels their revision does not have under that taxonomy.
CREATE OR REPLACE TEMP TABLE staged_label AS
SELECT min(staged.ordinal) AS ordinal, decided.article_id, decided.revision, staged.taxonomy_version
FROM staged_article AS staged
JOIN decided_article AS decided USING (ordinal)
ANTI JOIN label
    ON label.article_id = decided.article_id
    AND label.revision = decided.revision
    AND label.taxonomy_version = staged.taxonomy_version
GROUP BY ALL;
