-- Leads that made the City inspect: a complaint, a short-form complaint, a suspected food poisoning, a fire. The day the
-- lead came in is not in the file, so it counts from the day of that inspection and is known the next day. Sanitation
-- complaints name a street address and no licence: one house holds many entities, so they are not tied to any.
SELECT DISTINCT ON (entity_id, event_date, topic)
    'event-' || (file_row_number + 1) AS record_id,
    nullif(TRY_CAST(regexp_extract(License, '\d+') AS BIGINT), 0)::VARCHAR AS entity_id,
    'report' AS kind,
    Inspection_Purpose AS topic,
    Inspection_Date::DATE AS event_date,
    Inspection_Date::DATE + 1 AS known_at,
    'inspection_events.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/inspection_events.parquet', file_row_number = true)
WHERE regexp_matches(Inspection_Purpose, 'complain|poisoning|sfp|got sick', 'i')
    AND NOT regexp_matches(Inspection_Purpose, 're-?inspection', 'i')
ORDER BY entity_id, event_date, topic, source_row
