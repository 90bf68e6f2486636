"""LightGBM's own text format, as far as exact explanations need it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import ArtifactError

MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2
_END = "end of trees"
_BITS = 32


@dataclass(frozen=True)
class Tree:
    """One tree with n leaves: n - 1 nodes; a child below zero is the leaf ~child.

    Attributes
    ----------
    feature, threshold, default_left, missing_type, left, right, node_count : arrays of n - 1
        A row goes left where value <= threshold.
    left_categories : dict of array by node
        For nodes that split by category, the categories that go left; all others and missing ones go right.
    leaf_value, leaf_count : arrays of n
        `leaf_value` holds the learning rate already.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    default_left: NDArray[np.bool_]
    missing_type: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    node_count: NDArray[np.float64]
    left_categories: dict[int, NDArray[np.int64]]
    leaf_value: NDArray[np.float64]
    leaf_count: NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """All trees of a model with one output. `digest` is the SHA-256 of the text up to the end of the trees."""

    digest: str
    feature_names: tuple[str, ...]
    trees: tuple[Tree, ...]

    @property
    def n_features(self) -> int:
        """Number of columns that a row has."""
        return len(self.feature_names)


def digest_of(text: str) -> str:
    """Return the SHA-256 of what decides a model's predictions."""
    return hashlib.sha256(text.split(_END)[0].encode()).hexdigest()


def parse(text: str) -> Model:
    """Read a model.

    Raises
    ------
    ArtifactError
        Where the text is cut short or damaged, or the model has what the tables cannot hold: several outputs, linear
        leaves.
    """
    if _END not in text:
        raise ArtifactError(f"A LightGBM model must end with '{_END}', the text is cut short. Copy the file again.")
    head, *parts = text.split(_END)[0].split("\nTree=")
    header = dict(_pairs(head))
    if header.get("num_tree_per_iteration", "1") != "1":
        raise ArtifactError(
            "The tables hold models with one output, got several. Explain each class with pred_contrib."
        )
    announced = len(header.get("tree_sizes", "").split())
    if announced != len(parts):
        raise ArtifactError(f"The model announces {announced} trees and holds {len(parts)}. Copy the file again.")
    try:
        return Model(
            digest=digest_of(text),
            feature_names=tuple(header["feature_names"].split(" ")),
            trees=tuple(_tree(number, dict(_pairs(part))) for number, part in enumerate(parts)),
        )
    except (KeyError, ValueError) as error:
        raise ArtifactError(
            f"A LightGBM model must be text as LightGBM writes it, got {error}. Copy the file again."
        ) from error


def _pairs(part: str) -> Iterator[tuple[str, str]]:
    for line in part.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            yield name, value


def _tree(number: int, fields: dict[str, str]) -> Tree:
    if fields.get("is_linear", "0") != "0":
        raise ArtifactError(
            f"Tree {number} has linear leaves, which the tables cannot hold. Train with linear_tree=false."
        )
    n_leaves = int(fields["num_leaves"])
    decision = _numbers(fields, "decision_type", n_leaves - 1).astype(np.int64)
    threshold = _numbers(fields, "threshold", n_leaves - 1)
    return Tree(
        feature=_numbers(fields, "split_feature", n_leaves - 1).astype(np.int64),
        threshold=threshold,
        default_left=(decision & 2) != 0,
        missing_type=(decision >> 2) & 3,
        left=_numbers(fields, "left_child", n_leaves - 1).astype(np.int64),
        right=_numbers(fields, "right_child", n_leaves - 1).astype(np.int64),
        node_count=_numbers(fields, "internal_count", n_leaves - 1),
        left_categories={int(node): _categories(fields, int(threshold[node])) for node in np.flatnonzero(decision & 1)},
        leaf_value=_numbers(fields, "leaf_value", n_leaves),
        leaf_count=_numbers(fields, "leaf_count", n_leaves if n_leaves > 1 else 0),
    )


def _categories(fields: dict[str, str], place: int) -> NDArray[np.int64]:
    """Return the categories that the bit set at a place of the tree names."""
    begin, end = (int(b) for b in fields["cat_boundaries"].split()[place : place + 2])
    words = [int(word) for word in fields["cat_threshold"].split()[begin:end]]
    if len(words) != end - begin:
        raise ArtifactError(f"Categories must take {end - begin} words, got {len(words)}. Copy the file again.")
    bits = [_BITS * at + bit for at, word in enumerate(words) for bit in range(_BITS) if word >> bit & 1]
    return np.array(bits, dtype=np.int64)


def _numbers(fields: dict[str, str], name: str, length: int) -> NDArray[np.float64]:
    if length == 0:
        return np.empty(0)
    values = np.array(fields.get(name, "").split(), dtype=np.float64)
    if len(values) != length:
        raise ArtifactError(f"A tree must have {length} values of {name}, got {len(values)}. Copy the file again.")
    return values
