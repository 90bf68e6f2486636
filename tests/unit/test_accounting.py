"""Every row of every source file ends in a table, at a link to be made, in quarantine, or is shown as not mapped."""

from __future__ import annotations

import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from data.accounting import account_files
from data.city import load_city
from data.records import ingest
from serving.commands import cli

BY_ROW = """
SELECT number AS record_id, entity_code(code) AS entity_id, name AS entity_name, 'fine' AS kind, amount,
    date_or_text(decided) AS event_date, CAST(parse_date_zh(decided) + 1 AS VARCHAR) AS known_at,
    source_file, source_row
FROM rows_of('penalties.csv')
"""
HEAD = "名单,,,,\r\nnumber,code,name,amount,decided\r\n"


def quiet(_message):
    """Progress that nobody watches."""


@pytest.fixture
def accounts(write_city, settings):
    """Bring in a city whose penalties are in gb18030 below a title; return the accounts by path."""

    def accounted(rows, sql=BY_ROW, **others):
        folder = write_city(penalties_csv=f"{HEAD}{rows}".encode("gb18030"), penalties_sql=sql, **others)
        toml = (folder / "city.toml").read_text(encoding="utf-8")
        declared = '{ path = "penalties.csv", encoding = "gb18030", header_row = 2 }'
        (folder / "city.toml").write_text(toml.replace('"penalties.csv"', declared), encoding="utf-8")
        city = load_city(str(folder))
        return {account.path: account for account in account_files(city, ingest(city, settings, quiet), settings)}

    return accounted


def ends(account):
    """The ends that any row had."""
    return {end: n for end, n in account.ends.items() if n}


def test_every_row_of_a_dirty_file_has_an_end(accounts):
    account = accounts(
        "P1,91110000802100433b ,甲,5,2020年1月5日\r\n"
        "P2,不祥,乙,5,2020/1/5 10:11:12\r\n"
        "P3,不祥,丙,5,5/1/2020\r\n"
        "P4,110108001944120,丁,5,2020-13-45\r\n"
        "P5,A1,乙,5\r\n"
        'P6,A1,"乙,5,2020-01-05\r\n'
        "P7,******************,,5,2020-01-05\r\n"
    )["penalties.csv"]

    assert account.n_rows == 7
    assert ends(account) == {"mapped": 1, "linked": 1, "waiting": 1, "quarantined": 4}
    assert account.closes


def test_a_row_that_two_tables_use_counts_once_under_its_best_end(accounts):
    sql = """
        SELECT DISTINCT ON (code) entity_code(code) AS entity_id, name, 'enterprise' AS entity_type, 'active' AS status,
            DATE '2020-01-01' AS event_date, DATE '2020-01-02' AS known_at, source_file, source_row
        FROM rows_of('penalties.csv') ORDER BY code, source_row
    """
    account = accounts(
        "P1,91110000802100433B,甲,5,2020-01-05\r\nP2,91110000802100433B,甲,-5,2020-01-05\r\n"
        "P3,911100005620684880,乙,-5,2020-01-05\r\n",
        entities_sql=sql,
    )["penalties.csv"]

    assert ends(account) == {"mapped": 2, "quarantined": 1}
    assert account.tables == {"entities": 2, "penalties": 1}
    assert account.closes


def test_rows_that_a_mapping_filters_away_are_not_mapped(accounts):
    account = accounts("P1,,乙,5,2020-01-05\r\nP2,,乙,5,2020-01-05\r\n", sql=f"{BY_ROW} WHERE number = 'P1'")[
        "penalties.csv"
    ]

    assert (account.n_rows, account.n_not_mapped, account.closes) == (2, 1, False)


def test_rows_that_an_engine_drops_without_a_word_are_seen_since_the_file_is_counted_by_itself(write_city, settings):
    lenient = "all_varchar = true, filename = true, ignore_errors = true"
    sql = f"""
        SELECT number AS record_id, code AS entity_id, 'fine' AS kind, amount, decided AS event_date, known AS known_at,
            filename AS source_file, row_number() OVER () AS source_row
        FROM read_csv(getvariable('source_folder') || '/penalties.csv', {lenient})
    """
    rows = "P1,A1,5,2020-01-05,2020-01-06\nP2,A1,5,2020-01-05,2020-01-06,more,and,more\n"
    folder = write_city(penalties_sql=sql, penalties_csv=f"number,code,amount,decided,known\n{rows * 2}")
    city = load_city(str(folder))

    account = account_files(city, ingest(city, settings, quiet), settings)[1]

    assert (account.path, account.n_rows, account.closes) == ("penalties.csv", 4, False)
    assert account.n_not_mapped > 0


def test_a_record_made_of_several_rows_accounts_for_all_of_them(accounts):
    sql = """
        SELECT min(number) AS record_id, name AS entity_name, 'fine' AS kind, sum(amount::DOUBLE) AS amount,
            '2020-01-05' AS event_date, '2020-01-06' AS known_at, any_value(source_file) AS source_file,
            min(source_row) AS source_row, list(source_row) AS source_rows
        FROM rows_of('penalties.csv') GROUP BY name
    """
    account = accounts("P1,,乙,5,\r\nP2,,乙,6,\r\nP3,,丙,-5,\r\nP4,,丙,1,\r\n", sql=sql)["penalties.csv"]

    assert ends(account) == {"linked": 2, "quarantined": 2}
    assert account.closes


def test_a_row_that_the_file_does_not_have_is_told(accounts):
    account = accounts("P1,,乙,5,2020-01-05\r\n", sql=BY_ROW.replace("source_row", "source_row + 7 AS source_row"))[
        "penalties.csv"
    ]

    assert (account.n_beyond, account.n_not_mapped, account.closes) == (1, 1, False)


def test_parquet_is_counted_and_an_unknown_kind_is_said_to_be_unknown(write_city, settings):
    sql = """
        SELECT 'P1' AS record_id, 'A1' AS entity_id, 'fine' AS kind, amount, DATE '2020-01-05' AS event_date,
            DATE '2020-01-06' AS known_at, 'penalties.parquet' AS source_file, file_row_number + 1 AS source_row
        FROM read_parquet(getvariable('source_folder') || '/penalties.parquet', file_row_number = true)
        WHERE getvariable('source_folder') || 'rows.json' <> '' AND amount > 0
    """
    folder = write_city(penalties_sql=sql)
    toml = (folder / "city.toml").read_text(encoding="utf-8")
    (folder / "city.toml").write_text(toml.replace('"penalties.csv"', '"penalties.parquet", "rows.json"'), "utf-8")
    pq.write_table(pa.table({"amount": [5.0, -1.0]}), folder / "files" / "penalties.parquet")
    (folder / "files" / "rows.json").write_text("[]")
    city = load_city(str(folder))

    accounts = {a.path: a for a in account_files(city, ingest(city, settings, quiet), settings)}

    assert (accounts["penalties.parquet"].n_rows, accounts["penalties.parquet"].n_not_mapped) == (2, 1)
    assert (accounts["rows.json"].n_rows, accounts["rows.json"].n_not_mapped, accounts["rows.json"].closes) == (
        None,
        None,
        False,
    )


def test_a_delivery_that_says_nothing_new_is_accounted_for_and_a_corrected_one_by_its_newest_version(
    write_city, settings
):
    folder = write_city(
        penalties_sql=BY_ROW.replace("rows_of('penalties.csv')", "rows_of('fines-*.csv')"),
        penalties_csv="",
    )
    toml = (folder / "city.toml").read_text(encoding="utf-8")
    (folder / "city.toml").write_text(toml.replace('"penalties.csv"', '"fines-*.csv"'), encoding="utf-8")
    header = HEAD.split("\r\n")[1]

    def deliver(name, *rows):
        (folder / "files" / name).write_text("\n".join([header, *rows]), encoding="utf-8")

    deliver("fines-1.csv", "P1,,乙,5,2020-01-05", "P2,,乙,6,2020-01-05", "P3,,乙,-6,2020-01-05")
    city = load_city(str(folder))
    ingest(city, settings, quiet)
    deliver("fines-1.csv", "P1,,乙,5,2020-01-05", "P2,,乙,7,2020-01-05")
    deliver("fines-2.csv", "P1,,乙,5,2020-01-05", "P4,,乙,7,2020-01-05")

    accounts = {
        account.path: account
        for account in account_files(city, ingest(city, settings, quiet, date(2020, 3, 1)), settings)
    }

    assert ends(accounts["fines-1.csv"]) == {"linked": 2}
    assert ends(accounts["fines-2.csv"]) == {"linked": 1, "repeated": 1}
    assert all(account.closes for account in accounts.values())


def test_check_writes_the_accounts_for_machines_and_as_pages_in_both_languages(write_city, settings):
    folder = write_city(penalties_csv="number,code,amount,decided,known\nP1,A1,-5,2020-01-05,2020-01-06\n")

    result = CliRunner().invoke(cli, ["check", str(folder)], obj=settings, catch_exceptions=False)

    home = settings.var / "cities" / "toy" / "check"
    report = json.loads((home / "report.json").read_text(encoding="utf-8"))
    penalties = next(file for file in report["files"] if file["path"] == "penalties.csv")
    capital = next(item for item in report["indicators"] if item["name"] == "registered_capital")
    assert (penalties["n_rows"], penalties["ends"]["quarantined"], penalties["closes"]) == (1, 1, True)
    assert (capital["n_with_value"], capital["share_with_value"], capital["waits_for"]) == (0, 0.0, ["entities"])
    assert (report["as_of_date"], report["n_entities"]) == ("2020-12-31", 2)
    assert str(home / "zh.html") in result.output
    pages = {language: (home / f"{language}.html").read_text(encoding="utf-8") for language in ("zh", "en")}
    assert "罚没金额（amount）须不小于 0，实为-5.0" in pages["zh"]
    assert "amount must be at least 0, was -5.0" in pages["en"]
    assert "每一行都有去向" in pages["zh"]
    assert not any("<link" in page or "<script" in page for page in pages.values())
