"""Several numbers at once, for numba: types that LLVM keeps in vector registers, on any processor.

numba's own optimiser does not vectorise across the short rows that the tables have.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

FOUR, EIGHT = 4, 8
"""How many are taken at once: four for the rows of tables, eight for the points of a quadrature."""


class _Lanes(types.Type):  # type: ignore[misc]
    """`n` numbers of a numba type."""

    def __init__(self, number: Any, n: int) -> None:
        self.number, self.n = number, n
        super().__init__(name=f"Lanes({number}, {n})")

    @property
    def vector(self) -> Any:
        """The same for LLVM."""
        return ir.VectorType(ir.DoubleType() if self.number == types.float64 else ir.FloatType(), self.n)


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Any) -> None:
        super().__init__(manager, lanes, lanes.vector)


def _place(context: Any, builder: Any, signature: Any, arguments: Any, lanes: Any) -> tuple[Any, int]:
    """Return a pointer to numbers that start at an element of an array, and its alignment in bytes."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    pointer = builder.gep(array.data, [arguments[1]])
    return builder.bitcast(pointer, lanes.vector.as_pointer()), lanes.number.bitwidth // 8


@intrinsic
def load_eight(typing: Any, array: Any, at: Any) -> Any:
    """Return eight numbers of a flat array from a place on."""
    lanes = _Lanes(array.dtype, EIGHT)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, alignment = _place(context, builder, signature, arguments, lanes)
        return builder.load(pointer, align=alignment)

    return lanes(array, at), generate


@intrinsic
def load_four(typing: Any, array: Any, at: Any) -> Any:
    """Return four numbers of a flat array, float64 or float32, from a place on, as float64."""
    doubles, found = _Lanes(types.float64, FOUR), _Lanes(array.dtype, FOUR)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, alignment = _place(context, builder, signature, arguments, found)
        numbers = builder.load(pointer, align=alignment)
        return numbers if found.number == types.float64 else builder.fpext(numbers, doubles.vector)

    return doubles(array, at), generate


@intrinsic
def store(typing: Any, array: Any, at: Any, numbers: Any) -> Any:
    """Write numbers to a flat array of their kind from a place on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, alignment = _place(context, builder, signature, arguments, numbers)
        builder.store(arguments[2], pointer, align=alignment)
        return context.get_dummy_value()

    return types.void(array, at, numbers), generate


@intrinsic
def plus(typing: Any, a: Any, b: Any) -> Any:
    """Return a + b."""
    return a(a, b), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@intrinsic
def times(typing: Any, a: Any, b: Any) -> Any:
    """Return a b."""
    return a(a, b), lambda context, builder, signature, arguments: builder.fmul(*arguments)
