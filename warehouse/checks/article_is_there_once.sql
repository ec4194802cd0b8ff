-- article_id names one article.
SELECT article_id, count(*) AS row_count FROM article GROUP BY article_id HAVING count(*) > 1;
