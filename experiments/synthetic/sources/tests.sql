SELECT
    number AS record_id,
    code AS entity_id,
    category,
    CASE result WHEN '合格' THEN 'false' WHEN '不合格' THEN 'true' ELSE result END AS failed,
    event AS event_date,
    known AS known_at,
    withdrawn AS withdrawn_at,
    'tests.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/tests.parquet', file_row_number = true)
