"""The ledger of promotions: a chain in which every edit, removal and insertion is found."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, delete, insert, update

from data.errors import BusyError
from training import ledger
from training.ledger import LEDGER, PROMOTED, ROLLED_BACK, Entry, append, broken_links, entries, newest, succession

MODELS = {
    name: {"model_version": name, "artifact": f"t/{name}", "manifest_sha256": name * 64, "registered_version": "1"}
    for name in "abc"
}


@pytest.fixture
def engine(database_url):
    engine = create_engine(database_url)
    ledger.METADATA.create_all(engine)
    yield engine
    engine.dispose()


def decide(engine, action, model, who="李四", why="better", gate=()):
    return append(engine, newest(engine, "toy"), "toy", action, MODELS[model], who, why, gate)


@pytest.fixture
def three(engine):
    """Three entries of one city: a, b, and back to a."""
    decide(engine, PROMOTED, "a", gate=[{"what": "AUC", "verdict": "passed", "challenger": 0.1 + 0.2}])
    decide(engine, PROMOTED, "b")
    decide(engine, ROLLED_BACK, "a", why="b was worse in 海淀区")
    return engine


def change(engine, statement):
    with engine.begin() as connection:
        connection.execute(statement)


def test_entries_come_back_as_they_were_written_and_the_chain_is_whole(three):
    chain = entries(three, "toy")

    assert [(e.sequence, e.action, e.model_version, e.former_version) for e in chain] == [
        (1, PROMOTED, "a", None), (2, PROMOTED, "b", "a"), (3, ROLLED_BACK, "a", "b"),
    ]  # fmt: skip
    assert chain[0].gate_rows == [{"what": "AUC", "verdict": "passed", "challenger": 0.30000000000000004}]
    assert chain[2].why == "b was worse in 海淀区"
    assert chain[0].previous_hash == ledger.BEFORE_THE_FIRST
    assert broken_links(chain) == []


@pytest.mark.parametrize("sequence", [1, 2, 3])
@pytest.mark.parametrize("column", [c.name for c in LEDGER.columns if c.name not in ("city", "sequence")])
def test_an_edit_of_any_field_of_any_entry_is_found(three, column, sequence):
    before = getattr(entries(three, "toy")[sequence - 1], column)
    changed = "x" if before is None else str(before)[:-1] + ("1" if str(before)[-1:] != "1" else "2")
    change(three, update(LEDGER).where(LEDGER.c.sequence == sequence).values({column: changed}))

    assert any(f"Entry {sequence} is not as it was written" in text for text in broken_links(entries(three, "toy")))


def test_an_entry_moved_to_another_city_is_found_in_both(three):
    change(three, update(LEDGER).where(LEDGER.c.sequence == 3).values(city="other"))

    (entry,) = entries(three, "other")
    assert broken_links([entry]) != []


def test_an_entry_emptied_of_a_field_is_found(three):
    change(three, update(LEDGER).where(LEDGER.c.sequence == 2).values(former_version=None))

    assert broken_links(entries(three, "toy")) == ["Entry 2 is not as it was written."]


@pytest.mark.parametrize("sequence", [1, 2])
def test_a_removed_entry_is_missed_by_the_next(three, sequence):
    change(three, delete(LEDGER).where(LEDGER.c.sequence == sequence))

    assert broken_links(entries(three, "toy"))[0] == (
        f"Before entry {sequence + 1} there must be entry {sequence}, it is missing."
    )


def test_a_removed_entry_is_found_when_the_rest_is_numbered_anew(three):
    change(three, delete(LEDGER).where(LEDGER.c.sequence == 2))
    change(three, update(LEDGER).where(LEDGER.c.sequence == 3).values(sequence=2))

    assert "Entry 2 does not follow the entry before it: one of the two was replaced." in broken_links(
        entries(three, "toy")
    )


def test_entries_in_another_order_are_found(three):
    for old, new in ((2, 9), (3, 2), (9, 3)):
        change(three, update(LEDGER).where(LEDGER.c.sequence == old).values(sequence=new))

    assert len(broken_links(entries(three, "toy"))) >= 2


def test_an_entry_put_in_between_is_found_even_with_a_hash_of_its_own(three):
    change(three, update(LEDGER).where(LEDGER.c.sequence == 3).values(sequence=4))
    first = entries(three, "toy")[0]
    forged = dataclasses.replace(entries(three, "toy")[1], sequence=3, who="nobody")
    forged = dataclasses.replace(forged, hash=forged.computed_hash())
    change(three, insert(LEDGER).values(**vars(forged)))

    found = broken_links(entries(three, "toy"))
    assert first.hash == entries(three, "toy")[0].hash
    assert "Entry 3 does not follow the entry before it: one of the two was replaced." in found
    assert "Entry 4 is not as it was written." in found


def test_of_two_decisions_on_the_same_state_the_second_is_told_who_won(engine):
    before = newest(engine, "toy")
    append(engine, before, "toy", PROMOTED, MODELS["a"], "王五", "first", [])

    with pytest.raises(
        BusyError,
        match="another champion since, decide again. Model a was promoted by 王五 at .*, with the reason “first”",
    ):
        append(engine, before, "toy", PROMOTED, MODELS["b"], "李四", "second", [])

    assert [e.who for e in entries(engine, "toy")] == ["王五"]


def test_cities_have_chains_of_their_own(engine):
    decide(engine, PROMOTED, "a")
    append(engine, None, "other", PROMOTED, MODELS["b"], "王五", "it is better", [])

    assert ledger.cities(engine) == ["other", "toy"]
    assert [e.sequence for e in entries(engine, "other")] == [1]


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ("+a", "a"),
        ("+a +b", "a b"),
        ("+a +b -a", "a"),
        ("+a +b +c -b", "a b"),
        ("+a +b +c -b -a", "a"),
        ("+a +b +c -a +c", "a c"),
        ("+a +b -a -b", "a b"),
        ("+a +b +a", "a b a"),
        ("+a +b +a +c -a", "a b a"),
    ],
)
def test_a_rollback_goes_back_along_the_line_of_champions(decisions, expected):
    chain = [
        Entry("toy", n, "", PROMOTED if word[0] == "+" else ROLLED_BACK, word[1], "", "", "1", None, "[]", "", "", "")
        for n, word in enumerate(decisions.split(), start=1)
    ]

    assert succession(chain) == expected.split()


def test_who_was_champion_at_a_moment_is_told_by_the_time_of_the_entries(three):
    chain = [
        dataclasses.replace(entry, at=f"2026-0{entry.sequence}-01T00:00:00.000000+00:00")
        for entry in entries(three, "toy")
    ]

    def champions(begins, ends):
        times = (datetime.fromisoformat(f"{day}T00:00+00:00") for day in (begins, ends))
        return ledger.champions_between(chain, *times)

    assert champions("2025-12-31", "2026-01-01") == []
    assert champions("2026-02-15", "2026-02-16") == ["b"]
    assert champions("2026-01-31", "2026-02-02") == ["a", "b"]
    assert champions("2026-02-01", "2026-03-02") == ["b", "a"]
    assert champions("2027-01-01", "2027-01-02") == ["a"]
    assert ledger.champions_between([], datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)) == []
