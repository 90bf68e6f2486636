"""Trials: rows with a name, as they were written or damaged, with the entity that each is of, against a register."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from data.linking.names import create_names, load_names
from experiments.linkage.damage import DAMAGES, damaged
from experiments.linkage.names_with_truth import PLACES, NamedEntity, RealNames, is_of_tune

AS_WRITTEN, IN_OTHER_FILES, FORMER, ABSENT = (
    "as registered",
    "as another file writes it",
    "old name",
    "not in the register",
)
FORMER_EVERY, ABSENT_EVERY = 10, 10
"""One entity in ten had another name before; one name in ten of the others is kept out of the register."""


@dataclass(frozen=True)
class Trial:
    """One row: its name, what was done to it, and the code of its entity; None where the register has none."""

    name: str
    kind: str
    code: str | None


@dataclass(frozen=True)
class Trials:
    """Rows of one half of the names, and the register that they are linked to: (code, name) with former names too."""

    trials: tuple[Trial, ...]
    register: tuple[tuple[str, str], ...]


def make_trials(names: RealNames, tune: bool) -> Trials:
    """Return the trials of one half; the register for tuning holds no name of the other half, that for testing all."""
    entities = [e for e in names.entities if is_of_tune(e.name) == tune]
    others = [name for name in names.others if is_of_tune(name) == tune]
    absent, present = set(others[::ABSENT_EVERY]), [n for n in names.others if not tune or is_of_tune(n)]
    former = dict(zip([e.code for e in entities[::FORMER_EVERY]], others[1::ABSENT_EVERY], strict=False))
    taken = absent | set(former.values())
    registered = [(e.code, e.name) for e in names.entities if not tune or is_of_tune(e.name)]
    register = [*registered, *former.items(), *((f"U{n}", name) for n, name in enumerate(present) if name not in taken)]
    trials = [
        *_of_entities(entities),
        *(Trial(name, FORMER, code) for code, name in former.items()),
        *(Trial(name, ABSENT, None) for name in sorted(absent)),
    ]
    return Trials(tuple(trials), tuple(register))


def load_trials(connection: duckdb.DuckDBPyConnection, trials: Trials) -> None:
    """Make `trials` (id, name, kind, code), `register` (id, code, name), `row_names` and `entity_names`."""
    load_names(connection)
    _load(connection, "trials", ("name", "kind", "code"), ((t.name, t.kind, t.code) for t in trials.trials))
    _load(connection, "register", ("code", "name"), trials.register)
    for source, target in (("trials", "row_names"), ("register", "entity_names")):
        create_names(connection, target, f"SELECT id, name, NULL::VARCHAR AS region FROM {source}", PLACES)


def _of_entities(entities: Iterable[NamedEntity]) -> Iterator[Trial]:
    for entity in entities:
        yield Trial(entity.name, AS_WRITTEN, entity.code)
        for spelling, _file in entity.other_spellings:
            yield Trial(spelling, IN_OTHER_FILES, entity.code)
        for kind in DAMAGES:
            name = damaged(entity.name, kind)
            if name is not None:
                yield Trial(name, kind, entity.code)


def _load(
    connection: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[str | None, ...]]
) -> None:
    content = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows])
    connection.register("loaded", content)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT row_number() OVER () AS id, * FROM loaded")
    connection.unregister("loaded")
