"""How long work says what it does: a function that takes one line."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
