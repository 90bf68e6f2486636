"""Fit the linkage model on the tuning half of the Beijing names: `python -m experiments.linkage.fit`.

m is counted over the trials of the tuning half, every kind of damage alike. u of the core is counted over all pairs of
different entities; that of the other comparisons over those pairs alone that meet, since they are looked at only there.
Regions are not in the files: the figures of that comparison are judgements, stated in docs/linking.md.
"""

from __future__ import annotations

import csv
import io
import os

import click
import duckdb

from data.connection import connect
from data.files import write_atomically
from data.linking.model import COMPARISONS, FILE, compare
from data.quality import literal
from data.settings import Settings
from experiments.linkage.names_with_truth import read_names
from experiments.linkage.trials import ABSENT, AS_WRITTEN, load_trials, make_trials

REGION = {"unknown": (0.5, 0.5), "same": (0.45, 0.05), "other, a company": (0.04, 0.13), "else": (0.01, 0.32)}
"""Half of all rows give no region. A company may be inspected where it is not registered, a shop hardly."""
_SMALLEST = 1e-12
_OTHER_DISTRICT = (0.0001, 0.003)
"""Names of two districts hardly met among so few; that they are one entity is as unlikely as with a shop's region."""

Counts = dict[str, dict[str, float]]


@click.command(help=__doc__)
def main() -> None:
    """Count, and write data/reference/linkage_model.csv."""
    settings = Settings.from_environment(os.environ)
    trials = make_trials(read_names(settings), tune=True)
    with connect(settings.threads) as connection:
        load_trials(connection, trials)
        _create_seen(connection)
        m = _shares_of_true(connection)
        u = _shares_of_others(connection)
        m["place"]["elsewhere"], u["place"]["elsewhere"] = _OTHER_DISTRICT
    lines = [
        (comparison, level, f"{_held(m[comparison].get(level, 0)):.4g}", f"{_held(u[comparison].get(level, 0)):.4g}")
        for comparison in COMPARISONS
        for level in (*COMPARISONS[comparison], "else")
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("comparison", "level", "m", "u"), *lines])
    write_atomically(FILE, text.getvalue())
    click.echo(text.getvalue())


def _create_seen(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `seen`: the level of each comparison for each pair, the kind of its row, and whether it is true."""
    compare(connection)
    levels = ", ".join(
        f"CASE {' '.join(f'WHEN {condition} THEN {literal(level)}' for level, condition in levels.items())} "
        f"ELSE 'else' END AS {comparison}"
        for comparison, levels in COMPARISONS.items()
    )
    sides = ", ".join(
        f"{side}.{column} AS {column}_{side}" for side in "lr" for column in ("place", "district", "form", "region")
    )
    connection.execute(f"""
        CREATE TEMP TABLE seen AS SELECT left_id, right_id, kind, is_true, {levels} FROM (
            SELECT left_id, right_id, kind, trials.code IS NOT DISTINCT FROM register.code AS is_true,
                difference AS difference_l, {sides}
            FROM compared JOIN row_names AS l ON l.id = left_id JOIN entity_names AS r ON r.id = right_id
            JOIN trials ON trials.id = left_id JOIN register ON register.id = right_id
        )
    """)


def _shares_of_true(connection: duckdb.DuckDBPyConnection) -> Counts:
    """Return m: shares of the levels among true pairs, every kind of row weighing the same."""
    counts: Counts = {"region": {level: m for level, (m, _) in REGION.items()}}
    for comparison in ("core", "place", "form"):
        rows = connection.execute(f"""
            SELECT level, sum(n / n_of_kind) / (SELECT count(DISTINCT kind) FROM trials WHERE code IS NOT NULL) FROM (
                SELECT kind, {comparison} AS level, count(DISTINCT left_id) AS n FROM seen
                WHERE is_true GROUP BY ALL
            ) JOIN (SELECT kind, count(*) AS n_of_kind FROM trials GROUP BY kind) USING (kind) GROUP BY level
        """).fetchall()
        counts[comparison] = dict(rows)
    counts["core"]["else"] = _SMALLEST
    return counts


def _shares_of_others(connection: duckdb.DuckDBPyConnection) -> Counts:
    """Return u: shares of the levels among pairs of different entities.

    Of place and form every kind of row weighs the same, as in m: a row that leaves its place out does so whether or not
    its entity is registered, so that it must not speak for an entity.
    """
    counts: Counts = {"region": {level: u for level, (_, u) in REGION.items()}, "core": _core_of_others(connection)}
    for comparison in ("place", "form"):
        rows = connection.execute(f"""
            SELECT level, avg(share) FROM (
                SELECT kind, level, coalesce(n, 0) / sum(n) OVER (PARTITION BY kind) AS share
                FROM (SELECT DISTINCT kind FROM seen WHERE NOT is_true)
                CROSS JOIN (SELECT DISTINCT {comparison} AS level FROM seen)
                LEFT JOIN (SELECT kind, {comparison} AS level, count(*) AS n FROM seen WHERE NOT is_true GROUP BY ALL)
                    USING (kind, level)
            ) GROUP BY level
        """).fetchall()
        counts[comparison] = dict(rows)
    return counts


def _core_of_others(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Return u of the core, over all pairs of names as they are written, whether they meet or not."""
    kinds = f"kind IN ('{AS_WRITTEN}', '{ABSENT}')"
    row = connection.execute(f"""
        SELECT count(*) FILTER ({kinds}) * (SELECT count(*) FROM register) FROM trials
    """).fetchone()
    assert row is not None, "a count always yields a row"
    seen = connection.execute(f"SELECT core, count(*) FROM seen WHERE NOT is_true AND {kinds} GROUP BY ALL").fetchall()
    # Half a pair more: not seen is not impossible.
    shares = {level: (dict(seen).get(level, 0) + 0.5) / row[0] for level in COMPARISONS["core"]}
    return {**shares, "else": 1 - sum(shares.values())}


def _held(share: float) -> float:
    return max(share, _SMALLEST)


if __name__ == "__main__":
    main()
