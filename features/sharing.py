"""Expressions that several indicators ask for, or that are of everybody: while a matrix is built, each is kept.

Where only some entities get a row, formulas get the records of these alone; what hangs on the records of others says so
and gets the whole tables. Outside of a build (for the SQL of a formula, for its hash) all of these functions return
their expression as any other does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from types import MappingProxyType
from typing import Any

import ibis.expr.types as ir

Expression = Callable[..., ir.Table]

Kept = dict[Any, ir.Table]
"""Results of shared functions, by what they were worked out from."""

Create = Callable[[str, ir.Table], ir.Table]

_Call = Callable[[], ir.Table]
_shared: set[Expression] = set()
_whole: ContextVar[Mapping[Any, ir.Table]] = ContextVar("whole", default=MappingProxyType({}))
_keep: ContextVar[Callable[[Any, _Call], ir.Table] | None] = ContextVar("keep", default=None)


def shared(function: Expression) -> Expression:
    """Mark a function of tables, and of keyword-only parameters, whose result several indicators use."""
    if function in _shared:
        return function

    @wraps(function)
    def once(*tables: ir.Table, **parameters: Any) -> ir.Table:
        keep, call = _keep.get(), partial(function, *tables, **parameters)
        what = (function, *(table.op() for table in tables), *sorted(parameters.items()))
        return keep(what, call) if keep else call()

    _shared.add(once)
    return once


def of_everybody(function: Expression) -> Expression:
    """Mark a function as `shared` ones are, whose result hangs on the records of others than the entity.

    Where its caller has the records of some entities alone, it gets the whole tables, and its result is kept.
    """
    kept = shared(function)

    @wraps(function)
    def of_whole(*tables: ir.Table, **parameters: Any) -> ir.Table:
        whole = _whole.get()
        if not whole:
            return function(*tables, **parameters)
        return kept(*(whole.get(table.op(), table) for table in tables), **parameters)

    return of_whole


@contextmanager
def kept_in(create: Create, kept: Kept | None = None, whole: Mapping[Any, ir.Table] | None = None) -> Iterator[None]:
    """Keep the results of shared functions as tables, for as long as the block runs.

    Parameters
    ----------
    create : callable
        From a name and an expression to the table that holds its result: `temporary_tables_of` a backend, for one.
    kept : dict, optional
        Results of earlier blocks on the same tables, which are not worked out again; those of this one join them.
    whole : mapping, optional
        The whole table by the operation of one that holds the records of some entities alone.
    """
    kept = {} if kept is None else kept

    def keep(what: Any, call: _Call) -> ir.Table:
        if what not in kept:
            expression = call()
            # What is shared may ask for what is shared: the number is taken after that.
            kept[what] = create(f"shared_{len(kept)}", expression)
        return kept[what]

    tokens = _keep.set(keep), _whole.set(whole or {})
    try:
        yield
    finally:
        _keep.reset(tokens[0])
        _whole.reset(tokens[1])


def temporary_tables_of(backend: Any) -> Create:
    """Return what makes a table of an expression at once, in a backend's memory."""
    return partial(backend.create_table, temp=True, overwrite=True)
