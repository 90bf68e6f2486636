"""What time is declared to make of values, against the values of later dates without another record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.records import Records
from features.catalogue import load_catalogue
from features.matrix import build_matrix
from training.counterfactuals import WAITS_DAYS, later

RandomTables = Callable[..., dict[str, pa.Table]]

FIRST_DAY = date(2019, 1, 1)
N_DAYS = 600
AS_OF_DATE = FIRST_DAY + timedelta(days=N_DAYS + 400)
"""A day on which every record drawn is known."""


BY_OTHERS = ("industry_category", "complaint_reports", "sampling_failures")
"""Their values hang on what others do, which is taken to stay as it is."""


OTHER_VALUES = {
    "failed_inspections": {"half_life_days": 200, "minor_counts": 0.5, "number_exponent": 0.7},
    "person_linked_violations": {"half_life_days": 200, "strength": 3.0},
    "penalties": {"half_life_days": 200},
    "penalty_amount": {"look_back_days": 500},
    "abnormal_listing": {"look_back_days": 700},
}


@pytest.mark.parametrize(("seed", "given"), [(1, {}), (2, OTHER_VALUES)])
def test_no_value_turns_out_riskier_than_was_told_where_no_record_is_added(
    random_tables: RandomTables, write_records: Callable[..., Records], seed: int, given: dict[str, dict[str, float]]
) -> None:
    catalogue = load_catalogue().with_values(given)
    tables = {
        name: _standing(table)
        for name, table in random_tables(seed=seed, n_rows=1500, first_day=FIRST_DAY, n_days=N_DAYS).items()
    }
    days = [AS_OF_DATE + timedelta(days=wait) for wait in WAITS_DAYS]
    matrix = build_matrix(write_records(**tables), days, catalogue, threads=1).to_pandas()
    by_day = [matrix[matrix["as_of_date"].astype(str) == str(day)].set_index("entity_id").sort_index() for day in days]
    now, *then = (part[list(catalogue.names)].to_numpy(np.float64, na_value=np.nan) for part in by_day)

    for wait, true in zip(WAITS_DAYS[1:], then, strict=True):
        told = later(catalogue, now, wait)
        riskier = (true - told) * np.array(catalogue.monotone) > 1e-9
        # The industry's rate is taken to stay: where it moved, nothing was told of the entity's own.
        industry = catalogue.names.index("industry_category")
        drawn_there = [at for at, item in enumerate(catalogue) if item.ageing.no_better_than]
        riskier[np.ix_(true[:, industry] != now[:, industry], drawn_there)] = False
        assert {name for at, name in enumerate(catalogue.names) if riskier[:, at].any()} <= set(BY_OTHERS)
        moved = {name for at, name in enumerate(catalogue.names) if (told[:, at] < now[:, at]).any()}
        assert moved >= {"licence_validity", "penalties", "negative_mentions"}


def _standing(table: pa.Table) -> pa.Table:
    """Return records that are never withdrawn; of the lists of abnormal operation those that the entity is off."""
    at = table.schema.get_field_index("withdrawn_at")
    standing = table.set_column(at, "withdrawn_at", pa.nulls(table.num_rows, pa.date32()))
    if "kind" not in table.column_names or "ended_on" not in table.column_names:
        return standing
    is_off = pc.fill_null(pc.less(standing["ended_on"], pa.scalar(AS_OF_DATE)), False)
    return standing.filter(pc.or_(pc.not_equal(standing["kind"], "abnormal_operation"), is_off))
