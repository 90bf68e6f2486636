SELECT
    number AS record_id,
    code AS entity_id,
    kind,
    amount,
    event AS event_date,
    known AS known_at,
    settled AS settled_on,
    settled_known AS settled_known_at,
    'obligations.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/obligations.parquet', file_row_number = true)
