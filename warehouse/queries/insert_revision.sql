-- The new texts of the batch.
INSERT INTO revision BY NAME
SELECT
    staged.* EXCLUDE (
        ordinal, canonical_url, aliases, first_seen_at, removed,
        taxonomy_version, relevance, relevance_score, primary_topic, relevance_evidence, topics
    ),
    decided.revision,
    $program_version AS program_version,
    $extractor_version AS extractor_version,
    $rules_version AS rules_version,
    $run_id AS run_id,
    $known_at::TIMESTAMPTZ AS known_at,
    $recorded_at::TIMESTAMPTZ AS recorded_at
FROM staged_article AS staged
JOIN (SELECT ordinal, revision FROM decided_article WHERE outcome IN ('stored', 'revised')) AS decided USING (ordinal);
