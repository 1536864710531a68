"""One signal of a block as a value of compiled code: 64 words, 4096 operand pairs, in eight registers of 512 bits.

Numba makes loops over arrays out of such code, tests at each whether the arrays overlap, and compiles both cases, which
takes seconds. A `Row` is one LLVM vector instead: loads, bitwise operations and popcounts of it come out as straight
code of the widest registers there are. `load` and `store` go between rows and two-dimensional uint64 or int64 arrays
of BLOCK_WORDS columns, whose bounds are not checked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

BLOCK_WORDS = 64
BLOCK_PAIRS = 64 * BLOCK_WORDS

_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, BLOCK_WORDS)


class RowType(types.Type):
    """Type of a row in compiled code."""

    def __init__(self) -> None:
        super().__init__("Row")


ROW = RowType()

# Compiled code calls these without the context that their definitions begin with.
_intrinsic = cast(Callable[[Callable[..., Any]], Callable[..., Any]], intrinsic)


def _model(manager: Any, row_type: Any) -> Any:
    return cast(Any, models.PrimitiveModel)(manager, row_type, _VECTOR)


cast(Any, register_model)(RowType)(_model)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    words = builder.bitcast(data, _WORD.as_pointer())
    return builder.bitcast(builder.gep(words, [builder.mul(row, _WORD(BLOCK_WORDS))]), _VECTOR.as_pointer())


@_intrinsic
def load(typing_context: Any, rows: Any, row: Any) -> Any:
    """The row of that number of an array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], *arguments), align=8)

    return ROW(rows, types.uint64), generate


@_intrinsic
def store(typing_context: Any, rows: Any, row: Any, value: Any) -> Any:
    """Put a row into an array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, row, value = arguments
        builder.store(value, _pointer(context, builder, signature.args[0], rows, row), align=8)
        return context.get_dummy_value()

    return types.void(rows, types.uint64, ROW), generate


@_intrinsic
def spread(typing_context: Any, word: Any) -> Any:
    """A row of equal words."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return ROW(types.uint64), generate


@_intrinsic
def count_ones(typing_context: Any, row: Any) -> Any:
    """Bits of a row that are 1."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        ones = _vector_intrinsic(builder, "ctpop", _VECTOR)
        return _reduce(builder, "add", builder.call(ones, arguments))

    return types.int64(ROW), generate


@_intrinsic
def any_ones(typing_context: Any, row: Any) -> Any:
    """Whether some bit of a row is 1."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.icmp_unsigned("!=", _reduce(builder, "or", arguments[0]), _WORD(0))

    return types.boolean(ROW), generate


def _spread(builder: Any, word: Any) -> Any:
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), word, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), BLOCK_WORDS), [0] * BLOCK_WORDS)
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), zeros)


def _reduce(builder: Any, operation: str, vector: Any) -> Any:
    return builder.call(_vector_intrinsic(builder, f"vector.reduce.{operation}", _WORD), [vector])


def _vector_intrinsic(builder: Any, name: str, result: Any) -> Any:
    """LLVM's function of a row, declared once in a module."""
    full = f"llvm.{name}.v{BLOCK_WORDS}i64"
    known = builder.module.globals.get(full)
    return known or ir.Function(builder.module, ir.FunctionType(result, [_VECTOR]), full)


def _elementwise(python: Callable[..., Any], instruction: str) -> None:
    """Give rows a binary operator, with a row or one word for all on the right."""

    @_intrinsic
    def of_rows(typing_context: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

        return ROW(ROW, ROW), generate

    @overload(python, strict=False)
    def implementation(x: Any, y: Any) -> Any:
        if not isinstance(x, RowType):
            return None
        if isinstance(y, RowType):
            return lambda x, y: of_rows(x, y)
        return (lambda x, y: of_rows(x, spread(y))) if isinstance(y, types.Integer) else None


for _python, _instruction in (
    (operator.and_, "and_"),
    (operator.or_, "or_"),
    (operator.xor, "xor"),
    (operator.lshift, "shl"),
    (operator.rshift, "lshr"),
):
    _elementwise(cast(Callable[..., Any], _python), _instruction)


@_intrinsic
def _complement(typing_context: Any, row: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.not_(arguments[0])

    return ROW(ROW), generate


@overload(operator.invert, strict=False)
def _invert(row: Any) -> Any:
    return (lambda row: _complement(row)) if isinstance(row, RowType) else None
