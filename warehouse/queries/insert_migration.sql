-- A migration that was applied in the same transaction.
INSERT INTO migration (name, sha256) VALUES ($name, $sha256);
