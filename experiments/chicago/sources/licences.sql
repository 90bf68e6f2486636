-- Terms of licences, one row each, known the day after the term began. The file has the term that was matched to each
-- inspection, so terms without an inspection are not in it: between inspections a licence may look lapsed that is not.
SELECT DISTINCT ON (ID)
    ID AS record_id,
    LICENSE_NUMBER::VARCHAR AS entity_id,
    LICENSE_DESCRIPTION AS licence_type,
    LICENSE_ID::VARCHAR AS licence_number,
    true AS required,
    LICENSE_TERM_START_DATE::DATE AS valid_from,
    LICENSE_TERM_EXPIRATION_DATE::DATE AS valid_until,
    LICENSE_TERM_START_DATE::DATE AS event_date,
    LICENSE_TERM_START_DATE::DATE + 1 AS known_at,
    'licences.parquet' AS source_file,
    file_row_number + 1 AS source_row
FROM read_parquet(getvariable('source_folder') || '/licences.parquet', file_row_number = true)
WHERE ID IS NOT NULL
ORDER BY ID, source_row
