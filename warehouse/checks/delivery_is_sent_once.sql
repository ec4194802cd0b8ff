-- No recipient was sent the digest of a week twice.
SELECT week, lower(recipient) AS recipient, count(*) AS sent_count
FROM delivery
WHERE state = 'sent'
GROUP BY week, lower(recipient)
HAVING count(*) > 1;
