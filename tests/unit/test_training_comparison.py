"""The champion against rivals: the same rows and draws, folds that leave the test alone, and who wins said first."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from data.city import Period, load_city
from data.errors import ConfigurationError, LabelError, RegistryError
from features.catalogue import load_catalogue
from serving.commands.rivals import write_pages
from training.bootstrap import interval
from training.comparison import kept
from training.comparison.contest import Trial, contest
from training.comparison.directions import directions_cost
from training.comparison.kept import Comparison, build_comparison, content_of, made_of, push_comparisons
from training.comparison.pages import difference_plot, lines, page, short_page
from training.comparison.trials import comparison_folds, fold_trials
from training.comparison.verdict import verdict, winners
from training.fitting import Recipe
from training.folds import Fold, FoldRows, known_on
from training.metrics import average_precision, roc_auc
from training.model_card import newest_comparison
from training.rivals import CHAMPION, RIVALS, FittedRival, Rival
from training.rivals.past_rate import PAST_RATE
from training.rivals.ranges import EXPERT_CARD
from training.rows import Rows

NAMES = load_catalogue().names
PAST = NAMES.index("failed_inspections")


def some_rows(seed: int, n: int = 400, day: str = "2020-01-01") -> Rows:
    """Rows of 200 entities or fewer in which past failures foretell violations."""
    generator = np.random.default_rng(seed)
    X = np.full((n, len(NAMES)), np.nan)
    X[:, PAST] = generator.beta(2, 6, n)
    y = (generator.random(n) < X[:, PAST]).astype(np.int8)
    keys = pd.DataFrame({"entity_id": [f"E{i % 200}" for i in range(n)], "as_of_date": pd.Timestamp(day)})
    return Rows(X, y, keys, ())


def oracle(rows: Rows, _recipe: Recipe, _seed: int) -> FittedRival:
    """Rank by a number that nobody else may see: the label, hidden in a column."""
    return FittedRival(lambda X: np.nan_to_num(X[:, 0]) + 0.01 * np.arange(len(X)) / len(X), 1)


def nothing(_rows: Rows, _recipe: Recipe, _seed: int) -> FittedRival:
    raise LabelError("Rows must be many, got few.")


ORACLE = Rival("oracle", "knows", "none", "yes", oracle)
REFUSED = Rival("refused", "fails", "none", "yes", nothing)
ABSENT = Rival("absent", "is not here", "none", "yes", oracle, package="no_such_package")


@pytest.fixture(scope="module")
def recipe():
    here = Recipe.of(load_city("synthetic"), threads=1)
    return replace(here, num_boost_round=5, lightgbm={**here.lightgbm, "min_data_in_leaf": 20})


@pytest.fixture
def trials():
    """Two folds whose test rows carry their label in the first column."""
    tests = [some_rows(2, day="2020-06-01"), some_rows(3, day="2020-12-01")]
    for test in tests:
        test.X[:, 0] = test.y
    return [Trial(some_rows(1), test) for test in tests]


def quiet(_message: str) -> None:
    """Progress that nobody watches."""


def test_figures_over_folds_are_the_means_of_the_folds(trials, recipe):
    found = contest(trials, recipe, 7, quiet, [CHAMPION, PAST_RATE], n_draws=20)

    fitted = PAST_RATE.fit(trials[0].train, recipe, 7)
    scores = [(trial.test.y, fitted.raw_score(trial.test.X)) for trial in trials]
    assert found.measured["past_rate"].figures["roc_auc"].value == pytest.approx(np.mean([roc_auc(*s) for s in scores]))
    assert found.measured["past_rate"].figures["average_precision"].value == pytest.approx(
        np.mean([average_precision(*s) for s in scores])
    )


def test_intervals_are_those_of_the_bootstrap_by_entity(trials, recipe):
    (trial, _) = trials
    found = contest([trial], recipe, 7, quiet, [CHAMPION, PAST_RATE], n_draws=50)

    score = PAST_RATE.fit(trial.train, recipe, 7).raw_score(trial.test.X)
    expected = interval(roc_auc, trial.test.y, score, trial.test.entity_ids, n_draws=50, seed=7)
    assert found.measured["past_rate"].figures["roc_auc"].as_json() == pytest.approx(expected.as_json())


def test_differences_are_paired_and_the_champions_own_is_nothing(trials, recipe):
    found = contest(trials, recipe, 7, quiet, [CHAMPION, ORACLE], n_draws=50)

    champion, best = found.measured[CHAMPION.name], found.measured["oracle"]
    assert {(d.value, d.low, d.high) for d in champion.against_champion.values()} == {(0.0, 0.0, 0.0)}
    assert best.figures["roc_auc"].value == 1.0
    difference = best.against_champion["roc_auc"]
    assert difference.value == pytest.approx(1.0 - champion.figures["roc_auc"].value)
    # One is always perfect, so the difference moves as the champion alone does.
    assert difference.high - difference.low == pytest.approx(
        champion.figures["roc_auc"].high - champion.figures["roc_auc"].low
    )


def test_rows_with_weights_count_as_much_as_they_weigh(trials, recipe):
    (trial, _) = trials
    weight = np.where(np.arange(len(trial.test.y)) < 200, 1.0, 0.0)
    weighted = Trial(trial.train, replace(trial.test, weight=weight))
    half = Trial(trial.train, trial.test.take(weight > 0))

    found, expected = (contest([t], recipe, 7, quiet, [CHAMPION], n_draws=5) for t in (weighted, half))

    figures, reference = (c.measured[CHAMPION.name].figures for c in (found, expected))
    assert figures["roc_auc"].value == pytest.approx(reference["roc_auc"].value)
    assert figures["precision_at_10_percent"].value == pytest.approx(reference["precision_at_10_percent"].value)


def test_rivals_that_are_not_installed_or_refuse_the_rows_are_left_out_with_the_reason(trials, recipe):
    found = contest(trials, recipe, 7, quiet, [CHAMPION, ABSENT, REFUSED], n_draws=5)

    assert list(found.measured) == [CHAMPION.name]
    assert found.left_out == {
        "absent": "no_such_package is not installed. Run `make install-extra`.",
        "refused": "Rows must be many, got few.",
    }


def test_folds_learn_nothing_that_the_test_holds():
    for name in ("synthetic", "toronto", "chicago"):
        city = load_city(name)
        begins = city.split.test.start if isinstance(city.split.test, Period) else min(city.split.test)

        folds = comparison_folds(city)

        assert len(folds) == 3
        assert all(known_on(city, fold.test) <= begins for fold in folds)


def test_folds_of_the_synthetic_city_are_its_half_years():
    folds = comparison_folds(load_city("synthetic"))

    assert [fold.test for fold in folds] == [(date(2023, 12, 29),), (date(2024, 6, 28),), (date(2024, 12, 27),)]


@pytest.fixture(scope="module")
def contents(recipe):
    """What is kept of a comparison in which the oracle wins, and of one in which nobody does."""

    def compared(rivals):
        rows = [some_rows(2), some_rows(3)]
        for test in rows:
            test.X[:, 0] = test.y
        train, (fold_test, test) = some_rows(1), rows
        fold = FoldRows(Fold(1, (date(2019, 7, 1),), (date(2020, 1, 1),)), train, fold_test)
        over_folds = contest(fold_trials([fold]), recipe, 7, quiet, rivals, n_draws=50)
        calibrate = Trial(train, test, lambda fitted: fitted.calibrated(train))
        on_test = contest([calibrate], recipe, 7, quiet, rivals, n_draws=50)
        content = content_of(Comparison(load_city("toronto"), (fold,), over_folds, on_test, test, {}, {}), rivals)
        return json.loads(json.dumps(content, allow_nan=False))

    return compared([CHAMPION, ORACLE, ABSENT]), compared([CHAMPION, EXPERT_CARD])


def test_a_rival_that_wins_is_named_in_the_first_sentence(contents):
    won, _ = contents

    assert winners(won, "folds", "roc_auc") == ["oracle"]
    assert verdict(won)[0].startswith("**oracle (knows) ranks better than the champion over the folds**")
    assert page(won).startswith("- **oracle (knows) ranks better")
    assert short_page(won).startswith("**oracle (knows) ranks better")
    assert lines(won)[0].startswith("oracle (knows) ranks better")


def test_a_card_that_is_newer_than_a_test_is_told_of_before_who_wins(contents):
    won = contents[0] | {"card": {"valid_from": "2018-04-06", "newer_than": ["2018-02-09"]}}
    says = "The card is newer than what it is tested on"

    assert verdict(won)[0].startswith(f"**{says}**: it holds from 2018-04-06, and tests begin on 2018-02-09.")
    assert verdict(won)[1:] == verdict(contents[0])
    assert page(won).startswith(f"- **{says}**")
    assert short_page(won).startswith(f"**{says}**")
    assert lines(won)[0].startswith(says)


def test_where_nobody_wins_the_first_sentence_says_so(contents):
    _, stood = contents

    assert winners(stood, "folds", "roc_auc") == []
    assert verdict(stood)[0].startswith("**No rival ranks better than the champion over the folds**")


def test_a_direction_that_history_contradicts_is_named_with_what_it_costs(recipe):
    def rows(seed):
        """Rows in which more past failures mean fewer violations."""
        found = some_rows(seed)
        return replace(
            found, y=(np.random.default_rng(seed).random(400) > 1.5 * found.X[:, PAST] + 0.2).astype(np.int8)
        )

    # The card counts failures as risk, so the offset would be refused: it begins from another indicator's points.
    train, test = rows(1), rows(2)
    for some in (train, test):
        some.X[:, NAMES.index("penalties")] = np.where(some.y == 1, 1.0, 0.0) * (np.arange(400) % 3 == 0)

    gained = directions_cost([Trial(train, test)], recipe, 7, quiet, n_draws=50)

    assert list(gained) == ["failed_inspections", "penalties"]
    assert gained["failed_inspections"].low > 0.0


def test_what_directions_cost_is_said_after_who_wins(contents):
    won, stood = contents
    won["directions"] = {
        "a": {"value": 0.01, "low": 0.005, "high": 0.02},
        "b": {"value": 0.0, "low": -0.1, "high": 0.1},
    }

    assert verdict(won)[1].endswith("each given up alone: a +0.0100 (+0.0050 to +0.0200).")
    assert "direction" not in " ".join(verdict(stood))


def test_a_lower_brier_score_is_better(contents):
    won = deepcopy(contents[0])
    won["rivals"]["oracle"]["test"]["against_champion"]["brier_score"] = {"value": -0.1, "low": -0.2, "high": -0.05}

    assert winners(won, "test", "brier_score") == ["oracle"]


def test_the_page_holds_every_rival_that_was_measured_and_why_others_were_not(contents):
    won, _ = contents

    assert page(won).count("| oracle |") == 2
    assert "Left out: absent. no_such_package is not installed." in page(won)
    assert "calibration error" in page(won)


def test_the_picture_shows_every_rival_but_the_champion(contents):
    won, _ = contents

    assert [label.get_text() for label in difference_plot(won).axes[0].get_yticklabels()] == ["oracle"]


@pytest.fixture
def counted(monkeypatch, recipe):
    """Comparisons of the toy city are small, and counted."""
    made = []

    def compare(city, _records, _settings, _progress):
        made.append(city.name)
        train, test = some_rows(1), some_rows(2)
        fold = FoldRows(Fold(1, (date(2019, 7, 1),), (date(2020, 1, 1),)), train, test)
        over_folds = contest(fold_trials([fold]), recipe, 7, quiet, n_draws=5, rivals=[CHAMPION, PAST_RATE])
        left_out = {rival.name: "is not here" for rival in RIVALS[1:] if rival is not PAST_RATE}
        over_folds = replace(over_folds, left_out=left_out)
        return Comparison(city, (fold,), over_folds, over_folds, test, {}, {})

    monkeypatch.setattr(kept, "compare_rivals", compare)
    return made


def away(*_arguments):
    raise RegistryError("MLflow must be reachable, it is not.")


def test_a_comparison_is_kept_where_mlflow_is_away_and_pushed_once_by_the_command_or_the_next_run(
    counted, monkeypatch, settings, write_city, write_records
):
    city, records, said = load_city(str(write_city())), write_records(entities=[]), []
    monkeypatch.setattr(kept, "log_comparison", away)

    folder, content = build_comparison(city, records, settings, said.append)

    assert not (folder / "mlflow.json").exists()
    assert said[-1] == "The comparison is whole on disk, and not in MLflow yet. MLflow must be reachable, it is not."
    assert (folder / "comparison.png").read_bytes()[:4] == b"\x89PNG"
    assert "past_rate" in (folder / "comparison.md").read_text(encoding="utf-8")

    logged = []
    monkeypatch.setattr(kept, "log_comparison", lambda *given: logged.append(given[2:]) or "run-1")

    assert push_comparisons(city, settings, quiet) == [folder]
    assert push_comparisons(city, settings, quiet) == []
    (folder / "mlflow.json").unlink()
    assert build_comparison(city, records, settings, quiet)[0] == folder
    assert logged == [(content, folder)] * 2
    assert counted == ["toy"]


def test_a_page_gets_the_long_tables_the_short_one_or_both(contents, tmp_path):
    won, _ = contents
    path = tmp_path / "page.md"
    marks = ("<!-- compare toronto in short -->", "<!-- /compare toronto in short -->")
    path.write_text("\n".join(["# Toronto", *marks, "By hand."]), encoding="utf-8")

    write_pages(path, won)

    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# Toronto\n{marks[0]}\n\n**oracle (knows) ranks better")
    assert text.endswith(f"{marks[1]}\nBy hand.")
    assert "Brier" not in text


def test_a_split_that_leaks_is_refused_before_anything_is_read(settings):
    city = load_city("synthetic")
    late = city.split.model_copy(update={"calibration": city.split.test})
    with pytest.raises(ConfigurationError, match="must begin on"):
        build_comparison(city.model_copy(update={"split": late}), None, settings, print)


def test_a_card_shows_the_comparison_of_a_model_made_alike_and_no_other(contents, write_city, settings, write_records):
    city, (won, _) = load_city(str(write_city())), contents
    made = json.loads(json.dumps(made_of(city, write_records(entities=[]), settings)))
    home = settings.var / "cities" / "toy" / "comparisons" / "q1"
    home.mkdir(parents=True)

    def shown(content, **changes):
        (home / "comparison.json").write_text(json.dumps(content), encoding="utf-8")
        return newest_comparison(city, settings, made | changes)

    found = shown(won | {"made_of": made})
    assert (found["comparison_id"], "oracle" in found["rivals"]) == ("q1", True)
    assert shown(won | {"made_of": made}, lightgbm=made["lightgbm"] | {"num_threads": 64}) == found
    assert shown(won) is None
    # Before shares of the offset were kept, all of it was taken.
    before = {name: value for name, value in made["lightgbm"].items() if name != "offset_share"}
    assert shown(won | {"made_of": made}, lightgbm=before) == found
    assert shown(won | {"made_of": made}, lightgbm=before | {"offset_share": 0.5}) is None
    others = {
        "records_id": "other", "catalogue_hash": "other", "label": made["label"] | {"horizon_days": 91},
        "cohort": {"kind": "inspection"}, "split": made["split"] | {"test": ["2020-10-01"]},
        "selection": {"method": "weights"}, "lightgbm": made["lightgbm"] | {"num_boost_round": 7},
        "card": made["card"] | {"valid_from": "2020-01-01"},
    }  # fmt: skip
    assert set(others) == set(made)
    for name, value in others.items():
        assert shown(won | {"made_of": made}, **{name: value}) is None
