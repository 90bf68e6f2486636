-- Who inspected, by licence and day. For the audit alone: it is no record, and no indicator may rest on it. Where a licence
-- was visited more than once on a day, a canvass inspection comes first.
SELECT
    nullif(TRY_CAST(regexp_extract(License, '\d+') AS BIGINT), 0)::VARCHAR AS entity_id,
    Inspection_Date::DATE AS event_date,
    Inspector_Assigned AS value
FROM read_parquet(getvariable('source_folder') || '/inspectors.parquet', file_row_number = true)
ORDER BY
    entity_id,
    event_date,
    regexp_matches(Inspection_Purpose, 'canvas', 'i') AND NOT regexp_matches(Inspection_Purpose, 're-?inspection', 'i') DESC,
    file_row_number
