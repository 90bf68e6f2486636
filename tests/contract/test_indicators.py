"""What every indicator must keep, whatever it measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.records import Records
from data.schemas import TABLES
from features.catalogue import Catalogue, load_catalogue
from features.matrix import build_matrix
from features.pairs import matrix_for_pairs
from features.panel import build_panel

AS_OF_DATE = date(2021, 6, 1)
NAMES = load_catalogue().names

RecordsWriter = Callable[..., Records]
RandomTables = Callable[..., dict[str, pa.Table]]


def matrix(records: Records, *as_of_dates: date) -> pd.DataFrame:
    frame = build_matrix(records, as_of_dates or [AS_OF_DATE], threads=2).to_pandas()
    return frame.sort_values(["as_of_date", "entity_id"], ignore_index=True)


def shuffled(table: pa.Table, seed: int) -> pa.Table:
    return table.take(np.random.default_rng(seed).permutation(table.num_rows))


@pytest.mark.parametrize("name", NAMES)
def test_indicator_is_documented_in_both_languages_with_unit_source_and_bounds_in_order(name: str) -> None:
    indicator = load_catalogue()[name]
    assert len(indicator.description) > 40
    assert indicator.description_zh.endswith("。")
    assert indicator.name_zh
    assert indicator.unit
    assert indicator.unit_zh
    assert indicator.source
    assert indicator.minimum is not None
    assert indicator.maximum is None or indicator.minimum < indicator.maximum


def test_every_indicator_gives_one_float_per_active_entity(random_records: Records) -> None:
    values = matrix(random_records)

    assert len(values) > 100
    assert not values.duplicated(["entity_id", "as_of_date"]).any()
    assert tuple(values.columns) == ("entity_id", "as_of_date", *NAMES)
    assert (values[list(NAMES)].dtypes == "float64").all()


@pytest.mark.parametrize("name", NAMES)
def test_formula_yields_at_most_one_row_per_entity_and_date_and_none_without_keys(
    name: str, random_records: Records
) -> None:
    from features.point_in_time import known_population, known_tables

    backend = random_records.connect(2)
    dates = [AS_OF_DATE, AS_OF_DATE + timedelta(days=90)]
    tables = known_tables(backend, random_records.tables, dates)
    tables["entities"] = known_population(backend.table("entities"), dates)

    values = load_catalogue()[name].compute(tables).to_pandas()

    assert len(values) > 0
    assert not values.duplicated(["entity_id", "as_of_date"]).any()
    assert values[["entity_id", "as_of_date"]].notna().all(axis=None)


def test_every_value_lies_within_the_declared_bounds_and_some_differ(random_records: Records) -> None:
    values = matrix(random_records)

    for indicator in load_catalogue():
        given = values[indicator.name].dropna()
        assert given.nunique() > 1, indicator.name
        assert np.isfinite(given).all(), indicator.name
        assert given.min() >= indicator.minimum, indicator.name
        assert indicator.maximum is None or given.max() <= indicator.maximum, indicator.name


def test_the_panel_has_the_values_of_each_date_alone_to_the_last_bit(random_records: Records) -> None:
    dates = [AS_OF_DATE - timedelta(days=200), AS_OF_DATE, AS_OF_DATE + timedelta(days=90)]

    panel = [table.to_pandas() for table in build_panel(random_records, dates, threads=2)]

    for day, values in zip(dates, panel, strict=True):
        alone = next(build_panel(random_records, [day], threads=2)).to_pandas()
        pd.testing.assert_frame_equal(values, alone, check_exact=True)
        joined = matrix(random_records, day).assign(as_of_date=values["as_of_date"])
        pd.testing.assert_frame_equal(values, joined, check_exact=True)


def test_later_known_rows_of_known_and_unknown_entities_leave_the_panel_as_it_is(
    random_tables: RandomTables, write_records: RecordsWriter
) -> None:
    dates, day = [AS_OF_DATE - timedelta(days=200), AS_OF_DATE], AS_OF_DATE + timedelta(days=60)
    tables, later = random_tables(), random_tables(seed=7, n_rows=500, first_day=AS_OF_DATE, n_days=30)
    # Strangers, whom the register lacks and people link, and entities of one state: both have a way of their own.
    later |= {name: _of(later[name], "stranger", 50) for name in ("people", "inspections", "penalties")}
    later["entities"] = _of(later["entities"], "new", later["entities"].num_rows)
    with_later = {name: pa.concat_tables([table, later[name].cast(table.schema)]) for name, table in tables.items()}
    without, with_them = write_records(**tables), write_records(**with_later)

    before, after = (pd.concat(t.to_pandas() for t in build_panel(r, dates, threads=2)) for r in (without, with_them))
    *_, last = build_panel(with_them, [*dates, day], threads=2)

    pd.testing.assert_frame_equal(before, after, check_exact=True)
    expected = matrix(with_them, day)
    pd.testing.assert_frame_equal(last.to_pandas(), expected.assign(as_of_date=day), check_exact=True)
    assert expected["entity_id"].str.startswith("new ").any()


def test_nothing_depends_on_the_order_of_rows(random_tables: RandomTables, write_records: RecordsWriter) -> None:
    tables = random_tables()
    as_written = matrix(write_records(**tables))
    reordered = matrix(write_records(**{name: shuffled(table, seed=1) for name, table in tables.items()}))

    # To the last bit: sums are exact.
    pd.testing.assert_frame_equal(as_written, reordered, check_exact=True)


def test_ten_thousand_later_known_rows_in_every_table_change_nothing(
    random_tables: RandomTables, write_records: RecordsWriter
) -> None:
    tables = random_tables()
    before = matrix(write_records(**tables), AS_OF_DATE - timedelta(days=200), AS_OF_DATE)

    later = random_tables(seed=7, n_rows=10_000, first_day=AS_OF_DATE)
    with_later = {name: pa.concat_tables([table, later[name].cast(table.schema)]) for name, table in tables.items()}
    after = matrix(write_records(**with_later), AS_OF_DATE - timedelta(days=200), AS_OF_DATE)

    pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.parametrize("name", NAMES)
def test_indicator_sees_the_later_rows_once_they_are_known(
    name: str, random_tables: RandomTables, write_records: RecordsWriter
) -> None:
    # Guards the test above: the rows that must not count are rows that would.
    tables = random_tables()
    later = random_tables(seed=7, n_rows=2000, first_day=AS_OF_DATE, n_days=30)
    with_later = {name: pa.concat_tables([table, later[name].cast(table.schema)]) for name, table in tables.items()}
    day_after = AS_OF_DATE + timedelta(days=31)
    alone = Catalogue((load_catalogue()[name],))

    before = build_matrix(write_records(**tables), [day_after], alone).to_pandas().set_index("entity_id")[name]
    after = build_matrix(write_records(**with_later), [day_after], alone).to_pandas().set_index("entity_id")[name]

    assert not before.sort_index().equals(after.reindex(before.index).sort_index())


def test_withdrawn_records_count_up_to_the_day_their_withdrawal_was_known_and_not_after(
    random_tables: RandomTables, write_records: RecordsWriter
) -> None:
    # given: the same records, once never withdrawn, once withdrawn on a day, once never there
    tables = {name: _not_withdrawn(table) for name, table in random_tables().items()}
    kept = {name: table for name, table in tables.items() if name == "entities"}
    doubtful = {name: table for name, table in tables.items() if name != "entities"}
    withdrawn_on = AS_OF_DATE
    standing = write_records(**tables)
    withdrawn = write_records(**kept, **{name: _withdrawn(table, withdrawn_on) for name, table in doubtful.items()})
    never = write_records(**kept, **{name: table.slice(0, 0) for name, table in doubtful.items()})

    # then: on that very day the withdrawal is not yet known before the date, on the next it is
    next_day = withdrawn_on + timedelta(days=1)
    pd.testing.assert_frame_equal(matrix(withdrawn, withdrawn_on), matrix(standing, withdrawn_on))
    pd.testing.assert_frame_equal(matrix(withdrawn, next_day), matrix(never, next_day))
    assert not matrix(standing, next_day).equals(matrix(never, next_day))


def test_one_date_equals_the_panel(random_records: Records) -> None:
    dates = [AS_OF_DATE - timedelta(days=90 * n) for n in range(4)]

    panel = matrix(random_records, *dates)

    one_by_one = pd.concat([matrix(random_records, d) for d in sorted(dates)], ignore_index=True)
    pd.testing.assert_frame_equal(panel, one_by_one, check_exact=True)


def test_pairs_equal_the_matrix_of_their_dates_and_are_missing_for_the_unknown(random_records: Records) -> None:
    dates = [AS_OF_DATE, AS_OF_DATE + timedelta(days=1), AS_OF_DATE + timedelta(days=70)]
    whole = matrix(random_records, *dates)
    asked = whole.sample(60, random_state=0)[["entity_id", "as_of_date"]]
    unknown = pd.DataFrame({"entity_id": ["nobody"], "as_of_date": [pd.Timestamp(AS_OF_DATE)]})
    asked = pd.concat([asked.assign(as_of_date=pd.to_datetime(asked["as_of_date"])), unknown, unknown])

    tables = matrix_for_pairs(random_records, asked)
    found = pd.concat([table.to_pandas(date_as_object=False) for table in tables], ignore_index=True)

    assert len(found) == 61
    assert found.loc[found["entity_id"] == "nobody", list(NAMES)].isna().all(axis=None)
    expected = found[["entity_id", "as_of_date"]].merge(whole, how="left")
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)


@pytest.mark.parametrize("missing", [name for name in TABLES if name != "entities"])
def test_indicators_of_a_table_that_is_not_mapped_are_missing_for_all(
    missing: str, random_tables: RandomTables, write_records: RecordsWriter
) -> None:
    tables = {name: table for name, table in random_tables(n_rows=300).items() if name != missing}
    concerned = [item for item in load_catalogue() if missing in item.tables] or [load_catalogue()["penalties"]]

    values = build_matrix(write_records(**tables), [AS_OF_DATE], Catalogue(tuple(concerned))).to_pandas()

    for indicator in concerned:
        needed = missing in indicator.tables and missing not in indicator.optional
        assert values[indicator.name].isna().all() == needed, indicator.name


def test_a_city_of_few_tables_has_the_same_values_in_what_it_can_tell(
    random_tables: RandomTables, write_records: RecordsWriter
) -> None:
    tables = random_tables(n_rows=500)
    whole = matrix(write_records(**tables))

    part = matrix(write_records(**{name: tables[name] for name in ("entities", "inspections", "people")}))

    told = ["registered_capital", "industry_category", "years_in_operation", "address_sharing", "failed_inspections"]
    pd.testing.assert_frame_equal(part[told], whole[told], check_exact=True)
    untold = [name for name in NAMES if name not in (*told, "person_linked_violations")]
    assert part[untold].isna().all(axis=None)
    assert part["person_linked_violations"].notna().any()


def test_an_empty_table_is_not_a_missing_one(random_tables: RandomTables, write_records: RecordsWriter) -> None:
    tables = random_tables(n_rows=200)
    nothing = {name: table if name == "entities" else table.slice(0, 0) for name, table in tables.items()}

    values = matrix(write_records(**nothing))

    for indicator in load_catalogue():
        if not np.isnan(indicator.absent):
            assert (values[indicator.name] == indicator.absent).all(), indicator.name


def test_any_other_declaration_or_parameter_gives_another_catalogue_hash() -> None:
    catalogue = load_catalogue()
    before = Catalogue(catalogue.indicators).hash
    again = Catalogue(catalogue.indicators).hash
    declared_otherwise = Catalogue(tuple(replace(i, unit="other") for i in catalogue)).hash
    computed_otherwise = catalogue.with_values({"penalties": {"half_life_days": 100}}).hash

    assert before == again
    assert len({before, declared_otherwise, computed_otherwise}) == 3


def _of(table: pa.Table, kind: str, n_entities: int) -> pa.Table:
    """Return the rows as those of other entities, in turns."""
    ids = pa.array([f"{kind} {number % n_entities}" for number in range(table.num_rows)])
    return table.set_column(table.schema.get_field_index("entity_id"), "entity_id", ids)


def _not_withdrawn(table: pa.Table) -> pa.Table:
    position = table.schema.get_field_index("withdrawn_at")
    return table.set_column(position, "withdrawn_at", pa.nulls(table.num_rows, pa.date32()))


def _withdrawn(table: pa.Table, day: date) -> pa.Table:
    position = table.schema.get_field_index("withdrawn_at")
    return table.set_column(position, "withdrawn_at", pa.array([day] * table.num_rows, pa.date32()))
