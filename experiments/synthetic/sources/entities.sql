SELECT
    code AS entity_id,
    name,
    kind AS entity_type,
    state AS status,
    established AS established_date,
    capital AS registered_capital,
    staff AS employees,
    size,
    industry AS industry_code,
    district AS region_code,
    address,
    event AS event_date,
    known AS known_at,
    'entities.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/entities.parquet', file_row_number = true)
