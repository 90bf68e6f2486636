"""Two runs on one city at once: one works, the other is told who holds it; the result is that of one run alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from data.errors import BusyError
from tests.functional.test_killed import DATES, assert_whole, digest, write_city


def _build(city_folder: Path, var: Path) -> subprocess.Popen[str]:
    dates = [argument for day in DATES for argument in ("--as-of", str(day))]
    command = [sys.executable, "-m", "serving.commands", "features", "build", str(city_folder), *dates]
    environment = {**os.environ, "QIANFEN_VAR": str(var), "QIANFEN_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_of_two_builds_at_once_one_stops_with_a_clear_message_and_neither_harms_the_other(tmp_path: Path) -> None:
    city_folder = tmp_path / "toy"
    write_city(city_folder)
    alone = _build(city_folder, tmp_path / "alone")
    alone.communicate(timeout=120)
    assert alone.returncode == 0

    both = [_build(city_folder, tmp_path / "var") for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]

    # The second may come when the first is done already: then it finds everything there.
    assert sorted({process.returncode for process in both}) in ([0], [0, BusyError.exit_code])
    for process, text in zip(both, said, strict=True):
        if process.returncode:
            assert f"is held by process {next(p.pid for p in both if p is not process)}" in text
            assert "Traceback" not in text
    assert_whole(tmp_path / "var", city_folder)
    assert digest(tmp_path / "var") == digest(tmp_path / "alone")
