-- Safety licences of builders, licences for dangerous chemicals, and filings of prepaid cards.
SELECT
    "证号" AS record_id,
    entity_code("行政相对人代码") AS entity_id,
    one_line("企业名称") AS entity_name,
    '安全生产许可证' AS licence_type,
    one_line("证号") AS licence_number,
    true AS required,
    date_or_text("核发日期") AS valid_from,
    date_or_text("延期有效期") AS valid_until,
    date_or_text("核发日期") AS event_date,
    CAST(parse_date_zh("核发日期") + 1 AS VARCHAR) AS known_at,
    source_file,
    source_row
FROM rows_of('安全生产许可证信息.csv')
UNION ALL BY NAME
SELECT
    -- A licence that is changed or extended keeps its number.
    one_line("证书编号") || ' ' || date_or_text("发证日期") AS record_id,
    one_line("企业名称") AS entity_name,
    -- The licences of the district of Daxing.
    '110115' AS entity_region,
    '危险化学品经营许可证' AS licence_type,
    one_line("证书编号") AS licence_number,
    true AS required,
    first_day_zh("有效期") AS valid_from,
    last_day_zh("有效期") AS valid_until,
    date_or_text("发证日期") AS event_date,
    CAST(parse_date_zh("发证日期") + 1 AS VARCHAR) AS known_at,
    source_file,
    source_row
FROM rows_of('危险化学品经营许可企业名单.csv')
UNION ALL BY NAME
SELECT
    one_line("备案号") AS record_id,
    entity_code("统一社会信用代码") AS entity_id,
    one_line("企业名称") AS entity_name,
    '单用途商业预付卡备案（' || one_line("企业类型") || '）' AS licence_type,
    one_line("备案号") AS licence_number,
    -- Needed to sell prepaid cards, not to operate.
    false AS required,
    left("时间", 4) || '-01-01' AS valid_from,
    left("时间", 4) || '-01-01' AS event_date,
    CAST(getvariable('taken_on') AS VARCHAR) AS known_at,
    source_file,
    source_row
FROM rows_of('单用途商业预付卡备案企业公示.csv')
