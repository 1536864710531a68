"""What becomes of the sums of a block: kept as they are, or requantised while the caches hold them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate.calls import Call, fixed, within
from axhw.emulate.product import Sums, Target
from axhw.emulate.requantize import Epilogue, requantize_columns, requantize_kernel
from axhw.emulate.rows import rows_kernel

_SUM_BYTES = 4


class Output(ABC):
    """What to make of the sums for the result, a contiguous array [M, all columns] that lies at base 1."""

    def target(self, rows: slice, column: int) -> Target | None:
        """Where kernels may write sums straight away, from some column on; None where they are to be taken further."""
        return None

    @abstractmethod
    def calls(self, found: Target, rows: slice, columns: slice) -> list[Call]:
        """What takes the sums of a block from `found` to the result."""

    @abstractmethod
    def write(self, found: Sums, out: npt.NDArray[Any], columns: slice) -> None:
        """The same now, for an array of sums and the rows of the result."""


class SumOutput(Output):
    """Sums as they are, in rows so wide."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._zeros = fixed(np.zeros(width, np.int32))

    def target(self, rows: slice, column: int) -> Target:
        return Target(within(1, _SUM_BYTES * (rows.start * self._width + column)), self._width)

    def calls(self, found: Target, rows: slice, columns: slice) -> list[Call]:
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        return [rows_kernel().call(*found, *shape, 0, self._zeros, *self.target(rows, columns.start))]

    def write(self, found: Sums, out: npt.NDArray[Any], columns: slice) -> None:
        out[:, columns] = found


class CodeOutput(Output):
    """Sums requantised, in rows as wide as an epilogue."""

    def __init__(self, epilogue: Epilogue) -> None:
        self._epilogue = epilogue

    def calls(self, found: Target, rows: slice, columns: slice) -> list[Call]:
        epilogue = self._epilogue
        width = len(epilogue.constant)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        affine = (epilogue.constant[columns], epilogue.scale[columns], float(epilogue.zero_point))
        limits = (float(epilogue.low), float(epilogue.high))
        out = within(1, rows.start * width + columns.start)
        return [requantize_kernel().call(found.address, *shape, found.stride, *affine, *limits, out, width)]

    def write(self, found: Sums, out: npt.NDArray[Any], columns: slice) -> None:
        requantize_columns(found, self._epilogue, columns, out[:, columns])
