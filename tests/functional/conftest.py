"""A small synthetic city, built once, for the tests that go through every step."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.city import City, load_city
from data.settings import Settings
from serving.commands.records import synthetic_folder
from serving.demo import run_demo

N_ENTITIES = 6_000


def quiet(_message: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="session")
def demo_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a small synthetic city that went through the whole demo; its summary lies in var/demo/."""
    var = tmp_path_factory.mktemp("demo")
    settings = Settings.from_environment({"QIANFEN_VAR": str(var), "QIANFEN_THREADS": "2"})
    run_demo(load_city("synthetic"), "synthetic", N_ENTITIES, settings, quiet)
    assert synthetic_folder(settings).is_dir()
    return settings


@pytest.fixture(scope="session")
def demo_city() -> City:
    """The synthetic city."""
    return load_city("synthetic")


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root."""
    return Path(__file__).parents[2]
