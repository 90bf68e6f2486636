"""What a leaf asks of a row: bins of each feature at the model's thresholds, and for each leaf its path as bins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import ArtifactError
from training.shap_tables.model_text import MISSING_NONE, MISSING_ZERO, Model, Tree

ZERO_THRESHOLD = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold: a value this near to zero is read as zero, and with zero_as_missing is missing."""


@dataclass(frozen=True)
class Bins:
    """Bins of one feature: the cuts split the line into len(cuts) + 1 bins, then one for NaN, then one for zero.

    A value x lies in the bin with as many cuts below it; LightGBM sends it left at a threshold t where x <= t.
    """

    cuts: NDArray[np.float64]
    has_zero: bool

    @property
    def n_bins(self) -> int:
        """Number of bins, those for NaN and zero included."""
        return len(self.cuts) + 2 + int(self.has_zero)

    def left_of(self, threshold: float, missing_type: int, default_left: bool) -> NDArray[np.bool_]:
        """Say for each bin whether a node sends it left."""
        left = np.zeros(self.n_bins, dtype=np.bool_)
        left[: int(np.searchsorted(self.cuts, threshold)) + 1] = True
        nan_bin = len(self.cuts) + 1
        zero_goes_left = threshold >= 0.0
        left[nan_bin] = zero_goes_left if missing_type == MISSING_NONE else default_left
        if self.has_zero:
            left[nan_bin + 1] = default_left if missing_type == MISSING_ZERO else zero_goes_left
        return left


@dataclass(frozen=True)
class Leaf:
    """One leaf: its value, and for each distinct feature on its path what agrees with the path.

    Attributes
    ----------
    value : float
        What the leaf adds to the raw score.
    features : tuple of int
        Distinct features on the path, rising.
    agrees : tuple of bool arrays
        For each feature, which of its bins follow the path at every node of that feature.
    fractions : tuple of float
        For each feature, the share of training rows that follow the path at those nodes (product of cover fractions).
    """

    value: float
    features: tuple[int, ...]
    agrees: tuple[NDArray[np.bool_], ...]
    fractions: tuple[float, ...]


def bins_of(model: Model) -> tuple[Bins, ...]:
    """Return the bins of every feature of a model."""
    thresholds: list[list[NDArray[np.float64]]] = [[np.empty(0)] for _ in range(model.n_features)]
    has_zero = [False] * model.n_features
    for tree in model.trees:
        for feature in np.unique(tree.feature):
            here = tree.feature == feature
            thresholds[feature].append(tree.threshold[here])
            has_zero[feature] |= bool((tree.missing_type[here] == MISSING_ZERO).any())
    return tuple(Bins(np.unique(np.concatenate(t)), z) for t, z in zip(thresholds, has_zero, strict=True))


def leaves_of(model: Model, bins: tuple[Bins, ...]) -> Iterator[Leaf]:
    """Yield the leaves of every tree that has a split."""
    # A random forest's raw score is the mean of its trees.
    scale = 1.0 / len(model.trees) if model.average_output else 1.0
    for tree in model.trees:
        if len(tree.feature):
            yield from _leaves(tree, bins, scale)


def constant_of(model: Model) -> float:
    """Return the sum of the trees that are a single leaf."""
    scale = 1.0 / len(model.trees) if model.average_output else 1.0
    return scale * sum(float(tree.leaf_value[0]) for tree in model.trees if not len(tree.feature))


def expected_value(leaves: list[Leaf]) -> float:
    """Return the mean of the leaves over the training rows, by cover."""
    return float(sum(leaf.value * float(np.prod(leaf.fractions)) for leaf in leaves))


_Path = dict[int, tuple[NDArray[np.bool_], float]]


def _leaves(tree: Tree, bins: tuple[Bins, ...], scale: float) -> Iterator[Leaf]:
    waiting: list[tuple[int, _Path]] = [(0, {})]
    while waiting:
        node, path = waiting.pop()
        if node < 0:
            yield _leaf(float(tree.leaf_value[~node]) * scale, path)
            continue
        feature = int(tree.feature[node])
        goes_left = bins[feature].left_of(
            float(tree.threshold[node]), int(tree.missing_type[node]), bool(tree.default_left[node])
        )
        for child, agrees in ((int(tree.right[node]), ~goes_left), (int(tree.left[node]), goes_left)):
            waiting.append((child, _longer(path, feature, agrees, _cover(tree, node, child))))


def _cover(tree: Tree, node: int, child: int) -> float:
    count = tree.leaf_count[~child] if child < 0 else tree.node_count[child]
    total = float(tree.node_count[node])
    if total <= 0:
        raise ArtifactError("A node without training rows cannot be explained. Train again; keep LightGBM's counts.")
    return float(count) / total


def _longer(path: _Path, feature: int, agrees: NDArray[np.bool_], fraction: float) -> _Path:
    if feature in path:
        before, share = path[feature]
        agrees, fraction = before & agrees, share * fraction
    return {**path, feature: (agrees, fraction)}


def _leaf(value: float, path: _Path) -> Leaf:
    features = tuple(sorted(path))
    return Leaf(value, features, tuple(path[f][0] for f in features), tuple(path[f][1] for f in features))
