"""Learning parameters of indicators: on folds before the test, by what is known then, and only what a value changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from data.city import Cohort, Label, Split, load_city
from data.errors import ConfigurationError
from features.catalogue import load_catalogue
from features.matrix import build_matrix
from features.pairs import PairsAsOf, pairs_as_of
from training import indicator_parameters
from training.indicator_parameters import learn_parameters
from training.learned_parameters import lines, study_result
from training.parameter_study import load_parameter_study

STUDY = """
city = "toy"
passes = 1
n_draws = 20

[folds]
first = 2019-06-01
last = 2019-11-01
n_folds = 2
every_days = 50

[search.failed_inspections]
minor_counts = [0.0, 1.0]
half_life_days = [365]

[search.penalties]
half_life_days = [100]
"""
TEST = date(2020, 3, 1)


def quiet(_message):
    """Progress that nobody watches."""


@pytest.fixture
def city(write_city):
    """The toy city, whose label is a failed inspection within 50 days and whose test begins on 2020-03-01."""
    split = Split(
        trees=(date(2019, 6, 1),), calibration=(date(2019, 11, 1),), test=(TEST,), reference=TEST, grading=TEST
    )
    label = Label(column="failed", values=("true",), horizon_days=50)
    loaded = load_city(str(write_city()))
    changed = {"split": split, "label": label, "cohort": Cohort()}
    parameters = {"num_leaves": 4, "min_data_in_leaf": 20, "learning_rate": 0.2}
    model = loaded.model.model_copy(update={"num_boost_round": 10, "parameters": parameters})
    return loaded.model_copy(update={**changed, "model": model})


@pytest.fixture
def settings(settings):
    """One thread: the trees are few."""
    return replace(settings, threads=1)


@pytest.fixture
def study(city):
    path = city.folder / "parameters.toml"
    path.write_text(STUDY, encoding="utf-8")
    return load_parameter_study(str(path))


def inspections(first, last, seed):
    """Inspections every 25 days: those of careless entities mostly find something minor, and fail more often."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(240):
        careless = number % 2 == 0
        for days in range(0, (last - first).days, 25):
            failed = generator.random() < (0.35 if careless else 0.15)
            minor = generator.random() < (0.9 if careless else 0.1)
            severity = "crucial" if failed else "minor" if minor else "none"
            rows.append(
                {
                    "record_id": f"{seed}-{number}-{days}", "entity_id": f"E{number}", "failed": bool(failed),
                    "severity": severity, "event_date": first + timedelta(days=days + number % 20),
                }
            )  # fmt: skip
    return rows


@pytest.fixture
def tables():
    entities = [{"entity_id": f"E{n}", "event_date": date(2018, 1, 1), "industry_code": "62"} for n in range(240)]
    return {
        "entities": entities,
        "inspections": inspections(date(2019, 1, 1), date(2020, 3, 1), seed=1),
        "penalties": [{"entity_id": "E1", "event_date": date(2019, 2, 1)}],
    }


def test_a_value_that_ranks_better_is_found_and_told_and_only_what_it_changes_is_worked_out(
    city, study, tables, write_records, settings, monkeypatch
):
    worked_out, brought_in = [], []

    def noted_pairs(*pairs):
        for batch in pairs_as_of(*pairs):
            brought_in.append(batch)
            yield batch

    def noted_matrix(batch, catalogue):
        worked_out.append(catalogue.names)
        return matrix(batch, catalogue)

    matrix = PairsAsOf.matrix
    monkeypatch.setattr(indicator_parameters, "pairs_as_of", noted_pairs)
    monkeypatch.setattr(PairsAsOf, "matrix", noted_matrix)

    path, content = study_result(study, city, write_records(**tables), settings, quiet)

    assert content["best"]["given"] == {"failed_inspections": {"minor_counts": 1.0}}
    assert [(s["indicator"], s["parameter"], s["before"], s["after"]) for s in content["steps"]] == [
        ("failed_inspections", "minor_counts", 0.0, 1.0)
    ]
    assert content["best"]["mean"] > content["first"]["mean"] + 0.02
    assert content["gain"]["low"] > 0
    said = "\n".join(lines(content))
    assert "[indicators.failed_inspections]\nminor_counts = 1.0  # from 0, +0." in said
    snapshot_of_the_defaults = load_catalogue().names
    assert [names for names in worked_out if names != snapshot_of_the_defaults] == [
        ("industry_category", "failed_inspections"), ("penalties",)
    ]  # fmt: skip
    # The records were read once for all candidates.
    assert len(brought_in) == 1
    # Done once, it is not done again.
    monkeypatch.setattr(indicator_parameters, "pairs_as_of", None)
    assert study_result(study, city, write_records(**tables), settings, quiet) == (path, content)


def test_a_candidates_values_are_those_of_the_matrix_with_its_parameters(
    city, study, tables, write_records, settings, monkeypatch
):
    # given: a study of all that others have a part in, and who owns what
    owner = {"role": "owner", "event_date": date(2018, 1, 1)}
    people = [{"record_id": f"p{n}", "entity_id": f"E{n}", "person_id": f"P{n // 3}", **owner} for n in range(200)]
    complaints = [{"entity_id": f"E{n % 50}", "event_date": date(2019, 1 + n % 9, 1)} for n in range(150)]
    records = write_records(**tables, people=people, complaints=complaints)
    search = {
        "failed_inspections": {"minor_counts": (0.5,)},
        "industry_category": {"industry_look_back_days": (200,)},
        "person_linked_violations": {"strength": (2.0,)},
        "complaint_reports": {"half_life_days": (40,)},
    }
    taken = []
    monkeypatch.setattr(indicator_parameters._Trying, "_score", lambda _, fold, X, X_test: taken.append((fold, X)) or X)
    monkeypatch.setattr(indicator_parameters, "fast_roc_auc", lambda *_: float(len(taken)))
    monkeypatch.setattr(indicator_parameters._Trying, "gain", lambda *_: None)

    learned = learn_parameters(study.model_copy(update={"search": search}), city, records, settings, quiet)

    # then: each later trial was taken for better, so that the last has all values
    assert learned.best.given == {name: {p: v[0] for p, v in values.items()} for name, values in search.items()}
    fold, X = taken[-1]
    catalogue = load_catalogue().with_values(learned.best.given)
    built = build_matrix(records, fold.train.as_of_dates, catalogue, threads=1).to_pandas()
    built["as_of_date"] = built["as_of_date"].astype(fold.train.keys["as_of_date"].dtype)
    expected = fold.train.keys.merge(built, how="left")[list(catalogue.names)].to_numpy(float)
    np.testing.assert_array_equal(X, expected)
    assert (np.nanstd(expected[:, [catalogue.names.index(name) for name in search]], axis=0) > 0).all()


def test_what_becomes_known_once_the_test_begins_moves_no_trial(city, study, tables, write_records, settings):
    study = study.model_copy(update={"search": {"failed_inspections": {"minor_counts": (1.0,)}}})
    before = learn_parameters(study, city, write_records(**tables), settings, quiet)

    later = inspections(TEST, TEST + timedelta(days=120), seed=2)
    told_late = {"event_date": date(2019, 8, 1), "known_at": TEST}
    backdated = [{**row, "record_id": f"b{row['record_id']}", **told_late} for row in later]
    records = write_records(**{**tables, "inspections": tables["inspections"] + later + backdated})
    after = learn_parameters(study, city, records, settings, quiet)

    assert [trial["by_fold"] for trial in after.trials] == [trial["by_fold"] for trial in before.trials]
    assert after.best.given == before.best.given


def test_the_search_begins_with_the_defaults_of_what_it_searches_and_keeps_the_rest(city, study):
    declared = {"failed_inspections": {"minor_counts": 0.3, "strength": 4.0}, "penalties": {"half_life_days": 90}}

    assert study.start(city.model_copy(update={"indicators": declared})) == {"failed_inspections": {"strength": 4.0}}


def test_a_window_whose_labels_reach_the_test_is_refused(city, study, tables, write_records, settings):
    late = study.model_copy(update={"folds": study.folds.model_copy(update={"last": date(2020, 2, 20)})})

    with pytest.raises(ConfigurationError, match="must end on 2020-01-10 or earlier"):
        learn_parameters(late, city, write_records(**tables), settings, quiet)


def test_a_study_of_another_city_is_refused(city, study, tables, write_records, settings):
    with pytest.raises(ConfigurationError, match="must be 'toy'"):
        study_result(study.model_copy(update={"city": "other"}), city, write_records(**tables), settings, quiet)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minor_counts", "minor_count", "Did you mean 'minor_counts'"),
        ("[0.0, 1.0]", "[0.0, 2.0]", "must lie between 0 and 1"),
        ("[0.0, 1.0]", "[]", "must try a value or more"),
        ("search.penalties", "search.penalty", "must name an indicator"),
        ("passes = 1", "pass = 1", "unknown key"),
    ],
)
def test_what_cannot_be_searched_is_refused(city, tmp_path, old, new, said):
    path = tmp_path / "study.toml"
    path.write_text(STUDY.replace(old, new), encoding="utf-8")

    with pytest.raises(ConfigurationError, match=said) as error:
        load_parameter_study(str(path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["toronto/indicators", "chicago/indicators"])
def test_the_declared_studies_are_sound(name):
    study = load_parameter_study(name)

    assert next(iter(study.search)) == "failed_inspections"


def test_what_was_learned_is_not_handed_out_where_the_test_now_lies_among_its_labels(settings):
    city, study = load_city("toronto"), load_parameter_study("toronto/indicators")
    # given: the city's dates moved back by a year, the study's folds as they were
    stages = {
        name: tuple(d - timedelta(days=365) for d in getattr(city.split, name))
        for name in ("trees", "calibration", "test")
    }
    earlier = city.split.model_copy(update={**stages, "reference": stages["calibration"][0]})
    with pytest.raises(ConfigurationError, match="test"):
        study_result(study, city.model_copy(update={"split": earlier}), None, settings, print)
