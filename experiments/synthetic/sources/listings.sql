SELECT
    number AS record_id,
    code AS entity_id,
    person AS person_id,
    kind,
    event AS event_date,
    known AS known_at,
    ended AS ended_on,
    ended_known AS ended_known_at,
    withdrawn AS withdrawn_at,
    'listings.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/listings.parquet', file_row_number = true)
