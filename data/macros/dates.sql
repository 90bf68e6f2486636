-- A day as Chinese offices write it; null where it is none of the known forms.
CREATE OR REPLACE MACRO parse_date_zh(text) AS
    CAST(
        try_strptime(
            trim(half_width(text)),
            [
                '%Y-%m-%d', '%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M',
                '%Y/%m/%d', '%Y/%m/%d %H:%M:%S', '%Y/%m/%d %H:%M',
                '%Y年%m月%d日', '%Y.%m.%d', '%Y%m%d',
                '%d/%m/%Y', '%d/%m/%Y %H:%M:%S'
            ]
        ) AS DATE
    );
