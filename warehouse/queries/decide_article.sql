-- What each staged article is: `stored` (a new article), `revised` (title or text differ from its latest revision) or
-- `unchanged`, with the number of the revision it adds or equals. A capture that gave the same text before is unchanged
-- whatever came since, so importing old pages again adds nothing; a page that went back to an earlier text is a new
-- capture and a new revision. Articles of one batch are compared with each other in the order given.
CREATE OR REPLACE TEMP TABLE decided_article AS
WITH present AS (
    SELECT
        article_id,
        max(revision) AS highest,
        max_by(revision, row(known_at, revision)) AS revision,
        max_by(content_hash, row(known_at, revision)) AS content_hash
    FROM revision
    SEMI JOIN staged_article USING (article_id)
    GROUP BY article_id
),
answered AS (
    SELECT staged.article_id, staged.capture_id, staged.content_hash, max(outcome.revision) AS revision
    FROM staged_article AS staged
    JOIN outcome USING (capture_id, article_id)
    JOIN revision
        ON revision.article_id = outcome.article_id
        AND revision.revision = outcome.revision
        AND revision.content_hash = staged.content_hash
    GROUP BY ALL
),
page AS (
    SELECT article_id, capture_id, content_hash, min(ordinal) AS ordinal
    FROM staged_article
    ANTI JOIN answered USING (article_id, capture_id, content_hash)
    GROUP BY ALL
),
compared AS (
    SELECT
        page.*,
        present.highest,
        present.revision,
        coalesce(
            lag(page.content_hash) OVER (PARTITION BY article_id ORDER BY page.ordinal), present.content_hash
        ) IS DISTINCT FROM page.content_hash AS is_new
    FROM page
    LEFT JOIN present USING (article_id)
),
counted AS (
    SELECT
        *,
        count(*) FILTER (is_new) OVER (PARTITION BY article_id ORDER BY ordinal ROWS UNBOUNDED PRECEDING) AS new_count
    FROM compared
),
numbered AS (
    SELECT
        * EXCLUDE (revision),
        CASE WHEN new_count = 0 THEN revision ELSE coalesce(highest, 0) + new_count END AS revision
    FROM counted
)
SELECT
    staged.ordinal,
    staged.article_id,
    coalesce(numbered.revision, answered.revision)::INTEGER AS revision,
    CASE
        WHEN staged.ordinal IS DISTINCT FROM numbered.ordinal OR NOT numbered.is_new THEN 'unchanged'
        WHEN numbered.revision = 1 THEN 'stored'
        ELSE 'revised'
    END AS outcome
FROM staged_article AS staged
LEFT JOIN numbered USING (article_id, capture_id, content_hash)
LEFT JOIN answered USING (article_id, capture_id, content_hash);
