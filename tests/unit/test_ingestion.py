"""Accepted rows become tables, all others go to quarantine with the reason; nothing is half done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.city import load_city
from data.errors import NotFoundError, SchemaError, SourceError
from data.records import ingest, open_records, sha256_of_files
from data.report import report_tables


def quiet(_message):
    """Progress that nobody watches."""


def brought_in(folder, settings):
    """Ingest a city without a word."""
    return ingest(load_city(str(folder)), settings, quiet)


def quarantine(records, table):
    """Reasons, file and row of the quarantined rows of a table."""
    backend = records.connect(threads=1)
    rows = backend.read_parquet(str(records.folder / "quarantine" / f"{table}.parquet")).execute()
    return [(list(r.reasons), r.source_file, r.source_row) for r in rows.itertuples()]


def test_accepted_rows_carry_their_types_and_normal_forms(write_city, settings):
    entities = brought_in(write_city(), settings).connect(1).table("entities").execute()

    assert list(entities.entity_id) == ["91110000802100433B", "A1"]
    assert entities.name_key[0] == "北京海淀某某有限公司"
    assert entities.address_key[0] == "中关村大街1号"
    assert str(entities.known_at[0])[:10] == "2010-01-03"
    assert (entities.source_file[0], entities.source_row[0]) == ("entities.csv", 1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("P2,A1,-5,2020-01-05,2020-01-06", "amount must be at least 0, was -5.0"),
        ("P2,A1,abc,2020-01-05,2020-01-06", "amount must be a number, was 'abc'"),
        ("P2,A1,inf,2020-01-05,2020-01-06", "amount must be a number, was 'inf'"),
        ("P2,A1,5,2020-02-30,2020-01-06", "event_date must be a date, was '2020-02-30'"),
        ("P2,A1,5,1492-01-05,2020-01-06", "event_date must be between 1900-01-01 and 2199-12-31, was 1492-01-05"),
        ("P2,,5,2020-01-05,2020-01-06", "entity_id or entity_name must be given"),
        (
            "P2,A1,5,2020-01-05,2019-01-06",
            "known_at must not lie before event_date, was 2019-01-06 before 2020-01-05",
        ),
        (
            "P2,A1,5,2020-01-05,2021-01-06",
            "known_at must not lie after the day the file was taken, 2020-12-31, was 2021-01-06",
        ),
        ("P1,A1,5,2020-01-05,2020-01-07", "duplicate of an earlier row with the same record_id"),
    ],
)
def test_a_row_that_breaks_a_rule_goes_to_quarantine_with_reason_file_and_row(write_city, settings, row, reason):
    folder = write_city(penalties_csv=f"number,code,amount,decided,known\nP1,A1,500,2020-01-05,2020-01-06\n{row}\n")

    records = brought_in(folder, settings)

    assert quarantine(records, "penalties") == [([reason], "penalties.csv", 2)]
    assert list(records.connect(1).table("penalties").execute().record_id) == ["P1"]


def test_a_row_in_quarantine_keeps_the_text_that_is_not_allowed_and_all_else_it_had(write_city, settings):
    folder = write_city(
        penalties_sql="SELECT 'P1' AS record_id, 'A1' AS entity_id, 'scolding' AS kind, '7' AS amount, "
        "'2020-01-05' AS event_date, '2020-01-06' AS known_at"
    )

    records = brought_in(folder, settings)

    path = records.folder / "quarantine" / "penalties.parquet"
    (row,) = records.connect(1).read_parquet(str(path)).execute().to_dict("records")
    assert row["reasons"][0].endswith("was 'scolding'")
    assert (row["record_id"], row["entity_id"], row["kind"], row["amount"]) == ("P1", "A1", "scolding", 7.0)
    assert str(row["known_at"])[:10] == "2020-01-06"


def test_of_rows_with_one_key_the_one_known_first_stays_wherever_it_stands(write_city, settings):
    folder = write_city(
        penalties_csv="number,code,amount,decided,known\n"
        "P1,A1,1,2020-01-05,2020-01-08\nP2,A1,2,2020-01-05,2020-01-06\nP1,A1,3,2020-01-05,2020-01-06\n"
        "P1,A1,-4,2020-01-05,2020-01-05\n"
    )

    records = brought_in(folder, settings)

    duplicate = ["duplicate of an earlier row with the same record_id"]
    assert quarantine(records, "penalties") == [
        (duplicate, "penalties.csv", 1),
        (["amount must be at least 0, was -4.0"], "penalties.csv", 4),
    ]
    penalties = records.connect(1).table("penalties").execute()
    assert list(zip(penalties.record_id, penalties.amount, strict=True)) == [("P2", 2.0), ("P1", 3.0)]


def test_read_rows_are_accepted_or_quarantined_and_none_is_lost(write_city, settings):
    folder = write_city(penalties_csv="number,code,amount,decided,known\nP1,A1,5,2020-01-05,2020-01-06\n,,,,\n")

    penalties = brought_in(folder, settings).manifest["tables"]["penalties"]

    assert (penalties["n_read"], penalties["n_accepted"], penalties["n_quarantined"]) == (2, 1, 1)


def test_a_code_with_a_wrong_check_character_is_flagged_and_stays(write_city, settings):
    folder = write_city(entities_csv="code,name,address,since\n91110000802100433X,甲,,2010-01-02\n")

    entities = brought_in(folder, settings).manifest["tables"]["entities"]

    assert (entities["n_accepted"], entities["n_flagged"]) == (1, 1)


def test_the_report_groups_reasons_and_names_the_tables_that_are_not_mapped(write_city, settings):
    folder = write_city(
        penalties_csv="number,code,amount,decided,known\n"
        "P1,A1,5,2020-01-05,2020-01-06\nP2,A1,-1,2020-01-05,2020-01-06\nP3,A1,-2,2020-01-05,2020-01-06\n"
    )
    reports = {r.name: r for r in report_tables(load_city(str(folder)), brought_in(folder, settings))}

    (reason,) = reports["penalties"].reasons
    assert (reason.reason, reason.n_rows, reason.source_file, reason.source_row) == (
        "amount must be at least 0",
        2,
        "penalties.csv",
        2,
    )
    assert not reports["people"].mapped
    assert len(reports) == 13


def test_a_file_in_another_encoding_is_read_as_declared(write_city, settings):
    folder = write_city(entities_csv="code,name,address,since\nA1,乙,,2010-01-02\n".encode("gb18030"))
    toml = (folder / "city.toml").read_text(encoding="utf-8")
    declared = toml.replace('"entities.csv"', '{ path = "entities.csv", encoding = "gb18030" }')
    (folder / "city.toml").write_text(declared, encoding="utf-8")

    entities = brought_in(folder, settings).connect(1).table("entities").execute()

    assert list(entities.name) == ["乙"]


def test_a_file_in_another_encoding_that_is_not_declared_is_refused_with_the_remedy(write_city, settings):
    folder = write_city(entities_csv="code,name,address,since\nA1,乙,,2010-01-02\n".encode("gb18030"))

    with pytest.raises(SourceError, match="line 5, could not be run.*Declare the file as .*encoding = 'gb18030'"):
        brought_in(folder, settings)


def test_a_missing_file_is_named_with_where_it_must_lie(write_city, settings):
    folder = write_city()
    (folder / "files" / "penalties.csv").unlink()

    with pytest.raises(SourceError, match=r"penalties.csv of toy must lie in .*, it is missing"):
        brought_in(folder, settings)


def test_a_missing_source_column_is_named(write_city, settings):
    folder = write_city(penalties_csv="number,code,decided,known\nP1,A1,2020-01-05,2020-01-06\n")

    with pytest.raises(SchemaError, match=r"penalties.sql, line 2, asks for what the source does not have: .*amount"):
        brought_in(folder, settings)


WHOLE = (
    "'P1' AS record_id, 'A1' AS entity_id, 'fine' AS kind, DATE '2020-01-05' AS event_date, event_date + 1 AS known_at"
)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "\n-- Fines.\nSELECT nobody\n",
            'line 3, asks for .*: Referenced column "nobody" .*. Correct the name or the type',
        ),
        ("SELEC 1", "line 1, could not be run: syntax error at or near .*. Correct the SQL there."),
        ("SELECT\n  parse_dat('x')", "line 2, could not be run: Scalar Function .*. Correct the name or the type"),
        ("FROM nowhere", "line 1, could not be run: Table with name nowhere does not exist.*. Correct the name"),
        (
            "FROM read_csv(getvariable('source_folder') || '/gone.csv')",
            r"line 1, could not be run: No files found that match the pattern .gone.csv.. Read files that \[sources\]",
        ),
        (
            f"SELECT {WHOLE},\n  CAST(code AS DOUBLE) AS amount\nFROM (SELECT 'x' AS code)",
            "line 2, could not be run: Could not convert string 'x' to DOUBLE .*. Leave the value as text",
        ),
        (f"SELECT {WHOLE}, error('broken') AS amount", "could not be run: broken. Leave the value as text"),
    ],
)
def test_a_mapping_that_cannot_be_run_is_told_with_its_line_the_reason_and_what_helps(write_city, settings, sql, said):
    folder = write_city(penalties_sql=sql)

    with pytest.raises((SchemaError, SourceError), match=f"^{folder}/sources/penalties.sql,? {said}") as refused:
        brought_in(folder, settings)

    assert "LINE" not in str(refused.value)
    assert str(settings.var) not in str(refused.value)


def test_a_missing_canonical_column_is_named(write_city, settings):
    folder = write_city(penalties_sql="SELECT 'P1' AS record_id, 'A1' AS entity_id")

    with pytest.raises(SchemaError, match="must yield the column kind .*it is missing"):
        brought_in(folder, settings)


def test_a_column_the_table_does_not_have_is_named(write_city, settings):
    folder = write_city(penalties_sql="SELECT 'P1' AS record_id, 5 AS amuont")

    with pytest.raises(SchemaError, match="yields the column amuont.*Did you mean 'amount'"):
        brought_in(folder, settings)


def test_an_empty_table_is_refused(write_city, settings):
    folder = write_city(penalties_csv="number,code,amount,decided,known\n")

    with pytest.raises(SchemaError, match="must yield rows, it yields none"):
        brought_in(folder, settings)


def test_unchanged_files_are_not_read_again_and_changed_ones_are(write_city, settings):
    folder = write_city()
    first = brought_in(folder, settings)
    messages = []

    second = ingest(load_city(str(folder)), settings, messages.append)
    assert second.records_id == first.records_id
    assert "skipped" in messages[-1]

    (folder / "files" / "penalties.csv").write_text("number,code,amount,decided,known\nP9,A1,5,2020-01-05,2020-01-06\n")
    assert brought_in(folder, settings).records_id != first.records_id


def test_a_failed_ingestion_leaves_the_earlier_records_in_force(write_city, settings):
    folder = write_city()
    first = brought_in(folder, settings)
    (folder / "files" / "penalties.csv").write_text("number,code\nP1,A1\n")

    with pytest.raises(SchemaError):
        brought_in(folder, settings)

    assert open_records(load_city(str(folder)), settings).records_id == first.records_id
    left = {p.name for p in first.folder.parent.iterdir()}
    assert left == {first.records_id, "current.json"}


def test_a_city_without_records_says_how_to_get_them(write_city, settings):
    with pytest.raises(NotFoundError, match="Run `qianfen ingest toy`"):
        open_records(load_city(str(write_city())), settings)


def test_a_row_that_makes_two_named_records_makes_two_and_no_more(write_city, settings):
    folder = write_city(
        penalties_sql="""
            SELECT record_id, name AS entity_name, 'fine' AS kind, 5 AS amount, DATE '2020-01-05' AS event_date,
                DATE '2020-01-06' AS known_at, 'penalties.csv' AS source_file, 1 AS source_row
            FROM (VALUES ('first', '乙'), ('again', '乙'), ('first', '乙')) AS rows (record_id, name)
        """
    )

    records = brought_in(folder, settings)

    assert sorted(records.connect(1).table("penalties").execute().record_id) == ["again", "first"]
    assert [reasons for reasons, _, _ in quarantine(records, "penalties")] == [
        ["duplicate of an earlier row with the same record_id"]
    ]


def test_a_row_may_tell_its_file_by_a_name_that_no_file_has(write_city, settings):
    folder = write_city(
        penalties_sql="""
            SELECT record_id, 'A1' AS entity_id, kind, 5 AS amount, DATE '2020-01-05' AS event_date,
                DATE '2020-01-06' AS known_at, file AS source_file, 1 AS source_row
            FROM (VALUES ('P1', 'fine', 'penalties.csv'), ('P2', 'fine', 'sheet 1'), ('P3', NULL, 'sheet 2'))
                AS rows (record_id, kind, file)
        """
    )

    records = brought_in(folder, settings)

    accepted = records.connect(1).table("penalties").execute()
    assert dict(zip(accepted.record_id, accepted.source_file, strict=True)) == {"P1": "penalties.csv", "P2": "sheet 1"}
    assert [(file, row) for _, file, row in quarantine(records, "penalties")] == [("sheet 2", 1)]


def test_the_same_files_give_the_same_bytes_with_any_number_of_threads(write_city, settings, tmp_path):
    folder = write_city()
    written = []
    for threads in (1, 2, 5):
        own = replace(settings, var=tmp_path / f"var-{threads}", threads=threads)
        written.append(sha256_of_files(brought_in(folder, own).manifest))

    assert written[0] == written[1] == written[2]


def test_what_was_built_beside_a_failed_part_is_kept_and_told_in_the_order_of_the_tables(write_city, settings):
    folder = write_city(penalties_csv="number,code\nP1,A1\n")
    with pytest.raises(SchemaError, match="penalties.sql, line 2, asks for what the source does not have"):
        brought_in(folder, settings)
    assert not list(settings.var.glob("**/*.partial"))
    (folder / "files" / "penalties.csv").write_text("number,code,amount,decided,known\nP1,A1,5,2020-01-05,2020-01-06\n")
    said = []

    ingest(load_city(str(folder)), settings, said.append)

    assert said[1:] == ["  entities: unchanged, skipped", "  penalties: 1 rows, 0 to quarantine"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [(" 甲 ", "甲"), ("甲\u3000", "甲"), ("\u3000A", "A"), (" A", "A"), ("A ", "A"), ("A\u00a0", "A"), ("A B", "A B")],
)
def test_blanks_at_the_ends_of_a_text_are_no_part_of_it_in_any_script(write_city, settings, text, kept):
    folder = write_city(entities_csv=f'code,name,address,since\nA1,"{text}",,2010-01-02\n')

    assert list(brought_in(folder, settings).connect(1).table("entities").execute().name) == [kept]


@pytest.mark.parametrize("text", ["", "   ", "\u3000", "\u00a0 "])
def test_a_text_of_blanks_alone_is_missing(write_city, settings, text):
    folder = write_city(entities_csv=f'code,name,address,since\nA1,"{text}",,2010-01-02\nA2,乙,,2010-01-02\n')

    assert quarantine(brought_in(folder, settings), "entities") == [(["name must be given"], "entities.csv", 1)]
