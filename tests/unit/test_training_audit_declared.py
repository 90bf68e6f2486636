"""Groups that only the audit may know: they come from a city's own SQL, and nothing that trains can reach them."""

from __future__ import annotations

import os
import re
from datetime import date
from types import SimpleNamespace

import pandas as pd
import pytest

from data.city import load_city
from data.errors import ConfigurationError, SchemaError, SourceError
from data.settings import PROJECT_ROOT, Settings
from tests.conftest import CITY_TOML
from training.audit_declared import declared_groups, read_declared
from training.audit_rows import DeclaredGroups
from training.audits import _audit_id

DECLARED = """
[[audit.groups]]
name = "inspector"
name_zh = "检查组"
sql = "audit/inspector.sql"
"""
VISITS = "who,day,inspector\nA1,2020-01-09,late\nA1,2020-01-05,blue\nA1,2020-01-05,green\nA2,2019-12-31,early\n"
SQL = """
SELECT who AS entity_id, day::DATE AS event_date, inspector AS value
FROM read_csv(getvariable('source_folder') || '/visits.csv', header = true)
"""
KEYS = pd.DataFrame(
    {"entity_id": ["A1", "A2", "A1"], "as_of_date": pd.to_datetime(["2020-01-01"] * 2 + ["2020-01-06"])}
)


@pytest.fixture
def city(write_city):
    folder = write_city(toml=CITY_TOML + DECLARED)
    (folder / "files" / "visits.csv").write_text(VISITS, encoding="utf-8")
    (folder / "audit").mkdir()
    (folder / "audit" / "inspector.sql").write_text(SQL, encoding="utf-8")
    return load_city(str(folder))


def groups_of_keys(city, days, settings):
    """Return the declared groups of KEYS."""
    return declared_groups(read_declared(city, settings), KEYS, days)


def test_a_row_gets_the_value_of_the_first_record_within_its_window(city, settings):
    groups = groups_of_keys(city, [30, 30, 3], settings)

    # On one day the record that the SQL gives first counts; A2 was visited before the window, A1's second row after it.
    assert groups["inspector"].tolist()[0] == "blue"
    assert groups["inspector"].isna().tolist() == [False, True, True]
    assert groups_of_keys(city, [30, 30, 4], settings)["inspector"].tolist()[2] == "late"


def test_an_audit_is_another_where_the_file_of_the_inspectors_was_changed(city, settings):
    def audit_id():
        records, subject = SimpleNamespace(records_id="r1"), SimpleNamespace(model=SimpleNamespace(model_version="m1"))
        return _audit_id(city, records, subject, DeclaredGroups.of(city, settings))

    before, again = audit_id(), audit_id()
    path = city.folder / "files" / "visits.csv"
    path.write_text(VISITS.replace("blue", "red"), encoding="utf-8")

    assert before == again
    assert audit_id() != before


def test_a_city_that_declares_none_has_none(write_city, settings):
    groups = groups_of_keys(load_city(str(write_city())), [30] * 3, settings)

    assert (len(groups), list(groups.columns)) == (3, [])


@pytest.mark.parametrize(
    ("sql", "error", "said"),
    [
        (None, ConfigurationError, "audit.groups.. inspector must name an SQL file"),
        ("SELECT 1 AS entity_id, DATE '2020-01-01' AS event_date", SchemaError, "it lacks value"),
        ("SELECT * FROM nowhere", SourceError, "must run on the files"),
    ],
)
def test_sql_that_is_missing_or_wrong_is_told(city, settings, sql, error, said):
    path = city.folder / "audit" / "inspector.sql"
    path.unlink() if sql is None else path.write_text(sql, encoding="utf-8")

    with pytest.raises(error, match=said):
        groups_of_keys(city, [30] * 3, settings)


def test_sql_among_the_mappings_is_refused(write_city):
    toml = CITY_TOML + DECLARED.replace("audit/inspector.sql", "sources/inspector.sql")

    with pytest.raises(ConfigurationError, match="must not lie in sources/"):
        load_city(str(write_city(toml=toml)))


def test_no_mapping_of_chicago_can_read_who_inspected():
    city = load_city("chicago")
    mappings = [path.read_text(encoding="utf-8") for path in (city.folder / "sources").glob("*.sql")]

    # A mapping sees the declared files alone, and this one is not declared.
    assert [group.sql for group in city.audit.groups] == ["audit/inspector.sql"]
    assert "inspectors.parquet" not in {file.path for file in city.sources.files}
    assert not [text for text in mappings if "inspectors.parquet" in text or "Inspector_Assigned" in text]


def test_only_the_audit_reads_what_is_declared_for_it():
    """The wall of pyproject.toml, once more without it: who imports the reader, and who reads the declaration."""
    readers, askers = set(), set()
    for package in ("data", "features", "training", "serving", "experiments"):
        for path in (PROJECT_ROOT / package).rglob("*.py"):
            text, name = path.read_text(encoding="utf-8"), f"{path.parent.name}.{path.stem}"
            readers |= {name} if "audit_declared import" in text else set()
            askers |= {name} if re.search(r"\bcity\.audit\b", text) else set()

    assert readers == {"training.audit_rows"}
    assert askers == {"training.audit_declared", "training.audits"}


def test_the_inspector_of_a_canvass_inspection_is_found_in_the_real_records(tmp_path):
    here = Settings.from_environment(os.environ | {"QIANFEN_VAR": str(tmp_path)})
    if here.real_data is None:
        pytest.skip("the real records are not here: set QIANFEN_REAL_DATA to the folder that holds them")
    keys = pd.DataFrame({"entity_id": ["2234228", "none"], "as_of_date": pd.to_datetime([date(2014, 9, 3)] * 2)})

    groups = declared_groups(read_declared(load_city("chicago"), here), keys, [1, 1])

    assert groups["inspector"].tolist()[0] == "orange"
    assert pd.isna(groups["inspector"].tolist()[1])
