"""Settings come from QIANFEN_* once; every error says how to leave and what to answer."""

from __future__ import annotations

import dataclasses

import pytest

import data.errors
from data.errors import ConfigurationError, QianfenError, did_you_mean
from data.settings import Settings


def test_settings_have_defaults_below_one_folder(tmp_path):
    settings = Settings.from_environment({"QIANFEN_VAR": str(tmp_path)})

    assert settings.var == tmp_path
    assert settings.database_url == f"sqlite:///{tmp_path / 'qianfen.db'}"
    assert settings.port == 3000


def test_settings_are_frozen(settings):
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1


def test_an_unknown_setting_names_the_nearest_known_one():
    with pytest.raises(ConfigurationError, match="QIANFEN_PROT is not a setting.*Did you mean 'QIANFEN_PORT'"):
        Settings.from_environment({"QIANFEN_PROT": "1"})


@pytest.mark.parametrize("value", ["0", "-3", "many", ""])
def test_a_port_must_be_a_positive_whole_number(value):
    with pytest.raises(ConfigurationError, match="QIANFEN_PORT must be a positive whole number"):
        Settings.from_environment({"QIANFEN_PORT": value})


def test_an_engine_must_be_one_that_is_there():
    assert Settings.from_environment({}).engine == "duckdb"
    assert Settings.from_environment({"QIANFEN_ENGINE": "spark"}).engine == "spark"
    with pytest.raises(ConfigurationError, match="QIANFEN_ENGINE must be duckdb or spark, got 'polars'."):
        Settings.from_environment({"QIANFEN_ENGINE": "polars"})


def test_a_folder_of_real_records_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="QIANFEN_REAL_DATA must be a folder"):
        Settings.from_environment({"QIANFEN_REAL_DATA": str(tmp_path / "nowhere")})


def test_every_error_class_stands_in_the_drawing_with_its_codes():
    classes = [c for c in vars(data.errors).values() if isinstance(c, type) and issubclass(c, QianfenError)]

    assert len(classes) == 21
    for error in classes[1:]:
        line = next(row for row in data.errors.__doc__.splitlines() if f"── {error.__name__} " in row)
        after_name = line.split(error.__name__)[1].split()
        assert after_name[:2] == [str(error.exit_code), str(error.http_status)]


def test_the_nearest_name_is_suggested_only_where_it_is_near():
    assert did_you_mean("penaltys", ["penalties", "people"]) == " Did you mean 'penalties'?"
    assert did_you_mean("xyz", ["penalties", "people"]) == ""
