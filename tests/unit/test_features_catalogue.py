"""The catalogue, its declarations and its reference page."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ibis.expr.types as ir
import pytest

from data.errors import ConfigurationError
from data.settings import PROJECT_ROOT
from features.catalogue import Catalogue, load_catalogue
from features.declaration import DIMENSIONS, Indicator, indicator
from features.reference import indicators_page


def declared(**changes: object) -> Indicator:
    return replace(load_catalogue()["penalties"], **changes)  # type: ignore[arg-type]


def test_the_catalogue_has_the_eighteen_indicators_in_their_order() -> None:
    assert load_catalogue().names == (
        "registered_capital", "industry_category", "years_in_operation", "address_sharing",
        "licence_validity", "annual_report_lapses", "registration_changes",
        "abnormal_listing", "serious_dishonesty", "unpaid_obligations",
        "penalties", "penalty_amount", "failed_inspections",
        "person_dishonesty", "person_linked_violations",
        "complaint_reports", "sampling_failures", "negative_mentions",
    )  # fmt: skip


def test_risk_falls_with_capital_age_and_licence_and_rises_with_all_others() -> None:
    falling = {i.name for i in load_catalogue() if i.monotone == -1}

    assert falling == {"registered_capital", "years_in_operation", "licence_validity"}
    assert set(load_catalogue().monotone) == {1, -1}


def test_every_dimension_has_indicators() -> None:
    assert {i.dimension for i in load_catalogue()} == set(DIMENSIONS)


def test_two_indicators_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="Indicator names must be unique, got 2 of 'penalties'"):
        Catalogue((declared(), declared()))


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must hold indicators, it is empty"):
        Catalogue(())


def test_an_unknown_dimension_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="The dimension of penalties must be one of .* got 'weather'"):
        Catalogue((declared(dimension="weather"),))


def test_an_indicator_without_docstring_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="penalties must have a docstring"):
        Catalogue((declared(description=""),))


def test_arguments_must_name_canonical_tables() -> None:
    declaration = {
        "dimension": "monitoring",
        "name_zh": "天气",
        "description_zh": "天气。",
        "unit": "days",
        "unit_zh": "天",
    }

    @indicator(**declaration, risk="rises", source="x")
    def weather(rain: ir.Table) -> ir.Table:
        """Days of rain."""
        return rain

    with pytest.raises(ConfigurationError, match="arguments of weather must name canonical tables, got rain"):
        Catalogue((weather,))


def test_an_indicator_knows_its_tables_from_its_arguments() -> None:
    linked = load_catalogue()["person_linked_violations"]

    assert linked.tables == ("entities", "people", "inspections", "penalties")
    assert linked.is_available({"entities", "people", "penalties"})
    assert not linked.is_available({"entities", "people"})
    assert not linked.is_available({"entities", "inspections", "penalties"})


def test_the_hash_is_the_same_in_every_process() -> None:
    program = "from features.catalogue import load_catalogue; print(load_catalogue().hash)"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONWARNINGS": "ignore"}

    elsewhere = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert elsewhere.stdout.strip() == load_catalogue().hash


def test_the_reference_page_says_all_that_is_declared() -> None:
    page = indicators_page()

    for item in load_catalogue():
        assert f"### {item.name} {item.name_zh}" in page
        assert item.description in page
        assert item.description_zh in page
    assert "| needs | entities, people, one of inspections or penalties |" in page
    assert "| range | from -3650 to 3650 |" in page


def test_the_reference_page_in_docs_is_up_to_date() -> None:
    page = Path(PROJECT_ROOT / "docs" / "indicators.md")

    assert page.read_text(encoding="utf-8") == indicators_page(), "Run `make reference`."
