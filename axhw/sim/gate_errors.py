"""Exact error metrics of a circuit of gates over all operand pairs, by `axhw.sim.gate_kernels`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.gates import GateNetlist
from axhw.sim.block_rows import BLOCK_PAIRS
from axhw.sim.gate_kernels import (
    MAX_WIDTH,
    NEGATIVE,
    PAIRS,
    WORST,
    WRONG,
    ErrorCounts,
    GateArrays,
    count_errors,
)
from axhw.sim.metrics import ErrorMetrics, named_figures


def block_count(width: int) -> int:
    """Blocks that hold all operand pairs."""
    return max(1, (1 << 2 * width) // BLOCK_PAIRS)


def exhaustive_errors(
    circuit: GateNetlist, *, signed: bool, relative: bool = True, squares: bool = True, threads: int = 1
) -> ErrorMetrics:
    """The metrics over all pairs.

    Parameters
    ----------
    circuit : GateNetlist
        Inputs a, then b, outputs the product, least significant bits first.
    signed : bool
    relative, squares : bool
        Whether to measure relative errors, and mean square and variance, which cost most; left out, they are NaN.
    threads : int

    Returns
    -------
    ErrorMetrics
        Equal to `axhw.sim.metrics.exact_metrics` of the circuit's table; relative errors and the variance but for
        the rounding of sums.

    Raises
    ------
    AxhwError
        If the circuit is no multiplier of 2 to 16 bits.
    """
    width = multiplier_width(circuit)
    gates, blocks = GateArrays.of(circuit), block_count(width)
    parts = np.linspace(0, blocks, min(threads, blocks) + 1).astype(int).tolist()
    counts = [ErrorCounts.zeros(width) for _ in parts[1:]]

    def run(part: int) -> None:
        count_errors(gates, width, signed, parts[part], parts[part + 1], squares, relative, counts[part])

    with ThreadPoolExecutor(len(counts)) as pool:
        list(pool.map(run, range(len(counts))))
    return metrics_of(add_counts(counts), width=width, signed=signed, relative=relative, squares=squares)


def multiplier_width(circuit: GateNetlist) -> int:
    """Bits per operand of a circuit that multiplies.

    Raises
    ------
    AxhwError
        If inputs and outputs are not those of a multiplier of 2 to 16 bits.
    """
    inputs, outputs = circuit.inputs, len(circuit.outputs)
    if inputs != outputs or inputs % 2 or not 2 <= inputs // 2 <= MAX_WIDTH:
        raise AxhwError(
            f"Expected a multiplier of 2 to {MAX_WIDTH} bits with as many outputs as inputs, found {inputs} inputs and "
            f"{outputs} outputs."
        )
    return inputs // 2


def add_counts(parts: list[ErrorCounts]) -> ErrorCounts:
    """The counts of several ranges of blocks together, in their order."""
    total = ErrorCounts.zeros(len(parts[0].ones) // 2)
    for part in parts:
        worst = max(total.scalars[WORST], part.scalars[WORST])
        worst_relative = max(total.relative[1], part.relative[1])
        for name, array in part._asdict().items():
            getattr(total, name)[...] += array
        total.scalars[WORST] = worst
        total.relative[1] = worst_relative
    return total


def metrics_of(
    counts: ErrorCounts, *, width: int, signed: bool, relative: bool = True, squares: bool = True
) -> ErrorMetrics:
    """The metrics from counts over all pairs; sums are Python integers, which hold those of any width."""
    pairs, negative, wrong, worst = (int(counts.scalars[i]) for i in (PAIRS, NEGATIVE, WRONG, WORST))
    ones, negative_ones = counts.ones.tolist(), counts.negative_ones.tolist()
    below = sum(count << k for k, count in enumerate(negative_ones))
    magnitudes = sum(count << k for k, count in enumerate(ones)) + negative
    errors = magnitudes - 2 * (below + negative)
    square_sum = 2 * below + negative
    for j, row in enumerate(counts.squares.tolist()):
        square_sum += sum(count << (j + k + (j != k)) for k, count in enumerate(row))
    nonzero = float(counts.relative[2])
    figures = named_figures(
        mae=magnitudes / pairs,
        wce=worst,
        mre=float(counts.relative[0]) / nonzero if relative else float("nan"),
        wcre=float(counts.relative[1]) if relative else float("nan"),
        wrong=wrong / pairs,
        # What does not fill a block was repeated.
        pairs=4**width,
        width=width,
        signed=signed,
    )
    return ErrorMetrics(
        **figures,
        mse=square_sum / pairs if squares else float("nan"),
        bias=errors / pairs,
        variance=(square_sum * pairs - errors * errors) / (pairs * pairs) if squares else float("nan"),
    )
