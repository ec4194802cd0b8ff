-- Every digest that was built, newest last for each week.
CREATE OR REPLACE VIEW digests AS
SELECT week, as_of, recorded_through, item_count, parts, config_sha256, program_version, built_at, run_id, recorded_at
FROM digest;
