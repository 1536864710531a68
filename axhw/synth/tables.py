"""Many NLDM tables as padded arrays, so that thousands of look-ups are a handful of numpy calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from axhw.synth.liberty.library import Table

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]


class _Axis(NamedTuple):
    """One axis of every table, padded to a common length.

    Segment k of a table spans ``start[t, k] .. start[t, k] + 1 / inverse_width[t, k]``; a point lies
    in the segment whose number is the count of `inner` breakpoints not above it, which also picks
    the edge segments for points outside the table.
    """

    inner: FloatArray
    start: FloatArray
    inverse_width: FloatArray

    def locate(self, ids: npt.NDArray[np.integer], x: FloatArray) -> tuple[IndexArray, FloatArray]:
        segment = np.count_nonzero(self.inner[ids] <= x[:, None], axis=1)
        return segment, (x - self.start[ids, segment]) * self.inverse_width[ids, segment]

    @classmethod
    def join(cls, axes: Sequence[_Axis]) -> _Axis:
        """The axes of several banks, one bank after the other."""
        segments = max(axis.start.shape[1] for axis in axes)
        return cls(
            inner=np.concatenate([_widen(axis.inner, segments - 1, np.inf) for axis in axes]),
            start=np.concatenate([_widen(axis.start, segments, 0.0) for axis in axes]),
            inverse_width=np.concatenate([_widen(axis.inverse_width, segments, 0.0) for axis in axes]),
        )


def _widen(rows: FloatArray, columns: int, fill: float) -> FloatArray:
    missing = columns - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing)), constant_values=fill) if missing else rows


def _pack_axis(axes: Sequence[FloatArray]) -> _Axis:
    segments = max((len(axis) - 1 for axis in axes), default=1)
    segments = max(segments, 1)
    inner = np.full((len(axes), segments - 1), np.inf)
    start = np.zeros((len(axes), segments))
    # A table of one entry along an axis keeps width 0 there: every point has weight 0 and reads it.
    inverse_width = np.zeros((len(axes), segments))
    for row, axis in enumerate(axes):
        count = len(axis) - 1
        if count > 0:
            inner[row, : count - 1] = axis[1:-1]
            start[row, :count] = axis[:-1]
            inverse_width[row, :count] = 1.0 / np.diff(axis)
    return _Axis(inner, start, inverse_width)


@dataclass(frozen=True, kw_only=True, eq=False)
class TableBank:
    """A set of NLDM tables that are looked up together.

    Between breakpoints the value is bilinear; outside a table the edge segment is continued in a
    straight line (Liberty's rule, and OpenSTA's). A table of one entry along an axis does not depend
    on that axis. Negative results are returned as they are.
    """

    count: int
    _slew: _Axis
    _load: _Axis
    _values: FloatArray

    @classmethod
    def pack(cls, tables: Sequence[Table]) -> TableBank:
        """Pack `tables`; the id of a table is its position."""
        slew = _pack_axis([table.slew_ns for table in tables])
        load = _pack_axis([table.load_ff for table in tables])
        values = np.zeros((len(tables), slew.start.shape[1] + 1, load.start.shape[1] + 1))
        for row, table in enumerate(tables):
            m, n = table.values.shape
            values[row, :m, :n] = table.values
        return cls(count=len(tables), _slew=slew, _load=load, _values=values)

    @classmethod
    def join(cls, banks: Sequence[TableBank]) -> TableBank:
        """Several banks as one; the ids of a bank's tables follow those of the banks before it."""
        if not banks:
            return cls.pack([])
        slew = _Axis.join([bank._slew for bank in banks])
        load = _Axis.join([bank._load for bank in banks])
        shape = (slew.start.shape[1] + 1, load.start.shape[1] + 1)
        values = np.zeros((sum(bank.count for bank in banks), *shape))
        begin = 0
        for bank in banks:
            _, m, n = bank._values.shape
            values[begin : begin + bank.count, :m, :n] = bank._values
            begin += bank.count
        return cls(count=begin, _slew=slew, _load=load, _values=values)

    def lookup(self, ids: npt.NDArray[np.integer], slew_ns: npt.ArrayLike, load_ff: npt.ArrayLike) -> FloatArray:
        """Value of table ``ids[i]`` at input slew ``slew_ns[i]`` and load ``load_ff[i]``.

        Parameters
        ----------
        ids : (n,) integer array
        slew_ns, load_ff : (n,) arrays or scalars
            For constraint tables `load_ff` is the transition time of the constrained pin in ns.

        Returns
        -------
        (n,) array in the unit of the tables.
        """
        slew = np.broadcast_to(np.asarray(slew_ns, np.float64), ids.shape)
        load = np.broadcast_to(np.asarray(load_ff, np.float64), ids.shape)
        i, u = self._slew.locate(ids, slew)
        j, v = self._load.locate(ids, load)
        low = self._values[ids, i, j] * (1.0 - v) + self._values[ids, i, j + 1] * v
        high = self._values[ids, i + 1, j] * (1.0 - v) + self._values[ids, i + 1, j + 1] * v
        result: FloatArray = low * (1.0 - u) + high * u
        return result
