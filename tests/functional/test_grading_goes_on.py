"""A grading that is stopped at any moment goes on where it stood, and ends with the bytes of one that was not."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from data.errors import BusyError, StorageError
from data.files import abandoned, held, sha256_of, write_sealed
from features.snapshots import Snapshot
from serving.grading import grade_population, working_folder

_ROWS_IN_A_BLOCK = 2
_N_BLOCKS = 30

# Grades, says each line of progress, and waits to be killed after the second one.
_SCRIPT = """
import json, sys, time
from pathlib import Path
from data.city import load_city
from data.records import open_records
from data.settings import Settings
from features.snapshots import load_snapshot
from serving.grading import grade_population
from training.champions import load_champion

toy, made, var, matrix = sys.argv[1:]
before = Settings.from_environment({"QIANFEN_VAR": made, "QIANFEN_THREADS": "1"})
after = Settings.from_environment({"QIANFEN_VAR": var, "QIANFEN_THREADS": "1"})
city = load_city(toy)
said = []

def progress(line):
    said.append(line)
    print(line, flush=True)
    if len(said) == 2:
        time.sleep(120)

snapshot, model = load_snapshot(Path(matrix)), load_champion(city, before)
grade_population(city, open_records(city, before), after, model, snapshot, progress, in_force=False)
"""


class StoppedError(Exception):
    """The run was stopped."""


class StopAfter:
    """Progress that stops the run after so many lines."""

    def __init__(self, lines=10**9):
        self.lines = lines
        self.said = []

    def __call__(self, line):
        self.said.append(line)
        if len(self.said) >= self.lines:
            raise StoppedError


@pytest.fixture(scope="module")
def in_small_blocks(graded_city, tmp_path_factory):
    """The snapshot of the graded city in row groups of two entities, so that there is something to stop."""
    folder = tmp_path_factory.mktemp("snapshot")
    pq.write_table(pq.read_table(graded_city.snapshot.path), folder / "matrix.parquet", row_group_size=_ROWS_IN_A_BLOCK)
    manifest = {**graded_city.snapshot.manifest, "sha256": sha256_of(folder / "matrix.parquet")}
    write_sealed(folder / "manifest.json", manifest)
    return Snapshot(folder, manifest)


@pytest.fixture
def grade(graded_city, in_small_blocks, tmp_path):
    """Grade below a folder of the test's own."""

    def run(progress, below="var"):
        settings = dataclasses.replace(graded_city.settings, var=tmp_path / below)
        model = graded_city.model
        return grade_population(
            graded_city.city, graded_city.records, settings, model, in_small_blocks, progress, in_force=False
        )

    return run


def content(grading):
    """Return the bytes of everything in a grading's folder."""
    return {path.name: path.read_bytes() for path in sorted(grading.folder.iterdir())}


def blocks_below(home):
    """Return the blocks of the unfinished grading, and when each was written."""
    (working,) = (home / "cities/toy/grades").glob(".*.unfinished")
    return {path.name: path.stat().st_mtime_ns for path in working.glob("[!.]*")}


@pytest.mark.parametrize("lines", [1, 2, 5, 6])
def test_stopped_after_any_block_it_ends_with_the_bytes_of_an_undisturbed_run(grade, tmp_path, lines):
    undisturbed = grade(StopAfter(), "undisturbed")
    with pytest.raises(StoppedError):
        grade(StopAfter(lines))
    kept = blocks_below(tmp_path / "var")
    assert len(kept) == 5 * lines
    assert not list((tmp_path / "var/cities/toy/grades").glob("[!.]*"))

    going_on = StopAfter()
    grading = grade(going_on)

    assert going_on.said[0] == f"Going on: {5 * lines} of {_N_BLOCKS} blocks were graded before and are whole."
    assert content(grading) == content(undisturbed)
    assert not working_folder(grading.folder).exists()


def test_what_was_done_is_not_done_again(grade, tmp_path):
    for lines in (1, 2, 2):
        with pytest.raises(StoppedError):
            grade(StopAfter(lines))
    before = blocks_below(tmp_path / "var")
    with pytest.raises(StoppedError):
        grade(StopAfter(2))

    after = blocks_below(tmp_path / "var")

    assert len(before) == 15
    assert before.items() < after.items()


def test_a_damaged_block_is_found_and_graded_again(grade, tmp_path):
    undisturbed = grade(StopAfter(), "undisturbed")
    with pytest.raises(StoppedError):
        grade(StopAfter(2))
    (working,) = (tmp_path / "var/cities/toy/grades").glob(".*.unfinished")
    first, second, *_ = sorted(working.iterdir())
    flipped = bytearray(first.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    first.write_bytes(flipped)
    second.write_bytes(second.read_bytes()[:100])
    (working / ".000009-left.arrow.1.partial").write_bytes(b"half")

    going_on = StopAfter()
    grading = grade(going_on)

    assert going_on.said[:3] == [
        "Block 1 is damaged and is graded again.",
        "Block 2 is damaged and is graded again.",
        f"Going on: 8 of {_N_BLOCKS} blocks were graded before and are whole.",
    ]
    assert content(grading) == content(undisturbed)


def test_a_killed_process_leaves_its_blocks_and_the_next_one_goes_on(grade, graded_city, in_small_blocks, tmp_path):
    undisturbed = grade(StopAfter(), "undisturbed")
    folders = [graded_city.city.folder, graded_city.settings.var, tmp_path / "var", in_small_blocks.folder]
    command = [sys.executable, "-c", _SCRIPT, *map(str, folders)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}) as run:
        said = [run.stdout.readline() for _ in range(2)]
        run.kill()
    assert said == ["Graded 10 of 60 entities.\n", "Graded 20 of 60 entities.\n"]
    assert run.returncode == -9

    going_on = StopAfter()
    grading = grade(going_on)

    assert going_on.said[0] == f"Going on: 10 of {_N_BLOCKS} blocks were graded before and are whole."
    assert content(grading) == content(undisturbed)


def test_on_a_full_disk_the_blocks_that_are_done_stay(grade, tmp_path, monkeypatch):
    undisturbed = grade(StopAfter(), "undisturbed")
    fsync, calls = os.fsync, []

    def full_after_seven(descriptor):
        calls.append(descriptor)
        if len(calls) > 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full_after_seven)
        with pytest.raises(
            StorageError, match="The disk is full, block 8 .* The blocks that are done stay: free space"
        ):
            grade(StopAfter())
    assert len(blocks_below(tmp_path / "var")) == 7

    assert content(grade(StopAfter())) == content(undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 96 KiB in memory below `var`; skipped where that is not allowed. Yield what makes it larger."""
    disk = tmp_path / "var"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs the rights of root")
    yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_once_a_full_disk_has_room_the_grading_goes_on(grade, tmp_path, small_disk):
    undisturbed = grade(StopAfter(), "undisturbed")
    with pytest.raises(StorageError, match="The disk is full, block .* The blocks that are done stay: free space"):
        grade(StopAfter())
    kept = blocks_below(tmp_path / "var")
    assert 0 < len(kept) < _N_BLOCKS

    small_disk("8m")
    going_on = StopAfter()
    grading = grade(going_on)

    assert going_on.said[0].startswith(f"Going on: {len(kept)} of {_N_BLOCKS} blocks")
    assert content(grading) == content(undisturbed)


def test_stopped_while_the_blocks_become_one_file_it_keeps_all_of_them(grade, tmp_path, monkeypatch):
    undisturbed = grade(StopAfter(), "undisturbed")

    def stopped(blocks, path, names):
        path.write_bytes(b"half")
        raise StoppedError

    with monkeypatch.context() as patched:
        patched.setattr("serving.grading.combine_blocks", stopped)
        with pytest.raises(StoppedError):
            grade(StopAfter())
    assert len(blocks_below(tmp_path / "var")) == _N_BLOCKS

    going_on = StopAfter()

    assert content(grade(going_on)) == content(undisturbed)
    assert going_on.said == [f"Going on: {_N_BLOCKS} of {_N_BLOCKS} blocks were graded before and are whole."]


def test_blocks_that_a_kill_left_beside_the_whole_grading_are_removed(grade):
    grading = grade(StopAfter())
    working_folder(grading.folder).mkdir()

    grade(StopAfter())

    assert not working_folder(grading.folder).exists()


def test_a_second_run_at_the_same_time_is_refused(grade, tmp_path):
    with held(tmp_path / "var/cities/toy/grades/.lock"), pytest.raises(BusyError, match="Wait until it ends"):
        grade(StopAfter())


def test_an_unfinished_grading_that_nobody_goes_on_with_can_be_pruned(grade, tmp_path):
    with pytest.raises(StoppedError):
        grade(StopAfter(1))

    (left,) = abandoned(tmp_path / "var/cities/toy/grades")

    assert left.name.endswith(".unfinished")
