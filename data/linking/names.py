"""What a name is made of: [place][trade name][industry words][legal form], and the keys under which names meet.

The *core* is the name in normal form without the city's own name, the district after it and the legal form; what
follows the legal form (a branch) stays in it. Two names meet where their cores are equal or differ by one character:
lost, added, changed, or swapped with its neighbour; or where the whole names are so near (the slip is in the place or
the legal form). So blocking depends on nothing but the two names.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import duckdb

from data.codes import REFERENCE, regions
from data.quality import literal

_MACROS = Path(__file__).with_name("names.sql")
REFERENCE_FILES = (REFERENCE / "characters.csv", REFERENCE / "industry_words.csv", _MACROS)
"""What decides, beside the code, on how names are read."""
_FIRST_SOUND = 0x4E00
"""Sounds are written as one character each, so that the n-th sound stands at the n-th place."""


def load_names(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the macros and the table `characters` (character, sound, corners) that the queries of this module use."""
    connection.execute(_MACROS.read_text(encoding="utf-8"))
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE characters AS
        SELECT character, chr({_FIRST_SOUND} + dense_rank() OVER (ORDER BY sound)::INTEGER) AS sound, corners
        FROM read_csv({literal(str(REFERENCE / "characters.csv"))}, all_varchar = true)
    """)


def create_names(connection: duckdb.DuckDBPyConnection, table: str, query: str, places: Iterable[str]) -> None:
    """Make a table of names: the columns of `query` and the parts of `name`.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Prepared by `load_names`, with the macros of data.parts.
    table : str
        Name of the new temporary table.
    query : str
        Yields `id` (unique), `name` (as it is written) and any other columns; names of signs alone are left out.
    places : iterable of str
        How names write the city's own name, such as 北京市 and 北京.

    Notes
    -----
    Added are `name_key` (the name in normal form), `core`, `trade` (characters of the core before its industry words;
    all where it has no others),
    `form` (legal form, '' without), `place` (where the city's name stands: start, inside, both or none) and `district`
    ('' without). A remark in brackets before or after the name is no part of the core, unless it tells a branch.
    """
    home, district = (pattern.replace("'", "''") for pattern in _home_patterns(tuple(places)))
    branch_form = "(股份有限公司|有限公司|公司)"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {table} AS
        WITH read AS (
            SELECT *, normalise_name(name) AS name_key,
                coalesce(normalise_name(without_remark(name, '{home}')), normalise_name(name)) AS bare FROM ({query})
        ),
        led AS (
            SELECT *, regexp_extract(bare, '^(?:{home})?(?:{district})?') AS lead,
                regexp_extract(bare, '^(?:{home})?({district})?', 1) AS district FROM read WHERE name_key IS NOT NULL
        ),
        rested AS (SELECT *, bare[length(lead) + 1:] AS rest FROM led),
        cut AS (
            SELECT *, regexp_extract(rest, '{branch_form}', 1) AS form,
                regexp_replace(regexp_replace(regexp_replace(rest, '{home}', '', 'g'), '{branch_form}', ''),
                    '(特殊普通|普通|有限)合伙$', '') AS cut,
                CASE WHEN regexp_matches(lead, '^(?:{home})') THEN 1 ELSE 0 END AS leads,
                CASE WHEN regexp_matches(rest, '{home}') THEN 2 ELSE 0 END AS stands
            FROM rested
        ),
        cored AS (SELECT *, CASE WHEN cut = '' THEN bare ELSE cut END AS core FROM cut)
        SELECT * EXCLUDE (name, bare, lead, rest, cut, leads, stands),
            coalesce(nullif(length(regexp_replace(core, {literal(_industry_pattern())}, '')), 0), length(core))::INTEGER
                AS trade,
            ['none', 'start', 'inside', 'both'][leads + stands + 1] AS place
        FROM cored
    """)


def create_pairs(connection: duckdb.DuckDBPyConnection, left: str, right: str) -> None:
    """Make the table `pairs` (left_id, right_id): names of two tables whose cores are equal or one edit apart."""
    for side, table in (("left", left), ("right", right)):
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {side}_keys AS {_keys(table)}")
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE pairs AS
        SELECT DISTINCT l.id AS left_id, r.id AS right_id
        FROM left_keys AS l JOIN right_keys AS r USING (key)
        WHERE l.place = r.place OR l.place = 0 OR r.place = 0
            OR (abs(l.place - r.place) = 1 AND l.gone = r.gone)
    """)


def add_sounds(table: str) -> str:
    """Return a query of names with `sounds` (a sign for each character) and `corners` (five for each), "?" for none."""
    return f"""
        SELECT names.*, sounds, corners FROM {table} AS names JOIN (
            SELECT id, string_agg(coalesce(sound, '?'), '' ORDER BY n) AS sounds,
                string_agg(coalesce(corners, '?????'), '' ORDER BY n) AS corners
            FROM (SELECT id, core, unnest(range(1, length(core) + 1)) AS n FROM {table})
            LEFT JOIN characters ON character = core[n] GROUP BY id
        ) USING (id)
    """


def _keys(table: str) -> str:
    """Return the query of a name's keys: its core and the whole as they are (place 0), and without each character."""
    return " UNION ALL ".join(
        f"""
        SELECT id, 0 AS place, '' AS gone, hash({text}, {number}) AS key FROM {table} UNION ALL
        SELECT id, n::INTEGER, {text}[n], hash({text}[:n - 1] || {text}[n + 1:], {number})
        FROM (SELECT id, {text}, unnest(range(1, length({text}) + 1)) AS n FROM {table} WHERE length({text}) > 2)
        """
        for number, text in enumerate(("core", "name_key"))
    )


def _home_patterns(places: tuple[str, ...]) -> tuple[str, str]:
    """Return the patterns of the city's own name and of its districts; they match nothing where there are none."""
    nothing = "[^\\s\\S]"
    codes = {code for code, name in regions().items() if name in places}
    ahead = tuple(code[:2] if code.endswith("0000") else code[:4] for code in codes if code.endswith("00"))
    districts = {n for code, n in regions().items() if ahead and code.startswith(ahead) and n[-1] in "区县旗"}
    return _any_of(places) or nothing, _any_of(districts - {"市辖区", "县"}) or nothing


@cache
def _industry_pattern() -> str:
    """Return the pattern of industry words at the end of a core; one of a single character counts at the end alone."""
    with (REFERENCE / "industry_words.csv").open(encoding="utf-8", newline="") as file:
        words = {row["word"] for row in csv.DictReader(file)}
    single = {word for word in words if len(word) == 1}
    return f"(?:{_any_of(words - single)})*(?:{_any_of(words)})$"


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word.lower()) for word in sorted(words, key=lambda word: (-len(word), word)))
