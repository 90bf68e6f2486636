"""A whole answer of the scorer, for one entity and a thousand: with the online store, and from the snapshot's Parquet.

A synthetic city is built, trained and graded first, by the commands that a user types. Both sides then ask the same
entities in processes of their own, in turns, and must answer the same. The parts of an answer are timed one by one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq

from data.city import load_city
from data.settings import Settings
from experiments.benchmarks.harness import BenchmarkError, Report, Row, Run, command_path, measure, take_turns
from serving.lookups import Asker, record_lookups
from serving.request import ScoreItem
from serving.scoring import Scorer

N_ENTITIES, N_SINGLES, N_AT_ONCE, N_TIMES = 20_000, 300, 1_000, 5
CITY = "synthetic"
STEPS = (("synthetic", "--entities", "{n_entities}"), ("train", CITY), ("grade", CITY))
SIDES = ("online", "Parquet")
ASKER = Asker("benchmark", "speed", "benchmark")


@click.command("scoring", help=__doc__)
@click.option("--entities", "n_entities", default=N_ENTITIES, show_default=True)
@click.pass_obj
def benchmark(environment: Mapping[str, str], n_entities: int) -> Report:
    """Measure both sides."""
    var = Path(tempfile.mkdtemp(prefix="qianfen-bench-"))
    own = {**environment, "QIANFEN_VAR": str(var)}
    said: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    try:
        for step in STEPS:
            run = measure([command_path(), *(part.format(n_entities=n_entities) for part in step)], own)
            click.echo(f"{step[0]} {run.seconds:.0f} s", err=True)

        def once(side: str) -> Run:
            run = measure([sys.executable, "-m", "experiments.benchmarks.scoring", side], own)
            said[side].append(json.loads(run.output.splitlines()[-1]))
            return run

        taken = take_turns({side: lambda side=side: once(side) for side in SIDES}, None)  # type: ignore[misc]
    finally:
        shutil.rmtree(var, ignore_errors=True)
    if len({answers["digest"] for runs in said.values() for answers in runs}) != 1:
        raise BenchmarkError(f"Both sides must give the same answers, got {said}.")
    rows = [
        Row(f"{row.what}: {what}", tuple(r[what] for r in said[row.what][1:]), n, row.peak_rss_mib)
        for row in taken
        for what, n in (("one at a time", N_SINGLES), ("a thousand at once", N_AT_ONCE * N_TIMES))
    ]
    checks = {
        f"{side}: {part}": float(np.median([run["parts"][part] for run in runs[1:]]))
        for side, runs in said.items()
        for part in runs[0]["parts"]
    }
    ratio = rows[2].median_seconds / rows[0].median_seconds
    work = f"{n_entities:,} entities, {N_SINGLES} answers about one, {N_TIMES} about {N_AT_ONCE:,}; audit log in SQLite"
    return Report("scoring", work, tuple(rows), {"one: online vs Parquet": ratio}, checks)


def answer_side(side: str) -> dict[str, Any]:
    """Ask one side in this process; return what it took."""
    scorer = Scorer(load_city(CITY), Settings.from_environment(os.environ))
    home = scorer.settings.var / "cities" / CITY
    hidden = home / "online.hidden"
    if side == "Parquet":
        (home / "online").rename(hidden)
    try:
        return _answers(scorer)
    finally:
        if hidden.exists():
            hidden.rename(home / "online")


def _answers(scorer: Scorer) -> dict[str, Any]:
    (path,) = (scorer.settings.var / "cities" / CITY / "grades").glob("*/grades.parquet")
    everybody = pq.read_table(path, columns=["entity_id"])["entity_id"]
    generator = np.random.default_rng(1)

    def some(n: int) -> list[ScoreItem]:
        drawn = everybody.take(generator.integers(0, len(everybody), n))
        return [ScoreItem(entity_id) for entity_id in drawn.to_pylist()]

    def ask(items: list[ScoreItem]) -> list[dict[str, Any]]:
        return scorer.score(items, ASKER)

    first = ask(some(N_AT_ONCE))
    many = _seconds_each(ask, [some(N_AT_ONCE) for _ in range(N_TIMES)])
    singles = some(N_SINGLES)
    one = _seconds_each(ask, [[item] for item in singles])
    return {
        "one at a time": sum(one),
        "a thousand at once": sum(many),
        "digest": hashlib.sha256(json.dumps(first).encode()).hexdigest(),
        "parts": {"one, median microseconds": float(np.median(one)) * 1e6} | _parts(scorer, singles),
    }


def _parts(scorer: Scorer, items: list[ScoreItem]) -> dict[str, float]:
    """Time what an answer about one entity consists of, in microseconds."""
    grading, model = scorer.grading(), scorer.model
    source = scorer._source(None, grading)
    scores = model.score(matrix := np.full((1, len(model.names)), 1.0))
    parts: dict[str, Callable[[str], Any]] = {
        "ask the database which grading is in force": lambda _: scorer.grading(),
        "open what holds its values": lambda _: scorer._source(None, grading),
        "look up": lambda entity_id: source.lookup([entity_id]),
        "write down who asked": lambda entity_id: record_lookups(
            scorer.engine, CITY, ASKER, [(entity_id, grading.as_of_date, model.model_version)]
        ),
        "score and explain": lambda _: model.score(matrix),
        "put into words": lambda entity_id: scorer.replies.reply(
            scores, 0, matrix[0].tolist(), entity_id, grading.as_of_date, grading.snapshot_id
        ),
    }
    entity_ids = [item.entity_id for item in items]
    return {
        f"{what}, microseconds": 1e6 * float(np.median(_seconds_each(part, entity_ids))) for what, part in parts.items()
    }


def _seconds_each(work: Callable[[Any], Any], inputs: Sequence[Any]) -> list[float]:
    seconds = []
    for given in inputs:
        start = time.perf_counter()
        work(given)
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    print(json.dumps(answer_side(sys.argv[1])))
