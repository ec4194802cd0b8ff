-- Every look at a feed, sitemap or listing.
CREATE OR REPLACE VIEW polls AS
SELECT
    source_id, url, polled_at, outcome, reason, entry_count, new_count, dropped_count, etag, last_modified, run_id, recorded_at
FROM poll;
