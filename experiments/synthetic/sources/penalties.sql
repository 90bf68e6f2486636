SELECT
    number AS record_id,
    code AS entity_id,
    kind,
    amount,
    event AS event_date,
    known AS known_at,
    withdrawn AS withdrawn_at,
    'penalties.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/penalties.parquet', file_row_number = true)
