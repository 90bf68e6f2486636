"""Macros that mappings use, on values from the standards and from real files."""

from __future__ import annotations

from datetime import date

import pytest

from data.codes import industries, industry_name, region_name
from data.parts import connect


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
