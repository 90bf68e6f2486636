"""LightGBM's own text format, as far as exact explanations need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import ArtifactError

MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2


@dataclass(frozen=True)
class Tree:
    """One tree with n leaves: n - 1 nodes; a child below zero is the leaf ~child.

    Attributes
    ----------
    feature, threshold, default_left, missing_type, left, right, node_count : arrays of n - 1
        A row goes left where value <= threshold.
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
    leaf_value: NDArray[np.float64]
    leaf_count: NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """All trees of a model with one output."""

    n_features: int
    feature_names: tuple[str, ...]
    average_output: bool
    trees: tuple[Tree, ...]


def parse(text: str) -> Model:
    """Read a model.

    Raises
    ------
    ArtifactError
        Where the text is cut short, or the model has what the tables cannot hold: several outputs, linear leaves,
        categorical splits.
    """
    if "end of trees" not in text:
        raise ArtifactError(
            "A LightGBM model must end with 'end of trees', the text is cut short. Copy the file again."
        )
    head, *parts = text.split("end of trees")[0].split("\nTree=")
    header = _fields(head)
    if int(header.get("num_tree_per_iteration", "1")) != 1:
        raise ArtifactError(
            "The tables hold models with one output, got several. Explain each class with pred_contrib."
        )
    announced = len(header.get("tree_sizes", "").split())
    if announced != len(parts):
        raise ArtifactError(f"The model announces {announced} trees and holds {len(parts)}. Copy the file again.")
    return Model(
        n_features=int(header["max_feature_idx"]) + 1,
        feature_names=tuple(header["feature_names"].split(" ")),
        average_output="\naverage_output\n" in head + "\n",
        trees=tuple(_tree(number, _fields(part)) for number, part in enumerate(parts)),
    )


def _fields(part: str) -> dict[str, str]:
    return dict(_pairs(part))


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
    if fields.get("num_cat", "0") != "0":
        raise ArtifactError(f"Tree {number} splits by category, which the tables cannot hold. Encode it as numbers.")
    n_leaves = int(fields["num_leaves"])
    decision = _numbers(fields, "decision_type", n_leaves - 1).astype(np.int64)
    return Tree(
        feature=_numbers(fields, "split_feature", n_leaves - 1).astype(np.int64),
        threshold=_numbers(fields, "threshold", n_leaves - 1),
        default_left=(decision & 2) != 0,
        missing_type=(decision >> 2) & 3,
        left=_numbers(fields, "left_child", n_leaves - 1).astype(np.int64),
        right=_numbers(fields, "right_child", n_leaves - 1).astype(np.int64),
        node_count=_numbers(fields, "internal_count", n_leaves - 1),
        leaf_value=_numbers(fields, "leaf_value", n_leaves),
        leaf_count=_numbers(fields, "leaf_count", n_leaves if n_leaves > 1 else 0),
    )


def _numbers(fields: dict[str, str], name: str, length: int) -> NDArray[np.float64]:
    if length == 0:
        return np.empty(0)
    values = np.array(fields.get(name, "").split(), dtype=np.float64)
    if len(values) != length:
        raise ArtifactError(f"A tree must have {length} values of {name}, got {len(values)}. Copy the file again.")
    return values
