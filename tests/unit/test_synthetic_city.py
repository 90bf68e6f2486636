"""The synthetic city: the same for the same seed, with what its page says is planted."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from data.connection import connect
from data.errors import ConfigurationError, NotFoundError
from data.files import sha256_of
from data.synthetic import build_synthetic_city, risk
from data.synthetic.dirt import KINDS
from data.synthetic.grid import GRID
from data.synthetic.truth import read_truth

PAGE = Path(__file__).parents[2] / "docs" / "synthetic-city.md"


def quiet(_message):
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A city of 4,000 entities."""
    folder = tmp_path_factory.mktemp("city") / "synthetic"
    build_synthetic_city(4_000, 7, folder, quiet)
    return folder


def rows(folder, query):
    """Run a query with the tables as views."""
    with duckdb.connect() as connection:
        for path in folder.glob("*.parquet"):
            connection.execute(f"CREATE VIEW {path.stem} AS SELECT * FROM '{path}'")
        return connection.execute(query).df()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(built, tmp_path):
    build_synthetic_city(4_000, 7, tmp_path / "same", quiet)
    build_synthetic_city(4_000, 8, tmp_path / "other", quiet)

    files = [p.name for p in built.iterdir() if p.name != "manifest.json"]
    assert len(files) == 15
    assert all(sha256_of(built / name) == sha256_of(tmp_path / "same" / name) for name in files)
    assert sha256_of(built / "entities.parquet") != sha256_of(tmp_path / "other" / "entities.parquet")


def test_an_unchanged_city_is_not_built_again(built):
    messages = []

    build_synthetic_city(4_000, 7, built, messages.append)

    assert "skipped" in messages[0]


@pytest.mark.parametrize("n", [0, 1_999, 1_500_001])
def test_a_size_out_of_bounds_is_refused(tmp_path, n):
    with pytest.raises(ConfigurationError, match="must have 2,000 to 1,500,000 entities"):
        build_synthetic_city(n, 7, tmp_path / "city", quiet)


def test_nearly_all_codes_have_the_right_check_character_and_none_is_used_twice(built):
    codes = rows(built, "SELECT DISTINCT code FROM entities")["code"].tolist()

    with connect(threads=1) as connection:
        valid = connection.execute("SELECT uscc_is_valid(code) FROM (SELECT unnest(?) AS code)", [codes]).fetchall()
    assert len(codes) == 4_000
    assert 0.99 < sum(v for (v,) in valid) / len(codes) < 1


def test_the_first_inspection_of_a_half_year_finds_the_truth(built):
    day = GRID[8]
    first = rows(
        built,
        f"""SELECT code AS entity_id, arg_min(result, (event, number)) = '不合格' AS found,
            bool_or(result = '不合格') AS any_found
        FROM inspections WHERE event >= DATE '{day}' AND event < DATE '{GRID[9]}' GROUP BY code""",
    )
    both = first.merge(read_truth(built, day), on="entity_id")

    assert len(both) > 300
    # Late reports may hide a first visit; what was found is never more than the truth.
    assert (both["any_found"] <= both["outcome"]).all()
    assert (both["found"] == both["outcome"]).mean() > 0.97


def test_the_inspected_violate_more_often_than_the_city(built):
    of_inspected, of_all = [], []
    for day, end in pairwise(GRID[4:12]):
        seen = rows(
            built, f"SELECT DISTINCT code FROM inspections WHERE event >= DATE '{day}' AND event < DATE '{end}'"
        )
        truth = read_truth(built, day)
        of_all.append(truth["outcome"].mean())
        of_inspected.append(truth[truth["entity_id"].isin(seen["code"])]["outcome"].mean())

    assert sum(of_inspected) > 1.2 * sum(of_all)


def test_the_truth_is_there_on_the_grid_and_nowhere_else(built):
    assert read_truth(built, GRID[-1])["probability"].between(0, 1).all()
    with pytest.raises(NotFoundError, match="no truth as of 2024-01-01"):
        read_truth(built, date(2024, 1, 1))


def test_there_are_ten_kinds_of_dirt():
    assert len({kind.name for kind in KINDS}) == 10


def test_the_page_says_the_constants_that_are_planted():
    said = dict(re.findall(r"`([A-Z_]+)` (-?[0-9.]+)", PAGE.read_text(encoding="utf-8")))

    assert len(said) >= 8
    assert {name: float(value) for name, value in said.items()} == {name: getattr(risk, name) for name in said}


def test_repeats_and_late_reports_are_there(built):
    complaints = pd.read_csv(built / "complaints.csv")
    delay = rows(built, "SELECT date_diff('day', event, known) AS days FROM inspections")["days"]

    assert complaints.duplicated(["code", "who", "topic"]).mean() > 0.05
    assert 0.15 < (delay > 1).mean() < 0.3
    assert delay.min() == 1
