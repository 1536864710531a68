"""How often pairs of operands occur, from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.evolve.problem import check_histogram
from axhw.sim.metrics import FloatArray


def read_histogram(path: Path, *, width: int) -> FloatArray:
    """Counts of each pair [a, b], from the lowest operands up.

    Parameters
    ----------
    path : Path
        ``.npy`` or ``.csv`` with as many rows, for a, and columns, for b, as there are operands; or with two rows, of a
        and of b, that are taken as independent.

    Raises
    ------
    AxhwError
        If it is neither, or no histogram.
    """
    try:
        if path.suffix == ".npy":
            counts: FloatArray = np.asarray(np.load(path, allow_pickle=False), np.float64)
        elif path.suffix == ".csv":
            counts = np.loadtxt(path, delimiter=",", ndmin=2)
        else:
            raise AxhwError(f"Expected a histogram in a file .npy or .csv, found {path}.")
    except (OSError, ValueError) as error:
        raise AxhwError(f"Expected a histogram of operands in {path}, found: {error}.") from error
    if counts.shape == (2, 1 << width):
        counts = counts[0][:, None] * counts[1]
    check_histogram(counts, width=width)
    return counts


def weighted_error(values: npt.ArrayLike, exact: npt.ArrayLike, counts: FloatArray) -> float:
    """WMED: mean of abs(values - exact) weighted by `counts`, all [a, b] from the lowest operands up."""
    return float((np.abs(np.asarray(values, np.int64) - np.asarray(exact)) * counts).sum() / counts.sum())
