-- Which of these captures are kept.
SELECT DISTINCT capture_id FROM capture WHERE capture_id IN (SELECT unnest($capture_ids::VARCHAR[]));
