"""Unified social credit codes by GB 32100-2015, organisation codes by GB 11714-1997 inside them."""

from __future__ import annotations

import numpy as np

from data.synthetic.grid import Array

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WEIGHTS = np.array([1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28])
ORGANISATION_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2])
_STEP = 552_814_213
_CODES = 31**6
_ASCII = np.frombuffer(ALPHABET.encode("ascii"), np.uint8)
_VALUE_OF_ASCII = np.zeros(128, np.int64)
_VALUE_OF_ASCII[_ASCII] = np.arange(31)


def unified_codes(enterprise: Array, regions: Array, seed: int) -> Array:
    """Return the codes of entities as bytes, shape (n, 18): authority 9, kind, region, organisation code, check.

    Parameters
    ----------
    enterprise : bool array
        Whether it is an enterprise (9 1) or a self-employed trader (9 2).
    regions : int array
        Six-digit GB/T 2260 codes of the registering authority.
    seed : int
        Another seed gives other codes.
    """
    n = len(enterprise)
    codes = np.empty((n, 18), np.uint8)
    codes[:, 0] = ord("9")
    codes[:, 1] = np.where(enterprise, ord("1"), ord("2"))
    rest = regions.astype(np.int64)
    for place in range(7, 1, -1):
        rest, digit = np.divmod(rest, 10)
        codes[:, place] = digit + ord("0")
    codes[:, 8:17] = _organisation_codes(n, seed)
    codes[:, 17] = check_characters(codes[:, :17])
    return codes


def check_characters(first_17: Array) -> Array:
    """Return the check character of each code as a byte."""
    total = _VALUE_OF_ASCII[first_17] @ WEIGHTS
    return np.asarray(_ASCII[(31 - total % 31) % 31])


def _organisation_codes(n: int, seed: int) -> Array:
    # A step that shares no factor with 31 walks through all codes before it comes back, so none is given twice.
    numbers = (np.arange(n, dtype=np.int64) * _STEP + seed * 7919) % _CODES
    codes = np.empty((n, 9), np.uint8)
    codes[:, 0], codes[:, 1] = ord("M"), ord("A")
    for place in range(7, 1, -1):
        numbers, digit = np.divmod(numbers, 31)
        codes[:, place] = _ASCII[digit]
    values = np.where(
        codes[:, :8] >= ord("A"), codes[:, :8] - np.uint8(ord("A") - 10), codes[:, :8] - np.uint8(ord("0"))
    )
    remainder = (11 - values.astype(np.int64) @ ORGANISATION_WEIGHTS % 11) % 11
    codes[:, 8] = np.where(remainder == 10, ord("X"), remainder + ord("0"))
    return codes
