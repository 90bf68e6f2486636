"""The order in which records are kept: an entity's rows together, by the day they became known, then as in their file.

Codes are long texts, and to compare them is dear. So each is made a number first, in the order of the codes, and the
numbers are sorted: a fifth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.schemas import Table
from data.uscc import LENGTH

# A code of letters and digits is a number with 18 digits of 43 values, 0 to Z, of which 64 bits hold 10 and a rank.
_BASE = 43
_MOST_PREFIXES = 2**64 // _BASE**10
_DAYS_BITS = 20
# So many numbers at a time stay near the processor.
_BLOCK = 1 << 14


@dataclass(frozen=True)
class Order:
    """Rows in order.

    Attributes
    ----------
    places : array (n,)
        Where each row in order stands among all rows as they came.
    numbers : array (n,)
        For each row in order the number of its entity, counted from 0 in the order of the codes.
    codes : array of text
        Code of each number; the last is null where there are rows without an entity.
    """

    places: NDArray[np.int64]
    numbers: NDArray[np.int64]
    codes: pa.Array


def key_of_order(table: Table) -> tuple[str, ...]:
    """Return the columns by which a table of records is sorted."""
    return tuple(dict.fromkeys(("entity_id", "known_at", "source_row", *table.key)))


def order_rows(rows: pa.Table, table: Table, stands: NDArray[np.bool_]) -> Order:
    """Return the order of those rows of a canonical table that stand, each column one piece."""
    mask = pa.array(stands)
    by_row = _by_row(rows, table, mask)
    codes = rows["entity_id"].filter(mask).combine_chunks()
    days = rows["known_at"].filter(mask).combine_chunks().cast(pa.int32()).to_numpy()
    in_code = _as_numbers(codes)
    places = _in_order(in_code) if by_row is None else by_row.take(_in_order(in_code.take(by_row)))
    in_code = in_code.take(places)
    is_first = np.ones(len(places), dtype=np.bool_)
    np.not_equal(in_code[1:], in_code[:-1], out=is_first[1:])
    numbers = np.cumsum(is_first) - 1
    distinct = codes.take(pa.array(places[is_first]))
    _sort_by_day(places, numbers, days.take(places), is_first)
    return Order(np.flatnonzero(stands).take(places), numbers, distinct)


def _sort_by_day(
    places: NDArray[np.int64], numbers: NDArray[np.int64], days: NDArray[np.int32], is_first: NDArray[np.bool_]
) -> None:
    """Sort each entity's rows by day, in place: they lie together as in their file, so their numbers stand."""
    falls = days[1:] < days[:-1]
    falls &= ~is_first[1:]
    # Most entities' rows came in the order of days.
    moved = np.zeros(numbers[-1] + 1 if len(numbers) else 0, dtype=np.bool_)
    moved[numbers[1:][falls]] = True
    (rows,) = np.nonzero(moved[numbers])
    by_day = (numbers[rows] << _DAYS_BITS) + (days[rows] - days.min(initial=0))
    places[rows] = places[rows[np.argsort(by_day, kind="stable")]]


def _in_order(numbers: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the places of numbers in ascending order, of equal ones as they come.

    A number and its place are sorted as one number of 64 bits, in half the time that an order of places takes.
    """
    if not len(numbers):
        return np.zeros(0, dtype=np.int64)
    least, place_bits = numbers.min(), (len(numbers) - 1).bit_length()
    left_out = max(0, int(numbers.max() - least).bit_length() + place_bits - 64)
    joined = numbers - least
    joined >>= np.uint64(left_out)
    joined <<= np.uint64(place_bits)
    joined |= np.arange(len(numbers), dtype=np.uint64)
    joined.sort()
    joined &= np.uint64((1 << place_bits) - 1)
    places: NDArray[np.int64] = joined.view(np.int64)
    if left_out:
        # Few numbers differ only in the lowest bits, for which there was no room.
        in_order = numbers.take(places)
        if (in_order[1:] < in_order[:-1]).any():
            places = places.take(np.argsort(in_order, kind="stable"))
    return places


def _by_row(rows: pa.Table, table: Table, mask: pa.Array) -> NDArray[np.int64] | None:
    """Return the order of the rows by all that comes after the day; None where they came so, as they mostly do."""
    in_file = rows["source_row"].filter(mask).to_numpy()
    if (in_file[1:] > in_file[:-1]).all():
        return None
    keys = [(name, "ascending") for name in key_of_order(table)[2:]]
    columns = rows.select([name for name, _ in keys]).filter(mask)
    return np.asarray(pc.sort_indices(columns, sort_keys=keys), dtype=np.int64)


def _as_numbers(codes: pa.Array) -> NDArray[np.uint64]:
    """Return a number for each code, in the order of the codes; null comes last."""
    packed = _packed(codes)
    if packed is not None:
        return packed
    encoded = codes.dictionary_encode()
    n_codes = len(encoded.dictionary)
    ranks = np.empty(n_codes + 1, dtype=np.uint64)
    ranks[np.asarray(pc.sort_indices(encoded.dictionary))] = np.arange(n_codes)
    ranks[n_codes] = n_codes
    numbers: NDArray[np.uint64] = ranks[encoded.indices.fill_null(n_codes).to_numpy()]
    return numbers


def _packed(codes: pa.Array) -> NDArray[np.uint64] | None:
    """Return unified social credit codes as numbers; None where some are none, or too many registers gave them."""
    if codes.null_count or not len(codes):
        return None
    _, offsets, letters = codes.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[codes.offset : codes.offset + len(codes) + 1]
    if (np.diff(ends) != LENGTH).any():
        return None
    text = np.frombuffer(letters, dtype=np.uint8)[ends[0] : ends[-1]]
    if text.min() < ord("0") or text.max() > ord("Z"):
        return None
    words = text.view([("register", ">u8"), ("body", ">u8"), ("end", ">u2")])
    registers = pa.array(words["register"].astype(np.uint64)).dictionary_encode()
    if len(registers.dictionary) > _MOST_PREFIXES:
        return None
    ranks = np.argsort(np.argsort(registers.dictionary.to_numpy())).astype(np.uint64)
    numbers: NDArray[np.uint64] = ranks.take(registers.indices.to_numpy())
    for start in range(0, len(numbers), _BLOCK):
        block, its_words = numbers[start : start + _BLOCK], words[start : start + _BLOCK]
        block *= np.uint64(_BASE**8)
        block += _eight_digits(its_words["body"].astype(np.uint64))
        block *= np.uint64(_BASE**2)
        block += _eight_digits(its_words["end"].astype(np.uint64) | np.uint64(0x3030303030300000))
    return numbers


def _eight_digits(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the number that eight characters spell: neighbours are joined to pairs, pairs to fours, fours to all."""
    numbers = words - np.uint64(0x3030303030303030)
    for bits, mask, base in ((8, 0x00FF00FF00FF00FF, 43), (16, 0x0000FFFF0000FFFF, 43**2), (32, 0xFFFFFFFF, 43**4)):
        lower = numbers & np.uint64(mask)
        numbers >>= np.uint64(bits)
        numbers &= np.uint64(mask)
        numbers *= np.uint64(base)
        numbers += lower
    return numbers
