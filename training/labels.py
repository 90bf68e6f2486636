"""Labels: what inspections found within the horizon. Nobody inspected, no label: unknown is not negative.

A label as of T uses the inspections of [T, T + horizon), as they were known before T + horizon + reporting delay. What
is learned later never changes it (docs/decisions/0003-labels-and-split.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import ibis
import pandas as pd

from data.city import City, Period
from data.errors import ConfigurationError, LabelError
from data.records import Records
from data.schemas import TABLES
from features.point_in_time import known, known_population

LEAST_OF_EACH_CLASS = 50
"""Fewer labels of one class than this neither train nor test a model."""


def entity_labels(
    records: Records,
    city: City,
    as_of_date: date,
    horizon_days: int | None = None,
    threads: int | None = None,
    types: Sequence[str] = (),
) -> pd.DataFrame:
    """Return entity_id, as_of_date, label (int8) of the active entities that were inspected within the horizon.

    `horizon_days` stands in for the city's own; `types` narrows the inspections to some.
    """
    backend = records.connect(threads)
    horizon = timedelta(days=horizon_days or city.label.horizon_days)
    known_on = as_of_date + horizon + timedelta(days=city.label.reporting_delay_days)
    inspections = known(backend.table("inspections"), TABLES["inspections"], [known_on])
    result = inspections[city.label.column].cast("string")
    window = inspections.filter(
        inspections.event_date >= ibis.literal(as_of_date),
        inspections.event_date < ibis.literal(as_of_date + horizon),
        result.notnull(),
        *([inspections.inspection_type.isin(types)] if types else []),
    )
    found = window[city.label.column].cast("string").isin(city.label.values)
    labels = window.group_by("entity_id").agg(label=found.cast("int8").max())
    population = known_population(backend.table("entities"), [as_of_date]).select("entity_id", "as_of_date")
    joined = population.inner_join(labels, "entity_id").order_by("entity_id")
    frame = joined.select("entity_id", "as_of_date", "label").execute()
    backend.disconnect()
    return _typed(frame)


def inspection_labels(records: Records, city: City, period: Period, threads: int | None = None) -> pd.DataFrame:
    """Return record_id, entity_id, as_of_date, label: one row for each inspection of the cohort, as of its own day."""
    backend = records.connect(threads)
    known_on = period.end + timedelta(days=city.label.reporting_delay_days)
    inspections = known(backend.table("inspections"), TABLES["inspections"], [known_on])
    cohort = inspections.filter(
        inspections.event_date >= ibis.literal(period.start),
        inspections.event_date < ibis.literal(period.end),
        inspections.inspection_type.isin(city.cohort.inspection_types),
        inspections[city.label.column].notnull(),
    )
    found = cohort[city.label.column].cast("string").isin(city.label.values)
    rows = cohort.select("record_id", "entity_id", as_of_date=cohort.event_date, label=found.cast("int8"))
    frame = rows.order_by("as_of_date", "record_id").execute()
    backend.disconnect()
    return _typed(frame)


def refuse_leads(records: Records, city: City, known_on: date, threads: int | None = None) -> None:
    """Refuse inspections that are only complaints: of a type whose rows have no result, or never a clean one.

    A complaint is a dispute or a lead, which nobody has looked into; only what an inspection found is a label.

    Parameters
    ----------
    known_on : date
        Only what was known before it is looked at.

    Raises
    ------
    ConfigurationError
        For a type that an inspection cohort names and of which no row has a result, and for complaints of which every
        result is a violation.
    """
    backend = records.connect(threads)
    inspections = known(backend.table("inspections"), TABLES["inspections"], [known_on])
    result = inspections[city.label.column].cast("string")
    by_type = inspections.group_by("inspection_type").agg(
        n=inspections.count(), n_results=result.count(), n_found=result.isin(city.label.values).cast("int64").sum()
    )
    counts = by_type.execute().fillna({"n_found": 0})
    backend.disconnect()
    for row in counts.itertuples():
        is_asked = row.inspection_type in city.cohort.inspection_types
        is_clean_never = row.inspection_type == "complaint" and row.n_found == row.n_results >= LEAST_OF_EACH_CLASS
        if is_clean_never or (is_asked and row.n_results == 0):
            what = f"all {row.n_results:,} found a violation" if is_clean_never else f"none of {row.n:,} has a result"
            raise ConfigurationError(
                f"Inspections of type '{row.inspection_type}' of {city.name} must be findings, {what} in "
                f"'{city.label.column}'. A complaint is a dispute or a lead, which nobody has looked into. "
                "Map complaints to sources/complaints.sql, or take the type out of [cohort] inspection_types."
            )


def require_both_classes(
    labels: pd.Series,
    stage: str,
    dates: Iterable[object],
    remedy: str = "Add as-of dates, or correct [label] in city.toml.",
) -> None:
    """Raise LabelError where labels of a stage are of one class, or nearly so."""
    positive = int(labels.sum())
    negative = len(labels) - positive
    if min(positive, negative) < LEAST_OF_EACH_CLASS:
        raise LabelError(
            f"The {stage} labels ({', '.join(str(d) for d in dates)}) must hold at least {LEAST_OF_EACH_CLASS} of each "
            f"class, got {positive} violations and {negative} without. {remedy}"
        )


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(as_of_date=pd.to_datetime(frame["as_of_date"]), label=frame["label"].astype("int8"))
