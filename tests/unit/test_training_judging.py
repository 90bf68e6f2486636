"""What the gate checks before it scores anything: the artifact, the indicators, label and dates, the points scale."""

from __future__ import annotations

import dataclasses
import shutil
from types import SimpleNamespace

import pytest

from data.errors import ArtifactError
from data.files import fingerprint, read_json, write_json
from features.catalogue import load_catalogue
from training import judging
from training.artifact import save_artifact
from training.champions import load_champion
from training.gate_table import NOT_JUDGED, PASSED, REFUSED, passes
from training.judging import judge_challenger
from training.runs import _folder
from training.scale import Scale


@pytest.fixture
def place(graded_city, tmp_path, monkeypatch):
    """A city with a champion, and a challenger and its card below t2; `refused` judges it, `judged` are its models."""
    settings = dataclasses.replace(graded_city.settings, var=tmp_path)
    models = tmp_path / "cities" / "toy" / "models"
    shutil.copytree(graded_city.settings.var / "cities" / "toy" / "models", models)
    city, judged = graded_city.city, []

    def save(model=graded_city.model, **changes):
        manifest = {
            "city": "toy", "catalogue_hash": load_catalogue().hash, "label": city.label.model_dump(mode="json"),
            "split": city.split.model_dump(mode="json"), "records_id": graded_city.records.records_id,
        }  # fmt: skip
        for kind in ("lightgbm_offset", "expert_card"):
            (models / "t2" / kind).mkdir(parents=True, exist_ok=True)
            save_artifact(model, models / "t2" / kind, manifest | changes)

    def judge(city=city, re_anchor=False):
        return judge_challenger(city, settings, "t2/lightgbm_offset", re_anchor, lambda _: None)

    def refused(**options):
        return {row.what: row.said for row in judge(**options) if row.verdict == REFUSED}

    # The rows of the period are the next test's matter.
    monkeypatch.setattr(judging, "_evidence", lambda *given: judged.append(given[2:5]))
    monkeypatch.setattr(judging, "judge", lambda *_: [])
    save()
    return SimpleNamespace(city=city, models=models, save=save, judge=judge, refused=refused, judged=judged)


def reseal(path, **changes):
    """Change a manifest as a training would have written it, under a version of its own."""
    content = {name: value for name, value in read_json(path).items() if name != "model_version"} | changes
    write_json(path, content | {"model_version": fingerprint(content)})


def test_a_challenger_that_is_whole_goes_on_to_be_scored_beside_champion_and_card(place, graded_city):
    assert passes(place.judge())

    ((challenger, card, champion),) = place.judged
    assert (challenger.model_version, card.names) == (card.model_version, champion.names)
    assert champion.model_version == graded_city.model.model_version


@pytest.mark.parametrize("name", ["model.txt", "calibration.json", "manifest.json"])
@pytest.mark.parametrize("kind", ["lightgbm_offset", "expert_card"])
def test_an_artifact_with_a_missing_file_is_refused_and_not_scored(place, name, kind):
    (place.models / "t2" / kind / name).unlink()

    assert name in place.refused()["The artifact is complete"]
    assert place.judged == []


def test_a_manifest_that_was_edited_is_refused_though_the_other_files_fit(place):
    path = place.models / "t2" / "lightgbm_offset" / "manifest.json"
    write_json(path, {**read_json(path), "metrics": {"roc_auc": 0.99}})

    assert "must be as it was saved" in place.refused()["The artifact is complete"]


def test_a_champion_with_an_edited_cut_point_is_not_loaded(place, graded_city):
    settings = dataclasses.replace(graded_city.settings, var=place.models.parents[2])
    path = place.models / "t1" / "lightgbm_offset" / "manifest.json"
    points = read_json(path)["cut_points"]
    write_json(path, read_json(path) | {"cut_points": points | {"from_points": [0, 1, *points["from_points"][2:]]}})

    with pytest.raises(ArtifactError, match=r"manifest in .* must be as it was saved"):
        load_champion(place.city, settings)


def test_a_challenger_of_another_cohort_than_the_declared_one_is_refused(place):
    place.save(cohort=place.city.cohort.model_dump(mode="json"))
    assert place.refused() == {}

    place.save(cohort={"kind": "inspection", "inspection_types": ["routine"]})
    assert list(place.refused()) == ["The cohort is that of city.toml"]


def test_other_indicators_than_those_in_force_are_refused(place):
    place.save(catalogue_hash="other")

    assert place.refused() == {"Indicators are those in force": "made for other. Train again with `qianfen train toy`."}


def test_a_label_or_dates_changed_since_the_training_are_refused(place):
    label = place.city.label.model_copy(update={"horizon_days": 91})

    changed = place.refused(city=place.city.model_copy(update={"label": label}))

    assert "changed since it was trained" in changed["Label and dates are those of city.toml"]


def test_another_points_scale_is_refused_unless_it_is_wanted(place, graded_city):
    place.save(dataclasses.replace(graded_city.model, scale=Scale(331.0, 70.0)))

    assert list(place.refused()) == ["Points keep the champion's scale"]
    assert place.refused(re_anchor=True) == {}


def test_a_champion_made_for_other_indicators_is_not_compared_and_the_table_says_so(place):
    path = place.models / "t1" / "lightgbm_offset" / "manifest.json"
    reseal(path, catalogue_hash="earlier")

    rows = place.judge()

    assert [(row.what, row.said) for row in rows if row.verdict == NOT_JUDGED] == [
        ("Comparison with the champion", "it was made for other indicators")
    ]
    assert place.judged[0][2] is None


def test_a_training_on_another_scale_than_the_champions_stays_and_has_one_beside_it(place, graded_city):
    settings = dataclasses.replace(graded_city.settings, var=place.models.parents[2])
    kept = graded_city.model.scale

    def folder(kept, re_anchor=False):
        return _folder(place.city, settings, "t2", kept, re_anchor).name

    assert folder(kept) == folder(None) == "t2"
    (place.models / "t2" / "training.json").write_text("{}")
    assert folder(kept) == folder(None) == "t2"
    assert len({folder(Scale(331.0, 70.0)), folder(Scale(332.0, 70.0)), folder(kept, re_anchor=True), "t2"}) == 4


@pytest.mark.parametrize(
    ("calibration", "verdict"),
    [(["2020-05-01"], PASSED), (["2020-04-01", "2020-06-03"], NOT_JUDGED), ({"end": "2020-06-02"}, PASSED)],
)
def test_a_champion_that_learned_from_the_period_is_said_to_be_flattered(place, calibration, verdict):
    path = place.models / "t1" / "lightgbm_offset" / "manifest.json"
    split = {"calibration": calibration, "calibration_horizon_days": None}
    reseal(path, split=split, label=place.city.label.model_dump(mode="json"))

    (row,) = [row for row in place.judge() if row.what == "The champion has not seen these labels"]

    # The test begins on 2020-09-01; labels take 90 days and one more to be known.
    assert row.verdict == verdict
    assert ("up to 2020-09-02" in row.said) == (verdict == NOT_JUDGED)
