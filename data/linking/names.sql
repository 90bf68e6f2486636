-- What a row's name and a registered one have in common, for data/linking/model.py.

-- Number of equal characters at the start.
CREATE OR REPLACE MACRO common_start(a, b) AS
    coalesce(
        list_min(list_filter(range(1, least(length(a), length(b)) + 1), lambda i: a[i] <> b[i])) - 1,
        least(length(a), length(b))
    );

-- Kind of the one edit that turns a registered core `b` into a row's core `a`, `n` characters being equal at the start.
CREATE OR REPLACE MACRO edit_after(a, b, n) AS CASE
    WHEN a = b THEN 'equal'
    WHEN length(a) = length(b) AND a[n + 2:] = b[n + 2:] THEN 'changed'
    WHEN length(a) = length(b) AND a[n + 1] = b[n + 2] AND a[n + 2] = b[n + 1] AND a[n + 3:] = b[n + 3:] THEN 'swapped'
    WHEN length(a) = length(b) - 1 AND a[n + 1:] = b[n + 2:] THEN 'lost'
    WHEN length(a) = length(b) + 1 AND a[n + 2:] = b[n + 1:] THEN 'added'
    ELSE 'other'
END;

-- The characters concerned: signs that tell branches apart may not be taken for a slip of the pen.
CREATE OR REPLACE MACRO edited(a, b, n, edit) AS CASE edit
    WHEN 'changed' THEN a[n + 1] || b[n + 1]
    WHEN 'swapped' THEN a[n + 1] || b[n + 1]
    WHEN 'lost' THEN b[n + 1]
    WHEN 'added' THEN a[n + 1]
    ELSE ''
END;

-- Characters that sound alike, or whose four-corner codes differ in at most one place.
CREATE OR REPLACE MACRO are_alike(a_sounds, b_sounds, a_corners, b_corners, n) AS
    coalesce(
        (a_sounds[n + 1] = b_sounds[n + 1] AND a_sounds[n + 1] <> '?')
        OR (a_corners[5 * n + 1] <> '?' AND b_corners[5 * n + 1] <> '?'
            AND hamming(a_corners[5 * n + 1:5 * n + 5], b_corners[5 * n + 1:5 * n + 5]) <= 1),
        false
    );

-- Class of the difference: the levels of the comparison `core` in data/reference/linkage_model.csv. `name_edit` is the
-- edit of the whole names: where it is one edit, but not that of the cores, it lies in the place or the legal form.
CREATE OR REPLACE MACRO difference_at(a, b, a_sounds, b_sounds, a_corners, b_corners, a_trade, trade, n, edit, name_edit) AS CASE
    WHEN edit = 'equal' THEN 'equal'
    WHEN name_edit NOT IN ('equal', 'other') AND name_edit <> edit THEN 'frame'
    WHEN edit = 'other' THEN 'other'
    WHEN regexp_matches(edited(a, b, n, edit), '[零〇一二三四五六七八九十百千0-9a-z东西南北甲乙丙丁]') THEN 'sign'
    -- A character more just after the trade name makes it a longer one: 金贵和科技 is not 金贵科技.
    WHEN n > trade OR (n = trade AND edit <> 'added')
        THEN CASE WHEN a_trade = trade THEN 'other word' ELSE 'broken word' END
    WHEN edit = 'changed' AND are_alike(a_sounds, b_sounds, a_corners, b_corners, n) THEN 'alike ' || least(trade, 6)
    WHEN edit = 'swapped' THEN 'swapped'
    ELSE edit || ' ' || least(trade, 6)
END;

CREATE OR REPLACE MACRO core_difference(a, b, a_sounds, b_sounds, a_corners, b_corners, a_trade, trade, a_name, b_name) AS
    difference_at(
        a, b, a_sounds, b_sounds, a_corners, b_corners, a_trade, trade,
        common_start(a, b), edit_after(a, b, common_start(a, b)),
        edit_after(a_name, b_name, common_start(a_name, b_name))
    );

-- Whether a region that a row gives is that of an entity, or holds it, or lies in it (GB/T 2260: 110000 holds 110105).
CREATE OR REPLACE MACRO is_region_of(given, registered) AS
    given = registered
    OR (
        regexp_matches(given, '^\d{6}$') AND regexp_matches(registered, '^\d{6}$')
        AND (
            starts_with(registered, regexp_replace(given, '(00)+$', ''))
            OR starts_with(given, regexp_replace(registered, '(00)+$', ''))
        )
    );

-- A name without a remark in brackets before or after it, such as (白名单) or （小剧场）; places, partnerships and what may
-- tell a branch are no remarks.
CREATE OR REPLACE MACRO without_remark_of(text, ahead, behind, home) AS
    CASE
        WHEN ahead <> '' AND NOT regexp_matches(ahead, '^\((' || home || '|.*(合伙|店|分|部|区|县|市|路|站).*)\)$')
            THEN substr(text, length(ahead) + 1)
        WHEN behind <> '' AND NOT regexp_matches(behind, '^\((' || home || '|.*(合伙|店|分|部|区|县|市|路|站).*)\)$')
            THEN left(text, length(text) - length(behind))
        ELSE text
    END;
CREATE OR REPLACE MACRO without_remark(name, home) AS
    without_remark_of(
        trim(half_width(name)),
        regexp_extract(trim(half_width(name)), '^\([^()]*\)'),
        regexp_extract(trim(half_width(name)), '\([^()]*\)$'),
        home
    );
