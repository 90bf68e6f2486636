"""Groups that a city declares for the audit alone, such as who inspected; nothing else reads them.

A wall in pyproject.toml keeps indicators, labels and training away from this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pandas as pd
from pandas.util import hash_pandas_object

from data.audit import AuditGroup
from data.city import City
from data.connection import connect
from data.errors import ConfigurationError, SchemaError, SourceError
from data.files import fingerprint
from data.settings import Settings

_COLUMNS = ("entity_id", "event_date", "value")


Declared = Mapping[str, pd.DataFrame]
"""What the SQL of each declared kind yields: entity_id, event_date and value of each record."""


def read_declared(city: City, settings: Settings) -> Declared:
    """Return the records of each declared kind of groups.

    Raises
    ------
    ConfigurationError, SchemaError, SourceError
        Where a declared SQL file is missing, lacks a column, or cannot be run.
    """
    return {group.name: _read(city, group, settings) for group in city.audit.groups}


def declared_groups(declared: Declared, keys: pd.DataFrame, days: Sequence[int]) -> pd.DataFrame:
    """Return the declared groups of rows.

    Parameters
    ----------
    declared : mapping of DataFrame
        As `read_declared` returns them.
    keys : DataFrame (n rows)
        entity_id and as_of_date.
    days : sequence of int (n)
        Length of each row's label window.

    Returns
    -------
    DataFrame (n rows)
        A column of text for each declared kind: the value of the entity's first record from the as-of date on and
        within the window; missing where there is none.
    """
    found = {name: _values(keys, days, records) for name, records in declared.items()}
    return pd.DataFrame(found, index=range(len(keys)))


def hash_declared(declared: Declared) -> str:
    """Return what stands for the records of all declared kinds, in the order in which they were read."""
    return fingerprint({name: hash_pandas_object(frame).tolist() for name, frame in declared.items()})


def _read(city: City, group: AuditGroup, settings: Settings) -> pd.DataFrame:
    path = city.folder / group.sql
    if not path.is_file():
        raise ConfigurationError(f"[[audit.groups]] {group.name} must name an SQL file, {path} is missing. Add it.")
    folder = city.source_folder(settings)
    with connect(settings.threads, folder, city, city.sources.taken_on) as connection:
        try:
            frame: pd.DataFrame = connection.execute(path.read_text(encoding="utf-8")).df()
        except duckdb.Error as error:
            raise SourceError(f"{path} must run on the files in {folder}, it does not: {error}. Correct it.") from error
    if missing := [name for name in _COLUMNS if name not in frame.columns]:
        raise SchemaError(f"{path} must yield {', '.join(_COLUMNS)}, it lacks {', '.join(missing)}. Name them with AS.")
    frame = frame[list(_COLUMNS)].dropna()
    typed = {"event_date": pd.to_datetime(frame["event_date"])}
    text = {name: frame[name].astype(str) for name in ("entity_id", "value")}
    return pd.DataFrame({**typed, **text})


def _values(keys: pd.DataFrame, days: Sequence[int], records: pd.DataFrame) -> pd.Series:
    """Return the value of the first record of each row's entity within its window; of equal days the one read first."""
    asked = keys[["entity_id", "as_of_date"]].reset_index(drop=True).assign(place=range(len(keys)), days=list(days))
    pairs = asked.assign(entity_id=asked["entity_id"].astype(str)).merge(records, on="entity_id")
    after = (pairs["event_date"] - pd.to_datetime(pairs["as_of_date"])).dt.days
    within = pairs[(after >= 0) & (after < pairs["days"])]
    first = within.sort_values(["place", "event_date"], kind="stable").drop_duplicates("place").set_index("place")
    return first["value"].reindex(range(len(keys))).astype("object")
