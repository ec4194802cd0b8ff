-- exchange_id names one exchange, and `same_as` one that is there.
SELECT exchange_id, count(*) AS row_count, 'more than once' AS wrong FROM exchange GROUP BY exchange_id HAVING count(*) > 1
UNION ALL
SELECT exchange_id, 1 AS row_count, 'same_as is not there' AS wrong
FROM exchange
ANTI JOIN (SELECT exchange_id AS same_as FROM exchange) AS kept USING (same_as)
WHERE same_as IS NOT NULL;
