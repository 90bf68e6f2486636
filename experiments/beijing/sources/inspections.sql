-- Inspections of the culture, emergency and market authorities, and checks of food businesses. Known the day after.
WITH culture AS (
    SELECT
        "唯一标识" AS record_id,
        entity_code("证件号码") AS entity_id,
        one_line("行政相对人") AS entity_name,
        CASE "监督检查形式"
            WHEN '日常检查' THEN 'routine'
            WHEN '巡查检查' THEN 'routine'
            WHEN '专项检查' THEN 'special'
            WHEN '节日重保' THEN 'special'
            ELSE 'other'
        END AS inspection_type,
        "监督检查结果" AS result,
        "监督检查日期" AS day,
        source_file,
        source_row
    FROM rows_of('市文化执法总队-文化领域行政检查信息.csv')
),

miyun AS (
    SELECT
        one_line("企业名称") AS entity_name,
        region_of_text("经营地址（区）", '110000') AS entity_region,
        CASE "执法任务类型" WHEN '日常' THEN 'routine' WHEN '重点' THEN 'special' WHEN '双随机' THEN 'random' ELSE 'other' END
            AS inspection_type,
        * EXCLUDE ("企业名称")
    FROM rows_of('密云区应急管理局执法检查信息.csv')
),

random AS (
    SELECT
        '怀柔双随机-' || "序号" AS record_id,
        one_line("主体名称") AS entity_name,
        region_of_text("抽查机关", '110000') AS entity_region,
        'random' AS inspection_type,
        -- 无法开展检查, the check could not be made, has no result.
        CASE "抽查结果" WHEN '发现问题' THEN '不合格' WHEN '未发现问题' THEN '合格' END AS result,
        "抽查时间" AS day,
        source_file,
        source_row
    FROM rows_of('区市场监管局双随机结果公示.csv')
),

food_items AS (
    SELECT
        *,
        entity_code("统一社会信用代码") AS entity_id,
        one_line("企业名称") AS entity_name,
        coalesce(parse_date_zh("检查时间"), parse_date_zh("时间戳")) AS day
    FROM rows_of('食品经营环节监督检查信息.csv')
),

-- The file has one row for each item that was checked.
food AS (
    SELECT
        '食品经营-' || min("主键ID") AS record_id,
        entity_id,
        entity_name,
        region_of_text(any_value("检查实施单位"), '110000') AS entity_region,
        'routine' AS inspection_type,
        CASE WHEN bool_or("检查结果" = '2') THEN '不合格' WHEN bool_and("检查结果" = '1') THEN '合格' END AS result,
        count(*) FILTER ("检查结果" = '2') AS n_violations,
        CAST(day AS VARCHAR) AS day,
        greatest(day, max(parse_date_zh("时间戳"))) AS known_at,
        any_value(source_file) AS source_file,
        min(source_row) AS source_row,
        list(source_row) AS source_rows
    FROM food_items
    GROUP BY entity_id, entity_name, day
),

all_inspections AS (
    FROM culture
    UNION ALL BY NAME
    SELECT
        "现场检查文书编号" AS record_id,
        entity_name,
        entity_region,
        inspection_type,
        "现场检查结果" AS result,
        "现场检查时间" AS day,
        source_file,
        source_row
    FROM miyun
    UNION ALL BY NAME
    SELECT
        "复查文书" AS record_id,
        entity_name,
        entity_region,
        'follow_up' AS inspection_type,
        "复查结果" AS result,
        "复查时间" AS day,
        source_file,
        source_row
    FROM miyun
    WHERE "复查文书" IS NOT NULL
    UNION ALL BY NAME
    FROM random
    UNION ALL BY NAME
    FROM food
)

SELECT
    record_id,
    entity_id,
    entity_name,
    entity_region,
    inspection_type,
    CASE result WHEN '不合格' THEN 'true' WHEN '合格' THEN 'false' ELSE result END AS failed,
    n_violations,
    date_or_text(day) AS event_date,
    coalesce(known_at, parse_date_zh(day) + 1) AS known_at,
    source_file,
    source_row,
    source_rows
FROM all_inspections
