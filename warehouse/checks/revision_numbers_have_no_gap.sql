-- Revisions of an article are numbered 1, 2, 3 ... without gap or repeat.
SELECT article_id, count(*) AS revision_count, min(revision) AS lowest, max(revision) AS highest
FROM revision
GROUP BY article_id
HAVING min(revision) <> 1 OR max(revision) <> count(*) OR count(DISTINCT revision) <> count(*);
