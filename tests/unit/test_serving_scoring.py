"""The scorer answers from the grading in force, refuses what it does not know, and writes every look-up down."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import select

from data.errors import NotFoundError, NotReadyError
from features.catalogue import load_catalogue
from serving.champion import Champion
from serving.database import LookupRow
from serving.lookups import Asker
from serving.reply import ScoreReply
from serving.request import ScoreItem
from serving.scoring import Scorer

NAMES = load_catalogue().names
ASKER = Asker("张三", "复核", "POST /v1/score")


@pytest.fixture
def scorer(graded_city):
    return Scorer(graded_city.city, graded_city.settings)


def answer_by(scorer, model):
    """Make a model the champion of a scorer."""
    champion = Champion.of(scorer.city, model)
    scorer._champion = SimpleNamespace(get=lambda: champion)


def lookups(scorer):
    with scorer.engine.connect() as connection:
        return connection.execute(select(LookupRow.__table__).order_by(LookupRow.id)).mappings().all()


def test_an_entity_is_scored_as_of_the_grading_in_force(scorer, graded_city):
    reply = scorer.score([ScoreItem("E07")], ASKER)[0]

    assert reply["as_of_date"] == "2020-12-31"
    assert reply["snapshot_id"] == graded_city.snapshot.snapshot_id
    assert reply["model_version"] == graded_city.model.model_version
    assert reply["catalogue_hash"] == load_catalogue().hash


def test_a_reply_adds_up_and_is_as_declared(scorer):
    for reply in scorer.score([ScoreItem(f"E{n:02}") for n in range(60)], ASKER):
        total = reply["base_points"] + sum(c["total"] for c in reply["contributions"]) + reply["clipping"]
        assert abs(total - reply["points"]) < 1e-9
        assert [c["indicator"] for c in reply["contributions"]] == list(NAMES)
        ScoreReply.model_validate_json(json.dumps(reply), strict=True)


def test_points_beyond_the_scale_are_held_and_the_difference_is_shown(graded_city):
    scorer = Scorer(graded_city.city, graded_city.settings)
    scale = dataclasses.replace(graded_city.model.scale, offset=1200.0)
    answer_by(scorer, dataclasses.replace(graded_city.model, scale=scale))

    reply = scorer.score([ScoreItem("E07")], ASKER)[0]

    assert reply["points"] == 1000.0
    assert reply["clipping"] < 0
    total = reply["base_points"] + sum(c["total"] for c in reply["contributions"]) + reply["clipping"]
    assert abs(total - 1000.0) < 1e-9


def test_replies_come_in_the_order_of_the_items_whatever_they_are(scorer):
    given = ScoreItem(indicators=(None,) * 18)
    items = [ScoreItem("E09"), given, ScoreItem("E01", date(2020, 5, 1)), ScoreItem("E09")]

    replies = scorer.score(items, ASKER)

    assert [r["entity_id"] for r in replies] == ["E09", None, "E01", "E09"]
    assert [r["as_of_date"] for r in replies] == ["2020-12-31", None, "2020-05-01", "2020-12-31"]
    assert replies[0] == replies[3]
    assert replies[1]["snapshot_id"] is None


def test_values_given_score_like_the_entity_that_has_them(scorer, graded_city):
    row = graded_city.snapshot.lookup(["E07"])[list(NAMES)].to_numpy()[0]
    values = tuple(None if np.isnan(v) else float(v) for v in row)

    by_entity, by_values = scorer.score([ScoreItem("E07"), ScoreItem(indicators=values)], ASKER)

    assert by_values["points"] == by_entity["points"]
    assert by_values["contributions"] == by_entity["contributions"]


def test_one_unknown_entity_refuses_the_whole_request_and_nothing_is_written_down(scorer):
    before = len(lookups(scorer))

    with pytest.raises(NotFoundError, match="No active entity 'X1' was known as of 2020-12-31"):
        scorer.score([ScoreItem("E07"), ScoreItem("X1")], ASKER)

    assert len(lookups(scorer)) == before


def test_a_date_without_a_snapshot_names_the_dates_there_are(scorer):
    with pytest.raises(NotFoundError, match="as of 2020-06-01; there are those as of: 2020-05-01, 2020-12-31"):
        scorer.score([ScoreItem("E07", date(2020, 6, 1))], ASKER)


def test_who_looked_at_whom_and_why_is_written_down(scorer, graded_city):
    before = len(lookups(scorer))

    scorer.score([ScoreItem("E07"), ScoreItem(indicators=(None,) * 18), ScoreItem("E08", date(2020, 5, 1))], ASKER)

    rows = lookups(scorer)[before:]
    assert [(r["entity_id"], r["as_of_date"]) for r in rows] == [("E07", date(2020, 12, 31)), ("E08", date(2020, 5, 1))]
    assert {(r["who"], r["why"], r["what"]) for r in rows} == {("张三", "复核", "POST /v1/score")}
    assert {r["model_version"] for r in rows} == {graded_city.model.model_version}


def test_without_a_champion_nothing_is_ready_until_there_is_one(graded_city, tmp_path):
    settings = dataclasses.replace(graded_city.settings, var=tmp_path, database_url=f"sqlite:///{tmp_path}/q.db")
    scorer = Scorer(graded_city.city, settings)

    assert not scorer.is_ready()
    with pytest.raises(NotReadyError, match="toy has no champion yet"):
        scorer.score([ScoreItem("E07")], ASKER)

    (tmp_path / "cities" / "toy").mkdir(parents=True)
    (tmp_path / "cities" / "toy" / "models").symlink_to(graded_city.settings.var / "cities" / "toy" / "models")
    with pytest.raises(NotReadyError, match="toy is not graded yet. Run `qianfen grade toy`"):
        scorer.score([ScoreItem("E07")], ASKER)
    assert scorer.score([ScoreItem(indicators=(None,) * 18)], ASKER)[0]["grade"] in "ABCD"


@pytest.mark.parametrize("is_online", [True, False])
def test_grades_from_other_indicators_are_not_served(scorer, graded_city, is_online, monkeypatch):
    monkeypatch.setattr(scorer._newest, "store_of", scorer._newest.store_of if is_online else lambda _: None)
    manifest = {**graded_city.model.manifest, "catalogue_hash": "other"}
    answer_by(scorer, dataclasses.replace(graded_city.model, manifest=manifest))

    with pytest.raises(NotReadyError, match="toy as of 2020-12-31 must stem from the champion's indicators"):
        scorer.score([ScoreItem("E07")], ASKER)
    assert not scorer.is_ready()
