"""Fitting the additive model in its three kinds: experts' log-odds, trees, Platt, points scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from data.city import City
from features.catalogue import load_catalogue
from training.additive import AdditiveModel, ExpertOffset
from training.calibration import fit_intercept, fit_logistic
from training.expert_card import REFERENCE, CutPoints, ExpertCard
from training.model import binned, expected_f, grow, parameters
from training.rows import Rows
from training.scale import Scale, anchor
from training.vetoes import Vetoes


@dataclass(frozen=True)
class Recipe:
    """What a city's model is made with, beside rows: card, cut points, vetoes, LightGBM's parameters, rounds.

    `offset_share` is the share of the experts' log-odds with which the trees begin, above 0 and at most 1.
    """

    card: ExpertCard
    cut_points: CutPoints
    vetoes: Vetoes
    lightgbm: dict[str, Any]
    num_boost_round: int
    offset_share: float = 1.0

    @property
    def growth(self) -> dict[str, Any]:
        """How the trees begin and grow, as a manifest keeps it."""
        return {**self.lightgbm, "num_boost_round": self.num_boost_round, "offset_share": self.offset_share}

    @classmethod
    def of(cls, city: City, threads: int) -> Recipe:
        """Return the recipe that a city declares.

        Raises
        ------
        ConfigurationError
            For a card, cut points or vetoes that are not whole, a parameter that is unknown.
        """
        catalogue = load_catalogue()
        card = city.folder / city.scale.card if city.scale.card else REFERENCE / "expert_card.csv"
        cut_points = city.folder / city.scale.cut_points if city.scale.cut_points else REFERENCE / "cut_points.csv"
        cuts = CutPoints.from_csv(cut_points)
        vetoes = city.folder / city.scale.vetoes if city.scale.vetoes else REFERENCE / "vetoes.csv"
        return cls(
            card=ExpertCard.from_csv(card, catalogue.names),
            cut_points=cuts,
            vetoes=Vetoes.from_csv(vetoes, catalogue.names, cuts.grades),
            lightgbm=parameters(city, catalogue, threads),
            num_boost_round=city.model.num_boost_round,
            offset_share=city.model.offset_share,
        )


def fit_uncalibrated(kind: str, rows: Rows, recipe: Recipe) -> AdditiveModel:
    """Fit the experts' log-odds and the trees on the training rows; Platt and scale are still neutral.

    Parameters
    ----------
    kind : str
        One of `training.additive.KINDS`.
    """
    model, expert_score = start(kind, rows, recipe)
    if kind == "expert_card":
        return model
    dataset = binned(rows.X, rows.y, expert_score, model.names, recipe.lightgbm, rows.weight)
    return grown(model, grow(dataset, recipe.lightgbm, recipe.num_boost_round))


def start(kind: str, rows: Rows, recipe: Recipe) -> tuple[AdditiveModel, NDArray[np.float64] | None]:
    """Return the model before any tree, and the experts' log-odds of the rows (n,), with which the trees begin.

    Without offset there are none. The card alone has all of its log-odds, the trees begin from the recipe's share.
    """
    card = recipe.card
    points, mean_card = card.totals(rows.X)
    offset, expert_score = ExpertOffset(0.0, 0.0, mean_card), None
    if kind != "lightgbm":
        alpha, slope = fit_logistic(points, rows.y, rows.weight)
        if kind == "lightgbm_offset" and recipe.offset_share < 1:
            slope *= recipe.offset_share
            alpha = fit_intercept(slope * points, rows.y, rows.weight)
        offset, expert_score = replace(offset, alpha=alpha, slope=slope), alpha + slope * points
    model = AdditiveModel(kind, card.names, card, recipe.cut_points, offset, (0.0, 1.0), Scale(0.0, 1.0))
    return replace(model, declared_vetoes=recipe.vetoes.declared), expert_score


def grown(model: AdditiveModel, booster: lgb.Booster) -> AdditiveModel:
    """Return the model with trees that began where it was."""
    return replace(model, booster=booster, expected_f=expected_f(booster, len(model.names)))


def calibrated(model: AdditiveModel, calibration: Rows) -> AdditiveModel:
    """Return the model with Platt scaling fitted on rows of a later period."""
    return replace(model, platt=fit_logistic(model.raw_score(calibration.X), calibration.y, calibration.weight))


def window_shifted(model: AdditiveModel, full: Rows, short: Rows | None) -> AdditiveModel:
    """Return the model with what the calibration's shorter label window misses added to its log-odds.

    It is measured on the trees' dates, `full` with the city's label window and `short` with the calibration's; None
    where they are the same.
    """
    if short is None:
        return model
    return replace(model, platt=shifted_platt(model, full, short))


class Scorer(Protocol):
    """Whatever ranks rows, on probabilities."""

    @property
    def platt(self) -> tuple[float, float]:
        """Intercept and slope of the calibration."""

    def raw_score(self, X: NDArray[np.float64], /) -> NDArray[np.float64]:
        """Return log-odds before calibration (n,)."""


def shifted_platt(model: Scorer, full: Rows, short: Rows) -> tuple[float, float]:
    """Return the calibration with what a shorter label window misses added: `full` and `short` as `window_shifted`."""
    a, b = model.platt
    shift = fit_intercept(a + b * model.raw_score(full.X), full.y, full.weight) - fit_intercept(
        a + b * model.raw_score(short.X), short.y, short.weight
    )
    return a + shift, b


def anchored(model: AdditiveModel, population: NDArray[np.float64]) -> AdditiveModel:
    """Return the model on the scale that the experts' points of the reference population (n, 18) set."""
    expert_points = model.card.points(population).sum(axis=1)
    return replace(model, scale=anchor(expert_points, model.log_odds(population), model.cut_points))
