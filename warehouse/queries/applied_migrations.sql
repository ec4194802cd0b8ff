-- Migrations this file has had, with the hash of each as it was applied.
SELECT name, sha256 FROM migration ORDER BY name;
