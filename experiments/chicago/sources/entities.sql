-- A state of an establishment for each thing the City learned of it: a licence term on its first day, an inspection event,
-- a canvass inspection; each known the next day. What one source does not say stays as last known. The licence's
-- status and last day ever (LICENSE_STATUS, maxDate) are later knowledge and are not read.
WITH licence_terms AS (
    SELECT
        LICENSE_NUMBER::BIGINT AS licence,
        LICENSE_TERM_START_DATE::DATE AS event_date,
        2 AS preference,
        coalesce(nullif(trim(DOING_BUSINESS_AS_NAME), ''), nullif(trim(LEGAL_NAME), '')) AS name,
        NULL AS premises,
        NULL AS serves_alcohol,
        coalesce(nullif(trim(BUSINESS_ACTIVITY), ''), LICENSE_DESCRIPTION) AS licensed_as,
        NULL AS visited_address,
        -- A suite or floor after the house number would keep neighbours in one house apart.
        regexp_replace(nullif(upper(trim(ADDRESS)), '[REDACTED FOR PRIVACY]'), '\s+#.*$|\s+\d+(ST|ND|RD|TH)?\s*$', '')
            AS licensed_address,
        ZIP_CODE AS zip,
        'licences.parquet' AS source_file,
        file_row_number + 1 AS source_row
    FROM read_parquet(getvariable('source_folder') || '/licences.parquet', file_row_number = true)
    WHERE LICENSE_NUMBER IS NOT NULL
),

events AS (
    SELECT
        -- Schools carry letters before the number, kitchens of one licence a suffix.
        nullif(TRY_CAST(regexp_extract(License, '\d+') AS BIGINT), 0) AS licence,
        Inspection_Date::DATE AS event_date,
        1 AS preference,
        nullif(trim(DBA), '') AS name,
        NULL AS premises,
        NULL AS serves_alcohol,
        NULL AS licensed_as,
        nullif(trim(regexp_replace(upper(Address), '\s+(CHICAGO,?\s*)?IL\s+\d*\s*$', '')), '') AS visited_address,
        NULL AS licensed_address,
        nullif(regexp_extract(Address, '(\d{5})\s*$', 1), '') AS zip,
        'inspection_events.parquet' AS source_file,
        file_row_number + 1 AS source_row
    FROM read_parquet(getvariable('source_folder') || '/inspection_events.parquet', file_row_number = true)
),

inspections AS (
    SELECT
        License AS licence,
        Inspection_Date::DATE AS event_date,
        3 AS preference,
        nullif(trim(DBA_Name), '') AS name,
        nullif(upper(trim(Facility_Type)), '') AS premises,
        consumption_on_premises_incidental_activity = 1 AS serves_alcohol,
        NULL AS licensed_as,
        nullif(upper(trim(Address)), '') AS visited_address,
        NULL AS licensed_address,
        Zip::VARCHAR AS zip,
        'inspections.parquet' AS source_file,
        file_row_number + 1 AS source_row
    FROM read_parquet(getvariable('source_folder') || '/inspections.parquet', file_row_number = true)
    -- What else the premises was licensed for that day, as matched to the inspection; so it is known with it.
    LEFT JOIN (
        SELECT Inspection_ID, consumption_on_premises_incidental_activity
        FROM read_parquet(getvariable('source_folder') || '/licences.parquet')
    ) USING (Inspection_ID)
),

first_terms AS (
    SELECT LICENSE_NUMBER::BIGINT AS licence, min(minDate::DATE) AS first_licensed
    FROM read_parquet(getvariable('source_folder') || '/licences.parquet')
    WHERE LICENSE_NUMBER IS NOT NULL
    GROUP BY licence
),

learned AS (
    FROM licence_terms
    UNION ALL BY NAME
    FROM events
    UNION ALL BY NAME
    FROM inspections
),

states AS (
    SELECT
        licence::VARCHAR AS entity_id,
        last_value(name IGNORE NULLS) OVER so_far AS name,
        -- The licence's first term began then, whether or not that term is in the file.
        CASE WHEN first_licensed <= event_date THEN first_licensed END AS established_date,
        -- The City's risk category is left out: it says how often premises are visited, and cuts classes of one trade
        -- into small ones.
        coalesce(
            last_value(premises IGNORE NULLS) OVER so_far, last_value(licensed_as IGNORE NULLS) OVER so_far
        ) || CASE WHEN last_value(serves_alcohol IGNORE NULLS) OVER so_far THEN ', serves alcohol' ELSE '' END
            AS industry_code,
        last_value(zip IGNORE NULLS) OVER so_far AS region_code,
        coalesce(
            last_value(visited_address IGNORE NULLS) OVER so_far,
            last_value(licensed_address IGNORE NULLS) OVER so_far
        ) AS address,
        event_date,
        event_date + 1 AS known_at,
        source_file,
        source_row,
        row_number() OVER (
            PARTITION BY licence, event_date ORDER BY preference DESC, source_row DESC
        ) AS place_in_day
    FROM learned
    LEFT JOIN first_terms USING (licence)
    WHERE licence IS NOT NULL
    WINDOW so_far AS (
        PARTITION BY licence
        ORDER BY event_date, preference, source_row
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)

SELECT * EXCLUDE (place_in_day), 'other' AS entity_type, 'active' AS status
FROM states
WHERE place_in_day = 1
-- A state that says what the last one said is no news.
QUALIFY (name, established_date, industry_code, region_code, address)
    IS DISTINCT FROM lag((name, established_date, industry_code, region_code, address))
        OVER (PARTITION BY entity_id ORDER BY event_date)
