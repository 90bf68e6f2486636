-- Region in force for a GB/T 2260 code: a county that was merged or became a district has another code since. Known are
-- the changes of Beijing (2010: Chongwen, Xuanwu; 2015: Miyun, Yanqing); other codes pass.
-- code: a six-digit code
-- > region_in_force('110228') => '110118'
-- > region_in_force('110105') => '110105'
CREATE OR REPLACE MACRO region_in_force(code) AS
    CASE code
        WHEN '110103' THEN '110101'
        WHEN '110104' THEN '110102'
        WHEN '110228' THEN '110118'
        WHEN '110229' THEN '110119'
        ELSE code
    END;

-- Region whose name a text holds, such as an address; the first one named, null where there is none. A county that became
-- a district is found by either name.
-- text: an address, or the name of an office
-- province: code of the province, of which the regions are looked for
-- > region_of_text('北京市怀柔区桥梓镇兴桥大街1号', '110000') => '110116'
-- > region_of_text('北京市密云县果园街道', '110000') => '110118'
-- > region_of_text('河北镇磁家务村', '110000') => NULL
CREATE OR REPLACE MACRO region_of_text(text, province) AS (
    SELECT min_by(code, place)
    FROM (
        SELECT code, min(strpos(text, stem || kind)) AS place
        FROM regions, (VALUES ('区'), ('县'), ('市')) AS kinds (kind)
        WHERE regions.province_code = left(province, 2) AND contains(text, stem || kind)
        GROUP BY code
    )
);
