"""A register as dense as a city of 1.3 M entities: the real names, and new ones put together from parts of real ones.

A new name has the trade name of one real name and the industry words, legal form and place of another, so that trade
names, industries and lengths are as frequent as they are, and namesakes but for one character as well.
"""

from __future__ import annotations

import duckdb

from data.linking.names import create_names

_SEED = 20261126


def fill_register(connection: duckdb.DuckDBPyConnection, size: int, places: tuple[str, ...]) -> None:
    """Make `dense` (code, name): the rows of `register`, filled up to so many with names that no trial is of.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With `register` and `trials` of `load_trials`.
    size : int
        Rows that are wanted; fewer come where the parts do not yield so many.
    places : tuple of str
        How names write the city's own name.
    """
    create_names(connection, "sources", "SELECT id, name FROM register", places)
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE numbered AS
        SELECT row_number() OVER (ORDER BY id) - 1 AS place_in_row, core[:trade] AS trade_name,
            core[trade + 1:] || form AS tail, place FROM sources
        WHERE place IN ('start', 'inside') AND trade < length(core) AND trade <= 8
    """)
    (n_sources,) = connection.execute("SELECT count(*) FROM numbered").fetchone() or (0,)
    draws = 2 * size
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE dense AS
        WITH drawn AS (
            SELECT hash(n, {_SEED}) % {n_sources} AS first, hash(n, {_SEED + 1}) % {n_sources} AS second
            FROM range({draws}) AS draws(n)
        ),
        made AS (
            SELECT DISTINCT CASE b.place WHEN 'start' THEN '{places[-1]}' || a.trade_name || b.tail
                ELSE a.trade_name || '（{places[-1]}）' || b.tail END AS name
            FROM drawn JOIN numbered AS a ON a.place_in_row = first JOIN numbered AS b ON b.place_in_row = second
        ),
        fresh AS (
            SELECT name FROM made ANTI JOIN (SELECT normalise_name(name) AS name_key FROM register
                UNION SELECT normalise_name(name) FROM trials WHERE code IS NULL) AS taken
                ON taken.name_key = normalise_name(made.name)
            ORDER BY hash(name) LIMIT greatest({size} - (SELECT count(*) FROM register), 0)
        )
        SELECT code, name FROM register
        UNION ALL SELECT 'F' || row_number() OVER (ORDER BY name), name FROM fresh
    """)
