"""Four calibrations side by side, fitted on the calibration rows and judged on the test rows; by group too.

Intervals are by a bootstrap of whole entities; they take the fitted calibrations as given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city import City
from data.errors import NotFoundError
from data.files import read_json, write_json
from data.settings import Settings
from training.additive import AdditiveModel
from training.bootstrap import draw_weights, interval_of
from training.calibration import fit_intercept, sigmoid
from training.calibration_metrics import bins_of, brier_parts, rates, smooth_calibration_error
from training.calibration_plots import save_calibration_plots
from training.calibrators import CALIBRATORS, shifted
from training.champions import read_challenger, read_pointer
from training.metrics import CALIBRATION_BINS
from training.registry import models_folder
from training.rows import Rows

FOLDER, REPORT = "calibration", "report.json"
ADDITIVE = "platt"
KINDS_OF_GROUP = ("district", "industry", "size")
DRAWS = 200
_SEED = 20260101

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What calibrations are judged on.

    Attributes
    ----------
    probabilities : dict of float64 (n,)
        Of the test rows, by calibration; `uncalibrated` is the raw score taken as it is.
    y, weight : float64 (n,)
        Labels, and what each row counts.
    entity_ids : (n,)
        Whose each row is.
    groups : DataFrame (n rows)
        A column for each kind of group.
    """

    probabilities: Mapping[str, Floats]
    y: Floats
    weight: Floats
    entity_ids: NDArray[Any]
    groups: pd.DataFrame


def save_calibration_report(
    model: AdditiveModel, calibration: Rows, test: Rows, groups: pd.DataFrame, least: int, folder: Path
) -> dict[str, Any]:
    """Write report.json and the pictures into a folder of their own; return the report.

    Parameters
    ----------
    calibration, test : Rows
        What the calibrations are fitted on, and later rows to judge them.
    groups : DataFrame (rows of the test)
        As `training.groups.groups_of` gives them.
    least : int
        Fewest violations, and fewest without, of a group that is judged.
    """
    weight = np.ones(len(test.y)) if test.weight is None else test.weight
    probabilities = calibrated_ways(model, calibration, test.X)
    evidence = Evidence(probabilities, test.y.astype(np.float64), weight, test.entity_ids, groups)
    report = {"n_calibration": len(calibration.y), **judged(evidence, least)}
    folder.mkdir()
    write_json(folder / REPORT, report)
    save_calibration_plots(report, folder)
    return report


def find_calibration_report(city: City, settings: Settings, challenger: bool = False) -> tuple[Path, dict[str, Any]]:
    """Return the folder and the report that lie with the champion, or with the challenger where there is none.

    Raises
    ------
    NotFoundError
        Where nothing was trained yet, or the model is from before reports were kept.
    """
    pointer = None if challenger else read_pointer(city, settings)
    artifact = read_challenger(city, settings) if pointer is None else pointer.artifact
    if artifact is None:
        raise NotFoundError(f"{city.name} has no model yet. Run `qianfen train {city.name}`.")
    folder = (models_folder(city, settings) / artifact).parent / FOLDER
    if not (folder / REPORT).is_file():
        raise NotFoundError(
            f"The model {artifact} of {city.name} must have a calibration report, it is from before there were any. "
            f"Train again with `qianfen train {city.name}`."
        )
    return folder, read_json(folder / REPORT)


def calibrated_ways(model: AdditiveModel, calibration: Rows, X: Floats) -> dict[str, Floats]:
    """Return the probabilities of rows X (n, 18) by each calibration.

    Platt's is the model's own. Where it was shifted to another label window or base rate, the others are shifted alike,
    so that what is compared is the form of the curve.
    """
    fitted_on, raw = model.raw_score(calibration.X), model.raw_score(X)
    shift = -fit_intercept(model.log_odds(calibration.X), calibration.y, calibration.weight)
    ways = {"uncalibrated": sigmoid(raw), ADDITIVE: model.probability(X)}
    for name in CALIBRATORS:
        if name != ADDITIVE:
            ways[name] = shifted(CALIBRATORS[name](fitted_on, calibration.y, calibration.weight)(raw), shift)
    return ways


def judged(evidence: Evidence, least: int, n_draws: int = DRAWS) -> dict[str, Any]:
    """Return the report: `finding` first, then the calibrations, their curves, and the groups of the served one."""
    figures = _Figures(evidence)
    draws = draw_weights(evidence.entity_ids, n_draws, _SEED)
    drawn = _Drawn(figures.of(evidence.weight), [figures.of(evidence.weight * counts) for counts in draws])
    briers = {name: drawn.value(f"{name} brier") for name in evidence.probabilities}
    best = min(briers, key=lambda name: briers[name])
    less = drawn.interval(f"{ADDITIVE} less {best}")
    return {
        "finding": _finding(best, less),
        "n_test": len(evidence.y),
        "best": best,
        "additive_less_best": less,
        "additive_is_worse": _is_worse(less),
        "calibrations": {
            name: {figure: drawn.interval(f"{name} {figure}") for figure in _Figures.NAMES} for name in briers
        },
        "curves": {name: list(_curve(figures, drawn, name)) for name in briers},
        "groups": list(_groups(evidence, figures, drawn, least)),
    }


class _Figures:
    """All figures of weighted rows, as arrays by name: what a draw of the bootstrap repeats."""

    NAMES = ("brier", "reliability", "resolution", "uncertainty", "within_bins", "smooth_calibration_error")

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._bins = {name: bins_of(p, CALIBRATION_BINS) for name, p in evidence.probabilities.items()}
        kinds = [kind for kind in KINDS_OF_GROUP if kind in evidence.groups]
        # Categories are sorted; rows of no group go into a place of their own at the end.
        self._codes = {kind: pd.Categorical(evidence.groups[kind]) for kind in kinds}

    @property
    def groups(self) -> Mapping[str, pd.Categorical]:
        return self._codes

    def of(self, weight: Floats) -> dict[str, Floats]:
        y = self._evidence.y
        found: dict[str, Floats] = {}
        for name, probability in self._evidence.probabilities.items():
            bins = self._bins[name]
            parts = brier_parts(y, probability, bins, weight)
            found |= {f"{name} {part}": np.array(value) for part, value in vars(parts).items()}
            error = smooth_calibration_error(y, probability, weight)
            found[f"{name} smooth_calibration_error"] = np.array(error)
            found[f"{name} curve"] = rates(bins, y, probability, weight, int(bins.max()) + 1)
        for name in self._evidence.probabilities:
            found[f"{ADDITIVE} less {name}"] = found[f"{ADDITIVE} brier"] - found[f"{name} brier"]
        for kind, values in self._codes.items():
            n = len(values.categories)
            codes = np.where(values.codes < 0, n, values.codes)
            found[f"group {kind}"] = rates(codes, y, self._evidence.probabilities[ADDITIVE], weight, n + 1)[:, :n]
        return found


class _Drawn:
    """Figures as they are, and over the draws."""

    def __init__(self, values: dict[str, Floats], draws: list[dict[str, Floats]]) -> None:
        self._values = values
        self._draws = {name: np.stack([draw[name] for draw in draws]) for name in values}

    def value(self, name: str) -> float:
        return float(self._values[name])

    def array(self, name: str) -> Floats:
        return self._values[name]

    def interval(self, name: str) -> dict[str, float | None]:
        return _interval(float(self._values[name]), self._draws[name])

    def rates_of(self, name: str, at: int) -> tuple[dict[str, float | None], dict[str, float | None]]:
        """Return the observed rate of a bin or group, and observed less predicted, with intervals."""
        _, predicted, observed = self._values[name][:, at]
        draws = self._draws[name][:, :, at]
        return (
            _interval(float(observed), draws[:, 2]),
            _interval(float(observed - predicted), draws[:, 2] - draws[:, 1]),
        )


def _interval(value: float, draws: Floats) -> dict[str, float | None]:
    """Return value, low and high; no interval where a figure is defined on less than half of the draws."""
    found = interval_of(value, draws, len(draws)).as_json()
    return {name: found[name] for name in ("value", "low", "high")}


def _is_worse(less: Mapping[str, float | None]) -> bool:
    return less["low"] is not None and less["low"] > 0


def _finding(best: str, less: Mapping[str, float | None]) -> str:
    """Say first how the additive calibration stands beside the best of the others."""
    if best == ADDITIVE:
        return "The served calibration, Platt's, has the lowest Brier score."
    said = f"its Brier score is {less['value']:.5f} above that of {best}"
    if less["low"] is None or less["high"] is None:
        return f"The served calibration, Platt's, cannot be told from the best: {said}, and there is no interval."
    said += f" (95% interval {less['low']:+.5f} to {less['high']:+.5f})"
    if _is_worse(less):
        return f"The served calibration, Platt's, is WORSE than {best}: {said}. Points stay a sum with Platt's alone."
    return f"The served calibration, Platt's, is not worse than the best by more than its interval: {said}."


def _curve(figures: _Figures, drawn: _Drawn, name: str) -> Iterator[dict[str, Any]]:
    total, predicted, _ = drawn.array(f"{name} curve")
    for at in range(len(total)):
        observed, gap = drawn.rates_of(f"{name} curve", at)
        yield {"weight": float(total[at]), "predicted": float(predicted[at]), "observed": observed, "gap": gap}


def _groups(evidence: Evidence, figures: _Figures, drawn: _Drawn, least: int) -> Iterator[dict[str, Any]]:
    """Yield observed against predicted of each group; of those with too few labels nothing but that they are."""
    for kind, values in figures.groups.items():
        for at, group in enumerate(values.categories):
            mask = values.codes == at
            n, n_positive = int(mask.sum()), int(evidence.y[mask].sum())
            row = {"kind": kind, "group": str(group), "n": n, "n_positive": n_positive}
            observed, gap = drawn.rates_of(f"group {kind}", at)
            if min(n_positive, n - n_positive) < least or gap["low"] is None:
                yield {**row, "verdict": "too few"}
                continue
            predicted = float(drawn.array(f"group {kind}")[1, at])
            yield {**row, "verdict": _verdict(gap), "predicted": predicted, "observed": observed, "gap": gap}


def _verdict(gap: Mapping[str, float | None]) -> str:
    if (gap["low"] or 0.0) > 0:
        return "more than predicted"
    return "fewer than predicted" if (gap["high"] or 0.0) < 0 else "as predicted"
