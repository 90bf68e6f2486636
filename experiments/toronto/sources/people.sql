-- The company behind an establishment, as its owner. The list of companies follows from the establishment's name alone
-- (no name stands for two companies), so it is known when the name is. Names that say what a place is and not whose it
-- is tie nothing together.
WITH known AS (
    SELECT ESTABLISHMENT_ID, min(INSPECTION_DATE::DATE) AS event_date
    FROM read_parquet(getvariable('source_folder') || '/dinesafe_2019-04-08.parquet')
    GROUP BY ESTABLISHMENT_ID
),

companies AS (
    SELECT
        ESTABLISHMENT_ID,
        nullif(upper(trim(replace(COMPANY, '’', ''''))), '') AS company,
        file_row_number + 1 AS source_row
    FROM read_parquet(getvariable('source_folder') || '/companies.parquet', file_row_number = true)
)

SELECT
    companies.ESTABLISHMENT_ID AS record_id,
    companies.ESTABLISHMENT_ID AS entity_id,
    company AS person_id,
    'owner' AS role,
    event_date,
    least(event_date + 1, getvariable('taken_on')) AS known_at,
    'companies.parquet' AS source_file,
    source_row
FROM companies
JOIN known USING (ESTABLISHMENT_ID)
WHERE company NOT IN (
    'BUBBLE TEA', 'CHINESE BAKERY', 'COMMUNITY KITCHEN', 'CONCESSION #1', 'CONCESSION #2', 'CONCESSION #3',
    'CONVENIENCE STORE', 'GAS & CONVENIENCE', 'HOT DOG CART', 'LE CAFE', 'MAIN KITCHEN', 'PANTRY',
    'SMOKE & CONVENIENCE STORE', 'SUSHI', 'SUSHI BAR', 'THE MARKET', 'TUCK SHOP'
)
