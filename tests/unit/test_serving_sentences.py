"""Each indicator says in one plain sentence what is known and what it does to the points."""

from __future__ import annotations

import pytest

from features.catalogue import load_catalogue
from serving.sentences import sentence, shown_value, signed

CATALOGUE = load_catalogue()


def say(name, value, expert=0.0, learned=0.0, is_available=True, currency="CNY"):
    return sentence(CATALOGUE[name], value, expert, learned, is_available, currency)


@pytest.mark.parametrize(
    ("said", "zh", "en"),
    [
        (
            say("registered_capital", 500_000.0, -10.04, 3.0),
            "登记的注册资本为 50 万元；减 7.0 分（专家 −10.0，历史 +3.0）。",
            "The registered capital is CNY 500,000, which takes off 7.0 points (experts −10.0, history +3.0).",
        ),
        (
            say("licence_validity", -12.0, 40.0, 0.0),
            "必需的许可已过期 12 天；加 40.0 分（专家 +40.0，历史 0.0）。",
            "A required licence lapsed 12 days ago, which adds 40.0 points (experts +40.0, history 0.0).",
        ),
        (
            say("licence_validity", 3650.0),
            "必需的许可长期有效；不增减分数。",
            "The required licences do not lapse within ten years, which changes nothing.",
        ),
        (
            say("failed_inspections", None, 2.0, 0.0),
            "从未检查过，按中性分计；加 2.0 分（专家 +2.0，历史 0.0）。",
            "It was never inspected, so its neutral points count, which adds 2.0 points (experts +2.0, history 0.0).",
        ),
        (
            say("complaint_reports", 2.345, 30.0, -30.0),
            "投诉举报约为同行业同规模主体的 2.35 倍；两部分相抵（专家 +30.0，历史 −30.0）。",
            "Complaints and reports are 2.35 times its peers', which comes to nothing (experts +30.0, history −30.0).",
        ),
        (
            say("annual_report_lapses", 1.0, 0.0, 0.0),
            "近三年有 1 个年度的年报逾期或未报；不增减分数。",
            "The annual report of 1 year was late or missed in the last 3 years, which changes nothing.",
        ),
        (
            say("unpaid_obligations", 123_456_789.0, currency="CAD"),
            "尚有税款、罚款或判决款 1.23 亿加元未缴清；不增减分数。",
            "CAD 123,456,789 of taxes, penalties or judgments are outstanding, which changes nothing.",
        ),
        (
            say("penalties", None, is_available=False),
            "本地尚无行政处罚的数据来源，按中性分计；不增减分数。",
            "This city has no source for penalties, so its neutral points count, which changes nothing.",
        ),
    ],
)
def test_a_sentence_reads_as_written_here(said, zh, en):
    assert (said.zh, said.en) == (zh, en)


@pytest.mark.parametrize("name", CATALOGUE.names)
@pytest.mark.parametrize("value", [None, 0.0, 0.37, 1.0, 2.0, 5000.0])
def test_every_indicator_has_a_sentence_for_every_value(name, value):
    said = say(name, value, 1.0, 1.0)

    assert said.zh.endswith("（专家 +1.0，历史 +1.0）。")
    assert said.en.endswith("which adds 2.0 points (experts +1.0, history +1.0).")
    assert "{" not in said.zh + said.en


@pytest.mark.parametrize(
    ("name", "value", "zh", "en"),
    [
        ("registered_capital", 12_345.0, "1.23 万元", "CNY 12,345"),
        ("failed_inspections", 0.727, "72.7%", "72.7%"),
        ("years_in_operation", 5.25, "5.25 年", "5.25 years"),
        ("address_sharing", 1200.0, "1,200 户", "1,200 entities"),
        ("person_dishonesty", 1.0, "1 人", "1 person"),
        ("complaint_reports", 3.998, "4 倍（与同类相比）", "4 times its peers"),
        ("negative_mentions", 0.003, "<0.01 条（按时间衰减）", "<0.01 mentions, decayed"),
        ("unpaid_obligations", 40_000_000.0, "4,000 万元", "CNY 40,000,000"),
        ("abnormal_listing", 1090.0, "1,090 天", "1,090 days"),
        ("penalties", None, "", ""),
    ],
)
def test_a_value_is_shown_with_its_unit(name, value, zh, en):
    assert shown_value(CATALOGUE[name], value, "zh", "CNY") == zh
    assert shown_value(CATALOGUE[name], value, "en", "CNY") == en


@pytest.mark.parametrize(
    ("points", "text"), [(12.34, "+12.3"), (-12.36, "−12.4"), (0.049, "0.0"), (-0.04, "0.0"), (1234.0, "+1,234.0")]
)
def test_points_carry_their_sign(points, text):
    assert signed(points) == text
