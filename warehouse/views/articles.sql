-- One row per article: its latest text and labels. `week` is the ISO week in Asia/Tokyo.
CREATE OR REPLACE VIEW articles AS
SELECT * FROM article_state('infinity', 'infinity');
