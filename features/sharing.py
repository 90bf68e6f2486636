"""Expressions that several indicators ask for: while a matrix is built, each is worked out once and kept.

Outside of that (for the SQL of a formula, for its hash) a shared function returns its expression as any other does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import ibis.expr.types as ir

Expression = Callable[..., ir.Table]

_keep: ContextVar[Callable[[Expression, tuple[ir.Table, ...]], ir.Table] | None] = ContextVar("keep", default=None)


def shared(function: Expression) -> Expression:
    """Mark a function of tables whose result several indicators use."""

    @wraps(function)
    def once(*tables: ir.Table) -> ir.Table:
        keep = _keep.get()
        return keep(function, tables) if keep else function(*tables)

    return once


@contextmanager
def kept_in(backend: Any) -> Iterator[None]:
    """Keep the results of shared functions as temporary tables of a backend, for as long as the block runs."""
    kept: dict[Any, ir.Table] = {}

    def keep(function: Expression, tables: tuple[ir.Table, ...]) -> ir.Table:
        key = (function, *(table.op() for table in tables))
        if key not in kept:
            kept[key] = backend.create_table(f"shared_{len(kept)}", function(*tables), temp=True, overwrite=True)
        return kept[key]

    token = _keep.set(keep)
    try:
        yield
    finally:
        _keep.reset(token)
