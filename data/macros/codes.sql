-- Check character of a unified social credit code by GB 32100-2015: weight 3^(i-1) mod 31, (31 - sum mod 31) mod 31.
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
CREATE OR REPLACE MACRO uscc_is_valid(code) AS
    coalesce(
        regexp_full_match(code, '[0-9A-HJ-NP-RTUWXY]{2}[0-9]{6}[0-9A-HJ-NP-RTUWXY]{10}')
        AND uscc_check_character(code) = substr(code, 18, 1),
        false
    );

-- Region of the registering authority: digits 3 to 8, which is not where the entity is now.
CREATE OR REPLACE MACRO region_of_uscc(code) AS
    CASE WHEN regexp_full_match(code, '.{2}[0-9]{6}.{10}') THEN substr(code, 3, 6) END;
