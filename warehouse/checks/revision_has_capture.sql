-- Each revision was made from a capture that is kept.
SELECT article_id, revision, capture_id FROM revision ANTI JOIN capture USING (capture_id);
