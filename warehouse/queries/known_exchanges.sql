-- Which of these exchanges are kept.
SELECT exchange_id FROM exchange WHERE exchange_id IN (SELECT unnest($exchange_ids::VARCHAR[]));
