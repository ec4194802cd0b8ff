-- When the first row was recorded: no digest can be rebuilt for a cut before it.
SELECT min(recorded_at) AS recorded_at FROM run;
