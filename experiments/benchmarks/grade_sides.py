"""The parts of a grading, each in a process of its own: `python -m experiments.benchmarks.grade_sides <side> <folder>`.

`QIANFEN_VAR` names a city that is ready to be graded and an earlier grading in force; what a side writes goes to the
folder. `grades` comes first, others stand on it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.city import City, load_city
from data.files import read_json, sha256_of, write_sealed
from data.records import open_records
from data.settings import Settings
from experiments.benchmarks.shap import timed
from features.online import publish_online
from features.snapshots import ROWS_IN_A_GROUP, Snapshot, load_snapshot, open_snapshot, write_rows
from serving.database import open_database
from serving.grades import put_in_force
from serving.grading import Grading, grade_snapshot, stored_rows
from serving.gradings import graded_in_force
from serving.movement import movement_between
from training.additive import AdditiveModel
from training.champions import load_champion

CITY = "synthetic"


@dataclass(frozen=True)
class PredContrib:
    """LightGBM's own contributions in the place of the look-up tables."""

    booster: lgb.Booster

    def shap_values(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the contributions (n, n_features)."""
        return np.asarray(self.booster.predict(X, pred_contrib=True))[:, :-1]


@dataclass(frozen=True)
class Task:
    """A city that is ready, its champion, the snapshot to grade, and the folder to write to."""

    city: City
    settings: Settings
    model: AdditiveModel
    snapshot: Snapshot
    folder: Path

    @property
    def grading(self) -> Grading:
        """What the side `grades` wrote."""
        return grading_in(self.folder / "grades")


def grades(task: Task) -> None:
    """Grade everybody to Parquet."""
    _grade(task, task.model, task.snapshot, "grades")


def pred_contrib(task: Task) -> None:
    """Grade a part to Parquet with LightGBM's contributions."""
    assert task.model.booster is not None, "the champion has trees"
    model = replace(task.model)
    model.__dict__["tables"] = PredContrib(task.model.booster)
    _grade(task, model, load_snapshot(task.folder / "part"), "pred_contrib")


def database(task: Task) -> None:
    """Store everybody's grade in an empty database and put the grading in force."""
    path = task.folder / "grades.db"
    path.unlink(missing_ok=True)
    engine = open_database(f"sqlite:///{path}")
    rows = stored_rows(task.grading.path)
    put_in_force(engine, task.city.name, task.grading.identity, task.grading.grade_counts, rows)
    # The last connection moves what is in the log into the database.
    engine.dispose()


def online(task: Task) -> None:
    """Write the online store of the snapshot."""
    shutil.rmtree(task.folder / "online", ignore_errors=True)
    publish_online(task.snapshot, replace(task.settings, var=task.folder / "online"), _say_nothing)


def movement(task: Task) -> None:
    """Compare everybody with the earlier grading."""
    for folder in task.grading.folder.glob("movement-*"):
        shutil.rmtree(folder)
    movement_between(task.city, task.settings, graded_in_force(task.city, task.settings), task.grading, _say_nothing)


SIDES: Mapping[str, Callable[[Task], None]] = {
    side.__name__: side for side in (grades, pred_contrib, database, online, movement)
}


def grading_in(folder: Path) -> Grading:
    """Return the one grading below a folder."""
    (manifest,) = folder.glob("cities/*/grades/[!.]*/manifest.json")
    return Grading(manifest.parent, read_json(manifest))


def write_part(whole: Snapshot, folder: Path, n_rows: int) -> int:
    """Write the first row groups of a snapshot, at least `n_rows`, as a snapshot of its own; return its rows."""
    folder.mkdir(parents=True)
    with pq.ParquetFile(whole.path) as file:
        groups = file.read_row_groups(range(min(-(-n_rows // ROWS_IN_A_GROUP), file.num_row_groups)))
    write_rows(folder / "matrix.parquet", groups.to_batches(), whole.indicators)
    counts = {"n_rows": groups.num_rows, "n_entities": groups.num_rows}
    write_sealed(folder / "manifest.json", {**whole.manifest, **counts, "sha256": sha256_of(folder / "matrix.parquet")})
    return int(groups.num_rows)


def ready_task(settings: Settings, folder: Path) -> Task:
    """Open the city, its champion and the snapshot of its grading date."""
    city = load_city(CITY)
    snapshot = open_snapshot(open_records(city, settings), city.split.grading, settings)
    return Task(city, settings, load_champion(city, settings), snapshot, folder)


def _grade(task: Task, model: AdditiveModel, snapshot: Snapshot, name: str) -> None:
    shutil.rmtree(task.folder / name, ignore_errors=True)
    grade_snapshot(task.city, replace(task.settings, var=task.folder / name), model, snapshot, _say_nothing)


def _say_nothing(_: str) -> None:
    """Take progress and show none."""


def main(side: str, folder: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Do one side's work; return its seconds, wall and CPU, without the start of the process."""
    task = ready_task(Settings.from_environment(environment), Path(folder))
    return timed(partial(SIDES[side], task))[1]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], dict(os.environ))))
