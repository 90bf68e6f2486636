"""Audited groups: district, industry section, size and age of each row's entity, as they were known as of its date."""

from __future__ import annotations

import ibis
import pandas as pd

from data.codes import industries
from data.records import Records

GROUPS = {"district": "区域", "industry": "行业门类", "size": "规模", "age": "存续年限"}
"""What a model is audited by, with its name in Chinese."""

AGES = ((2, "under 2 years"), (5, "2 to 5 years"), (10, "5 to 10 years"), (float("inf"), "10 years and more"))
_DAYS_IN_A_YEAR = 365.25


def groups_of(records: Records, keys: pd.DataFrame, threads: int | None = None) -> pd.DataFrame:
    """Return the groups of rows.

    Parameters
    ----------
    keys : DataFrame (n rows)
        entity_id and as_of_date.

    Returns
    -------
    DataFrame (n rows), in the order of `keys`
        A column of text for each of GROUPS; missing where the register did not say it before the date.
    """
    states = _known_states(records, keys, threads)
    frame = keys[["entity_id", "as_of_date"]].merge(states, on=["entity_id", "as_of_date"], how="left")
    days = (frame["as_of_date"] - pd.to_datetime(frame["established_date"])).dt.days
    return pd.DataFrame(
        {
            "district": frame["region_code"].astype("object"),
            "industry": frame["industry_code"].map(_section, na_action="ignore").astype("object"),
            "size": frame["size"].astype("object"),
            "age": (days / _DAYS_IN_A_YEAR).map(_age, na_action="ignore").astype("object"),
        }
    )


def _known_states(records: Records, keys: pd.DataFrame, threads: int | None) -> pd.DataFrame:
    """Return the latest known state of each entity as of each date."""
    pairs = keys[["entity_id", "as_of_date"]].drop_duplicates()
    backend = records.connect(threads)
    entities = backend.table("entities")
    asked = ibis.memtable(pairs).mutate(as_of_date=ibis._.as_of_date.cast("date"))
    joined = asked.join(entities, "entity_id")
    known = joined.filter(
        joined.known_at < joined.as_of_date, joined.withdrawn_at.isnull() | (joined.withdrawn_at >= joined.as_of_date)
    )
    latest_first = known.mutate(
        recency=ibis.row_number().over(group_by=["as_of_date", "entity_id"], order_by=ibis.desc("known_at"))
    )
    latest = latest_first.filter(latest_first.recency == 0)
    columns = ("entity_id", "as_of_date", "established_date", "size", "industry_code", "region_code")
    states: pd.DataFrame = backend.execute(latest.select(*columns))
    backend.disconnect()
    states["as_of_date"] = pd.to_datetime(states["as_of_date"]).astype(keys["as_of_date"].dtype)
    return states


def _section(code: str) -> str:
    industry = industries().get(code)
    return code if industry is None else industry.section


def _age(years: float) -> str:
    return next(name for limit, name in AGES if years < limit)
