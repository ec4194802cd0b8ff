-- The views that were replaced in the same transaction.
INSERT INTO view_set (sha256, names) VALUES ($sha256, $names);
