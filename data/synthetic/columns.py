"""Columns of the source files, made from arrays of numbers without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from data.synthetic.grid import NEVER, Array, day_number

_FIRST_TEXT, _LAST_TEXT = date(1995, 1, 1), date(2060, 1, 1)
_ZERO = ord("0")


def pick(labels: Sequence[str | None], numbers: Array) -> pa.Array:
    """Return the label of each number."""
    return pa.array(labels, pa.string()).take(pa.array(numbers))


def identifiers(prefix: str, numbers: Array, width: int = 9) -> pa.Array:
    """Return `prefix` and the number, filled up with zeros; null for negative numbers."""
    head = np.frombuffer(prefix.encode("ascii"), np.uint8)
    matrix = np.empty((len(numbers), len(head) + width), np.uint8)
    matrix[:, : len(head)] = head
    rest = numbers.astype(np.int64)
    for place in range(width - 1, -1, -1):
        rest, digit = np.divmod(rest, 10)
        matrix[:, len(head) + place] = digit + _ZERO
    missing = np.asarray(numbers) < 0
    return text_of(matrix, missing if missing.any() else None)


def text_of(matrix: Array, missing: Array | None = None) -> pa.Array:
    """Return texts of equal length from their bytes, one row each."""
    n, width = matrix.shape
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    content = np.ascontiguousarray(matrix)
    validity = None
    if missing is not None:
        validity = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes())
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(content), validity)


def dates(days: Array) -> pa.Array:
    """Return dates; null for NEVER."""
    return pa.array(days.astype(np.int32), pa.int32(), mask=days >= NEVER).cast(pa.date32())


def date_texts(days: Array, form: str = "%Y-%m-%d") -> pa.Array:
    """Return dates as text; null for NEVER."""
    span = (_LAST_TEXT - _FIRST_TEXT).days
    texts = pa.array([(_FIRST_TEXT + timedelta(days=d)).strftime(form) for d in range(span)])
    place = days.astype(np.int64) - day_number(_FIRST_TEXT)
    return texts.take(pa.array(place, mask=days >= NEVER))


def amount_texts(amounts: Array) -> pa.Array:
    """Return whole amounts as text; null for NaN."""
    missing = np.isnan(amounts)
    whole = np.where(missing, 0, amounts).astype(np.int64)
    return pa.array(whole, mask=missing).cast(pa.string())
