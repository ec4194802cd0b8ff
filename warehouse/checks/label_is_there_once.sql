-- A revision has one label under each taxonomy, and at least one.
SELECT article_id, revision, taxonomy_version, 'label twice' AS wrong
FROM label
GROUP BY article_id, revision, taxonomy_version
HAVING count(*) > 1
UNION ALL
SELECT article_id, revision, taxonomy_version, 'no revision' AS wrong
FROM label
ANTI JOIN revision USING (article_id, revision)
UNION ALL
SELECT article_id, revision, NULL AS taxonomy_version, 'no label' AS wrong
FROM revision
ANTI JOIN label USING (article_id, revision);
