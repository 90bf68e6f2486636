-- The register, from every file that gives a code and a name: one state of an entity for each day on which something new
-- of it became known. What an earlier file told stays until a later one tells otherwise.
WITH told AS (
    SELECT
        entity_code("统一社会信用代码") AS entity_id,
        one_line("企业名称") AS name,
        true AS by_office,
        NULL AS address,
        parse_date_zh("核准日期") AS established_date,
        parse_date_zh("核准日期") AS event_date,
        parse_date_zh("核准日期") + 1 AS known_at,
        source_file,
        source_row
    FROM rows_of('内资企业设立登记公告数据 (1).csv')
    UNION ALL BY NAME
    SELECT
        entity_code("行政相对人代码") AS entity_id,
        one_line("企业名称") AS name,
        true AS by_office,
        one_line("注册地址") AS address,
        parse_date_zh("核发日期") AS event_date,
        parse_date_zh("核发日期") + 1 AS known_at,
        source_file,
        source_row
    FROM rows_of('安全生产许可证信息.csv')
    UNION ALL BY NAME
    SELECT
        entity_code("统一社会信用代码") AS entity_id,
        one_line("企业名称") AS name,
        true AS by_office,
        getvariable('taken_on') AS event_date,
        getvariable('taken_on') AS known_at,
        source_file,
        source_row
    FROM rows_of('单用途商业预付卡备案企业公示.csv')
    UNION ALL BY NAME
    SELECT
        taxpayer_code("纳税人识别号") AS entity_id,
        one_line("企业或单位名称") AS name,
        true AS by_office,
        one_line("经营地点") AS address,
        getvariable('taken_on') AS event_date,
        getvariable('taken_on') AS known_at,
        source_file,
        source_row
    FROM rows_of('企业欠税公告信息.csv')
    UNION ALL BY NAME
    SELECT
        entity_code("证件号码") AS entity_id,
        one_line("行政相对人") AS name,
        false AS by_office,
        parse_date_zh("监督检查日期") AS event_date,
        parse_date_zh("监督检查日期") + 1 AS known_at,
        source_file,
        source_row
    FROM rows_of('市文化执法总队-文化领域行政检查信息.csv')
    UNION ALL BY NAME
    SELECT
        entity_code("统一社会信用代码") AS entity_id,
        one_line("企业名称") AS name,
        false AS by_office,
        coalesce(parse_date_zh("检查时间"), parse_date_zh("时间戳")) AS event_date,
        parse_date_zh("时间戳") AS known_at,
        source_file,
        source_row
    FROM rows_of('食品经营环节监督检查信息.csv')
),

-- Several rows of one day are one state; an office's name comes before an inspector's.
days AS (
    SELECT
        entity_id,
        known_at,
        max_by(name, by_office) AS name,
        bool_or(by_office) AS by_office,
        any_value(address) AS address,
        any_value(established_date) AS established_date,
        min(event_date) AS event_date,
        min_by(source_file, (source_file, source_row)) AS source_file,
        min_by(source_row, (source_file, source_row)) AS source_row
    FROM (FROM told WHERE entity_id IS NOT NULL AND name IS NOT NULL AND known_at IS NOT NULL ORDER BY source_file, source_row)
    GROUP BY entity_id, known_at
),

states AS (
    SELECT
        entity_id,
        coalesce(
            last_value(CASE WHEN by_office THEN name END IGNORE NULLS) OVER so_far,
            last_value(name) OVER so_far
        ) AS name,
        last_value(address IGNORE NULLS) OVER so_far AS address,
        last_value(established_date IGNORE NULLS) OVER so_far AS established_date,
        event_date,
        known_at,
        source_file,
        source_row
    FROM days
    WINDOW so_far AS (PARTITION BY entity_id ORDER BY known_at)
)

SELECT
    entity_id,
    name,
    CASE WHEN len(entity_id) = 18 THEN entity_id END AS uscc,
    entity_type_of(entity_id, name) AS entity_type,
    'active' AS status,
    established_date,
    address,
    -- The district of the address; else the one of the authority that registered it, unless that is the whole city.
    coalesce(
        region_of_text(address, '110000'),
        region_in_force(nullif(coalesce(region_of_uscc(entity_id), left(entity_id, 6)), '110000'))
    ) AS region_code,
    event_date,
    known_at,
    source_file,
    source_row
FROM states
-- A name with its brackets turned is no news.
QUALIFY lag((normalise_name(name), address, established_date)) OVER (PARTITION BY entity_id ORDER BY known_at)
    IS DISTINCT FROM (normalise_name(name), address, established_date)
