"""The trials of linking: two halves that share no name, documented damage, and a register as dense as a city."""

from __future__ import annotations

import pytest

from data.connection import connect
from data.linking.timeline import Choice
from experiments.linkage.damage import DAMAGES, damaged
from experiments.linkage.dense_register import fill_register
from experiments.linkage.measure import Outcome, figures, figures_of_equality, link_trials
from experiments.linkage.names_with_truth import PLACES, NamedEntity, RealNames, is_of_tune
from experiments.linkage.trials import ABSENT, AS_WRITTEN, Trial, load_trials, make_trials

TRADE = ("万信源", "盐博伟业", "零度聚阵", "景晟", "福泰隆", "佳勇", "善讯", "天云鼎盛", "傲诚", "鸿烨兴")
TAILS = ("科技发展有限公司", "商贸有限责任公司", "建筑工程有限公司", "餐饮管理中心")


@pytest.fixture
def names():
    entities = tuple(
        NamedEntity(
            f"C{n:02}", f"北京{TRADE[n % 10]}{TAILS[n // 10]}", ((f"{TRADE[n % 10]}（北京）{TAILS[n // 10]}", "f"),)
        )
        for n in range(40)
    )
    return RealNames(entities, tuple(f"北京第{n}号{TAILS[n % 4]}" for n in range(200)))


def test_no_name_of_the_half_that_is_measured_is_in_the_half_that_tunes(names):
    tune, test = make_trials(names, tune=True), make_trials(names, tune=False)

    assert {t.code for t in tune.trials if t.code}.isdisjoint(t.code for t in test.trials if t.code)
    assert {name for _, name in tune.register}.isdisjoint(e.name for e in names.entities if not is_of_tune(e.name))
    assert all(is_of_tune(name) for code, name in tune.register)


def test_names_of_nobody_are_not_in_the_register(names):
    for tune in (True, False):
        trials = make_trials(names, tune)
        absent = {trial.name for trial in trials.trials if trial.kind == ABSENT}
        assert absent
        assert absent.isdisjoint(name for _, name in trials.register)


@pytest.mark.parametrize("kind", list(DAMAGES))
def test_damage_changes_a_name_and_the_same_name_always_alike(kind):
    name = "盐博伟业（北京）建筑工程有限责任公司"

    assert damaged(name, kind) == damaged(name, kind) != name


@pytest.mark.parametrize(
    ("kind", "wrong_by"),
    [("character lost", -1), ("character confused", 0), ("character replaced by any", 0)],
)
def test_one_character_is_damaged_and_no_more(kind, wrong_by):
    name = "北京万信源科技发展有限公司"

    written = damaged(name, kind)

    assert len(written) - len(name) == wrong_by
    if wrong_by == 0:
        assert sum(a != b for a, b in zip(name, written, strict=True)) == 1


def test_damage_to_place_and_form_leaves_the_rest():
    assert damaged("北京万信源科技发展有限公司", "region prefix dropped") == "万信源科技发展有限公司"
    assert damaged("万信源科技发展有限公司", "region prefix dropped") is None
    shortened = damaged("北京万信源科技有限责任公司", "legal form shortened")
    assert shortened in {"北京万信源科技有限公司", "北京万信源科技公司", "北京万信源科技"}


def test_a_small_city_is_linked_as_measured(names):
    trials = make_trials(names, tune=False)
    with connect(threads=1) as connection:
        load_trials(connection, trials)
        outcomes = link_trials(connection, trials.trials, bar=0.8)

    as_registered = figures(o for o in outcomes if o.trial.kind == AS_WRITTEN)
    assert (as_registered.recall, as_registered.n_wrong, as_registered.n_lost) == (1.0, 0, 0)
    # Equality finds what is as registered, under the old name, or differs in brackets alone.
    assert figures_of_equality(outcomes).recall < figures(outcomes).recall


def test_a_dense_register_keeps_the_real_names_and_adds_no_name_of_nobody(names):
    trials = make_trials(names, tune=False)
    with connect(threads=1) as connection:
        load_trials(connection, trials)
        fill_register(connection, len(trials.register) + 20, PLACES)
        dense = connection.execute("SELECT code, name FROM dense").fetchall()

    assert set(trials.register) <= set(dense)
    made = {name for code, name in dense if code.startswith("F")}
    assert len(made) == 20
    assert made.isdisjoint(trial.name for trial in trials.trials if trial.kind == ABSENT)


def test_figures_count_right_wrong_waiting_and_lost():
    def outcome(code, taken, kind="character lost", is_blocked=True):
        return Outcome(Trial("名", kind, code), Choice((), taken, "score" if taken else "", None), None, is_blocked)

    outcomes = [
        outcome("A", "A"), outcome("A", "B"), outcome("A", None), outcome("A", None, is_blocked=False),
        outcome(None, "B", ABSENT), outcome(None, None, ABSENT),
    ]  # fmt: skip

    counted = figures(outcomes)

    assert (counted.n, counted.n_right, counted.n_wrong, counted.n_lost) == (4, 1, 2, 1)
    assert (counted.precision, counted.recall, counted.blocking_loss) == (1 / 3, 0.25, 0.25)
