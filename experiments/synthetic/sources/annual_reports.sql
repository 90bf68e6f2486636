SELECT
    number AS record_id,
    code AS entity_id,
    year AS report_year,
    status,
    parse_date_zh(event) AS event_date,
    parse_date_zh(known) AS known_at,
    'annual_reports.csv' AS source_file,
    row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/annual_reports.csv', all_varchar = true)
