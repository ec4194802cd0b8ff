-- The views this file has.
SELECT sha256, names FROM view_set ORDER BY applied_at DESC LIMIT 1;
