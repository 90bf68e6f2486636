"""From nothing to one served grade: each step's wall time and memory, on synthetic cities of two sizes.

Each step is the `qianfen` command that a user types, in a process of its own, on a `QIANFEN_VAR` of its own that is
removed at the end. A step that was done is skipped the next time, so each is run once for a size.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import pyarrow.parquet as pq

from experiments.benchmarks.harness import Report, Row, Run, command_path, measure

SIZES = (50_000, 500_000)
CITY = "synthetic"
STEPS: Mapping[str, tuple[str, ...]] = {
    "synthetic": ("synthetic", "--entities", "{n_entities}"),
    "ingest": ("ingest", CITY),
    "features": ("features", "build", CITY),
    "train": ("train", CITY),
    "promote": ("promote", CITY, "--who", "benchmark", "--why", "a champion to grade with"),
    "grade": ("grade", CITY),
    "score one": ("score", CITY, "{entity_id}"),
}


@click.command("end_to_end", help=__doc__)
@click.option("--entities", "sizes", type=int, multiple=True, default=SIZES, show_default=True)
@click.pass_obj
def benchmark(environment: Mapping[str, str], sizes: Sequence[int]) -> Report:
    """Run every step at every size."""
    measured = {size: _one_size(size, environment) for size in sizes}
    rows = tuple(
        Row(
            f"{size:,}: {step}",
            (run.seconds,),
            size if step != "score one" else None,
            run.peak_rss_mib,
            (run.cpu_seconds,),
        )
        for size, runs in measured.items()
        for step, run in runs.items()
    )
    work = f"synthetic city of {' and '.join(f'{s:,}' for s in sizes)} entities, every step of the command once"
    return Report("end_to_end", work, rows, _growth(measured), {})


def _one_size(n_entities: int, environment: Mapping[str, str]) -> dict[str, Run]:
    var = Path(tempfile.mkdtemp(prefix="qianfen-bench-"))
    own = {**environment, "QIANFEN_VAR": str(var)}
    runs: dict[str, Run] = {}
    try:
        for step, arguments in STEPS.items():
            entity_id = _any_entity(var) if step == "score one" else ""
            filled = [a.format(n_entities=n_entities, entity_id=entity_id) for a in arguments]
            runs[step] = measure([command_path(), *filled], own)
            click.echo(f"{n_entities:,}: {step} {runs[step].seconds:.1f} s", err=True)
    finally:
        shutil.rmtree(var, ignore_errors=True)
    return runs


def _any_entity(var: Path) -> str:
    """Return the first entity of the grades in force."""
    (grades,) = (var / "cities" / CITY / "grades").glob("*/grades.parquet")
    return str(pq.read_table(grades, columns=["entity_id"])["entity_id"][0])


def _growth(measured: Mapping[int, Mapping[str, Run]]) -> dict[str, float]:
    """Exponent with which each step's time grows from the smallest size to the largest; 1 is linear."""
    small, large = min(measured), max(measured)
    if small == large:
        return {}
    by = math.log(large / small)
    return {
        f"growth exponent of {step}": round(math.log(measured[large][step].seconds / run.seconds) / by, 3)
        for step, run in measured[small].items()
    }
