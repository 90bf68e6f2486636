-- Width: full-width letters, digits and signs become half-width.
CREATE OR REPLACE MACRO half_width(text) AS
    translate(
        text,
        '０１２３４５６７８９ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ（）［］【】〔〕｛｝－＿／＆．，：；＃　',
        '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz()[][](){}-_/&.,:;# '
    );

-- Name of an entity in normal form: width, case, spaces, brackets, quotes and the long legal form.
CREATE OR REPLACE MACRO normalise_name(text) AS
    nullif(
        replace(
            regexp_replace(lower(half_width(text)), '[\s()\[\]{}<>《》〈〉"''“”‘’·•.,，。、:;#*_-]', '', 'g'),
            '有限责任公司',
            '有限公司'
        ),
        ''
    );

-- Address in normal form: width, case, spaces and punctuation; numbers of rooms stay.
CREATE OR REPLACE MACRO normalise_address(text) AS
    nullif(regexp_replace(lower(half_width(text)), '[\s()\[\]{}"''“”‘’·•.,，。、:;_]', '', 'g'), '');
