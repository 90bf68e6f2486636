"""A measurement is that of the command's whole process tree, in the one format."""

from __future__ import annotations

import json
import os
import sys

import pytest

from experiments.benchmarks.__main__ import benchmarks, main
from experiments.benchmarks.harness import BenchmarkError, Report, Row, Run, as_table, measure, publish, take_turns

ALLOCATE_IN_A_CHILD = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', "
    "'import time; held = bytearray(200 * 2**20); time.sleep(0.4)'], check=True)"
)


def test_memory_of_a_child_counts_and_so_does_its_time():
    run = measure([sys.executable, "-c", ALLOCATE_IN_A_CHILD], os.environ)

    assert run.peak_rss_mib > 200
    assert run.seconds > 0.4


def test_cpu_time_of_a_child_counts_and_waiting_does_not():
    burn = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass\ntime.sleep(0.5)"
    in_a_child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"

    run = measure([sys.executable, "-c", in_a_child], os.environ)

    assert run.cpu_seconds >= 0.5
    assert run.seconds - run.cpu_seconds >= 0.4


def test_a_command_that_fails_yields_its_last_lines_and_no_figure():
    with pytest.raises(BenchmarkError, match=r"must end with 0, got 3:\nno such city"):
        measure([sys.executable, "-c", "print('no such city'); raise SystemExit(3)"], os.environ)


def test_peers_take_turns_after_a_warm_up():
    called = []

    def side(name, seconds):
        return lambda: called.append(name) or Run(seconds, 10.0, "", seconds / 2)

    rows = take_turns({"peer": side("A", 4.0), "ours": side("B", 2.0)}, n_rows=100, runs=2, warm_ups=1)

    assert called == ["A", "B"] * 3
    assert [(r.what, r.seconds, r.rows_per_second, r.cpu_seconds) for r in rows] == [
        ("peer", (4.0, 4.0), 25.0, (2.0, 2.0)),
        ("ours", (2.0, 2.0), 50.0, (1.0, 1.0)),
    ]


def test_a_report_is_written_in_the_benchmark_format(tmp_path, capsys):
    report = Report("toy", "10 rows", (Row("ours", (1.0, 3.0, 2.0), 10, 5.5),), {"ours_vs_peer": 0.5}, {"error": 0.0})

    path = publish(report, tmp_path)

    content = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "bench" / "toy.json"
    assert list(content) == ["name", "machine", "work", "rows", "ratios", "checks"]
    assert content["rows"] == [
        {
            "what": "ours",
            "seconds": [1.0, 3.0, 2.0],
            "median_seconds": 2.0,
            "rows_per_second": 5.0,
            "peak_rss_mib": 5.5,
            "cpu_seconds": [],
            "median_cpu_seconds": None,
        }
    ]
    assert set(content["machine"]) == {"cores", "memory_gib", "python", "versions"}
    assert as_table(report) in capsys.readouterr().out


def test_benchmarks_are_found_by_their_declaration(capsys):
    assert "end_to_end" in benchmarks()
    assert main(["no_such"]) == 2
    assert "must be one of drift, end_to_end" in capsys.readouterr().err
