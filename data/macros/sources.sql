-- Records of a CSV file, all columns as text under the names of its header, with source_file and source_row: the file is
-- read as declared in city.toml (`encoding`, `header_row`), and a record with too many or too few columns goes to
-- quarantine by itself. (In the examples, example.csv has two records, and amounts declared in ten thousand yuan.)
-- path: a path of [sources] files, as declared
-- > (SELECT list(source_row) FROM rows_of('example.csv')) => [1, 2]
CREATE OR REPLACE MACRO rows_of(path) AS TABLE
    FROM read_parquet(getvariable('source_folder') || '/.rows/' || path || '.parquet');

-- An amount in yuan, as text, by the `amount_unit` that city.toml declares for its file; a file that declares none is an
-- error. What is no number is given back as it stands, so that its row goes to quarantine with it.
-- text: an amount as published; commas between digits do not matter
-- file: path of its file, as declared
-- > amount_in_yuan('1,435.5', 'example.csv') => '14355000.0'
-- > amount_in_yuan('约五万', 'example.csv') => '约五万'
-- > amount_in_yuan(NULL, 'example.csv') => NULL
CREATE OR REPLACE MACRO amount_in_yuan(text, file) AS
    coalesce(
        CAST(
            TRY_CAST(replace(half_width(one_line(text)), ',', '') AS DOUBLE)
            * CASE getvariable('amount_units')[file]
                WHEN 'yuan' THEN 1.0
                WHEN 'ten_thousand_yuan' THEN 10000.0
                ELSE
                    error(
                        'the unit of the amounts in ' || file || ' must be declared. Add amount_unit = "yuan" or '
                        || '"ten_thousand_yuan" to that file in [sources] files of city.toml.'
                    )
            END AS VARCHAR
        ),
        one_line(text)
    );
