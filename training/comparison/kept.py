"""A comparison on disk: comparison.json, comparison.md and comparison.png, and a run in MLflow."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.city import City, Period
from data.files import atomic_folder, fingerprint, read_json, source_fingerprint, write_atomically, write_json
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import catalogue_of
from features.snapshots import CODE
from training.bootstrap import DRAWS, LEVEL, Interval
from training.code import code_of
from training.comparison.contest import Contest, contest
from training.comparison.directions import directions_cost
from training.comparison.pages import difference_plot, page
from training.comparison.trials import comparison_folds, fold_trials, split_trial
from training.fitting import Recipe
from training.folds import FoldRows, fold_rows
from training.hindsight import card_against
from training.kept_runs import logged_or_kept, waiting
from training.registry import log_comparison
from training.rivals import CHAMPION, RIVALS, Rival
from training.rivals.trees import LIGHTGBM_OFFSET_FREE as FREE
from training.rows import Rows
from training.selection import weigh_folds
from training.splits import Stage, check_split

_COMPARISON = "comparison.json"
_PAGES = ("training.comparison.pages", "training.comparison.verdict", "training.plots")
_PACKAGES = ("lightgbm", "scikit-learn", "interpret-core", "numpy")


@dataclass(frozen=True)
class Comparison:
    """Rivals over the folds and on the city's test.

    Attributes
    ----------
    folds : tuple of FoldRows
        What the folds hold.
    over_folds, on_test : Contest
        Who reached what.
    test : Rows
        The city's test.
    directions : dict by indicator
        Where the same trees without directions win: what giving up one adds to the AUC over the folds.
    card : dict
        Since when the card holds, and which tests begin before: training.hindsight.
    """

    city: City
    folds: tuple[FoldRows, ...]
    over_folds: Contest
    on_test: Contest
    test: Rows
    directions: dict[str, Interval]
    card: dict[str, Any]


def compare_rivals(city: City, records: Records, settings: Settings, progress: Progress = print) -> Comparison:
    """Fit the champion and all rivals over the folds and on the city's split.

    Raises
    ------
    ConfigurationError
        For a split that leaks; where the folds find no room, or the card is not whole.
    LabelError
        Where labels are too few or of one class.
    """
    check_split(city)
    recipe, seed = Recipe.of(city, settings.threads), city.model.seed
    folds = fold_rows(city, records, comparison_folds(city), settings, progress)
    folds = weigh_folds(city, records, folds, settings, progress)
    over_folds = contest(fold_trials(folds), recipe, seed, progress)
    directions = {}
    if over_folds.measured[FREE.name].against_champion["roc_auc"].low > 0:
        directions = directions_cost(fold_trials(folds), recipe, seed, progress)
    trial = split_trial(city, records, settings, progress)
    on_test = contest([trial], recipe, seed, progress)
    card = card_against(city, recipe.card, [*(fold.fold.test for fold in folds), city.split.test])
    return Comparison(city, folds, over_folds, on_test, trial.test, directions, card)


def content_of(comparison: Comparison, rivals: Sequence[Rival] = RIVALS) -> dict[str, Any]:
    """Return the comparison as comparison.json keeps it; the pages are written from this alone."""
    return {
        "city": comparison.city.name,
        "title": comparison.city.title,
        "champion": CHAMPION.name,
        "n_draws": DRAWS,
        "level": LEVEL,
        "folds": [
            {"train": _said(f.fold.train), "n_train": len(f.train.y), **_tested(f.fold.test, f.test)}
            for f in comparison.folds
        ],
        "test": _tested(comparison.city.split.test, comparison.test),
        "card": comparison.card,
        "directions": {name: gained.as_json() for name, gained in comparison.directions.items()},
        "rivals": {
            rival.name: {"what": rival.what, "missing": rival.missing, "additive": rival.additive}
            | _results(rival.name, comparison.over_folds, comparison.on_test)
            for rival in rivals
        },
    }


def made_of(city: City, records: Records, settings: Settings) -> dict[str, Any]:
    """Return what the champion of a comparison is made of, by the names of a model's manifest."""
    recipe = Recipe.of(city, settings.threads)
    return {
        "records_id": records.records_id,
        "catalogue_hash": catalogue_of(city).hash,
        **{name: getattr(city, name).model_dump(mode="json") for name in ("label", "cohort", "split")},
        "selection": {"method": city.selection.method},
        "lightgbm": recipe.growth,
        "card": recipe.card.as_json(),
    }


def is_of_model(content: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Say whether a comparison's champion is made as a model was; one from before this was kept is of none."""
    made = content.get("made_of")
    if made is None:
        return False
    # A manifest from before the cohort, weights or a share of the offset lacks them. The number of threads makes no
    # other model.
    theirs = {"cohort": made["cohort"], "selection": {"method": "none"}} | manifest
    same = ("records_id", "catalogue_hash", "label", "cohort", "split", "card")
    threads = {"num_threads": 0}
    whole = {"offset_share": 1.0}
    return (
        all(made.get(name) == theirs.get(name) for name in same)
        and made["selection"]["method"] == theirs["selection"]["method"]
        and whole | made["lightgbm"] | threads == whole | theirs.get("lightgbm", {}) | threads
    )


def _results(name: str, over_folds: Contest, on_test: Contest) -> dict[str, Any]:
    reason = over_folds.left_out.get(name) or on_test.left_out.get(name)
    if reason:
        return {"left_out": reason}
    return {
        "fit_seconds": on_test.fit_seconds[name],
        "size_bytes": on_test.size_bytes[name],
        "folds": over_folds.measured[name].as_json(),
        "test": on_test.measured[name].as_json(),
    }


def _tested(stage: Stage, rows: Rows) -> dict[str, Any]:
    return {
        "test": _said(stage),
        "n_test": len(rows.y),
        "n_test_positive": int(rows.y.sum()),
        "n_entities": len(np.unique(rows.entity_ids)),
    }


def _said(stage: Stage) -> str:
    if isinstance(stage, Period):
        return f"{stage.start} to {stage.end}"
    return str(stage[0]) if len(stage) == 1 else f"{len(stage)} dates from {stage[0]} to {stage[-1]}"


def build_comparison(
    city: City, records: Records, settings: Settings, progress: Progress = print
) -> tuple[Path, dict[str, Any]]:
    """Compare the champion with its rivals unless nothing changed; return the folder and what comparison.json holds.

    Raises
    ------
    ConfigurationError
        For a split that leaks; where the folds find no room before the test, or the card is not whole.
    LabelError
        Where labels are too few or of one class.
    StorageError
        Where the disk is full.
    """
    check_split(city)
    folder = _home(city, settings) / _comparison_id(city, records, settings)
    path = folder / _COMPARISON
    if path.is_file():
        progress(f"Comparison {folder.name} is there already, nothing changed: skipped.")
    else:
        content = {"made_of": made_of(city, records, settings)}
        content |= content_of(compare_rivals(city, records, settings, progress))
        with atomic_folder(folder) as beside:
            write_json(beside / _COMPARISON, content)
    content = read_json(path)
    write_atomically(folder / "comparison.md", page(content) + "\n")
    difference_plot(content).savefig(folder / "comparison.png", dpi=120)
    _log_or_keep(city, settings, folder, progress)
    return folder, content


def push_comparisons(city: City, settings: Settings, progress: Progress = print) -> list[Path]:
    """Log every comparison that MLflow has not got; return the folders of those that it took."""
    found = waiting(_home(city, settings), _COMPARISON)
    return [folder for folder in found if _log_or_keep(city, settings, folder, progress)]


def _log_or_keep(city: City, settings: Settings, folder: Path, progress: Progress) -> str | None:
    def log() -> str:
        return log_comparison(city, settings, read_json(folder / _COMPARISON), folder)

    return logged_or_kept(folder, "comparison", log, progress)


def _home(city: City, settings: Settings) -> Path:
    return settings.var / "cities" / city.name / "comparisons"


def _comparison_id(city: City, records: Records, settings: Settings) -> str:
    recipe = Recipe.of(city, settings.threads)
    lightgbm = {name: value for name, value in recipe.lightgbm.items() if name != "num_threads"}
    return fingerprint(
        records.records_id, settings.engine, catalogue_of(city).hash, str(city.label), str(city.cohort),
        str(city.selection), str(city.split), recipe.card.as_json(), lightgbm, recipe.num_boost_round,
        recipe.offset_share, code_of("training.comparison.kept", without=_PAGES), source_fingerprint(*CODE),
        {name: importlib.metadata.version(name) for name in _PACKAGES},
        [rival.name for rival in RIVALS if rival.is_available],
    )  # fmt: skip
