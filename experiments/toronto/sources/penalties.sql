-- What an inspection led to, one row for each inspection and kind: a conditional pass (the yellow notice at the door) is
-- a warning, a ticket or summons a fine, a closure or health hazard order a suspension. A notice to comply is an order
-- to correct and no penalty.
-- The measure is known the day after the inspection. What the court made of it has no date of its own and is known only
-- on the day of the file: the fine through amount_known_at, charges that all fell through withdrawn_at.
WITH infractions AS (
    SELECT
        INSPECTION_ID,
        ESTABLISHMENT_ID,
        INSPECTION_DATE::DATE AS event_date,
        ESTABLISHMENT_STATUS AS status,
        ACTION AS measure,
        COURT_OUTCOME AS court_outcome,
        TRY_CAST(nullif(AMOUNT_FINED, '') AS DOUBLE) AS fined,
        file_row_number + 1 AS source_row
    FROM read_parquet(getvariable('source_folder') || '/dinesafe_2019-04-08.parquet', file_row_number = true)
),

measures AS (
    SELECT *, 'fine' AS kind FROM infractions WHERE measure IN ('Ticket', 'Summons')
    UNION ALL
    SELECT *, 'suspension' AS kind
    FROM infractions
    WHERE status = 'Closed' OR measure IN ('Closure Order', 'Summons and Health Hazard Order')
    UNION ALL
    SELECT *, 'other' AS kind FROM infractions WHERE measure = 'Prohibition Order Requested'
    UNION ALL
    SELECT *, 'warning' AS kind FROM infractions WHERE status = 'Conditional Pass'
),

decisions AS (
    SELECT
        INSPECTION_ID,
        kind,
        any_value(ESTABLISHMENT_ID) AS entity_id,
        any_value(event_date) AS event_date,
        sum(fined) FILTER (kind = 'fine' AND starts_with(court_outcome, 'Conviction')) AS amount,
        bool_and(
            kind = 'fine' AND coalesce(
                court_outcome IN ('Cancelled', 'Charges Withdrawn', 'Charges Quashed', 'Charges Dismissed'), false
            )
        ) AS all_fell,
        min(source_row) AS source_row
    FROM measures
    GROUP BY INSPECTION_ID, kind
)

SELECT
    INSPECTION_ID || '-' || kind AS record_id,
    entity_id,
    kind,
    amount,
    CASE WHEN amount IS NOT NULL THEN getvariable('taken_on') END AS amount_known_at,
    event_date,
    event_date + 1 AS known_at,
    CASE WHEN all_fell THEN getvariable('taken_on') END AS withdrawn_at,
    'dinesafe_2019-04-08.parquet' AS source_file,
    source_row
FROM decisions
