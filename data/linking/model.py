"""The linkage model: Fellegi-Sunter weights, frozen, applied by Splink on DuckDB to the pairs that may be one entity.

data/reference/linkage_model.csv has, for each level of each comparison, how often it is seen among true pairs (m) and
among others (u). It is fitted once (experiments/linkage/fit.py) and never to the records at hand: what became known
later can then not move an earlier score.
"""

from __future__ import annotations

import csv
import logging
from functools import cache
from typing import Any

import duckdb

from data.codes import REFERENCE
from data.linking.names import add_sounds, create_pairs

FILE = REFERENCE / "linkage_model.csv"
FLOOR = 0.01
"""Pairs with lower odds than this are no candidates: nobody would look at them."""

_SAME_PLACE = "place_l = place_r AND district_l = district_r"
COMPARISONS: dict[str, dict[str, str]] = {
    "core": {
        level: f"difference_l = '{level}'"
        for level in (
            "equal", "frame", "broken word", "other word", "swapped", "sign",
            *(f"{kind} {trade}" for kind in ("lost", "added", "alike", "changed") for trade in range(1, 7)),
        )
    },
    "place": {
        "same": _SAME_PLACE,
        "elsewhere": "district_l <> '' AND district_r <> '' AND district_l <> district_r",
        "dropped": "place_l = 'none' AND place_r <> 'none'",
        "added": "place_l <> 'none' AND place_r = 'none'",
    },
    "form": {
        "same": "form_l = form_r",
        "shortened": "form_l IN ('', '公司') AND form_r <> '' AND form_l <> form_r",
    },
    "region": {
        "unknown": "region_l IS NULL OR region_r IS NULL",
        "same": "is_region_of(region_l, region_r)",
        "other, a company": "form_r <> ''",
    },
}  # fmt: skip
"""Levels of each comparison in the order in which they are tried, as conditions on a row (l) and an entity (r)."""


def score(connection: duckdb.DuckDBPyConnection, prior_odds: float) -> None:
    """Make the table `scored` (left_id, right_id, odds) from the tables of names `row_names` and `entity_names`.

    `odds` are those of the pair alone, against the row belonging to no entity of the register; pairs below FLOOR are
    left out. Both tables are of data.linking.names, with `id` and `region`. `prior_odds` are those of a row and an
    entity drawn at random (`data.city.Linking.prior_odds`).
    """
    compare(connection)
    connection.execute("""
        CREATE OR REPLACE TABLE splink_left AS
        SELECT pair AS unique_id, 'left' AS source_dataset, difference, place, district, form, region
        FROM compared JOIN row_names ON row_names.id = left_id;
        CREATE OR REPLACE TABLE splink_right AS
        SELECT id AS unique_id, 'right' AS source_dataset, '' AS difference, place, district, form, region
        FROM entity_names SEMI JOIN compared ON id = right_id;
        CREATE OR REPLACE TABLE splink_pairs AS
        SELECT '0' AS match_key, 'left-__-' || pair AS join_key_l, 'right-__-' || right_id AS join_key_r FROM compared
    """)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE scored AS
        SELECT left_id, right_id, pow(2, match_weight) AS odds
        FROM {_predict(connection, prior_odds)} JOIN compared ON pair = unique_id_l WHERE match_weight >= log2({FLOOR})
    """)
    for table in ("splink_left", "splink_right", "splink_pairs"):
        connection.execute(f"DROP TABLE {table}")


def compare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table `compared` (pair, left_id, right_id, difference) of the names that meet.

    A row's name is given to Splink once for each entity that it meets, with what sets the two apart: to find that out
    once for a pair is many times as fast as in each of 30 conditions.
    """
    create_pairs(connection, "row_names", "entity_names")
    for side, table in (("left", "row_names"), ("right", "entity_names")):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {side}_met AS FROM {table} SEMI JOIN pairs ON id = {side}_id")
    columns = ("core", "sounds", "corners", "trade", "name_key")
    sides = ", ".join(f"{side}.{column}" for column in columns for side in "lr")
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE compared AS
        SELECT row_number() OVER (ORDER BY left_id, right_id) AS pair, left_id, right_id,
            core_difference({sides}) AS difference
        FROM pairs JOIN ({add_sounds("left_met")}) AS l ON l.id = left_id
            JOIN ({add_sounds("right_met")}) AS r ON r.id = right_id
    """)


def settings(prior_odds: float) -> dict[str, Any]:
    """Return the model as Splink's settings."""
    return {
        "link_type": "link_only",
        "probability_two_random_records_match": prior_odds / (1 + prior_odds),
        "blocking_rules_to_generate_predictions": ["l.unique_id = r.unique_id"],
        "comparisons": [{"output_column_name": name, "comparison_levels": _levels(name)} for name in COMPARISONS],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
    }


def _predict(connection: duckdb.DuckDBPyConnection, prior_odds: float) -> str:
    """Score the registered pairs; return the name of the table of predictions."""
    from splink import DuckDBAPI, Linker

    # It warns of columns that could be null; none of ours is.
    logging.getLogger("splink").setLevel(logging.ERROR)
    api = DuckDBAPI(connection)
    sides = [api.register(f"splink_{side}", dataset_display_name=side) for side in ("left", "right")]
    linker = Linker(sides, settings(prior_odds), log_level=None, validate_settings=False)
    linker.table_management.register_blocked_pairs_for_predict(
        api.register("splink_pairs", dataset_display_name="pairs")
    )
    return str(linker.inference.predict(warning_mode="never").physical_name)


def _levels(comparison: str) -> list[dict[str, Any]]:
    conditions = {**COMPARISONS[comparison], "else": "ELSE"}
    return [
        {"sql_condition": condition, "label_for_charts": level, "m_probability": m, "u_probability": u}
        for level, condition in conditions.items()
        for m, u in (parameters()[comparison, level],)
    ]


@cache
def parameters() -> dict[tuple[str, str], tuple[float, float]]:
    """Return (m, u) by comparison and level."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return {(row["comparison"], row["level"]): (float(row["m"]), float(row["u"])) for row in csv.DictReader(file)}
