"""A disk that fills up at any step: a clear message, nothing half-published, and the same result once there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import StorageError
from tests.functional.test_killed import assert_whole, digest, run_all, write_city

STEP_KIB = 16
_MOST_STEPS = 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of a few KiB in memory; skipped where that is not allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={STEP_KIB}k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs the rights of root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_is_full_at_every_step_leaves_nothing_half_done(tmp_path: Path, small_disk: Path) -> None:
    city_folder, undisturbed, var = tmp_path / "toy", tmp_path / "undisturbed", small_disk / "var"
    write_city(city_folder)
    run_all(city_folder, undisturbed)

    said = []
    for step in range(1, _MOST_STEPS):
        size = f"remount,size={step * STEP_KIB}k"
        subprocess.run(["mount", "-o", size, str(small_disk)], check=True)
        try:
            run_all(city_folder, var)
        except StorageError as error:
            said.append(str(error))
            assert_whole(var, city_folder)
            assert not list(var.glob("**/*.partial"))
        else:
            break

    assert digest(var) == digest(undisturbed)
    # It was full at many steps, not at one.
    assert len({text.split(" was not written")[0] for text in said}) > 5
    assert all("The disk is full" in text and "Free space" in text for text in said)
