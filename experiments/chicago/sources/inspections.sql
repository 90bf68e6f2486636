-- Canvass inspections with their findings, and every other inspection event, whose result the City did not publish. All
-- known the next day. Who inspected is not read.
WITH canvass AS (
    SELECT
        Inspection_ID::VARCHAR AS record_id,
        License AS licence,
        Inspection_Date::DATE AS event_date,
        'routine' AS inspection_type,
        -- The City's own measure: serious and minor violations are corrected, critical ones endanger at once.
        criticalCount > 0 AS failed,
        CASE
            WHEN criticalCount > 0 THEN 'crucial'
            WHEN seriousCount > 0 THEN 'significant'
            WHEN minorCount > 0 THEN 'minor'
            ELSE 'none'
        END AS severity,
        CASE Results WHEN 'Pass' THEN 'pass' WHEN 'Pass w/ Conditions' THEN 'conditional' WHEN 'Fail' THEN 'fail' END
            AS outcome,
        criticalCount + seriousCount + minorCount AS n_violations,
        'inspections.parquet' AS source_file,
        file_row_number + 1 AS source_row
    FROM read_parquet(getvariable('source_folder') || '/inspections.parquet', file_row_number = true)
),

events AS (
    SELECT
        'event-' || (file_row_number + 1) AS record_id,
        nullif(TRY_CAST(regexp_extract(License, '\d+') AS BIGINT), 0) AS licence,
        Inspection_Date::DATE AS event_date,
        CASE
            WHEN regexp_matches(Inspection_Purpose, 're-?inspection', 'i') THEN 'follow_up'
            WHEN regexp_matches(Inspection_Purpose, 'canvas', 'i') THEN 'routine'
            WHEN regexp_matches(Inspection_Purpose, 'complain|poisoning|sfp|got sick', 'i') THEN 'complaint'
            WHEN regexp_matches(Inspection_Purpose, 'task force|liquor', 'i') THEN 'special'
            WHEN regexp_matches(Inspection_Purpose, '^license$|pre-license', 'i') THEN 'licence'
            ELSE 'other'
        END AS inspection_type,
        'inspection_events.parquet' AS source_file,
        file_row_number + 1 AS source_row
    FROM read_parquet(getvariable('source_folder') || '/inspection_events.parquet', file_row_number = true)
),

-- A canvass event on the day of a canvass inspection of the same licence is that inspection.
other_events AS (
    SELECT events.*
    FROM events
    ANTI JOIN canvass
        ON events.inspection_type = 'routine'
        AND events.licence = canvass.licence
        AND events.event_date = canvass.event_date
)

SELECT * EXCLUDE (licence), licence::VARCHAR AS entity_id, event_date + 1 AS known_at
FROM (FROM canvass UNION ALL BY NAME FROM other_events)
