"""Expressions that several indicators ask for: while a matrix is built, each is worked out once and kept.

Outside of that (for the SQL of a formula, for its hash) a shared function returns its expression as any other does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

import ibis.expr.types as ir

Expression = Callable[..., ir.Table]

Kept = dict[Any, ir.Table]
"""Results of shared functions, by what they were worked out from."""

_Call = Callable[[], ir.Table]
_keep: ContextVar[Callable[[Any, _Call], ir.Table] | None] = ContextVar("keep", default=None)


def shared(function: Expression) -> Expression:
    """Mark a function of tables, and of keyword-only parameters, whose result several indicators use."""

    @wraps(function)
    def once(*tables: ir.Table, **parameters: Any) -> ir.Table:
        keep, call = _keep.get(), partial(function, *tables, **parameters)
        what = (function, *(table.op() for table in tables), *sorted(parameters.items()))
        return keep(what, call) if keep else call()

    return once


@contextmanager
def kept_in(backend: Any, kept: Kept | None = None) -> Iterator[None]:
    """Keep the results of shared functions as temporary tables of a backend, for as long as the block runs.

    Given `kept`, results that it holds of earlier blocks on the same tables are not worked out again.
    """
    kept = {} if kept is None else kept

    def keep(what: Any, call: _Call) -> ir.Table:
        if what not in kept:
            kept[what] = backend.create_table(f"shared_{len(kept)}", call(), temp=True, overwrite=True)
        return kept[what]

    token = _keep.set(keep)
    try:
        yield
    finally:
        _keep.reset(token)
