"""Check characters of unified social credit codes by GB 32100-2015, for millions of codes at once.

The macro `uscc_is_valid` says the same of one code; a test holds the two together.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

LENGTH = 18
# 32-bit floats hold these sums exactly, and matrices of them are multiplied fast. A sign that is none spoils every sum.
_NONE = 1e6
_DIGITS = np.full(256, _NONE, dtype=np.float32)
_DIGITS[np.frombuffer(b"0123456789ABCDEFGHJKLMNPQRTUWXY", dtype=np.uint8)] = np.arange(31)
_WEIGHTS = np.array([pow(3, place, 31) for place in range(LENGTH - 1)] + [1], dtype=np.float32)


def valid_usccs(codes: pa.Array) -> NDArray[np.bool_]:
    """Say of each code whether the macro `uscc_is_valid` would call it valid; for millions of codes at once.

    Parameters
    ----------
    codes : string array (n,)
        Without nulls.
    """
    valid = np.zeros(len(codes), dtype=np.bool_)
    (fits,) = np.nonzero(pc.equal(pc.binary_length(codes), LENGTH).to_numpy(zero_copy_only=False))
    whole = codes.take(pa.array(fits)).cast(pa.binary()).cast(pa.binary(LENGTH))
    letters = np.frombuffer(whole.buffers()[1], dtype=np.uint8, count=LENGTH * len(fits)).reshape(-1, LENGTH)
    sums = _DIGITS[letters] @ _WEIGHTS
    # The weighted sum and the check character together are a multiple of 31.
    region_is_number = letters[:, 2:8].max(axis=1, initial=0) <= ord("9")
    valid[fits] = (sums < _NONE) & region_is_number & (sums % 31 == 0)
    return valid
