-- The list of abnormal operation: names alone. It was only ever seen as a whole, so it is known from the day it was taken.
SELECT
    '经营异常-' || source_row AS record_id,
    one_line("企业名称") AS entity_name,
    'abnormal_operation' AS kind,
    getvariable('taken_on') AS event_date,
    getvariable('taken_on') AS known_at,
    source_file,
    source_row
FROM rows_of('经营异常企业信息.csv')
