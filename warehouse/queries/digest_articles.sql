-- The articles of one week as they stood at a cut, and the late ones of the four weeks before.
--
-- parameters  week_start, week_end   instants, half-open: [Monday 00:00, next Monday 00:00) in Asia/Tokyo
--             as_of                  what is shown was known by then ...
--             recorded_through       ... and recorded by then
--             previous_cut           as_of of the week before's digest; NULL: nothing is late
-- columns     article_id, url, title, standfirst, text, lang, byline (list), section, site_name
--             source_id, source_name (NULL when no run has read a definition), redistribution (extract or headline)
--             published_at, published_raw, first_seen_at, dated_at (the instant that decides the week), week
--             is_late                of a week before, first seen after that week's digest was cut
--             access, access_evidence (list), remaining_chars, total_chars
--             relevance, relevance_score (0 to 1), primary_topic (NULL when irrelevant)
--             topics                 list of {topic, score}, strongest first
--             revision, revision_count (how many were known at the cut), content_hash, capture_id, taxonomy_version, flags
-- order       dated_at, then article_id; all relevances are there, the digest chooses
WITH state AS (
    SELECT *, article_dated_at(published_at, first_seen_at) AS dated_at
    FROM article_state($as_of, $recorded_through)
),
definition AS (
    SELECT source_id, max_by(definition, row(known_at, recorded_at)) AS definition
    FROM source
    WHERE known_at <= $as_of::TIMESTAMPTZ AND recorded_at <= $recorded_through::TIMESTAMPTZ
    GROUP BY source_id
)
SELECT
    article_id,
    url,
    title,
    standfirst,
    text,
    lang,
    byline,
    section,
    site_name,
    source_id,
    definition.definition ->> 'name' AS source_name,
    coalesce(definition.definition ->> 'redistribution', 'extract') AS redistribution,
    published_at,
    published_raw,
    first_seen_at,
    dated_at,
    week,
    dated_at < $week_start::TIMESTAMPTZ AS is_late,
    access,
    access_evidence,
    remaining_chars,
    total_chars,
    relevance,
    relevance_score,
    primary_topic,
    topics,
    revision,
    revision_count,
    content_hash,
    capture_id,
    taxonomy_version,
    flags
FROM state
LEFT JOIN definition USING (source_id)
WHERE
    (dated_at >= $week_start::TIMESTAMPTZ AND dated_at < $week_end::TIMESTAMPTZ)
    OR (
        dated_at >= $week_start::TIMESTAMPTZ - INTERVAL 28 DAY
        AND dated_at < $week_start::TIMESTAMPTZ
        AND first_seen_at > $previous_cut::TIMESTAMPTZ
    )
ORDER BY dated_at, article_id;
