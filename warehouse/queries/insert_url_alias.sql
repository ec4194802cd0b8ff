-- Addresses of the batch's articles that are neither canonical nor known as aliases.
INSERT INTO url_alias BY NAME
WITH offered AS (
    SELECT article_id, unnest(aliases) AS url FROM staged_article
    UNION
    SELECT staged.article_id, capture.final_url AS url FROM staged_article AS staged JOIN capture USING (capture_id)
)
SELECT article_id, url, $run_id AS run_id, $recorded_at::TIMESTAMPTZ AS recorded_at
FROM offered
ANTI JOIN url_alias USING (article_id, url)
ANTI JOIN (SELECT article_id, canonical_url AS url FROM article) AS canonical USING (article_id, url);
