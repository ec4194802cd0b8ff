-- capture_id names one capture.
SELECT capture_id, count(*) AS row_count FROM capture GROUP BY capture_id HAVING count(*) > 1;
