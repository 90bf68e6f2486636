-- One row for each inspection; the file has one row for each infraction, and one without an infraction where none was
-- found. The file does not say why an inspection took place.
WITH inspections AS (
    SELECT
        INSPECTION_ID AS record_id,
        any_value(ESTABLISHMENT_ID) AS entity_id,
        any_value(ESTABLISHMENT_STATUS) AS status,
        max(
            CASE left(SEVERITY, 1)
                WHEN 'C' THEN 3
                WHEN 'S' THEN 2
                -- An infraction that the City does not rate counts as minor.
                WHEN 'M' THEN 1
                WHEN 'N' THEN 1
                ELSE 0
            END
        ) AS gravest,
        count(nullif(INFRACTION_DETAILS, '')) AS n_violations,
        any_value(INSPECTION_DATE::DATE) AS event_date,
        min(file_row_number) + 1 AS source_row,
        list(file_row_number + 1) AS source_rows
    FROM read_parquet(getvariable('source_folder') || '/dinesafe_2019-04-08.parquet', file_row_number = true)
    GROUP BY INSPECTION_ID
)

SELECT
    record_id,
    entity_id,
    'other' AS inspection_type,
    gravest >= 2 AS failed,
    (['none', 'minor', 'significant', 'crucial'])[gravest + 1] AS severity,
    CASE status WHEN 'Pass' THEN 'pass' WHEN 'Conditional Pass' THEN 'conditional' WHEN 'Closed' THEN 'fail' END
        AS outcome,
    n_violations,
    event_date,
    -- What the regulator itself did is known the next day.
    event_date + 1 AS known_at,
    'dinesafe_2019-04-08.parquet' AS source_file,
    source_row,
    source_rows
FROM inspections
