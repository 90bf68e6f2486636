SELECT
    number AS record_id,
    code AS entity_id,
    tone AS sentiment,
    outlet,
    score AS match_score,
    event AS event_date,
    known AS known_at,
    'mentions.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/mentions.parquet', file_row_number = true)
