"""What would change the grade, in words: as declared, in both languages, and on the page as the endpoint has it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select

from data.errors import ConfigurationError
from features.catalogue import load_catalogue
from serving.champion import Champion
from serving.database import LookupRow
from serving.lookups import Asker
from serving.outlooks import OutlookReply, Outlooks
from serving.request import ScoreItem
from serving.review_page import shown_changes
from serving.scoring import Scorer
from serving.site import create_site
from serving.wording import words
from training.expert_card import CutPoints
from training.vetoes import Veto

CATALOGUE = load_catalogue()
ASKER = Asker("test", "", "")


@pytest.fixture
def scorer(graded_city):
    return Scorer(graded_city.city, graded_city.settings)


def with_cut_points(scorer, *from_points):
    """Return a scorer whose model has other cut points."""
    cut_points = CutPoints(("A", "B", "C", "D"), from_points, "2021-01-01", "test")
    other = Scorer(scorer.city, scorer.settings)
    champion = Champion.of(other.city, dataclasses.replace(scorer.model, cut_points=cut_points))
    other._champion = SimpleNamespace(get=lambda: champion)
    return other


def page(scorer, path):
    """Return the text of a page."""

    async def ask():
        transport = httpx.ASGITransport(create_site(lambda: scorer))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.get(path)

    return asyncio.run(ask()).text


def asked(scorer, **values):
    """Return what would change the grade of the values given; all others are missing."""
    indicators = tuple(values.get(name) for name in CATALOGUE.names)
    return scorer.champion.outlooks.outlook(scorer.score([ScoreItem(indicators=indicators)], ASKER)[0])


def test_every_entity_gets_an_answer_as_declared(scorer):
    for reply in scorer.score([ScoreItem(f"E{n:02}") for n in range(60)], ASKER):
        outlook = OutlookReply.model_validate_json(json.dumps(scorer.champion.outlooks.outlook(reply)), strict=True)

        assert (outlook.points, outlook.grade) == (reply["points"], reply["grade"])
        for way in outlook.ways:
            assert way.points < outlook.below_points
            assert [step.kind for step in way.steps].count("wait") == (way.wait_days > 0)


def test_acts_come_before_the_wait_and_name_the_day(graded_city):
    model = dataclasses.replace(graded_city.model, kind="expert_card", booster=None)
    # A lapsed licence gives 60 points of the card and penalties 70: cut points so that both must change.
    reply = {
        "entity_id": "E07",
        "as_of_date": "2020-12-31",
        "contributions": [
            {"value": {"licence_validity": -5.0, "penalties": 1.6, "abnormal_listing": 20.0}.get(name)}
            for name in CATALOGUE.names
        ],
    }
    points = Outlooks(CATALOGUE, model).outlook(reply)["points"]
    per_card_point = model.scale.factor * model.platt[1] * model.offset.slope
    cuts = CutPoints(("A", "B", "C"), (0.0, 1.0, points - 70.0 * per_card_point), "2021-01-01", "test")

    outlook = Outlooks(CATALOGUE, dataclasses.replace(model, cut_points=cuts)).outlook(reply)

    way = outlook["ways"][0]
    assert [step["sentence_en"] for step in way["steps"]] == [
        "Renew the required licences as they fall due, so that all hold for 1,095 days from the as-of date.",
        "Go 90 days without a new adverse record, until 2021-03-31, and be off the list of abnormal operation all that "
        "time.",
    ]
    assert [step["sentence_zh"] for step in way["steps"]] == [
        "必需的许可到期前及时续办，使各项自截至日期起 1,095 天内有效。",
        "此后 90 天（至 2021-03-31）没有新的不良记录，且始终不在经营异常名录上。",
    ]
    assert way["as_of_date"] == "2021-03-31"
    shown = {change.name: (change.before, change.after) for change in shown_changes(way, CATALOGUE, "en", "CNY")}
    assert shown["Licence validity"] == ("-5", "1,005 days")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_shows_what_the_endpoint_says(scorer, language):
    outlook = scorer.champion.outlooks.outlook(scorer.score([ScoreItem("E07")], ASKER)[0])
    assert outlook["ways"] or outlook["best"]

    text = page(scorer, f"/entities/E07?lang={language}")

    assert words(language)["what_would_change"] in text
    assert outlook[f"sentence_{language}"].replace("'", "&#39;") in text
    assert words(language)["taken_for_granted"] in text
    for way in outlook["ways"] or [outlook["best"]]:
        assert f"<strong>{way['points']:,.1f}</strong>" in text
        for step in way["steps"]:
            assert f"<li>{step[f'sentence_{language}']}</li>" in text


@pytest.mark.parametrize(
    ("language", "said"),
    [("zh", "已是风险最低的等级，没有更好的等级。"), ("en", "It has the best grade; there is none better to reach.")],
)
def test_the_page_of_the_best_grade_says_that_there_is_nothing_to_reach(scorer, language, said):
    text = page(with_cut_points(scorer, 0.0, 997.0, 998.0, 999.0), f"/entities/E07?lang={language}")

    assert said in text
    assert '<ol class="ways">' not in text


@pytest.mark.parametrize(
    ("language", "said"),
    [("zh", "都不能使风险分低于 3 分（C 级）"), ("en", "do not bring it below 3 points, to grade C")],
)
def test_the_page_says_so_where_no_way_exists(scorer, language, said):
    assert said in page(with_cut_points(scorer, 0.0, 1.0, 2.0, 3.0), f"/entities/E07?lang={language}")


def test_where_nothing_can_be_done_nothing_is_promised(scorer):
    outlook = asked(with_cut_points(scorer, 0.0, 1.0, 2.0, 3.0), industry_category=0.4)

    assert outlook["ways"] == []
    assert outlook["best"] is None
    assert outlook["sentence_en"].endswith("None of them lowers its points.")
    assert outlook["sentence_zh"].endswith("也没有一项能使分数降低。")


def test_passed_inspections_are_told_as_the_model_scores_them(scorer):
    values = {"failed_inspections": 0.9, "industry_category": 0.2}
    at = CATALOGUE.names.index("failed_inspections")
    row = np.array([[values.get(name, np.nan) for name in CATALOGUE.names]])
    points = scorer.model.score(row).points[0]
    strict = with_cut_points(scorer, 0.0, 1.0, 2.0, float(points) - 0.5)

    outlook = OutlookReply.model_validate(asked(strict, **values))

    row[0, at] = outlook.target.at_most
    assert scorer.model.score(row).points[0] == outlook.target.points < points - 0.5
    assert f"a rate of failed inspections of {outlook.target.at_most:.1%}, now 90.0%" in outlook.target.sentence_en
    assert f"检查不合格率由 90.0% 降至 {outlook.target.at_most:.1%}" in outlook.target.sentence_zh


def test_results_counted_by_gravity_are_not_told_as_a_rate_of_failures(scorer):
    values = {"failed_inspections": 0.9, "industry_category": 0.2}
    gravity = {"failed_inspections": {"failed_counts": 0.8}}
    row = [values.get(name, np.nan) for name in CATALOGUE.names]
    points = scorer.model.score(np.array([row])).points[0]
    model = with_cut_points(scorer, 0.0, 1.0, 2.0, float(points) - 0.5).model
    contributions = [{"value": values.get(name)} for name in CATALOGUE.names]
    reply = {"entity_id": None, "as_of_date": None, "contributions": contributions}

    target = Outlooks(CATALOGUE.with_values(gravity), model).outlook(reply)["target"]

    said = f"where what inspections found comes to {target['at_most']:.1%} of the gravest result, now 90.0%, and all"
    assert said in target["sentence_en"]
    assert f"检查结果的平均严重度由最严重结果的 90.0% 降至 {target['at_most']:.1%}、" in target["sentence_zh"]
    assert "rate" not in target["sentence_en"]
    assert "率" not in target["sentence_zh"]


def held_by(model, indicator, above_points, **values):
    """Return the outlook of values that a veto holds at C, where C begins so far above their points."""
    reply = {
        "entity_id": "E07",
        "as_of_date": "2020-12-31",
        "contributions": [{"value": values.get(name)} for name in CATALOGUE.names],
    }
    points = Outlooks(CATALOGUE, model).outlook(reply)["points"]
    cuts = CutPoints(("A", "B", "C"), (0.0, 1.0, points + above_points), "2021-01-01", "test")
    veto = Veto("held", indicator, 0.01, "C", "有此记录", "it is on record", "2021-01-01", "test")
    held = dataclasses.replace(model, cut_points=cuts, declared_vetoes=(veto,))
    return OutlookReply.model_validate(Outlooks(CATALOGUE, held).outlook(reply))


@pytest.fixture
def card_model(graded_city):
    return dataclasses.replace(graded_city.model, kind="expert_card", booster=None)


def test_where_points_could_come_below_but_a_veto_stands_it_says_so(card_model):
    outlook = held_by(card_model, "serious_dishonesty", -1.0, serious_dishonesty=1.0, penalties=1.6)

    assert (outlook.grade, outlook.ways) == ("C", [])
    assert outlook.best.points < outlook.below_points <= outlook.points
    fewest = f"{outlook.best.points:,.1f}"
    assert f"can bring its points to {fewest}, but do not lift this." in outlook.sentence_en
    assert outlook.sentence_zh.endswith(f"与至多三年的等待可使分数降至 {fewest} 分，但不能解除这一限制。")
    assert "below" not in outlook.sentence_en
    assert "不能使风险分低于" not in outlook.sentence_zh


def test_where_points_are_few_enough_a_way_is_said_to_lift_the_veto(card_model):
    outlook = held_by(card_model, "abnormal_listing", 5.0, abnormal_listing=20.0)

    assert outlook.grade == "C"
    assert outlook.points < outlook.below_points
    assert [way.grade for way in outlook.ways] == ["B"]
    below = f"{outlook.below_points:,g}"
    assert outlook.sentence_en.startswith(f"This lifts the veto, to grade B; its points are below {below} already.")
    assert outlook.sentence_zh.startswith(f"以下办法能解除等级限制，达到 B 级（分数已低于 {below} 分）；")


def test_nobody_is_asked_for_what_the_city_does_not_ask(scorer):
    model, values = with_cut_points(scorer, 0.0, 1.0, 2.0, 3.0).model, dict.fromkeys(CATALOGUE.names)
    reply = {
        "entity_id": "E07",
        "as_of_date": "2020-12-31",
        "contributions": [{"value": (values | {"address_sharing": 150.0, "licence_validity": 9.0})[n]} for n in values],
    }

    def acts(not_asked):
        outlook = Outlooks(CATALOGUE, model, not_asked).outlook(reply)
        ways = outlook["ways"] or [outlook["best"]]
        return {step["indicator"] for way in ways for step in way["steps"] if step["kind"] == "act"}

    assert "address_sharing" in acts(())
    assert acts(("address_sharing",)) == {"licence_validity"}


def test_an_indicator_that_is_not_asked_for_must_be_one():
    with pytest.raises(ConfigurationError, match="got 'adress_sharing'. Did you mean 'address_sharing'"):
        Outlooks(CATALOGUE, None, ("adress_sharing",))


def test_a_page_is_written_down_once(scorer):
    def n_lookups():
        with scorer.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(LookupRow)).scalar()

    before = n_lookups()
    page(scorer, "/entities/E07")

    assert n_lookups() == before + 1
