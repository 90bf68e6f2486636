"""Snapshots on disk: whole or not there, immutable, and the same bytes from the same records."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.errors import NotFoundError, PointInTimeError, StorageError
from data.files import sha256_of
from data.records import Records
from data.settings import Settings
from features.catalogue import load_catalogue
from features.snapshots import (
    build_pairs_snapshot,
    build_snapshot,
    load_snapshot,
    open_snapshot,
)

AS_OF_DATE = date(2021, 1, 1)
NAMES = list(load_catalogue().names)

RecordsWriter = Callable[..., Records]


def quiet(line: str) -> None:
    """Print nothing."""


@pytest.fixture
def records(write_records: RecordsWriter) -> Records:
    entities = [{"entity_id": f"E{n}", "event_date": date(2010, 1, 1), "registered_capital": float(n)} for n in (2, 1)]
    penalties = [{"entity_id": "E1", "event_date": AS_OF_DATE - timedelta(days=730)}]
    return write_records(entities=entities, penalties=penalties)


def test_a_snapshot_is_sorted_and_its_manifest_says_what_it_was_made_from(records: Records, settings: Settings) -> None:
    snapshot = build_snapshot(records, AS_OF_DATE, settings, quiet)

    values = snapshot.read()
    assert list(values["entity_id"]) == ["E1", "E2"]
    assert list(values.columns) == ["entity_id", "as_of_date", *NAMES]
    assert (values[NAMES].dtypes == "float64").all()
    assert values["penalties"].round(9).tolist() == [0.5, 0.0]
    assert snapshot.as_of_date == AS_OF_DATE
    manifest = snapshot.manifest
    assert manifest["records_id"] == records.records_id
    assert manifest["catalogue_hash"] == load_catalogue().hash
    assert manifest["indicators"] == NAMES
    assert manifest["n_entities"] == manifest["n_rows"] == 2
    assert manifest["share_missing"]["registered_capital"] == 0.0
    assert manifest["share_missing"]["sampling_failures"] == 1.0
    assert manifest["records"] == {name: sha256_of(path) for name, path in records.tables.items()}
    assert manifest["sha256"] == sha256_of(snapshot.path)


def test_a_snapshot_that_is_there_is_not_built_again(records: Records, settings: Settings) -> None:
    first = build_snapshot(records, AS_OF_DATE, settings, quiet)
    written_at = first.path.stat().st_mtime_ns
    lines: list[str] = []

    second = build_snapshot(records, AS_OF_DATE, settings, lines.append)

    assert second == first
    assert second.path.stat().st_mtime_ns == written_at
    assert lines == ["Snapshot as of 2021-01-01 is there already: skipped."]
    assert open_snapshot(records, AS_OF_DATE, settings) == first
    assert load_snapshot(first.folder) == first


def test_other_records_or_another_date_give_another_snapshot(records: Records, settings: Settings) -> None:
    built = build_snapshot(records, AS_OF_DATE, settings, quiet)
    later = build_snapshot(records, AS_OF_DATE + timedelta(days=1), settings, quiet)
    others = build_snapshot(replace(records, records_id="other"), AS_OF_DATE, settings, quiet)

    assert len({built.snapshot_id, later.snapshot_id, others.snapshot_id}) == 3
    assert built.folder.name == f"2021-01-01-{built.snapshot_id}"


def test_a_date_before_all_records_is_refused_and_leaves_nothing(records: Records, settings: Settings) -> None:
    with pytest.raises(PointInTimeError, match="got 2010-01-02; the first was known on 2010-01-02"):
        build_snapshot(records, date(2010, 1, 2), settings, quiet)

    assert not list(settings.var.rglob("*.parquet"))
    assert not list(settings.var.rglob("*.partial"))


def test_no_entities_at_all_are_refused(write_records: RecordsWriter, settings: Settings) -> None:
    with pytest.raises(PointInTimeError, match="there is none"):
        build_snapshot(write_records(entities=[]), AS_OF_DATE, settings, quiet)


def test_a_run_killed_while_writing_leaves_nothing_and_the_next_goes_on(
    records: Records, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("features.snapshots.write_sealed", killed)
        with pytest.raises(KeyboardInterrupt):
            build_snapshot(records, AS_OF_DATE, settings, quiet)
    assert not list(settings.var.rglob("matrix.parquet"))

    assert build_snapshot(records, AS_OF_DATE, settings, quiet).manifest["n_rows"] == 2


def test_a_snapshot_not_built_is_not_found_and_the_error_says_how_to_build_it(
    records: Records, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError, match="Run `qianfen features build toy --as-of 2021-01-01`"):
        open_snapshot(records, AS_OF_DATE, settings)
    with pytest.raises(NotFoundError, match="must be the folder of a snapshot"):
        load_snapshot(tmp_path)


def test_look_up_finds_some_entities_and_leaves_out_the_unknown(records: Records, settings: Settings) -> None:
    snapshot = build_snapshot(records, AS_OF_DATE, settings, quiet)

    found = snapshot.lookup(["nobody", "E2"])

    assert found[["entity_id", "registered_capital"]].values.tolist() == [["E2", 2.0]]
    assert np.isnan(found.loc[0, "sampling_failures"])
    assert snapshot.lookup([]).empty


def test_a_damaged_file_is_told(records: Records, settings: Settings) -> None:
    snapshot = build_snapshot(records, AS_OF_DATE, settings, quiet)
    snapshot.verify()
    os.truncate(snapshot.path, 100)

    with pytest.raises(StorageError, match="must be as it was written"):
        snapshot.verify()


def test_pairs_have_one_row_each_and_missing_values_where_the_entity_was_unknown(
    records: Records, settings: Settings
) -> None:
    pairs = pd.DataFrame(
        {"entity_id": ["E2", "E1", "E1", "nobody"], "as_of_date": pd.to_datetime(["2021-01-01"] * 3 + ["2020-01-01"])}
    )

    snapshot = build_pairs_snapshot(records, pairs, "inspections", settings, quiet)

    values = snapshot.read()
    assert values["entity_id"].tolist() == ["nobody", "E1", "E2"]
    assert values["as_of_date"].dt.strftime("%Y-%m-%d").tolist() == ["2020-01-01", "2021-01-01", "2021-01-01"]
    assert values.loc[0, NAMES].isna().all()
    assert values.loc[1, "penalties"] == pytest.approx(0.5)
    assert snapshot.as_of_date is None
    assert snapshot.manifest["n_rows"] == 3
    assert build_pairs_snapshot(records, pairs[::-1], "inspections", settings, quiet) == snapshot


def test_the_same_records_give_the_same_bytes_with_two_threads(write_records: RecordsWriter, tmp_path: Path) -> None:
    # given: 20,000 entities whose sums depend on the order of rows, if added as floats
    records = write_records(entities=_entities(20_000), penalties=_penalties(60_000, 20_000))
    digests = set()

    for run in range(3):
        settings = Settings.from_environment({"QIANFEN_VAR": str(tmp_path / f"var-{run}"), "QIANFEN_THREADS": "2"})
        digests.add(build_snapshot(records, AS_OF_DATE, settings, quiet).manifest["sha256"])

    assert len(digests) == 1


def _entities(n: int) -> pa.Table:
    from data.schemas import TABLES

    day = pa.array([date(2010, 1, 2)] * n, pa.date32())
    given = {
        "entity_id": pa.array([f"E{i}" for i in range(n)]),
        "status": pa.array(["active"] * n),
        "event_date": day,
        "known_at": day,
    }
    return _completed(TABLES["entities"].column_names, given, n, dates=("established_date", "withdrawn_at"))


def _penalties(n: int, n_entities: int) -> pa.Table:
    from data.schemas import TABLES

    generator = np.random.default_rng(0)
    day = pa.array(np.datetime64("2015-01-01") + generator.integers(0, 2000, n))
    given = {
        "record_id": pa.array([str(i) for i in range(n)]),
        "entity_id": pa.array([f"E{i}" for i in generator.integers(0, n_entities // 50, n)]),
        "amount": pa.array(generator.random(n)),
        "amount_known_at": day,
        "event_date": day,
        "known_at": day,
    }
    return _completed(TABLES["penalties"].column_names, given, n, dates=("withdrawn_at",))


def _completed(names: tuple[str, ...], given: dict[str, pa.Array], n: int, dates: tuple[str, ...]) -> pa.Table:
    nothing = {name: pa.nulls(n, pa.date32() if name in dates else pa.string()) for name in names}
    numbers = {name: pa.nulls(n, pa.float64()) for name in ("registered_capital", "employees") if name in names}
    columns = nothing | numbers | given
    return pa.table({name: columns[name] for name in names})
