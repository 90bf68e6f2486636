"""A point-in-time join: somebody's own table with the indicators as they were known on each row's date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types

from data.errors import PointInTimeError, RequestError, did_you_mean
from features.catalogue import Catalogue, catalogue_of
from features.matrix import KEYS, Records
from features.pairs import matrix_for_pairs


def point_in_time_join(
    records: Records,
    frame: pd.DataFrame,
    date_column: str = "as_of_date",
    entity_column: str = "entity_id",
    indicators: Sequence[str] | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Return a table with the indicators of each row's entity as of each row's date.

    Parameters
    ----------
    records : Records
        A city's records.
    frame : DataFrame
        One row for each question, with any further columns. The same entity and date may come in many rows.
    date_column : str
        Column of as-of dates: dates, timestamps (their day counts), or text like 2020-05-01. None may be missing.
    entity_column : str
        Column of entity ids, as text.
    indicators : sequence of str, optional
        Which indicators, in that order; by default all of the catalogue.
    threads : int, optional
        Threads of the engine; by default all cores.

    Returns
    -------
    DataFrame
        The same rows, columns, types and index in the same order, then one float64 column for each indicator. NaN
        where the value is missing, the entity was not known or not active as of the date, or its id is missing.

    Raises
    ------
    RequestError
        Where a column is missing, is of no use, or has the name of an indicator; where an indicator is unknown.
    PointInTimeError
        Where a date is missing.
    """
    catalogue = _chosen(catalogue_of(records), indicators)
    _refuse_columns(frame, date_column, entity_column, catalogue)
    keys = pd.DataFrame({"entity_id": _ids(frame[entity_column]), "as_of_date": _days(frame[date_column])})
    matrix = _matrix(records, keys.dropna().drop_duplicates(), catalogue, threads)
    values = keys.merge(matrix, on=list(KEYS), how="left", validate="many_to_one")
    return frame.assign(**{name: values[name].to_numpy(dtype=np.float64) for name in catalogue.names})


def _matrix(records: Records, pairs: pd.DataFrame, catalogue: Catalogue, threads: int | None) -> pd.DataFrame:
    """Return the indicators of the pairs whose date lies after the day the first entity was known."""
    backend = records.connect(threads)
    first = backend.table("entities").known_at.min().execute()
    backend.disconnect()
    # Before that day everything is unknown; a matrix as of such a date is refused.
    answerable = pairs[pairs["as_of_date"] > pd.Timestamp(first)] if not pd.isna(first) else pairs.iloc[:0]
    tables = list(matrix_for_pairs(records, answerable, catalogue, threads)) if len(answerable) else []
    if not tables:
        return pairs.iloc[:0].assign(**dict.fromkeys(catalogue.names, np.nan))
    found: pd.DataFrame = pa.concat_tables(tables).to_pandas(date_as_object=False)
    return found.assign(as_of_date=found["as_of_date"].astype("datetime64[s]"), entity_id=_text(found["entity_id"]))


def _chosen(catalogue: Catalogue, indicators: Sequence[str] | None) -> Catalogue:
    if indicators is None:
        return catalogue
    for name in indicators:
        if name not in catalogue.names:
            raise RequestError(
                f"Indicators must be of the catalogue, got '{name}'.{did_you_mean(name, catalogue.names)} "
                "See docs/indicators.md."
            )
    if not indicators or len(set(indicators)) < len(indicators):
        raise RequestError(f"Indicators must be given, each once, got {list(indicators)}. Leave them out for all.")
    return Catalogue(tuple(catalogue[name] for name in indicators))


def _refuse_columns(frame: pd.DataFrame, date_column: str, entity_column: str, catalogue: Catalogue) -> None:
    for column in (entity_column, date_column):
        count = list(frame.columns).count(column)
        if count != 1:
            there = [str(name) for name in frame.columns]
            raise RequestError(
                f"The table must have one column '{column}', it has {count}.{did_you_mean(column, there)} "
                "Name yours with date_column and entity_column."
            )
    if taken := [name for name in catalogue.names if name in frame.columns]:
        raise RequestError(
            f"The table must not have columns named like indicators, it has {', '.join(taken)}. "
            "Rename them, or choose other indicators."
        )


def _ids(column: pd.Series) -> pd.Series:
    """Return entity ids as text; a number has lost its zeros, or holds a point that the id has not."""
    kind = types.infer_dtype(column.astype("object"), skipna=True)
    if kind not in ("string", "empty"):
        raise RequestError(f"'{column.name}' must hold entity ids as text, it holds {kind}. Read the column as text.")
    return _text(column)


def _text(column: pd.Series) -> pd.Series:
    return column.astype("object").astype("string[pyarrow]").reset_index(drop=True)


def _days(column: pd.Series) -> pd.Series:
    """Return the day of each date; PointInTimeError where one is missing, RequestError where one is none."""
    if types.is_numeric_dtype(column):
        raise RequestError(
            f"'{column.name}' must hold dates, it is {column.dtype}. Convert it with pandas.to_datetime."
        )
    if column.isna().any():
        place = int(np.flatnonzero(column.isna())[0])
        raise PointInTimeError(
            f"'{column.name}' must hold a date in every row, {int(column.isna().sum())} are missing, "
            f"first in row {place} (counted from 0). Drop these rows, or fill in the date."
        )
    try:
        moments = pd.to_datetime(column, format=None if types.is_datetime64_any_dtype(column) else "ISO8601")
    except (ValueError, TypeError) as error:
        told = str(error).split(". You might want")[0].rstrip(".")
        raise RequestError(
            f"'{column.name}' must hold dates, or text like 2020-05-01: {told}. Convert it with pandas.to_datetime."
        ) from error
    local = moments.dt.tz_localize(None) if moments.dt.tz is not None else moments
    return pd.Series(local.dt.floor("D").to_numpy().astype("datetime64[s]"))
