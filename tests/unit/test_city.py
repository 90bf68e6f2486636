"""city.toml says what a city is; what is wrong in it is named."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from data.city import EXPERIMENTS, load_city
from data.errors import ConfigurationError, SourceError, UnknownCityError


def edited(folder, old, new):
    """Replace a text in city.toml."""
    path = folder / "city.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(folder)


def test_a_city_is_read_from_its_folder(write_city):
    city = load_city(str(write_city()))

    assert city.title_zh == "玩具市"
    assert city.split.trees == (date(2020, 1, 1),)
    assert city.label_lag == timedelta(days=91)
    assert city.mapped_tables == ("entities", "penalties")


@pytest.mark.parametrize("folder", [p.parent.name for p in EXPERIMENTS.glob("*/city.toml")])
def test_every_city_of_the_project_is_valid(folder):
    assert load_city(folder).name == folder


def test_an_unknown_city_names_the_nearest_known_one():
    with pytest.raises(UnknownCityError, match="got 'toronot'.*Did you mean 'toronto'"):
        load_city("toronot")


def test_an_unknown_key_names_the_nearest_known_one(write_city):
    folder = edited(write_city(), "horizon_days", "horizon_day")

    with pytest.raises(ConfigurationError, match="label.horizon_day: unknown key. Did you mean 'horizon_days'"):
        load_city(folder)


def test_a_missing_key_is_named(write_city):
    with pytest.raises(ConfigurationError, match="label.horizon_days: missing"):
        load_city(edited(write_city(), "horizon_days = 90", ""))


def test_a_horizon_that_is_not_positive_is_refused_with_its_value(write_city):
    with pytest.raises(ConfigurationError, match="label.horizon_days: .*greater than 0, got -3"):
        load_city(edited(write_city(), "horizon_days = 90", "horizon_days = -3"))


def test_a_file_that_is_not_toml_is_refused(write_city):
    with pytest.raises(ConfigurationError, match="must be TOML in UTF-8"):
        load_city(edited(write_city(), "[label]", "[label"))


def test_a_mapping_named_after_no_table_is_refused(write_city):
    folder = write_city()
    (folder / "sources" / "penaltys.sql").write_text("SELECT 1")

    with pytest.raises(ConfigurationError, match="must be named after a canonical table. Did you mean 'penalties'"):
        load_city(str(folder))


def test_a_complaint_is_no_label(write_city):
    with pytest.raises(
        ConfigurationError,
        match="label.table: must be inspections: complaints are disputes and leads.*no findings. Remove",
    ):
        load_city(edited(write_city(), "[label]", '[label]\ntable = "complaints"'))


def test_weights_are_refused_where_every_row_is_an_inspection(write_city):
    both = '[selection]\nmethod = "weights"\n\n[cohort]\nkind = "inspection"\n\n[label]'

    with pytest.raises(
        ConfigurationError, match="selection.method must be .none. .* everybody in it was inspected"
    ) as error:
        load_city(edited(write_city(), "[label]", both))
    assert "got" not in str(error.value)


def test_a_window_of_monitoring_is_refused_where_entities_are_graded_over_the_label_window(write_city):
    with pytest.raises(ConfigurationError, match="monitoring.window_days is for cohorts of inspections.*90 days"):
        load_city(edited(write_city(), "[label]", "[monitoring]\nwindow_days = 56\n\n[label]"))


def test_a_source_folder_that_is_not_there_is_named(write_city, settings):
    city = load_city(edited(write_city(), "{city}/files", "{city}/elsewhere"))

    with pytest.raises(SourceError, match="source folder of toy must exist"):
        city.source_folder(settings)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ('{ path = "penalties.csv", amount_unt = "yuan" }', r"amount_unt: unknown key. Did you mean 'amount_unit'"),
        ('{ path = "penalties.csv", amount_unit = "wan" }', r"amount_unit: .*'yuan' or 'ten_thousand_yuan', got 'wan'"),
        ('{ path = "penalties.csv", header_row = 0 }', r"header_row: .*greater than or equal to 1, got 0"),
    ],
)
def test_what_a_file_declares_is_checked(write_city, file, said):
    folder = edited(write_city(), '"penalties.csv"', file)

    with pytest.raises(ConfigurationError, match=said):
        load_city(folder)
