-- An outcome's run, capture and revision exist, and each revision came from one outcome.
SELECT run_id, url, outcome, 'no run' AS wrong FROM outcome ANTI JOIN run USING (run_id)
UNION ALL
SELECT run_id, url, outcome, 'no capture' AS wrong
FROM outcome
ANTI JOIN capture USING (capture_id)
WHERE capture_id IS NOT NULL
UNION ALL
SELECT run_id, url, outcome, 'no revision' AS wrong
FROM outcome
ANTI JOIN revision USING (article_id, revision)
WHERE outcome IN ('stored', 'revised', 'unchanged')
UNION ALL
SELECT run_id, url, 'none' AS outcome, 'revision without outcome' AS wrong
FROM revision
ANTI JOIN (FROM outcome WHERE outcome IN ('stored', 'revised')) AS o USING (article_id, revision);
