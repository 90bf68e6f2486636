-- Cases of the green channel of 12315. The column 注册号 holds the number of the case, not of the company.
SELECT
    "注册号" AS record_id,
    one_line("企业名称") AS entity_name,
    'complaint' AS kind,
    date_or_text("时间") AS event_date,
    CAST(parse_date_zh("时间") + 1 AS VARCHAR) AS known_at,
    source_file,
    source_row
FROM rows_of('12315绿色通道.csv')
