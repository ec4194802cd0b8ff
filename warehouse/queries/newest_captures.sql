-- The last capture of each article, and of each address that gave none. Older captures made revisions that stay as they are.
WITH last_outcome AS (
    SELECT capture_id, max_by(article_id, recorded_at) AS article_id
    FROM outcome
    WHERE capture_id IS NOT NULL
    GROUP BY capture_id
)
SELECT max_by(capture_id, row(fetched_at, capture_id)) AS capture_id
FROM capture
JOIN last_outcome USING (capture_id)
GROUP BY coalesce(article_id, canonical_url)
HAVING
    (len($source_ids::VARCHAR[]) = 0
        OR list_contains($source_ids::VARCHAR[], max_by(source_id, row(fetched_at, capture_id))))
    AND ($since::TIMESTAMPTZ IS NULL OR max(fetched_at) >= $since::TIMESTAMPTZ)
ORDER BY max(fetched_at), 1;
