-- Measures that followed an inspection. The City publishes no fine and no suspension, so what it did say stands for them:
-- a conditional pass (what was critical was corrected on the spot) is a warning, a failed inspection an order to correct.
-- Of inspections whose result is not published (complaints, licences, canvasses before September 2011), a re-inspection
-- shows that the one before was not passed. It is an order too, known the day after the re-inspection; one that follows
-- a measure of the last 60 days belongs to that.
WITH results AS (
    SELECT
        'result-' || Inspection_ID AS record_id,
        License AS licence,
        CASE Results WHEN 'Fail' THEN 'other' ELSE 'warning' END AS kind,
        Inspection_Date::DATE AS event_date,
        'inspections.parquet' AS source_file,
        file_row_number + 1 AS source_row
    FROM read_parquet(getvariable('source_folder') || '/inspections.parquet', file_row_number = true)
    WHERE Results IN ('Fail', 'Pass w/ Conditions')
),

re_inspections AS (
    SELECT DISTINCT ON (licence, event_date)
        'event-' || (file_row_number + 1) AS record_id,
        nullif(TRY_CAST(regexp_extract(License, '\d+') AS BIGINT), 0) AS licence,
        'other' AS kind,
        Inspection_Date::DATE AS event_date,
        'inspection_events.parquet' AS source_file,
        file_row_number + 1 AS source_row
    FROM read_parquet(getvariable('source_folder') || '/inspection_events.parquet', file_row_number = true)
    WHERE regexp_matches(Inspection_Purpose, 're-?inspection', 'i')
    ORDER BY licence, event_date, source_row
),

orders AS (
    SELECT re_inspections.*
    FROM re_inspections
    ANTI JOIN results
        ON results.licence = re_inspections.licence
        AND results.event_date < re_inspections.event_date
        AND results.event_date >= re_inspections.event_date - 60
)

SELECT * EXCLUDE (licence), licence::VARCHAR AS entity_id, event_date + 1 AS known_at
FROM (FROM results UNION ALL BY NAME FROM orders)
