"""Evidence: what monitoring looks at, and the snapshots and rows that the champion's manifest names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city import City, Cohort, Label, Split
from data.errors import ArtifactError, NotFoundError
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.snapshots import Snapshot, load_snapshot, snapshots_folder
from training.additive import AdditiveModel
from training.labels import entity_labels


@dataclass(frozen=True)
class Graded:
    """A grading, as far as monitoring asks: its date, its model, its snapshot and its file of grades."""

    as_of_date: date
    model_version: str
    snapshot_id: str
    path: Path

    def as_json(self) -> dict[str, str]:
        """Return what names it."""
        return {name: str(getattr(self, name)) for name in ("as_of_date", "model_version", "snapshot_id")}


@dataclass(frozen=True)
class Evidence:
    """What all parts of a report stand on.

    Attributes
    ----------
    city : City
        With the label, the cohort and the split that the champion was trained by.
    model : AdditiveModel
        The champion.
    day : date
        What became known on it or later is not looked at.
    """

    city: City
    records: Records
    settings: Settings
    model: AdditiveModel
    day: date
    progress: Progress

    @property
    def test(self) -> dict[str, float | None]:
        """Figures of the champion on its test; None where its manifest has none."""
        metrics = self.model.manifest.get("metrics", {})
        return {name: metrics.get(name) for name in ("roc_auc", "brier_score", "precision_at_10_percent")}

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """Return a snapshot by its id.

        Raises
        ------
        NotFoundError
            Where it is gone.
        ArtifactError
            Where it holds other indicators than the champion was made for.
        """
        home = snapshots_folder(self.settings, self.city.name)
        found = sorted(home.glob(f"[!.]*-{snapshot_id}"))
        if not found:
            raise NotFoundError(
                f"Snapshot {snapshot_id} of {self.city.name}, on which the champion or a grading stands, must lie "
                f"below {home}, it is gone. Restore it from a copy, or train and grade again."
            )
        snapshot = load_snapshot(found[-1])
        theirs, ours = snapshot.manifest["catalogue_hash"], self.model.manifest["catalogue_hash"]
        if theirs != ours:
            raise ArtifactError(
                f"Snapshot {snapshot_id} must hold the indicators {ours} of the champion, it holds {theirs}. "
                f"Grade again with `qianfen grade {self.city.name}`."
            )
        return snapshot

    def values(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the indicators of a snapshot's rows in the model's order."""
        return self.model.values(frame[list(self.model.names)])

    def training_rows(self) -> pd.DataFrame:
        """Return the rows that the champion's trees learned from: of a snapshot of everybody, those with a label."""
        frames = []
        for snapshot_id in self.model.manifest["snapshots"]["trees"]:
            snapshot = self.snapshot(snapshot_id)
            frame = snapshot.read()
            if snapshot.as_of_date is not None:
                threads = self.settings.threads
                labels = entity_labels(self.records, self.city, snapshot.as_of_date, threads=threads)
                frame = frame[frame["entity_id"].isin(labels["entity_id"])]
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)


def as_trained(city: City, manifest: dict[str, Any]) -> City:
    """Return the city with label, cohort and split that a model was trained by, whatever city.toml says now."""
    declared: dict[str, Any] = {}
    if "label" in manifest:
        declared["label"] = Label.model_validate(manifest["label"])
    if "cohort" in manifest:
        declared["cohort"] = Cohort.model_validate(manifest["cohort"])
    if "split" in manifest:
        declared["split"] = Split.model_validate(manifest["split"])
    return city.model_copy(update=declared)
