"""Labelled rows whose indicators are worked out from other records, or as of another day, than they should be."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.records import Records
from features.catalogue import load_catalogue
from features.pairs import matrix_for_pairs
from features.panel import build_panel
from training.rows import Rows

Floats = NDArray[np.float64]
INDICATOR = "failed_inspections"


def rows_from(rows: Rows, records: Records, days_later: int = 0, threads: int | None = None) -> Rows:
    """Return the same labels with the indicators of some records, as of some days after the rows' own dates."""
    asked = rows.keys.assign(as_of_date=rows.keys["as_of_date"] + pd.Timedelta(days=days_later))
    tables = matrix_for_pairs(records, asked[["entity_id", "as_of_date"]], threads=threads)
    found = pd.concat([table.to_pandas() for table in tables], ignore_index=True)
    found["as_of_date"] = pd.to_datetime(found["as_of_date"])
    frame = asked.merge(found, on=["entity_id", "as_of_date"], how="left", validate="many_to_one")
    names = list(load_catalogue().names)
    return replace(rows, X=frame[names].to_numpy(dtype=np.float64, na_value=np.nan), snapshots=())


def permuted(rows: Rows, generator: np.random.Generator) -> Rows:
    """Return the rows with their labels shuffled among the rows of the same date."""
    y = rows.y.copy()
    for positions in rows.keys.groupby("as_of_date").indices.values():
        y[positions] = generator.permutation(y[positions])
    return replace(rows, y=y)


def with_labels(rows: Rows, share: float, generator: np.random.Generator) -> Rows:
    """Return the rows with their own label in place of INDICATOR, in a share of them."""
    X = rows.X.copy()
    chosen = generator.random(len(X)) < share
    X[chosen, load_catalogue().names.index(INDICATOR)] = rows.y[chosen]
    return replace(rows, X=X)


def values_as_of(records: Records, days: list[date], threads: int | None = None) -> pd.DataFrame:
    """Return the indicators of everybody as of the last of some dates, all of which are asked for; by entity."""
    for table in build_panel(records, days, threads=threads):
        last = table
    frame: pd.DataFrame = last.drop_columns(["as_of_date"]).to_pandas().set_index("entity_id")
    return frame.astype("float64")


def changed(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, int]:
    """Return by indicator how many values differ, missing being a value; entities that only one has count in each."""
    both = before.index.intersection(after.index)
    alone = len(before) + len(after) - 2 * len(both)
    a, b = before.loc[both], after.loc[both]
    same = (a == b) | (a.isna() & b.isna())
    return {name: int((~same[name]).sum()) + alone for name in before.columns}
