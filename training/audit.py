"""The audit by groups: whom the model draws, whom inspectors visited, and how right it is about each.

Whoever is inspected first is drawn: the given percent of everybody with the highest probability, all groups together.
Those who stand exactly at the cut are drawn by their share. In the draws of the bootstrap entities vary and the cut
stays, as a cut in force would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.audit_rows import AuditRows
from training.bootstrap import LEVEL, Interval, draw_weights, interval_of
from training.metrics import auc_in_order

CAPACITIES = (5, 10)
MOST_GROUPS = 12
"""So many groups of a kind are shown, those with most rows; the rest are summed up."""

OTHERS, UNKNOWN = "(others)", "(not known)"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Measured = dict[str, tuple[Floats, Floats | None]]
"""Figures of the groups, and at last of all: (n_groups + 1,); of shares also how many they are shares of."""


@dataclass(frozen=True)
class Kind:
    """One kind of groups: their names, and which group each row is of; -1 where the row counts in none.

    `n_others` groups are summed up under OTHERS.
    """

    name: str
    names: tuple[str, ...]
    everybody: Ints
    labelled: Ints
    n_others: int


def kinds_of(everybody: pd.DataFrame, labelled: pd.DataFrame, most: int = MOST_GROUPS) -> list[Kind]:
    """Return the kinds of groups; a kind that only labelled rows can have, such as who inspected, has no everybody."""
    found = []
    for name in labelled.columns:
        is_everybodys = name in everybody.columns
        counted = (everybody if is_everybodys else labelled)[name]
        sizes = {str(group): int(n) for group, n in counted.value_counts().items()}
        shown = sorted(sorted(sizes, key=lambda group: (-sizes[group], group))[:most])
        n_others = len(sizes) - len(shown)
        names = (*shown, *([OTHERS] if n_others else []), UNKNOWN)
        sides = [everybody[name] if is_everybodys else None, labelled[name]]
        codes = [np.array([], dtype=np.int64) if s is None else _codes(s, shown, n_others > 0) for s in sides]
        if not is_everybodys:
            codes[0] = np.full(len(everybody), -1)
        found.append(Kind(name, names, codes[0], codes[1], n_others))
    return found


def _codes(values: pd.Series, shown: Sequence[str], has_others: bool) -> Ints:
    unknown = len(shown) + has_others
    # A value that nobody of the counted rows has stands with the others, or with the unknown where there are none.
    place = values.map({name: number for number, name in enumerate(shown)}).fillna(len(shown))
    return np.where(values.isna(), unknown, place).astype(np.int64)


def cut_at(probability: Floats, percent: float) -> tuple[float, float]:
    """Return the probability from which on one is drawn, and the share that is drawn of those exactly there."""
    capacity = len(probability) * percent / 100.0
    falling = np.sort(probability)[::-1]
    at = falling[max(int(np.ceil(capacity)) - 1, 0)]
    above, equal = int((probability > at).sum()), int((probability == at).sum())
    return float(at), (capacity - above) / equal


def drawn_at(probability: Floats, cut: tuple[float, float]) -> Floats:
    """Return how much of each row is drawn: 1, 0, or the share of those exactly at the cut."""
    at, share = cut
    return np.where(probability > at, 1.0, np.where(probability == at, share, 0.0))


def audit_groups(rows: AuditRows, n_draws: int, least_of_each_class: int) -> list[dict[str, Any]]:
    """Return the audit of each kind of groups, as JSON holds it.

    Parameters
    ----------
    n_draws : int
        Draws of the bootstrap of entities.
    least_of_each_class : int
        Fewer violations, or fewer rows without, make a group a small one.

    Returns
    -------
    list of dict
        name, n_others, and groups: for each group, and at last for `all`, group, n, n_labelled, n_violations, is_small,
        figures and against_all. A figure is value, low, high and n_draws; null where it is not defined. Against all is
        the figure less that of all, on the same draws.
    """
    kinds = kinds_of(rows.everybody.groups, rows.test.groups)
    measure = _measuring(rows, kinds)
    values = measure(np.ones(len(rows.everybody.y)), np.ones(len(rows.test.y)))
    # No figure is of both, so the labelled rows can have the draws that gate and card have for the same figures.
    both = (draw_weights(side.entity_ids.astype(str), n_draws) for side in (rows.everybody, rows.test))
    draws = [measure(everybody.astype(float), test.astype(float)) for everybody, test in zip(*both, strict=True)]
    found = []
    for number, kind in enumerate(kinds):
        drawn = {figure: np.array([draw[number][figure][0] for draw in draws]) for figure in values[number]}
        found.append(
            {
                "name": kind.name,
                "n_others": kind.n_others,
                "groups": [
                    group
                    for place, name in enumerate((*kind.names, "all"))
                    if (group := _group(rows, kind, name, place, values[number], drawn, n_draws, least_of_each_class))
                ],
            }
        )
    return found


def exact_interval(found: Interval, n: float) -> Interval:
    """Return the interval of a share that is 0 or 1 of n: no draw shows another, which says little where n is small.

    It is that of Clopper and Pearson (1934), as if the n were independent.
    """
    far = 1.0 - ((1.0 - LEVEL) / 2.0) ** (1.0 / n)
    low, high = (0.0, far) if found.value == 0.0 else (1.0 - far, 1.0)
    return Interval(found.value, low, high, found.n_draws)


def _group(
    rows: AuditRows, kind: Kind, name: str, place: int, values: Measured, drawn: dict[str, Floats], n_draws: int,
    least: int,
) -> dict[str, Any] | None:  # fmt: skip
    is_all = place == len(kind.names)
    # Kinds that only labelled rows have count these.
    mine = (kind.labelled >= 0) if is_all else (kind.labelled == place)
    n_violations, n_labelled = int(rows.test.y[mine].sum()), int(mine.sum())
    has_everybody = bool((kind.everybody >= 0).any())
    n = int(((kind.everybody >= 0) if is_all else (kind.everybody == place)).sum()) if has_everybody else n_labelled
    if not n and not n_labelled:
        return None
    figures, less = {}, {}
    for figure, (value, counted) in values.items():
        mine_drawn = drawn[figure][:, place]
        one = interval_of(value[place], mine_drawn, n_draws)
        difference = interval_of(value[place] - value[-1], mine_drawn - drawn[figure][:, -1], n_draws)
        exact = None
        if counted is not None and value[place] in (0.0, 1.0):
            exact = exact_interval(one, float(counted[place]))
        if figure == "calibration" and value[place] == 0.0:
            none = exact_interval(one, float(n_labelled))
            exact = Interval(0.0, 0.0, none.high / float(values["predicted"][0][place]), one.n_draws)
        if exact is not None:
            one = exact
            if value[place] != value[-1]:
                difference = Interval(difference.value, one.low - value[-1], one.high - value[-1], one.n_draws)
        figures[figure], less[figure] = one.as_json(), difference.as_json()
    return {
        "group": name, "n": n, "n_labelled": n_labelled, "n_violations": n_violations,
        "is_small": min(n_violations, n_labelled - n_violations) < least,
        "figures": figures, "against_all": None if is_all else less,
    }  # fmt: skip


def _measuring(rows: AuditRows, kinds: Sequence[Kind]) -> Callable[[Floats, Floats], list[Measured]]:
    """Return what measures all kinds under weights of everybody and of the labelled rows: (n_groups + 1,) each."""
    everybody, test = rows.everybody, rows.test
    cuts = {percent: cut_at(everybody.probability, percent) for percent in CAPACITIES}
    of_everybody = {"n": np.ones(len(everybody.y)), "inspected": everybody.inspected.astype(np.float64)}
    of_test = {"n": np.ones(len(test.y)), "y": test.y, "p": test.probability}
    for percent, cut in cuts.items():
        of_everybody[f"drawn_{percent}"] = drawn_at(everybody.probability, cut)
        drawn = drawn_at(test.probability, cut)
        of_test |= {f"drawn_{percent}": drawn, f"found_{percent}": drawn * test.y}
    members = [[np.flatnonzero(k.labelled == place) for place in range(len(k.names))] for k in kinds]
    orders = [[np.unique(test.probability[m], return_inverse=True)[1] for m in of_kind] for of_kind in members]
    whole = np.unique(test.probability, return_inverse=True)[1]

    def measure(w_everybody: Floats, w_test: Floats) -> list[Measured]:
        auc_of_all = auc_in_order(test.y, whole, w_test)
        found = []
        for kind, of_kind, order in zip(kinds, members, orders, strict=True):
            n_groups = len(kind.names)
            e = {name: _sums(kind.everybody, w_everybody * v, n_groups) for name, v in of_everybody.items()}
            t = {name: _sums(kind.labelled, w_test * v, n_groups) for name, v in of_test.items()}
            auc = [auc_in_order(test.y[m], o, w_test[m]) if len(m) else np.nan
                   for m, o in zip(of_kind, order, strict=True)]  # fmt: skip
            found.append(_figures(e if e["n"].any() else None, t) | {"roc_auc": (np.array([*auc, auc_of_all]), None)})
        return found

    return measure


def _figures(e: dict[str, Floats] | None, t: dict[str, Floats]) -> Measured:
    """Return the figures of sums over groups; NaN where a group has no row that counts."""
    side = t if e is None else e
    shares = {} if e is None else {"inspected": (e["inspected"], e["n"])}
    shares |= {f"drawn_{c}": (side[f"drawn_{c}"], side["n"]) for c in CAPACITIES}
    shares["observed"] = (t["y"], t["n"])
    for c in CAPACITIES:
        shares[f"precision_{c}"] = (t[f"found_{c}"], t[f"drawn_{c}"])
        shares[f"false_alarms_{c}"] = (t[f"drawn_{c}"] - t[f"found_{c}"], t["n"] - t["y"])
    with np.errstate(invalid="ignore", divide="ignore"):
        figures: Measured = {name: (some / of, of) for name, (some, of) in shares.items()}
        return figures | {"predicted": (t["p"] / t["n"], None), "calibration": (t["y"] / t["p"], None)}


def _sums(codes: Ints, values: Floats, n_groups: int) -> Floats:
    """Return sums over groups, then over all rows that count: (n_groups + 1,)."""
    counts = codes >= 0
    sums = np.bincount(codes[counts], weights=values[counts], minlength=n_groups)
    return np.append(sums, sums.sum())
