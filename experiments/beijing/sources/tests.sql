-- Sampling of food. No sample has a day; it counts from the day on which its row was updated.
SELECT
    "主键" AS record_id,
    one_line("被抽样单位信息") AS entity_name,
    region_in_force(left("主键", 6)) AS entity_region,
    one_line("产品信息") AS category,
    CASE
        WHEN "检验结果" = '完全合格' THEN 'false'
        -- 本次检查发现不符合项（2）项: items that do not conform.
        WHEN regexp_matches(half_width("检验结果"), '不符合项\([0-9]+\)项')
            THEN CAST(CAST(regexp_extract(half_width("检验结果"), '不符合项\(([0-9]+)\)项', 1) AS INTEGER) > 0 AS VARCHAR)
        ELSE "检验结果"
    END AS failed,
    date_or_text("更新时间") AS event_date,
    date_or_text("更新时间") AS known_at,
    source_file,
    source_row
FROM rows_of('市市场监督管理局-食品安全监督抽检信息.csv')
