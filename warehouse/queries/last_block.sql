-- The highest number of a block that holds rows of a table; NULL or negative when all are in the log still.
SELECT max(greatest(block_id, coalesce(list_max(additional_block_ids), -1))) AS block_id
FROM pragma_storage_info($table_name);
