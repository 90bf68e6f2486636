SELECT
    number AS record_id,
    code AS entity_id,
    kind AS licence_type,
    number AS licence_number,
    true AS required,
    "from" AS valid_from,
    until AS valid_until,
    least("from", known) AS event_date,
    known AS known_at,
    'licences.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/licences.parquet', file_row_number = true)
