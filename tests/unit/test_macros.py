"""Macros that mappings use, on values from the standards and from real files."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from data.city import load_city
from data.codes import industries, industry_name, region_name
from data.connection import connect
from data.errors import ConfigurationError, SourceError
from data.macro_docs import MACROS, documented_macros, macros_page
from data.records import ingest
from data.rows import stage_rows
from data.settings import PROJECT_ROOT
from data.uscc import valid_usccs

EXAMPLES = [(macro.name, example) for macro in documented_macros() for example in macro.examples]


@pytest.fixture
def value():
    """Evaluate one DuckDB expression."""
    with connect(threads=1) as connection:
        yield lambda expression, *arguments: connection.execute(f"SELECT {expression}", arguments).fetchone()[0]


def test_the_check_character_follows_gb_32100_2015(value):
    # The example of GB 32100-2015, annex A.
    assert value("uscc_check_character('91350100M000100Y4')") == "3"


@pytest.mark.parametrize(
    ("code", "valid"),
    [
        ("91350100M000100Y43", True),
        ("91110000802100433B", True),
        ("91110000802100433X", False),
        ("91350100I000100Y43", False),
        ("110108012345678", False),
        ("", False),
        (None, False),
    ],
)
def test_a_code_is_valid_with_the_right_letters_and_check_character(value, code, valid):
    assert value("uscc_is_valid(?)", code) is valid


def test_the_region_of_a_code_is_that_of_the_registering_authority(value):
    assert value("region_of_uscc('91350100M000100Y43')") == "350100"
    assert value("region_of_uscc('110108012345678')") is None


@pytest.mark.parametrize(
    "name",
    [
        "北京（海淀）某某有限责任公司",
        "北京(海淀)某某有限公司",
        " 北京【海淀】某某 有限责任公司",
        "北京海淀某某有限公司",
        "北京海淀某某有限责任公司",
    ],
)
def test_one_name_written_in_several_ways_has_one_normal_form(value, name):
    assert value("normalise_name(?)", name) == "北京海淀某某有限公司"


def test_a_name_of_signs_alone_has_no_normal_form(value):
    assert value("normalise_name('（）')") is None


def test_an_address_keeps_its_numbers(value):
    assert value("normalise_address('中关村大街１号，101 室')") == "中关村大街1号101室"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2022/9/9 16:55:21", date(2022, 9, 9)),
        ("2023年04月12日", date(2023, 4, 12)),
        ("20/3/2025 14:32:36", date(2025, 3, 20)),
        ("２０２０－１－２", date(2020, 1, 2)),
        ("20200102", date(2020, 1, 2)),
        ("2019/06/30", date(2019, 6, 30)),
        ("2019-06-30", date(2019, 6, 30)),
        ("2019/06-30", None),
        ("2019 06 30", None),
        ("-201-06-30", None),
        ("2023-02-30", None),
        ("不祥", None),
        (None, None),
    ],
)
def test_days_are_read_as_offices_write_them(value, text, day):
    assert value("parse_date_zh(?)", text) == day


def test_gb_t_4754_has_20_sections_and_97_divisions():
    codes = industries()

    assert sum(len(code) == 1 for code in codes) == 20
    assert sum(len(code) == 2 for code in codes) == 97
    assert codes["62"].section == "H"


def test_codes_have_names_and_a_citys_own_classes_stand_for_themselves():
    assert industry_name("62", "zh") == "餐饮业"
    assert industry_name("Bake Shop", "en") == "Bake Shop"
    assert region_name("110108") == "海淀区"
    assert region_name("W12") == "W12"
    assert industry_name(None, "zh") == region_name(None) == ""


@pytest.fixture
def mapping_connection(write_city, tmp_path):
    """A connection as a mapping has it, of a city with the example.csv that examples speak of."""
    folder = write_city()
    declared = (folder / "city.toml").read_text(encoding="utf-8")
    example = '"entities.csv", { path = "example.csv", amount_unit = "ten_thousand_yuan" },'
    (folder / "city.toml").write_text(declared.replace('"entities.csv",', example), encoding="utf-8")
    (tmp_path / "example.csv").write_text("name,amount\n甲,1.5\n乙,2\n", encoding="utf-8")
    stage_rows(tmp_path / "example.csv", "example.csv", "utf-8", 1, tmp_path)
    with connect(1, tmp_path, load_city(str(folder))) as connection:
        yield connection


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(EXAMPLES)])
def test_an_example_yields_what_it_says(mapping_connection, name, example):
    found, expected, same = mapping_connection.execute(
        f"SELECT found, expected, found IS NOT DISTINCT FROM expected "
        f"FROM (SELECT {example.expression} AS found, {example.expected} AS expected)"
    ).fetchone()

    assert name in example.expression
    assert same, f"{example.expression} is {found!r}, not {expected!r}"


def test_every_macro_is_documented_and_the_page_is_as_it_is():
    with connect(1) as connection:
        there = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type IN ('macro', 'table_macro') AND NOT internal"
        ).fetchall()

    assert {name for (name,) in there} == {macro.name for macro in documented_macros()}
    assert (PROJECT_ROOT / "docs" / "macros.md").read_text(encoding="utf-8") == macros_page()


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("-- Twice.\n-- text: a text\n", "must have an example"),
        ("-- text: a text\n-- > twice('a') => 'aa'\n", "must have a description"),
        ("-- Twice.\n-- > twice('a') => 'aa'\n", "must say what text means"),
    ],
)
def test_a_macro_without_description_meaning_or_example_is_refused(monkeypatch, tmp_path, comment, said):
    (tmp_path / "twice.sql").write_text(f"{comment}CREATE OR REPLACE MACRO twice(text) AS text || text;\n")
    monkeypatch.setattr("data.macro_docs.MACROS", tmp_path)

    with pytest.raises(ConfigurationError, match=said):
        documented_macros.__wrapped__()
    assert tmp_path != MACROS


def test_an_amount_of_a_file_that_declares_no_unit_is_an_error_that_says_where_to_declare_it(write_city, settings):
    sql = """
        SELECT number AS record_id, code AS entity_id, 'fine' AS kind,
            amount_in_yuan(amount, 'penalties.csv') AS amount,
            decided AS event_date, known AS known_at, source_file, source_row
        FROM rows_of('penalties.csv')
    """
    folder = write_city(penalties_sql=sql)

    with pytest.raises(SourceError, match=r"unit of the amounts in penalties.csv must be declared. Add amount_unit"):
        ingest(load_city(str(folder)), settings, lambda _: None)

    toml = (folder / "city.toml").read_text(encoding="utf-8")
    declared = '{ path = "penalties.csv", amount_unit = "ten_thousand_yuan" }'
    (folder / "city.toml").write_text(toml.replace('"penalties.csv"', declared), encoding="utf-8")
    penalties = ingest(load_city(str(folder)), settings, lambda _: None).connect(1).table("penalties").execute()
    assert list(penalties.amount) == [5_000_000.0]


def test_codes_by_the_million_are_judged_as_the_macro_judges_one():
    codes = [
        "91350100M000100Y43", "91350100M000100Y44", "9135010OM000100Y43", "91A50100M000100Y43", "91350100m000100Y43",
        "110108012345678", "一二三四五六七八九十一二三四五六七八", "", "91350100M000100Y4三", "000000000000000000",
    ]  # fmt: skip
    with connect(1) as connection:
        said = [connection.execute("SELECT uscc_is_valid(?)", [code]).fetchone()[0] for code in codes]

    assert valid_usccs(pa.array(codes)).tolist() == said
    assert any(said)
