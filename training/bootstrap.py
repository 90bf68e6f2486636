"""Bootstrap by blocks of entities: how far a figure would move with other entities of the same kind.

Rows of one entity are not independent: they share its history. So entities are drawn, with replacement, and each brings
all its rows. The same entities and the same seed give the same draws, whatever the order of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import RequestError

DRAWS, LEVEL = 500, 0.95

Metric = Callable[..., float]
"""Takes (y, score), or (y, score, weight) where there is a weight."""


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap interval.

    Attributes
    ----------
    value : float
        The figure on all rows as they are.
    low, high : float
        Quantiles of the figure over the draws; NaN where the figure is defined on less than half of them.
    n_draws : int
        Draws on which the figure is defined: both classes are there, and it is not NaN.
    """

    value: float
    low: float
    high: float
    n_draws: int

    def as_json(self) -> dict[str, float | int | None]:
        """Return the interval with null for NaN."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        return {n: None if math.isnan(v) else v for n, v in numbers.items()} | {"n_draws": self.n_draws}


def draw_weights(
    entity_ids: ArrayLike, n_draws: int = DRAWS, seed: int = 0, n_drawn: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Yield for each draw how often each row is in it (n,): as often as its entity was drawn.

    `n_drawn` entities make a draw, by default as many as there are.

    Raises
    ------
    RequestError
        Where there is no row, or no draw is asked for.
    """
    _, entity = np.unique(np.asarray(entity_ids), return_inverse=True)
    if not len(entity) or n_draws < 1:
        raise RequestError(
            f"A bootstrap must have rows and draws, got {len(entity)} rows and {n_draws} draws. Give it at least one."
        )
    n_entities = int(entity.max()) + 1
    generator = np.random.default_rng(seed)
    for _ in range(n_draws):
        drawn = generator.integers(0, n_entities, n_entities if n_drawn is None else n_drawn)
        yield np.bincount(drawn, minlength=n_entities)[entity]


def draw_rows(entity_ids: ArrayLike, n_draws: int = DRAWS, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield for each draw the numbers of its rows, repeated as `draw_weights` says; raises as it does."""
    for weights in draw_weights(entity_ids, n_draws, seed):
        yield np.repeat(np.arange(len(weights)), weights)


def interval(
    metric: Metric,
    y: NDArray[Any],
    score: NDArray[Any],
    entity_ids: ArrayLike,
    weight: NDArray[Any] | None = None,
    n_draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Return a metric with its interval.

    Parameters
    ----------
    metric : callable
        Takes (y, score), or (y, score, weight) where a weight is given, and returns a number.
    y : (n,)
        Labels.
    score : (n,) or (n, k)
        Scores. With the scores of two models in two columns a metric can be their difference on the same draws.
    entity_ids : (n,)
        Whose each row is.
    weight : (n,)
        Weights of the rows.
    n_draws, level, seed
        Draws; share of them within the interval; seed of the draws.

    Raises
    ------
    RequestError
        Where the lengths differ, there is no row, or `n_draws` or `level` is out of range.
    """
    return intervals(lambda *drawn: {"it": metric(*drawn)}, y, score, entity_ids, weight, n_draws, level, seed)["it"]


def intervals(
    metrics: Callable[..., Mapping[str, float]],
    y: NDArray[Any],
    score: NDArray[Any],
    entity_ids: ArrayLike,
    weight: NDArray[Any] | None = None,
    n_draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return several metrics by name, each with its interval over the same draws; otherwise as `interval`."""
    if not 0.0 < level < 1.0:
        raise RequestError(f"level must lie between 0 and 1, got {level}. 0.95 is usual.")
    columns = [np.asarray(y), np.asarray(score), *([] if weight is None else [np.asarray(weight)])]
    _require_lengths([len(np.asarray(entity_ids)), *map(len, columns)])
    found = {name: [value] for name, value in metrics(*columns).items()}
    has_both = len(np.unique(columns[0])) > 1
    for rows in draw_rows(entity_ids, n_draws, seed):
        drawn = [column[rows] for column in columns]
        if has_both and len(np.unique(drawn[0])) < 2:
            # Most metrics say nothing of one class alone.
            continue
        for name, value in metrics(*drawn).items():
            found[name].append(value)
    return {name: interval_of(values[0], np.array(values[1:]), n_draws, level) for name, values in found.items()}


def interval_of(value: float, drawn: NDArray[np.float64], n_draws: int, level: float = LEVEL) -> Interval:
    """Return a figure with the interval that its values over the draws span; NaN where it is not defined on a draw."""
    defined = drawn[~np.isnan(drawn)]
    if 2 * len(defined) < n_draws:
        return Interval(float(value), math.nan, math.nan, len(defined))
    low, high = np.quantile(defined, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(value), float(low), float(high), len(defined))


def _require_lengths(lengths: Sequence[int]) -> None:
    if len(set(lengths)) > 1:
        raise RequestError(
            f"Entities, labels, scores and weights must be of the same rows, got {', '.join(map(str, lengths))} rows."
        )
