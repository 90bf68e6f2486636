"""What names are made of, which of them meet, and how their differences are told apart."""

from __future__ import annotations

import pyarrow as pa
import pytest

from data.connection import connect
from data.linking.model import COMPARISONS, compare, parameters, score, settings
from data.linking.names import create_names, create_pairs, load_names

PLACES = ("北京市", "北京")


@pytest.fixture
def connection():
    with connect(threads=1) as connection:
        load_names(connection)
        yield connection


def names_of(connection, table, names):
    """Make a table of names, numbered from 1."""
    connection.register("given_names", pa.table({"id": range(1, len(names) + 1), "name": names}))
    create_names(connection, table, "SELECT id, name, NULL::VARCHAR AS region FROM given_names", PLACES)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("北京万信源科技发展有限公司", ("万信源科技发展", 3, "有限公司", "start", "")),
        ("盐博伟业（北京）建筑工程有限责任公司", ("盐博伟业建筑工程", 4, "有限公司", "inside", "")),
        ("北京市怀柔区国昌板栗专业合作社", ("国昌板栗专业合作社", 4, "", "start", "怀柔区")),
        ("北京福城商贸有限公司", ("福城商贸", 2, "有限公司", "start", "")),
        ("北京零度聚阵上网服务有限公司第二分公司", ("零度聚阵上网服务第二分公司", 10, "有限公司", "start", "")),
        ("北京天平置业中心（有限合伙）", ("天平置业中心", 2, "", "start", "")),
        ("（白名单）北京善讯科技有限公司", ("善讯科技", 2, "有限公司", "start", "")),
        ("北京皆可言文化传媒有限公司（巢空间）", ("皆可言文化传媒", 3, "有限公司", "start", "")),
        ("老王餐馆（朝阳店）", ("老王餐馆朝阳店", 6, "", "none", "")),
        ("北京", ("北京", 2, "", "start", "")),
    ],
)
def test_a_name_is_read_as_place_trade_name_industry_and_legal_form(connection, name, parts):
    names_of(connection, "names_read", [name])

    row = connection.execute("SELECT core, trade, form, place, district FROM names_read").fetchone()

    assert row == parts


def test_a_citys_name_may_hold_an_apostrophe(connection):
    create_names(connection, "names_read", "SELECT 1 AS id, '西安某某饭馆' AS name, NULL AS region", ("Xi'an", "西安"))

    assert connection.execute("SELECT core, place FROM names_read").fetchone() == ("某某饭馆", "start")


@pytest.mark.parametrize(
    ("written", "registered", "level"),
    [
        ("万信源科技发展有限公司", "北京万信源科技发展有限公司", "equal"),
        ("北京万信源科技发展公司", "北京万信源科技发展有限公司", "equal"),
        ("北京善迅科技有限公司", "北京善讯科技有限公司", "alike 2"),
        ("北京末来世界商贸有限公司", "北京未来世界商贸有限公司", "alike 4"),
        ("北京信源科技发展有限公司", "北京万信源科技发展有限公司", "lost 3"),
        ("北京万信源科发展有限公司", "北京万信源科技发展有限公司", "broken word"),
        ("北京万信源科贸有限公司", "北京万信源商贸有限公司", "other word"),
        ("北京万信源科技发展有公司", "北京万信源科技发展有限公司", "frame"),
        ("北惊万信源科技发展有限公司", "北京万信源科技发展有限公司", "frame"),
        ("北京兴隆超市第三分店", "北京兴隆超市第二分店", "sign"),
        ("南京万信源科技发展有限公司", "北京万信源科技发展有限公司", "frame"),
        ("北京信万源科技有限公司", "北京万信源科技有限公司", "swapped"),
        ("北京鑫源商贸有限公司", "北京鑫泉商贸有限公司", "changed 2"),
    ],
)
def test_the_difference_of_two_names_has_a_level(connection, written, registered, level):
    names_of(connection, "row_names", [written])
    names_of(connection, "entity_names", [registered])

    compare(connection)

    assert connection.execute("SELECT difference FROM compared").fetchall() == [(level,)]


def test_names_one_character_apart_meet_and_others_do_not(connection):
    names_of(connection, "row_names", ["北京万信源科技有限公司", "北京第九货站"])
    registered = ["北京万信科技有限公司", "北京万新源科技有限公司", "信万源科技(北京)有限公司", "北京别家商贸有限公司"]
    names_of(connection, "entity_names", registered)

    create_pairs(connection, "row_names", "entity_names")

    assert connection.execute("SELECT * FROM pairs ORDER BY ALL").fetchall() == [(1, 1), (1, 2), (1, 3)]


def test_splink_weighs_a_pair_as_the_table_of_levels_says(connection):
    names_of(connection, "row_names", ["万信源科技发展有限公司"])
    names_of(connection, "entity_names", ["北京万信源科技发展有限公司", "北京别家商贸有限公司"])

    score(connection, 9 / 1_300_000)

    ((left, right, odds),) = connection.execute("FROM scored").fetchall()
    ratio = 1.0
    for comparison, level in (("core", "equal"), ("place", "dropped"), ("form", "same"), ("region", "unknown")):
        m, u = parameters()[comparison, level]
        ratio *= m / u
    assert (left, right) == (1, 1)
    assert odds == pytest.approx(9 / 1_300_000 * ratio, rel=1e-9)


def test_every_level_has_its_parameters_and_they_are_shares():
    for comparison, levels in COMPARISONS.items():
        for level in (*levels, "else"):
            m, u = parameters()[comparison, level]
            assert 0 < m <= 1
            assert 0 < u <= 1
    assert len(settings(0.1)["comparisons"]) == len(COMPARISONS)


@pytest.mark.parametrize(
    ("given", "registered", "same"),
    [
        ("110105", "110105", True),
        ("110000", "110105", True),
        ("110105", "110100", True),
        ("110105", "110108", False),
        ("W1", "W12", False),
        ("W1", "W1", True),
    ],
)
def test_a_region_holds_those_below_it(connection, given, registered, same):
    assert connection.execute("SELECT is_region_of(?, ?)", [given, registered]).fetchone() == (same,)
