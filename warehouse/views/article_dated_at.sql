-- The instant that decides an article's week: when it was published, if that is known and not after it was first seen,
-- else when it was first seen.
CREATE OR REPLACE MACRO article_dated_at(published_at, first_seen_at) AS
    CASE WHEN published_at <= first_seen_at THEN published_at ELSE first_seen_at END;
