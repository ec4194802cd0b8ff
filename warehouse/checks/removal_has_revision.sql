-- Each cut block belongs to a revision, and its position is its own.
SELECT article_id, revision, position, 'no revision' AS wrong
FROM removal
ANTI JOIN revision USING (article_id, revision)
UNION ALL
SELECT article_id, revision, position, 'position taken twice' AS wrong
FROM removal
GROUP BY article_id, revision, position
HAVING count(*) > 1;
