SELECT
    number AS record_id,
    code AS entity_id,
    number AS product_id,
    name,
    category,
    event AS event_date,
    known AS known_at,
    withdrawn AS withdrawn_at,
    'products.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/products.parquet', file_row_number = true)
