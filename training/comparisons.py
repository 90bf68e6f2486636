"""Comparisons on disk: comparison.json, comparison.md and comparison.png, and a run in MLflow."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from data.city import City
from data.errors import RegistryError
from data.files import atomic_folder, fingerprint, read_json, source_fingerprint, write_json
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import catalogue_of
from training.comparison import compare_rivals
from training.comparison_report import as_json, difference_plot, page
from training.fitting import Recipe
from training.registry import log_comparison
from training.rivals import RIVALS

_PACKAGES = ("lightgbm", "scikit-learn", "interpret-core", "numpy")
_CODE = (
    "training.labels", "training.folds", "training.rows", "training.splits", "training.fitting", "training.model",
    "training.expert_card", "training.calibration", "training.bootstrap", "training.ranking", "training.comparison",
    "training.comparison_report", "training.rivals.rival", "training.rivals.ranges", "training.rivals.past_rate",
    "training.rivals.linear", "training.rivals.trees", "training.rivals.terms", "training.rivals.scorecard",
)  # fmt: skip


def build_comparison(
    city: City, records: Records, settings: Settings, progress: Progress = print
) -> tuple[Path, dict[str, Any]]:
    """Compare the champion with its rivals unless nothing changed; return the folder and what comparison.json holds.

    Raises
    ------
    ConfigurationError
        Where the folds find no room before the test, or the card is not whole.
    LabelError
        Where labels are too few or of one class.
    StorageError
        Where the disk is full.
    """
    folder = settings.var / "cities" / city.name / "comparisons" / _comparison_id(city, records, settings)
    path = folder / "comparison.json"
    if path.is_file():
        progress(f"Comparison {folder.name} is there already, nothing changed: skipped.")
    else:
        content = as_json(compare_rivals(city, records, settings, progress))
        with atomic_folder(folder) as beside:
            difference_plot(content).savefig(beside / "comparison.png", dpi=120)
            (beside / "comparison.md").write_text(page(content) + "\n", encoding="utf-8")
            write_json(beside / "comparison.json", content)
    return folder, _pushed(city, settings, folder, progress)


def _pushed(city: City, settings: Settings, folder: Path, progress: Progress) -> dict[str, Any]:
    """Log a comparison to MLflow, unless that was done; where MLflow is away, say so: it is whole on disk."""
    content: dict[str, Any] = read_json(folder / "comparison.json")
    if "mlflow_run_id" in content:
        return content
    progress("Logging the comparison to MLflow.")
    try:
        content["mlflow_run_id"] = log_comparison(city, settings, content, folder)
    except RegistryError as error:
        progress(f"The comparison is whole on disk, and not in MLflow yet. {error}")
        return content
    write_json(folder / "comparison.json", content)
    return content


def _comparison_id(city: City, records: Records, settings: Settings) -> str:
    recipe = Recipe.of(city, settings.threads)
    lightgbm = {name: value for name, value in recipe.lightgbm.items() if name != "num_threads"}
    return fingerprint(
        records.records_id, catalogue_of(city).hash, str(city.label), str(city.cohort), str(city.split),
        recipe.card.as_json(), lightgbm, recipe.num_boost_round, source_fingerprint(*_CODE),
        {name: importlib.metadata.version(name) for name in _PACKAGES},
        [rival.name for rival in RIVALS if rival.is_available],
    )  # fmt: skip
