-- Arrears of tax, one row for each entity and tax. The unit of the amounts is declared in city.toml.
SELECT
    '欠税-' || source_row AS record_id,
    taxpayer_code("纳税人识别号") AS entity_id,
    one_line("企业或单位名称") AS entity_name,
    region_of_text("经营地点", '110000') AS entity_region,
    'tax' AS kind,
    amount_in_yuan("欠税金额", '企业欠税公告信息.csv') AS amount,
    getvariable('taken_on') AS event_date,
    getvariable('taken_on') AS known_at,
    source_file,
    source_row
FROM rows_of('企业欠税公告信息.csv')
