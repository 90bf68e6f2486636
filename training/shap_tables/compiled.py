"""numba where it is installed; else its decorator changes nothing, and the same loops run as plain Python, slowly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

try:
    import numba
except ImportError:
    numba = None

HAS_NUMBA = numba is not None

_Loop = TypeVar("_Loop", bound=Callable[..., Any])


def compiled(loop: _Loop) -> _Loop:
    """Compile a loop when first called, keep the machine code beside the module, and release Python's lock in it."""
    return loop if numba is None else numba.njit(cache=True, nogil=True)(loop)
