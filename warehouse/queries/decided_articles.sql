-- The decisions of decide_article, in the order given.
SELECT ordinal, outcome, revision FROM decided_article ORDER BY ordinal;
