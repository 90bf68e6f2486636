"""The dirt of the synthetic city, asked back from quarantine kind by kind."""

from __future__ import annotations

import duckdb
import pytest

from data.city import load_city
from data.files import read_json
from data.records import ingest
from data.settings import Settings
from data.synthetic import build_synthetic_city
from data.synthetic.dirt import DIRTY_SHARE, KINDS

REASONS = {
    "unknown state": "status must be one of active, suspended, revoked, deregistered, was '未知'",
    "impossible date": "event_date must be a date, was '2023-02-30'",
    "missing code": "entity_id or entity_name must be given",
    "text in an amount": "amount must be a number, was '约五千元'",
    "negative amount": "amount must be at least 0, was -500%",
    "unreadable result": "failed must be true or false, was '待定'",
    "known before it happened": "known_at must not lie before event_date%",
    "withdrawn before it was known": "withdrawn_at must not lie before known_at%",
    "day out of all time": "event_date must be between 1900-01-01 and 2199-12-31, was 1022-05-06",
    "key used twice": "duplicate of an earlier row with the same record_id",
}


def quiet(_message):
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Settings whose sources hold the smallest city."""
    var = tmp_path_factory.mktemp("dirt")
    build_synthetic_city(2_000, 11, var / "sources" / "synthetic", quiet)
    return Settings.from_environment({"QIANFEN_VAR": str(var), "QIANFEN_THREADS": "2"})


@pytest.fixture(scope="module")
def dirt(settings):
    """What the city says was planted."""
    return read_json(settings.var / "sources" / "synthetic" / "dirt.json")


@pytest.fixture(scope="module")
def records(settings):
    """The records after ingestion."""
    return ingest(load_city("synthetic"), settings, quiet)


def one(query, *values):
    """Return the first value of a query's first row."""
    with duckdb.connect() as connection:
        return connection.execute(query, list(values)).fetchone()[0]


def test_every_kind_has_a_reason_here():
    assert set(REASONS) == {kind.name for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_comes_back_from_quarantine_with_its_own_reason(records, dirt, kind):
    quarantine = records.folder / "quarantine" / f"{kind.table}.parquet"

    found = one(
        f"SELECT count(*) FROM (SELECT unnest(reasons) AS r FROM '{quarantine}') WHERE r LIKE ?", REASONS[kind.name]
    )

    assert found == dirt["quarantined"][kind.table][kind.name] > 0


def test_quarantine_holds_the_planted_rows_and_no_others(records, dirt):
    assert records.n_quarantined == sum(sum(kinds.values()) for kinds in dirt["quarantined"].values())


def test_dirt_is_a_small_known_share_of_each_table_that_has_any(records, dirt):
    for table, kinds in dirt["quarantined"].items():
        n_clean = records.manifest["tables"][table]["n_accepted"]
        # At least one row of each kind, however small the table.
        assert sum(kinds.values()) == pytest.approx(DIRTY_SHARE * n_clean, abs=len(kinds))


def test_wrong_check_characters_are_flagged_and_stay(records, dirt):
    entities = records.tables["entities"]

    # An entity that left has a second state, which is flagged too.
    assert one(f"SELECT count(DISTINCT entity_id) FROM '{entities}'") == 2_000
    assert dirt["bad_check_characters"] > 0
    assert records.manifest["tables"]["entities"]["n_flagged"] >= dirt["bad_check_characters"]


def test_a_dirty_copy_never_replaces_the_clean_row(records, settings):
    sent = settings.var / "sources" / "synthetic" / "inspections.parquet"
    kept = records.tables["inspections"]

    n_different = one(
        f"""SELECT count(*) FROM (SELECT DISTINCT number, code, event, known FROM '{sent}') s
            LEFT JOIN '{kept}' k ON k.record_id = s.number
            WHERE k.entity_id IS DISTINCT FROM s.code OR k.event_date <> s.event OR k.known_at <> s.known"""
    )

    assert n_different == 0
