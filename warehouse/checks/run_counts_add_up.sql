-- What a run counted is what it recorded: each count that is named like an outcome, and `candidates` for all of them.
WITH counted AS (
    SELECT run_id, unnest(json_keys(counts)) AS name, counts FROM run_end
),
stated AS (
    SELECT run_id, name, json_extract_string(counts, '$."' || name || '"')::BIGINT AS stated
    FROM counted
    WHERE name IN (
        'candidates', 'stored', 'revised', 'unchanged', 'not_article', 'walled', 'not_modified', 'blocked', 'gone',
        'retry', 'rejected', 'quarantined'
    )
),
recorded AS (
    SELECT run_id, outcome AS name, count(*) AS recorded FROM outcome GROUP BY run_id, outcome
    UNION ALL
    SELECT run_id, 'candidates' AS name, count(*) AS recorded FROM outcome GROUP BY run_id
)
SELECT run_id, name, stated, coalesce(recorded, 0) AS recorded
FROM stated
LEFT JOIN recorded USING (run_id, name)
WHERE stated <> coalesce(recorded, 0);
