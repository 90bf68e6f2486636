-- One state for each establishment, from the first inspection of it in the file.
-- Type, name and address stand in the file as of the day it was taken, one value for all years: they are taken as
-- unchanging (see [sources.notes] in city.toml). The file's inspection quota for a year is left out: later inspections
-- may have set it. Opening day, capital and district do not stand in the file.
SELECT
    ESTABLISHMENT_ID AS entity_id,
    any_value(ESTABLISHMENT_NAME) AS name,
    'other' AS entity_type,
    'active' AS status,
    any_value(nullif(trim(ESTABLISHMENTTYPE), '')) AS industry_code,
    any_value(nullif(trim(ESTABLISHMENT_ADDRESS), '')) AS address,
    min(INSPECTION_DATE::DATE) AS event_date,
    least(min(INSPECTION_DATE::DATE) + 1, getvariable('taken_on')) AS known_at,
    'dinesafe_2019-04-08.parquet' AS source_file,
    min(file_row_number) + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/dinesafe_2019-04-08.parquet', file_row_number = true)
GROUP BY ESTABLISHMENT_ID
