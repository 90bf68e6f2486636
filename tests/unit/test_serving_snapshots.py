"""`qianfen features list|show|diff|verify|prune`: what they say, and what they refuse."""

from __future__ import annotations

from datetime import date

import pytest
from click.testing import CliRunner

from data.city import load_city
from data.errors import NotFoundError, StorageError
from data.files import read_json, write_json
from data.records import ingest
from features.snapshots import build_snapshot
from serving.claims import claims_of
from serving.commands import cli
from serving.database import open_database
from serving.grades import put_in_force

DAYS = (date(2020, 2, 1), date(2020, 3, 1), date(2020, 4, 1))


def quiet(_line: str) -> None:
    """Print nothing."""


def run(settings, *arguments: str):
    """Run `qianfen features` with arguments; an error of ours is kept in the result."""
    return CliRunner().invoke(cli, ["features", *arguments], obj=settings)


@pytest.fixture
def toy(write_city, settings):
    """A city's folder, and its snapshots as of three days: a model stands on the first, grades on the second."""
    folder = write_city()
    city = load_city(str(folder))
    records = ingest(city, settings, quiet)
    snapshots = [build_snapshot(records, day, settings, quiet) for day in DAYS]
    stages = {"trees": [snapshots[0].snapshot_id], "calibration": [], "test": []}
    manifest = {"kind": "lightgbm_offset", "model_version": "m1", "snapshots": stages, "records_id": records.records_id}
    (settings.var / "cities/toy/models/t1/lightgbm_offset").mkdir(parents=True)
    write_json(settings.var / "cities/toy/models/t1/lightgbm_offset/manifest.json", manifest)
    engine = open_database(settings.database_url)
    for model_version in ("m0", "m1"):
        identity = {"as_of_date": DAYS[1], "model_version": model_version, "snapshot_id": snapshots[1].snapshot_id}
        put_in_force(engine, "toy", identity, {"A": 0}, [])
    return str(folder), snapshots


def test_list_names_what_stands_on_each_snapshot(toy, settings):
    folder, (first, second, third) = toy

    result = run(settings, "list", folder)

    lines = result.output.splitlines()
    assert lines[1].split()[:4] == ["2020-02-01", first.snapshot_id, "2", "2"]
    assert lines[1].endswith("training t1: lightgbm_offset m1")
    # Grades that were in force once count as well as those that are.
    assert lines[2].endswith("grades as of 2020-03-01 by model m0")
    assert lines[3].split("  ")[-1] == "grades as of 2020-03-01 by model m1 (in force)"
    assert lines[4].endswith("nothing")
    assert lines[5] == f"Next: `qianfen features show {folder} {third.snapshot_id}`"
    assert second.snapshot_id in lines[2]


def test_list_of_a_city_without_snapshots_says_what_to_run_and_makes_no_database(write_city, settings):
    folder = str(write_city())

    assert run(settings, "list", folder).output == (
        f"toy has no snapshots yet.\nNext: `qianfen features build {folder}`\n"
    )
    assert not settings.var.exists()


def test_list_goes_on_beside_a_damaged_snapshot(toy, settings):
    folder, (first, *_) = toy
    (first.folder / "manifest.json").write_text("{")

    lines = run(settings, "list", folder).output.splitlines()

    assert f"{first.folder.name} is damaged: see `qianfen features verify {folder}`" in lines
    assert [line[:10] for line in lines[1:] if line.startswith("2020-") and "damaged" not in line] == [
        "2020-03-01",
        "2020-04-01",
    ]


def test_show_says_sources_missing_shares_ranges_and_bounds(toy, settings):
    folder, (first, *_) = toy

    lines = run(settings, "show", folder, first.snapshot_id[:6]).output.splitlines()

    assert lines[0] == f"Snapshot {first.snapshot_id} of toy as of 2020-02-01"
    assert f"  SHA-256      {first.manifest['sha256']}" in lines
    assert "  stands on it training t1: lightgbm_offset m1" in lines
    by_name = {line.split()[0]: line.split()[1:] for line in lines[10:]}
    assert by_name["sampling_failures"] == ["100.0%", "missing", "missing", "0", "to", "1"]
    assert by_name["penalty_amount"] == ["0.0%", "0", "500", "0", "to", "any"]


def test_an_unknown_snapshot_is_refused_by_every_command_that_takes_one(toy, settings):
    folder, (first, *_) = toy
    wrong = first.snapshot_id[:-1] + "x"

    for arguments in (("show", folder, wrong), ("diff", folder, wrong, "2020-03-01")):
        result = run(settings, *arguments)
        assert isinstance(result.exception, NotFoundError)
        assert f"Did you mean '{first.snapshot_id}'" in str(result.exception)


def test_diff_tells_what_moved_and_names_an_entity_to_ask_for(toy, settings):
    folder, _ = toy

    everybody = run(settings, "diff", folder, "2020-02-01", "2020-04-01").output
    entity = run(settings, "diff", folder, "2020-02-01", "2020-04-01", "--entity", "A1", "--indicator", "penalties")

    assert "  in both      2 rows" in everybody
    assert everybody.splitlines()[-1].split()[-1].rstrip("`") in ("A1", "91110000802100433B")
    # One penalty of 2020-01-05, half after 730 days: 27 days old, then 87.
    assert f"penalties: {0.5 ** (27 / 730):.6g} -> {0.5 ** (87 / 730):.6g}" in entity.output
    assert "    time alone gives this: all that counted before, only older" in entity.output
    assert "    no record within reach differs" in entity.output


def test_diff_refuses_an_indicator_without_an_entity_and_an_unknown_one(toy, settings):
    folder, _ = toy
    dates = ("2020-02-01", "2020-04-01")

    without = run(settings, "diff", folder, *dates, "--indicator", "penalties")
    unknown = run(settings, "diff", folder, *dates, "--entity", "A1", "--indicator", "penaltys")

    assert without.exit_code == 2
    assert "--indicator needs --entity" in without.output
    assert "Did you mean 'penalties'" in str(unknown.exception)


def test_diff_without_the_records_of_a_snapshot_says_so(toy, settings):
    folder, (first, *_) = toy
    records = settings.var / "cities/toy/records"
    (records / first.manifest["records_id"]).rename(records / "0000000000000000")

    result = run(settings, "diff", folder, "2020-02-01", "2020-04-01", "--entity", "A1")

    assert isinstance(result.exception, NotFoundError)
    assert f"toy has no records {first.manifest['records_id']}" in str(result.exception)


def test_verify_is_silent_about_what_is_whole_and_fails_on_one_changed_bit(toy, settings):
    folder, (first, *_) = toy

    clean = run(settings, "verify", folder)
    content = bytearray(first.path.read_bytes())
    content[len(content) // 2] ^= 1
    first.path.write_bytes(content)
    damaged = run(settings, "verify", folder)

    assert clean.exit_code == 0
    last = clean.output.splitlines()[-1]
    assert last.startswith("Verified: snapshots 3, records 1, parts 2, ")
    assert last.endswith(". No damage.")
    assert isinstance(damaged.exception, StorageError)
    assert damaged.exception.exit_code == 11
    assert f"{first.path} is not as it was written. Remove {first.folder} and run" in damaged.output


def test_verify_finds_that_what_a_model_stands_on_is_gone(toy, settings):
    folder, (first, *_) = toy
    first.path.unlink()
    (first.folder / "manifest.json").unlink()
    first.folder.rmdir()

    result = run(settings, "verify", folder)

    assert f"*-{first.snapshot_id} is missing, and training t1: lightgbm_offset m1 stands on it" in result.output
    assert isinstance(result.exception, StorageError)


def test_prune_shows_first_and_removes_on_yes_and_never_what_is_needed_again(toy, settings):
    folder, snapshots = toy

    shown = run(settings, "prune", folder, "--keep", "0")
    assert all(snapshot.folder.is_dir() for snapshot in snapshots)
    done = run(settings, "prune", folder, "--keep", "0", "--yes")

    lines = shown.output.splitlines()
    first, second, third = snapshots
    assert lines[0] == f"keeps    2020-02-01 {first.snapshot_id}: training t1: lightgbm_offset m1"
    assert lines[2] == f"removes  snapshots/{third.folder.name}: nothing stands on it, and newer ones are there"
    assert lines[-1] == f"Next: `qianfen features prune {folder} --keep 0 --yes`"
    assert f"Removed snapshots/{third.folder.name}." in done.output
    assert [snapshot.folder.is_dir() for snapshot in snapshots] == [True, True, False]
    assert "grades as of 2020-03-01 by model m0; grades as of 2020-03-01 by model m1 (in force)" in lines[1]
    assert second.snapshot_id in lines[1]
    assert run(settings, "verify", folder).exit_code == 0


def test_prune_with_nothing_to_remove_says_so(toy, settings):
    folder, _ = toy
    assert run(settings, "prune", folder).output.splitlines()[-1] == "Nothing to remove."


def test_prune_stops_where_it_cannot_know_what_a_model_stands_on(toy, settings):
    folder, snapshots = toy
    path = settings.var / "cities/toy/models/t1/lightgbm_offset/manifest.json"
    path.write_text("{")

    result = run(settings, "prune", folder, "--keep", "0", "--yes")

    assert isinstance(result.exception, StorageError)
    assert str(path) in str(result.exception)
    assert all(snapshot.folder.is_dir() for snapshot in snapshots)


def test_prune_stops_where_mlflow_cannot_say_what_is_registered(toy, settings, monkeypatch):
    folder, snapshots = toy

    def unreachable(city, settings):
        raise StorageError("The registered models must be readable in MLflow, they are not.")

    monkeypatch.setattr("training.claims.registered_manifests", unreachable)
    result = run(settings, "prune", folder, "--keep", "0", "--yes")

    assert isinstance(result.exception, StorageError)
    assert all(snapshot.folder.is_dir() for snapshot in snapshots)


def test_grades_keep_their_records_where_their_snapshot_was_lost(graded_city):
    claims = claims_of(graded_city.city, graded_city.settings)

    [grading] = [claim for claim in claims if claim.by.startswith("grades")]
    assert grading.records_ids == {graded_city.records.records_id}
    assert grading.snapshot_ids == {graded_city.snapshot.snapshot_id}
    assert read_json(graded_city.grading.folder / "manifest.json")["records_id"] in grading.records_ids
