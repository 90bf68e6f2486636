-- Check character of a unified social credit code by GB 32100-2015: weight 3^(i-1) mod 31, (31 - sum mod 31) mod 31.
-- code: the code, of which the first 17 characters count
-- > uscc_check_character('91350100M000100Y4') => '3'
CREATE OR REPLACE MACRO uscc_check_character(code) AS
    substr(
        '0123456789ABCDEFGHJKLMNPQRTUWXY',
        1 + (
            31 - list_sum(
                list_transform(
                    range(1, 18),
                    lambda i: (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(code, i, 1)) - 1)
                    * ([1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28])[i]
                )
            ) % 31
        )::BIGINT % 31,
        1
    );

-- Whether a text is a well-formed unified social credit code with the right check character. Real codes in force
-- fail it, so it flags and never drops.
-- code: a code
-- > uscc_is_valid('91350100M000100Y43') => true
-- > uscc_is_valid('91350100M000100Y44') => false
-- > uscc_is_valid('110108012345678') => false
CREATE OR REPLACE MACRO uscc_is_valid(code) AS
    coalesce(
        regexp_full_match(code, '[0-9A-HJ-NP-RTUWXY]{2}[0-9]{6}[0-9A-HJ-NP-RTUWXY]{10}')
        AND uscc_check_character(code) = substr(code, 18, 1),
        false
    );

-- Region of the registering authority: digits 3 to 8, which is not where the entity is now.
-- code: a unified social credit code; null for anything else
-- > region_of_uscc('91350100M000100Y43') => '350100'
-- > region_of_uscc('110108012345678') => NULL
CREATE OR REPLACE MACRO region_of_uscc(code) AS
    CASE WHEN regexp_full_match(code, '.{2}[0-9]{6}.{10}') THEN substr(code, 3, 6) END;

-- Key of an entity from a cell that should hold its code: the 18 characters of a unified social credit code, or the
-- 15 of a registration number of the old kind, which stays a key of its own. Width, case and blanks are put right, and
-- words after the code are cut off. Null for 不祥, 不详, masked numbers, numbers with a character too many or too few,
-- and numbers of identity cards: such a row has to be linked by its name. The check character is not asked for.
-- text: a cell as published
-- > entity_code(' 9111010674754783x6') => '9111010674754783X6'
-- > entity_code('110108001944120') => '110108001944120'
-- > entity_code('91110105MA01YJCH0H迷棠沉浸体验馆') => '91110105MA01YJCH0H'
-- > entity_code('不祥') => NULL
-- > entity_code('9111010600000012') => NULL
-- > entity_code('110101199001011234') => NULL
CREATE OR REPLACE MACRO entity_code(text) AS
    nullif(
        regexp_extract(
            upper(regexp_replace(replace(half_width(text), 'Ⅹ', 'X'), '\s', '', 'g')),
            '^([1-9A-NY][0-9A-Z](?:10|1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[12])[0-9]{4}[0-9A-Z]{10}'
            || '|(?:10|1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[12])[0-9]{12}[0-9X])(?:[^0-9A-Z]|$)',
            1
        ),
        ''
    );

-- Key of an entity from a taxpayer number: a unified social credit code, or the 15 characters of the old number (region
-- and organisation code), also where 000 stands behind them.
-- text: a taxpayer number as published
-- > taxpayer_code('911100005620684880') => '911100005620684880'
-- > taxpayer_code('110105717776658000') => '110105717776658'
-- > taxpayer_code('11011110273067X') => '11011110273067X'
CREATE OR REPLACE MACRO taxpayer_code(text) AS
    coalesce(entity_code(text), entity_code(regexp_replace(one_line(text), '^([0-9]{14}[0-9X])000$', '\1')));

-- Type of an entity, by its code and name. The first two characters of a unified social credit code tell enterprises (91),
-- self-employed traders (92), cooperatives (93) and the entries of other registers; the name tells branches, and all that
-- a number of the old kind does not say.
-- code: key of the entity
-- name: its name
-- > entity_type_of('91110105MA01YJCH0H', '北京某某有限公司') => 'enterprise'
-- > entity_type_of('91110105MA01YJCH0H', '北京某某有限公司朝阳分公司') => 'branch'
-- > entity_type_of('92110105MA01YJCH0H', '北京某某小吃店') => 'self_employed'
-- > entity_type_of('12110000400686232E', '北京人民艺术剧院') => 'other'
-- > entity_type_of('110108001944120', '北京某某专业合作社') => 'cooperative'
CREATE OR REPLACE MACRO entity_type_of(code, name) AS
    CASE
        WHEN len(code) = 18 AND code[1:2] = '92' THEN 'self_employed'
        WHEN len(code) = 18 AND code[1:2] = '93' THEN 'cooperative'
        WHEN len(code) = 18 AND code[1] <> '9' THEN 'other'
        WHEN regexp_matches(name, '合作社$') THEN 'cooperative'
        WHEN regexp_matches(name, '分公司|分店$|分部$|分厂$|分行$|分院$|分校$') THEN 'branch'
        ELSE 'enterprise'
    END;
