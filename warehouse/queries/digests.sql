-- Every digest that was built, in the order built.
FROM digests ORDER BY recorded_at, week;
