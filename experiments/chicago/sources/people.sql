-- The City's account number stands for the legal owner of a licence; known the day after the first term in the file began.
SELECT DISTINCT ON (LICENSE_NUMBER, ACCOUNT_NUMBER)
    LICENSE_NUMBER || '-' || ACCOUNT_NUMBER AS record_id,
    LICENSE_NUMBER::VARCHAR AS entity_id,
    ACCOUNT_NUMBER::VARCHAR AS person_id,
    'owner' AS role,
    LICENSE_TERM_START_DATE::DATE AS event_date,
    LICENSE_TERM_START_DATE::DATE + 1 AS known_at,
    'licences.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/licences.parquet', file_row_number = true)
WHERE ACCOUNT_NUMBER IS NOT NULL
ORDER BY LICENSE_NUMBER, ACCOUNT_NUMBER, LICENSE_TERM_START_DATE, source_row
