-- Contents of config files that are not known yet.
INSERT INTO config_content BY NAME
SELECT sha256, name, content, $run_id AS run_id, $recorded_at::TIMESTAMPTZ AS recorded_at
FROM (
    SELECT unnest(
        from_json_strict($rows::JSON, '[{"sha256": "VARCHAR", "name": "VARCHAR", "content": "VARCHAR"}]'), max_depth := 2
    )
) AS given
ANTI JOIN config_content USING (sha256, name);
