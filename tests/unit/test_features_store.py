"""The offline store: a catalogue of snapshots that finds one changed bit and never loses what is needed again."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from data.city import load_city
from data.errors import NotFoundError, RequestError, StorageError
from data.files import read_json, read_sealed, write_json, write_sealed
from data.records import ingest
from data.settings import Settings
from features.pruning import carry_out, plan_pruning
from features.snapshots import build_pairs_snapshot, build_snapshot, load_snapshot
from features.store import Claim, FeatureStore, claims_on, open_city, ranges_of
from features.verification import verify_store
from serving.commands import cli
from tests.conftest import CITY_TOML, ENTITIES_CSV, ENTITIES_SQL, PENALTIES_CSV, PENALTIES_SQL
from tests.toy import write_files

DAYS = (date(2020, 2, 1), date(2020, 3, 1), date(2020, 4, 1))
MORE_PENALTIES = """number,code,amount,decided,known
P1,A1,500,2020-01-05,2020-01-06
P2,A1,900,2020-02-05,2020-02-06
"""


CITY_FILES = {
    "city.toml": CITY_TOML,
    "sources/entities.sql": ENTITIES_SQL,
    "sources/penalties.sql": PENALTIES_SQL,
    "files/entities.csv": ENTITIES_CSV,
    "files/penalties.csv": PENALTIES_CSV,
}


def quiet(_line: str) -> None:
    """Print nothing."""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Build a city's folder with a snapshot as of each of three days and one of pairs, from the same records."""
    home = tmp_path_factory.mktemp("built")
    settings = Settings.from_environment({"QIANFEN_VAR": str(home / "var"), "QIANFEN_THREADS": "1"})
    city = load_city(str(write_files(home / "toy", CITY_FILES)))
    records = ingest(city, settings, quiet)
    for day in DAYS:
        build_snapshot(records, day, settings, quiet)
    pairs = pd.DataFrame({"entity_id": ["A1"], "as_of_date": pd.to_datetime(["2020-02-01"])})
    build_pairs_snapshot(records, pairs, "visits", settings, quiet)
    return home / "var"


@pytest.fixture
def store(built, write_city, settings) -> FeatureStore:
    """A copy of the built city for one test; files with several names keep them."""
    subprocess.run(["cp", "-a", str(built), str(settings.var)], check=True)
    return open_city(str(write_city()), settings)


def damages(store: FeatureStore, *claims: Claim) -> list:
    return verify_store(store, claims, quiet).damages


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_snapshots_are_listed_by_date_those_of_pairs_last(store):
    assert [s.as_of_date for s in store.snapshots()] == [*DAYS, None]
    assert store.damaged() == []


def test_a_snapshot_is_found_by_id_beginning_folder_and_date(store):
    wanted = store.snapshots()[1]

    for name in (wanted.snapshot_id, wanted.snapshot_id[:6], wanted.folder.name, "2020-03-01"):
        assert store.find(name) == wanted
    assert store.snapshot(DAYS[1]) == wanted
    assert store.records_of(wanted).records_id == store.records.records_id


def test_a_date_with_several_snapshots_stands_for_the_newest(store, write_city):
    city = load_city(str(write_city(penalties_csv=MORE_PENALTIES)))
    newer = build_snapshot(ingest(city, store.settings, quiet), DAYS[1], store.settings, quiet)
    older = next(s for s in store.snapshots() if s.as_of_date == DAYS[1] and s != newer)
    path = older.folder / "manifest.json"
    write_sealed(path, {**read_sealed(path), "created_at": "2020-01-01T00:00:00+00:00"})

    assert store.find("2020-03-01") == newer
    assert store.find(older.snapshot_id).folder == older.folder


def test_an_unknown_snapshot_is_refused_with_the_nearest_name(store):
    wanted = store.snapshots()[0].snapshot_id

    with pytest.raises(NotFoundError, match=f"Did you mean '{wanted}'"):
        store.find(wanted[:-1] + "x")
    with pytest.raises(NotFoundError, match="Did you mean '2020-03-01'"):
        store.find("2020-03-02")
    with pytest.raises(NotFoundError, match="See `qianfen features list toy`"):
        store.find("20")


def test_the_range_of_an_indicator_is_that_of_its_values(store):
    snapshot = store.snapshots()[2]
    values = snapshot.read()

    ranges = ranges_of(snapshot)

    assert ranges["sampling_failures"] is None
    assert ranges["years_in_operation"] == (values["years_in_operation"].min(), values["years_in_operation"].max())


def test_a_notebook_joins_its_own_table_in_one_call(store):
    mine = pd.DataFrame({"entity_id": ["A1", "A1"], "seen": ["2020-03-01", "2019-12-01"], "note": ["x", "y"]})

    joined = store.join(mine, date_column="seen", indicators=["penalty_amount"])

    assert joined["penalty_amount"].tolist() == [500.0, 0.0]
    assert joined["note"].tolist() == ["x", "y"]


def test_what_is_whole_verifies_clean_and_says_what_was_looked_at(store):
    verified = verify_store(store, [], quiet)

    assert verified.damages == []
    assert verified.counts == {
        "snapshots": 4, "records": 1, "parts": 2, "online stores": 0, "deliveries": 0, "reports of drift": 0,
        "acceptances": 0,
    }  # fmt: skip


def test_one_changed_bit_anywhere_in_a_snapshot_is_found_and_its_remedy_gives_the_same_bytes(store):
    snapshot = store.snapshots()[0]
    written = {path: path.read_bytes() for path in snapshot.folder.iterdir()}
    assert {path.name for path in written} == {"matrix.parquet", "manifest.json"}

    for path, content in written.items():
        for bit in range(3, len(content) * 8, 997):
            flip(path, bit)
            [damage] = damages(store)
            assert damage.path == path
            assert damage.what == "is not as it was written"
            assert f"Remove {snapshot.folder} and run `qianfen features build toy --as-of" in damage.remedy
            path.write_bytes(content)
    assert damages(store) == []

    # when: the remedy is followed
    flip(snapshot.path, 4000)
    shutil.rmtree(snapshot.folder)
    again = build_snapshot(store.records, DAYS[0], store.settings, quiet)

    assert again.path.read_bytes() == written[snapshot.path]
    assert damages(store) == []


def test_a_damaged_snapshot_of_earlier_records_can_be_built_from_them_again(store, write_city):
    snapshot = store.snapshots()[0]
    content = snapshot.path.read_bytes()
    ingest(load_city(str(write_city(penalties_csv=MORE_PENALTIES))), store.settings, quiet)
    flip(snapshot.path, 4000)
    [damage] = damages(store)
    command = f"features build toy --as-of 2020-02-01 --records {snapshot.manifest['records_id']}"
    assert damage.remedy == f"Remove {snapshot.folder} and run `qianfen {command}`."

    shutil.rmtree(snapshot.folder)
    arguments = [part if part != "toy" else str(write_city()) for part in command.split()]
    result = CliRunner().invoke(cli, arguments, obj=store.settings, catch_exceptions=False)

    assert result.exit_code == 0
    assert snapshot.path.read_bytes() == content
    assert damages(store) == []


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("records/[!.]*/tables/entities.parquet", "Run `qianfen ingest toy`"),
        ("records/[!.]*/quarantine/penalties.parquet", "Run `qianfen ingest toy`"),
        ("records/[!.]*/manifest.json", "it alone says when each delivery came"),
        ("parts/penalties-*/quarantine.parquet", "reads the source file again"),
        ("parts/penalties-*/manifest.json", "reads the source file again"),
    ],
)
def test_one_changed_bit_in_records_and_parts_is_found_with_the_remedy(store, pattern, remedy):
    [path] = store.home.glob(pattern)
    content = path.read_bytes()
    # A file of its own, so that the part that shares it stays whole.
    path.unlink()
    path.write_bytes(content)

    for bit in range(0, len(content) * 8, len(content) // 2 * 8 + 5):
        flip(path, bit)
        [damage] = damages(store)
        assert damage.path == path
        assert remedy in damage.remedy
        path.write_bytes(content)


def test_a_missing_file_a_lost_snapshot_and_a_renamed_folder_are_found(store):
    first, second, third, pairs = store.snapshots()
    first.path.unlink()
    second.folder.rename(second.folder.with_name("2020-03-01-0000000000000000"))
    shutil.rmtree(third.folder)
    (pairs.folder / "manifest.json").unlink()
    claim = Claim("model m1", frozenset([third.snapshot_id]), frozenset(["gone"]))

    found = {str(d.path.relative_to(store.home)): d.what for d in damages(store, claim)}

    assert found == {
        f"snapshots/{first.folder.name}/matrix.parquet": "is missing",
        "snapshots/2020-03-01-0000000000000000": f"holds snapshot {second.snapshot_id}",
        f"snapshots/{pairs.folder.name}/manifest.json": "is missing",
        f"snapshots/*-{third.snapshot_id}": "is missing, and model m1 stands on it",
        "records/gone": "are missing, and model m1 stands on them",
    }
    assert {path.name for path in store.damaged()} == {first.folder.name, pairs.folder.name}


def test_a_damaged_pointer_to_the_records_in_force_is_found(store):
    pointer = store.home / "records" / "current.json"
    flip(pointer, pointer.read_bytes().index(store.records.records_id.encode()) * 8)

    [damage] = damages(store)

    assert damage.path == pointer
    assert next(p.name for p in store.home.glob("records/[!.]*/")) in damage.remedy


def test_pruning_keeps_the_newest_and_removes_the_rest(store):
    by_age = sorted(store.snapshots(), key=lambda s: (s.manifest["created_at"], str(s.as_of_date or "")))

    pruning = plan_pruning(store, [], keep=2)
    assert len(store.snapshots()) == 4
    carry_out(pruning, quiet)

    assert {s.snapshot_id for s in store.snapshots()} == {s.snapshot_id for s in by_age[2:]}
    assert set(pruning.kept.values()) == {"among the newest 2"}
    assert damages(store) == []
    assert not list(store.home.rglob(".*.partial"))


def test_pruning_never_removes_what_something_stands_on(store):
    first, second, _, _ = store.snapshots()
    claims = [Claim("model m1", frozenset([first.snapshot_id])), Claim("grades g", frozenset([second.snapshot_id]))]

    pruning = plan_pruning(store, claims, keep=0)
    carry_out(pruning, quiet)

    assert [s.snapshot_id for s in store.snapshots()] == [first.snapshot_id, second.snapshot_id]
    assert pruning.kept == {first.snapshot_id: "model m1", second.snapshot_id: "grades g"}
    assert claims_on(first, claims) == ["model m1"]
    assert damages(store, *claims) == []


def test_records_stay_while_a_kept_snapshot_or_a_claim_needs_them_and_go_with_their_parts_after(store, write_city):
    old = store.records
    old_parts = {path.name for path in (store.home / "parts").iterdir()}
    new = ingest(load_city(str(write_city(penalties_csv=MORE_PENALTIES))), store.settings, quiet)
    build_snapshot(new, DAYS[2], store.settings, quiet)
    on_old = [s for s in store.snapshots() if s.manifest["records_id"] == old.records_id]
    by_snapshot = [Claim("model m1", frozenset([on_old[0].snapshot_id]))]
    by_records = [Claim("grades of a lost snapshot", frozenset(["lost"]), frozenset([old.records_id]))]

    for claims in (by_snapshot, by_records):
        paths = {removal.path for removal in plan_pruning(store, claims, keep=0).removals}
        assert old.folder not in paths
        assert not {path for path in paths if path.parent.name == "parts"}

    pruning = plan_pruning(store, [], keep=0)
    on_disk = _bytes_on_disk(store.home)
    carry_out(pruning, quiet)

    assert not old.folder.exists()
    assert store.records.records_id == new.records_id
    kept_parts = {path.name for path in (store.home / "parts").iterdir()}
    assert old_parts - kept_parts == {name for name in old_parts if name.startswith("penalties-")}
    assert on_disk - _bytes_on_disk(store.home) == pruning.freed_bytes > 0
    assert damages(store) == []


def _bytes_on_disk(home: Path) -> int:
    files = {(s.st_dev, s.st_ino): s.st_size for p in home.rglob("*") if p.is_file() for s in [p.stat()]}
    return sum(files.values())


def test_leftovers_of_stopped_runs_go_and_those_of_a_living_one_stay(store):
    for kind in ("snapshots", "records", "parts"):
        (store.home / kind / ".x.99999999.partial").mkdir()
        (store.home / kind / f".x.{os.getpid()}.partial").mkdir()
    (store.home / ".hashes.json.99999999.partial").write_text("x")

    carry_out(plan_pruning(store, [], keep=9), quiet)

    left = {path.name for path in store.home.rglob(".*.partial")}
    assert left == {f".x.{os.getpid()}.partial"}


def test_a_pruning_that_is_killed_is_finished_by_the_next(store, monkeypatch):
    def killed(_folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("data.files.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            carry_out(plan_pruning(store, [], keep=1), quiet)
    # what is seen is whole, and the half-removed one is hidden
    assert len(store.snapshots()) == 3
    assert damages(store) == []
    [left] = store.home.rglob(".*.partial")
    left.rename(left.with_name(left.name.replace(str(os.getpid()), "99999999")))

    carry_out(plan_pruning(store, [], keep=1), quiet)

    assert len(store.snapshots()) == 1
    assert not list(store.home.rglob(".*.partial"))


def test_with_a_damaged_snapshot_it_and_all_records_are_left_alone(store, write_city):
    old = store.records
    ingest(load_city(str(write_city(penalties_csv=MORE_PENALTIES))), store.settings, quiet)
    damaged = store.snapshots()[0].folder
    flip(damaged / "manifest.json", 100)

    pruning = plan_pruning(store, [], keep=0)

    assert {removal.path.parent.name for removal in pruning.removals} == {"snapshots"}
    assert damaged not in {removal.path for removal in pruning.removals}
    assert pruning.untouched == [f"{damaged} is damaged; see `qianfen features verify toy`"]
    carry_out(pruning, quiet)
    assert old.folder.is_dir()


def test_a_damaged_manifest_of_needed_records_stops_the_pruning(store):
    flip(store.records.folder / "manifest.json", 200)

    with pytest.raises(StorageError, match="must be"):
        plan_pruning(store, [], keep=0)


def test_a_negative_number_to_keep_is_refused(store):
    with pytest.raises(RequestError, match="must not be negative, got -1"):
        plan_pruning(store, [], keep=-1)


def test_a_manifest_edited_by_hand_does_not_open(store):
    path = store.snapshots()[0].folder / "manifest.json"
    write_json(path, {**read_json(path), "n_rows": 7})

    assert store.damaged() == [path.parent]
    with pytest.raises(StorageError, match="must be as it was written"):
        load_snapshot(path.parent)
