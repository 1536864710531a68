"""Values of a table off its entries: straight lines between them, edge segments continued outside."""

from __future__ import annotations

import numpy as np

from axhw.synth.liberty.library import FloatArray, Table


def hat_weights(axis: FloatArray, at: FloatArray) -> FloatArray:
    """(len(at), len(axis)) weights of linear interpolation, and of extrapolation beyond the ends."""
    result = np.zeros((at.size, axis.size))
    if axis.size == 1:
        return result + 1
    left = np.clip(np.searchsorted(axis, at) - 1, 0, axis.size - 2)
    part = (at - axis[left]) / (axis[left + 1] - axis[left])
    rows = np.arange(at.size)
    result[rows, left] = 1 - part
    result[rows, left + 1] = part
    return result


def interpolate(table: Table, slews: FloatArray, loads: FloatArray) -> FloatArray:
    """(len(slews), len(loads)) values of `table`."""
    values: FloatArray = hat_weights(table.slew_ns, slews) @ table.values @ hat_weights(table.load_ff, loads).T
    return values


def add_tables(a: Table | None, b: Table | None) -> Table | None:
    """The sum of two tables, exact everywhere: over the entries of both."""
    if a is None or b is None:
        return a or b
    slews, loads = _union(a.slew_ns, b.slew_ns), _union(a.load_ff, b.load_ff)
    return Table(slew_ns=slews, load_ff=loads, values=interpolate(a, slews, loads) + interpolate(b, slews, loads))


def _union(a: FloatArray, b: FloatArray) -> FloatArray:
    if a.size == 1 or b.size == 1:
        # A table of one entry along an axis does not depend on it.
        return a if b.size == 1 else b
    return np.union1d(a, b)
