"""The online store: the very bits of the snapshot for every entity that is there, nothing for any other."""

from __future__ import annotations

import errno
import json
import os
import random
import threading
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import NotFoundError, StorageError
from data.files import sha256_of, write_sealed
from data.settings import Settings
from features.online import online_folder, open_online, publish_online, remove_old_stores
from features.snapshots import Snapshot, load_snapshot

AS_OF_DATE = date(2021, 1, 1)
NAMES = ("first", "second")
Rows = dict[str, tuple[float | None, float | None]]

# Prefixes of each other, other scripts, other widths in UTF-8, and what NumPy pads with in the middle.
TEXTS = st.text(alphabet="0A\x00é京😀", max_size=6).filter(lambda text: not text.endswith("\x00"))
FLOATS = st.none() | st.floats(width=64, allow_nan=False)


def quiet(_: str) -> None:
    """Take progress and show none."""


def write_snapshot(var: Path, rows: Rows, snapshot_id: str = "s1", as_of_date: date = AS_OF_DATE) -> Snapshot:
    """Write a snapshot of two indicators, rows in the order given."""
    folder = var / f"cities/toy/snapshots/{as_of_date}-{snapshot_id}"
    folder.mkdir(parents=True)
    columns = {name: pa.array([row[i] for row in rows.values()], pa.float64()) for i, name in enumerate(NAMES)}
    pq.write_table(
        pa.table({"entity_id": pa.array(list(rows), pa.string()), **columns}),
        folder / "matrix.parquet",
        row_group_size=3,
    )
    manifest = {
        "snapshot_id": snapshot_id,
        "city": "toy",
        "as_of_date": str(as_of_date),
        "catalogue_hash": "h",
        "indicators": list(NAMES),
        "n_rows": len(rows),
        "sha256": sha256_of(folder / "matrix.parquet"),
    }
    write_sealed(folder / "manifest.json", manifest)
    return load_snapshot(folder)


def in_order(rows: Rows) -> Rows:
    return dict(sorted(rows.items(), key=lambda pair: pair[0].encode()))


def bits(values: np.ndarray) -> list[list[int]]:
    return values.view(np.uint64).tolist()


SOME: Rows = {"E1": (1.5, None), "E10": (-0.0, 5e-324), "E2": (None, None), "京": (1 / 3, 2.0)}


def test_known_entities_have_the_bits_of_the_snapshot_in_the_order_asked(settings: Settings) -> None:
    store = publish_online(write_snapshot(settings.var, SOME), settings, quiet)

    values, known = store.lookup(["京", "E1", "E10", "E1"])

    assert known.tolist() == [True] * 4
    assert bits(values) == bits(np.array([[1 / 3, 2.0], [1.5, np.nan], [-0.0, 5e-324], [1.5, np.nan]]))
    assert values.dtype == np.float64
    assert (store.snapshot_id, store.as_of_date, store.indicators) == ("s1", AS_OF_DATE, NAMES)


@pytest.mark.parametrize("absent", ["", "E", "E0", "E11", "E1\x00", "E100000000000000000000", "zzz", "\ud800"])
def test_an_entity_that_is_not_there_is_not_known_and_has_no_value(settings: Settings, absent: str) -> None:
    store = publish_online(write_snapshot(settings.var, SOME), settings, quiet)

    values, known = store.lookup([absent, "E10"])

    assert known.tolist() == [False, True]
    assert np.isnan(values[0]).all()


def test_nothing_asked_is_nothing_answered(settings: Settings) -> None:
    values, known = publish_online(write_snapshot(settings.var, SOME), settings, quiet).lookup([])

    assert values.shape == (0, 2)
    assert known.shape == (0,)


@pytest.mark.parametrize("rows", [{}, {"": (1.0, 2.0)}, {"only": (None, 3.0)}], ids=["none", "an empty id", "one"])
def test_a_store_may_hold_one_entity_or_none(settings: Settings, rows: Rows) -> None:
    store = publish_online(write_snapshot(settings.var, rows), settings, quiet)

    values, known = store.lookup([*rows, "other"])

    assert known.tolist() == [True] * len(rows) + [False]
    assert store.manifest["n_entities"] == len(rows)
    assert values[:-1, 1].tolist() == [row[1] for row in rows.values()]


@given(st.dictionaries(TEXTS, st.tuples(FLOATS, FLOATS), max_size=12), st.lists(TEXTS, max_size=8), st.randoms())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_codes_each_answer_is_that_of_a_plain_dictionary(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows, others: list[str], order: random.Random
) -> None:
    var = tmp_path_factory.mktemp("var")
    own = Settings.from_environment({"QIANFEN_VAR": str(var)})
    store = publish_online(write_snapshot(var, in_order(rows)), own, quiet)
    asked = [*rows, *others]
    order.shuffle(asked)

    values, known = store.lookup(asked)

    assert known.tolist() == [entity_id in rows for entity_id in asked]
    expected = [[np.nan if v is None else v for v in rows.get(entity_id, (None, None))] for entity_id in asked]
    assert bits(values) == bits(np.array(expected, dtype=np.float64).reshape(-1, 2))


def test_another_program_reads_the_files_with_numpy_alone(settings: Settings) -> None:
    folder = publish_online(write_snapshot(settings.var, SOME), settings, quiet).folder

    keys, values = np.load(folder / "keys.npy"), np.load(folder / "values.npy")

    assert [key.decode() for key in keys] == list(SOME)
    assert values[:, 1].tolist()[1] == 5e-324
    assert json.loads((folder / "manifest.json").read_text())["sha256"]["keys.npy"] == sha256_of(folder / "keys.npy")


def test_the_same_snapshot_gives_the_same_bytes_and_is_not_written_twice(tmp_path: Path) -> None:
    said: list[str] = []
    found = []
    for var in (tmp_path / "a", tmp_path / "b"):
        own = Settings.from_environment({"QIANFEN_VAR": str(var)})
        snapshot = write_snapshot(var, SOME)
        first = publish_online(snapshot, own, quiet)
        inode = first.folder.stat().st_ino
        again = publish_online(snapshot, own, said.append)
        assert again.folder.stat().st_ino == inode
        found.append({path.name: path.read_bytes() for path in first.folder.iterdir()})

    assert found[0] == found[1]
    assert said == ["The online store as of 2021-01-01 is there already: skipped."] * 2


@pytest.mark.parametrize("name", ["keys.npy", "values.npy", "manifest.json"])
def test_one_flipped_bit_or_a_missing_end_is_refused_by_name(settings: Settings, name: str) -> None:
    path = publish_online(write_snapshot(settings.var, SOME), settings, quiet).folder / name
    whole = path.read_bytes()
    damaged = [whole[:-1], whole[: len(whole) // 2], b""]
    for number in range(len(whole)):
        flipped = bytearray(whole)
        flipped[number] ^= 1 << (number % 8)
        damaged.append(bytes(flipped))

    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(StorageError, match=name):
            open_online(path.parent)
    path.write_bytes(whole)
    assert open_online(path.parent).manifest["n_entities"] == len(SOME)


@pytest.mark.parametrize("name", ["keys.npy", "values.npy", "manifest.json"])
def test_a_file_that_is_not_there_is_named(settings: Settings, name: str) -> None:
    folder = publish_online(write_snapshot(settings.var, SOME), settings, quiet).folder
    (folder / name).unlink()

    with pytest.raises(NotFoundError, match=f"{name} is not there. Run `qianfen grade`"):
        open_online(folder)


def test_a_damaged_store_is_written_anew(settings: Settings) -> None:
    snapshot, said = write_snapshot(settings.var, SOME), []
    folder = publish_online(snapshot, settings, quiet).folder
    (folder / "values.npy").write_bytes(b"damaged")

    store = publish_online(snapshot, settings, said.append)

    assert store.lookup(["京"])[1].all()
    assert said[0] == "The online store as of 2021-01-01 is damaged: it is written anew."


def test_a_full_disk_is_explained_and_leaves_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    snapshot = write_snapshot(settings.var, SOME)
    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(StorageError, match="The disk is full, .* was not written and what was there stands"):
        publish_online(snapshot, settings, quiet)

    assert list((settings.var / "cities/toy/online").iterdir()) == []


UNFIT: dict[str, tuple[Rows, str]] = {
    "not sorted": ({"B": (1.0, 1.0), "A": (1.0, 1.0)}, "must be sorted by distinct entity_id"),
    "not sorted across blocks": ({c: (1.0, 1.0) for c in "BCDA"}, "must be sorted by distinct entity_id"),
    "NUL at the end": ({"A\x00": (1.0, 1.0)}, "NUL"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_snapshot_that_cannot_be_looked_up_is_refused_and_leaves_nothing(settings: Settings, case: str) -> None:
    rows, says = UNFIT[case]

    with pytest.raises(StorageError, match=says):
        publish_online(write_snapshot(settings.var, rows), settings, quiet)

    assert list((settings.var / "cities/toy/online").iterdir()) == []


def test_a_snapshot_that_is_not_as_it_was_written_does_not_go_online(settings: Settings) -> None:
    snapshot = write_snapshot(settings.var, SOME)
    write_sealed(snapshot.folder / "manifest.json", {**snapshot.manifest, "sha256": "other"})

    with pytest.raises(StorageError, match="must be as it was written"):
        publish_online(load_snapshot(snapshot.folder), settings, quiet)

    assert not online_folder(settings, "toy", AS_OF_DATE, "s1").exists()


def test_the_store_in_force_and_the_youngest_other_stay_and_an_open_one_is_readable_after_its_removal(
    settings: Settings,
) -> None:
    stores = [
        publish_online(write_snapshot(settings.var, {"E": (float(n), None)}, f"s{n}"), settings, quiet)
        for n in range(4)
    ]
    for n, store in enumerate(stores):
        os.utime(store.folder, (1_000 + n, 1_000 + n))
    abandoned = stores[0].folder.parent / ".2021-01-01-s9.999999999.partial"
    abandoned.mkdir()

    remove_old_stores(stores[1].folder)

    home = stores[0].folder.parent
    assert sorted(folder.name for folder in home.iterdir()) == ["2021-01-01-s1", "2021-01-01-s3"]
    assert [store.lookup(["E"])[0][0, 0] for store in stores] == [0.0, 1.0, 2.0, 3.0]


def test_threads_read_whole_answers_while_stores_are_published_and_removed(settings: Settings) -> None:
    entity_ids = [f"E{n:03}" for n in range(200)]
    snapshots = [write_snapshot(settings.var, {e: (float(k), float(k)) for e in entity_ids}, f"s{k}") for k in range(3)]
    newest = [publish_online(snapshots[0], settings, quiet)]
    done, torn = threading.Event(), []
    looked = [0] * 2

    def read(reader: int) -> None:
        while not done.is_set() and looked[reader] < 100_000:
            store = newest[0]
            values, known = store.lookup(entity_ids)
            looked[reader] += 1
            if not known.all() or (values != float(store.snapshot_id[1:])).any():
                torn.append(store.snapshot_id)

    readers = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(30):
        newest[0] = publish_online(snapshots[turn % 3], settings, quiet)
        remove_old_stores(newest[0].folder)
    done.set()
    for reader in readers:
        reader.join()

    assert torn == []
    assert min(looked) > 0
