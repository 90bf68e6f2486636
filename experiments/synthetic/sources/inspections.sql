SELECT
    number AS record_id,
    code AS entity_id,
    kind AS inspection_type,
    CASE result WHEN '合格' THEN false WHEN '不合格' THEN true END AS failed,
    severity,
    CASE result WHEN '合格' THEN 'pass' WHEN '不合格' THEN 'fail' END AS outcome,
    found AS n_violations,
    event AS event_date,
    known AS known_at,
    withdrawn AS withdrawn_at,
    'inspections.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/inspections.parquet', file_row_number = true)
