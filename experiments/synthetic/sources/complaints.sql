SELECT
    number AS record_id,
    code AS entity_id,
    CASE kind WHEN '投诉' THEN 'complaint' WHEN '举报' THEN 'report' ELSE kind END AS kind,
    who AS complainant_id,
    topic,
    event AS event_date,
    known AS known_at,
    'complaints.csv' AS source_file,
    row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/complaints.csv', all_varchar = true)
