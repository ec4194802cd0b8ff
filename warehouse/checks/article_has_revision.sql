-- Each article has a first revision, and each revision an article.
SELECT article_id, 'no revision 1' AS wrong FROM article ANTI JOIN (FROM revision WHERE revision = 1) AS r USING (article_id)
UNION ALL
SELECT article_id, 'no article' AS wrong FROM revision ANTI JOIN article USING (article_id);
