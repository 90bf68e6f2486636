SELECT
    number AS record_id,
    code AS entity_id,
    person AS person_id,
    role,
    event AS event_date,
    known AS known_at,
    'people.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/people.parquet', file_row_number = true)
