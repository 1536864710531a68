"""The compiled part of evolution: (1 + lambda) Cartesian genetic programming with neutral drift.

A parent has a few mutants in each generation; the cheapest that keeps the limits takes its place, also at the same
cost, so that the parent drifts among equals (Miller and Smith, IEEE Trans. Evolutionary Computation 10, 2006). A mutant
is looked at in the order of what it costs to know:

1. Genes that nothing reads change nothing: it is as good as its parent, unseen.
2. Its area follows from its gates; if it is larger than the parent's, the mutant is dropped.
3. It is evaluated over the operand pairs, block after block, until a limit is broken or all are done.

Only the third is an evaluation. Everything is drawn from a generator that belongs to the island, so an island's course
depends on its seed alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from axhw.hdl.bits import Words
from axhw.sim.block_rows import BLOCK_PAIRS, BLOCK_WORDS, count_ones, load, store
from axhw.sim.gate_kernels import (
    CountArray,
    FloatArray,
    IndexArray,
    count_wrong,
    evaluate_gates,
    largest,
    row_array,
    subtract,
    unpack,
)

FunctionArray = npt.NDArray[np.uint8]
FlagArray = npt.NDArray[np.bool_]

MAE, WCE, MRE, EP, MSE, BIAS, WMED = range(7)
EVALUATIONS, MUTANTS, UNCHANGED, TOO_LARGE, ACCEPTED, IMPROVED = range(6)
COUNTERS = 6

KERNELS_DIGEST = "bd0b745482c2"
"""Of the source of `axhw.sim.gate_kernels`, held by a test: Numba's cache of compiled code knows this file only, which
therefore has to change when that one does."""

_ONE = np.uint64(1)


class Tables(NamedTuple):
    """What is the same for all islands, see `axhw.evolve.problem`.

    Attributes
    ----------
    operands, exact : (blocks, 2 * width, BLOCK_WORDS) uint64
    relative, weights : (blocks, 64, BLOCK_WORDS) float64
        Weights of MRE and WMED by pair; no blocks where they are not wanted.
    wanted : (7,) bool
        Metrics to measure.
    functions : uint8
        What mutations may choose from.
    area, internal : (16,) float64
    pins : (16, 2) float64
    output : float
        As in `axhw.evolve.gate_costs.GateCosts`.
    by_energy, signed : bool
    """

    operands: npt.NDArray[np.uint64]
    exact: npt.NDArray[np.uint64]
    relative: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    wanted: FlagArray
    functions: FunctionArray
    area: FloatArray
    internal: FloatArray
    pins: npt.NDArray[np.float64]
    output: float
    by_energy: bool
    signed: bool


class Genes(NamedTuple):
    """Circuits of equally many gates, one a row; gate k drives signal ``inputs + k``.

    Attributes
    ----------
    function : (n, gates) uint8
    x, y : (n, gates) uint32
    outputs : (n, outputs) uint32
    cost : (n,) float64
    sums : (n, 7) float64
        Of the errors: over all pairs, by metric.
    """

    function: npt.NDArray[np.uint8]
    x: npt.NDArray[np.uint32]
    y: npt.NDArray[np.uint32]
    outputs: npt.NDArray[np.uint32]
    cost: FloatArray
    sums: npt.NDArray[np.float64]


class Work(NamedTuple):
    """Room for one candidate: its gates that matter, renumbered, and their values."""

    active: FlagArray
    number: IndexArray
    function: FunctionArray
    x: IndexArray
    y: IndexArray
    outputs: IndexArray
    loads: FloatArray
    ones: CountArray
    rows: Words
    magnitude: Words
    scratch: Words
    values: CountArray


@njit(nogil=True, cache=True)
def _random(state: Words) -> np.uint64:
    """64 bits of xoshiro256** (Blackman and Vigna, ACM Trans. Mathematical Software 47, 2021)."""
    word = state[1] * np.uint64(5)
    result: np.uint64 = (word << np.uint64(7) | word >> np.uint64(57)) * np.uint64(9)
    shifted = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = state[3] << np.uint64(45) | state[3] >> np.uint64(19)
    return result


@njit(nogil=True, cache=True)
def _below(state: Words, bound: int) -> int:
    """A number from 0 to ``bound - 1``, all equally likely but for 2**-32 of `bound`."""
    number: int = np.int64((_random(state) >> np.uint64(32)) * np.uint64(bound) >> np.uint64(32))
    return number


@njit(nogil=True, cache=True)
def _copy(genes: Genes, source: int, target: int) -> None:
    for k in range(genes.x.shape[1]):
        genes.function[target, k] = genes.function[source, k]
        genes.x[target, k] = genes.x[source, k]
        genes.y[target, k] = genes.y[source, k]
    for k in range(genes.outputs.shape[1]):
        genes.outputs[target, k] = genes.outputs[source, k]
    for k in range(genes.sums.shape[1]):
        genes.sums[target, k] = genes.sums[source, k]
    genes.cost[target] = genes.cost[source]


@njit(nogil=True, cache=True)
def _reads(function: np.uint8, y: bool) -> bool:
    """Whether a function depends on x, or on y."""
    code = np.int64(function)
    return bool((code ^ code >> 2) & 3) if y else bool((code ^ code >> 1) & 5)


@njit(nogil=True, cache=True)
def _mark(genes: Genes, row: int, inputs: int, active: FlagArray) -> None:
    """Which signals reach an output."""
    for k in range(len(active)):
        active[k] = False
    for k in range(genes.outputs.shape[1]):
        active[genes.outputs[row, k]] = True
    for k in range(genes.x.shape[1] - 1, -1, -1):
        if active[inputs + k]:
            if _reads(genes.function[row, k], False):
                active[genes.x[row, k]] = True
            if _reads(genes.function[row, k], True):
                active[genes.y[row, k]] = True


@njit(nogil=True, cache=True)
def _mutate(genes: Genes, row: int, inputs: int, most: int, tables: Tables, active: FlagArray, state: Words) -> bool:
    """Change 1 to `most` genes; whether any of them matters, by what is `active` before."""
    gates, outputs = genes.x.shape[1], genes.outputs.shape[1]
    changed = False
    for _ in range(1 + _below(state, most)):
        gene = _below(state, 3 * gates + outputs)
        if gene >= 3 * gates:
            place = gene - 3 * gates
            signal = np.uint32(_below(state, inputs + gates))
            changed |= signal != genes.outputs[row, place]
            genes.outputs[row, place] = signal
            continue
        gate = gene // 3
        matters = active[inputs + gate]
        if gene % 3 == 0:
            function = tables.functions[_below(state, len(tables.functions))]
            changed |= matters and function != genes.function[row, gate]
            genes.function[row, gate] = function
            continue
        signal = np.uint32(_below(state, inputs + gate))
        if gene % 3 == 1:
            changed |= matters and _reads(genes.function[row, gate], False) and signal != genes.x[row, gate]
            genes.x[row, gate] = signal
        else:
            changed |= matters and _reads(genes.function[row, gate], True) and signal != genes.y[row, gate]
            genes.y[row, gate] = signal
    return changed


@njit(nogil=True, cache=True)
def _compact(genes: Genes, row: int, inputs: int, work: Work) -> int:
    """Put the gates that matter into `work`; their number."""
    _mark(genes, row, inputs, work.active)
    for k in range(inputs):
        work.number[k] = k
    count = 0
    for k in range(genes.x.shape[1]):
        if work.active[inputs + k]:
            function = genes.function[row, k]
            work.function[count] = function
            work.x[count] = work.number[genes.x[row, k]] if _reads(function, False) else 0
            work.y[count] = work.number[genes.y[row, k]] if _reads(function, True) else 0
            work.number[inputs + k] = inputs + count
            count += 1
    for k in range(genes.outputs.shape[1]):
        work.outputs[k] = work.number[genes.outputs[row, k]]
    return count


@njit(nogil=True, cache=True)
def _area(work: Work, count: int, tables: Tables) -> float:
    total = 0.0
    for k in range(count):
        total += tables.area[work.function[k]]
    return total


@njit(nogil=True, cache=True)
def _energy(work: Work, count: int, tables: Tables) -> float:
    """Energy of an operation, from how often each gate is 1: another pass over all pairs."""
    inputs, blocks = tables.operands.shape[1], tables.operands.shape[0]
    for k in range(inputs + count):
        work.loads[k] = 0.0
        work.ones[k] = 0
    for k in range(count):
        work.loads[work.x[k]] += tables.pins[work.function[k], 0]
        work.loads[work.y[k]] += tables.pins[work.function[k], 1]
    for k in range(len(work.outputs)):
        work.loads[work.outputs[k]] += tables.output
    for block in range(blocks):
        _evaluate(work, count, tables, block)
        for k in range(count):
            work.ones[inputs + k] += count_ones(load(work.rows, inputs + k))
    pairs = float(blocks * BLOCK_PAIRS)
    total = 0.0
    for k in range(count):
        share = work.ones[inputs + k] / pairs
        total += 2.0 * share * (1.0 - share) * (tables.internal[work.function[k]] + work.loads[inputs + k])
    return total


@njit(nogil=True, cache=True)
def _evaluate(work: Work, count: int, tables: Tables, block: int) -> None:
    inputs = tables.operands.shape[1]
    for k in range(inputs):
        store(work.rows, k, load(tables.operands[block], k))
    evaluate_gates(work.function[:count], work.x[:count], work.y[:count], inputs, work.rows)


@njit(nogil=True, cache=True)
def _weighted(values: CountArray, sign: Words, weights: FloatArray) -> float:
    """Sum of the weights times the magnitudes, which are `values` + `sign`."""
    sums = np.zeros(BLOCK_WORDS)
    for p in range(64):
        of_bit, weight, shift = values[p], weights[p], np.uint64(p)
        for i in range(BLOCK_WORDS):
            sums[i] += weight[i] * float(of_bit[i] + np.int64(sign[i] >> shift & _ONE))
    total = 0.0
    for i in range(BLOCK_WORDS):
        total += sums[i]
    return total


@njit(nogil=True, cache=True)
def _measure(work: Work, count: int, tables: Tables, limits: FloatArray, sums: FloatArray) -> bool:
    """The sums of the errors that are wanted; false as soon as one is above its limit.

    They are whole numbers below 2**53 and so exact, but for MRE and WMED.
    """
    wanted, planes = tables.wanted, tables.operands.shape[1]
    for metric in range(len(sums)):
        sums[metric] = 0.0
    for block in range(tables.operands.shape[0]):
        _evaluate(work, count, tables, block)
        magnitude = work.magnitude
        subtract(tables.signed, work.rows, work.outputs, tables.exact[block], magnitude)
        if wanted[MAE] or wanted[BIAS]:
            sign = load(magnitude, planes)
            positive, negative = 0, 0
            for k in range(planes):
                positive += count_ones(load(magnitude, k)) << k
                if wanted[BIAS]:
                    negative += count_ones(load(magnitude, k) & sign) << k
            below = count_ones(sign)
            sums[MAE] += positive + below
            sums[BIAS] += positive - 2 * negative - below
        if wanted[WCE]:
            sums[WCE] = largest(magnitude, np.int64(sums[WCE]), work.scratch)
        if wanted[EP]:
            sums[EP] += count_wrong(magnitude)
        if wanted[MSE]:
            sums[MSE] += _squares(magnitude)
        if wanted[MRE] or wanted[WMED]:
            unpack(magnitude, planes, work.values)
            if wanted[MRE]:
                sums[MRE] += _weighted(work.values, magnitude[planes], tables.relative[block])
            if wanted[WMED]:
                sums[WMED] += _weighted(work.values, magnitude[planes], tables.weights[block])
        for metric in range(len(sums)):
            # The bias can come back.
            if metric != BIAS and sums[metric] > limits[metric]:
                return False
    sums[BIAS] = abs(sums[BIAS])
    return bool(sums[BIAS] <= limits[BIAS])


@njit(nogil=True, cache=True)
def _squares(magnitude: Words) -> float:
    """Sum of the squared errors of a block; high bits are mostly 0, and their pairs are left out."""
    planes = len(magnitude) - 1
    sign = load(magnitude, planes)
    total = float(count_ones(sign))
    for k in range(planes):
        of_bit = load(magnitude, k)
        ones = count_ones(of_bit)
        if ones == 0:
            continue
        total += float(ones) * 4.0**k + float(count_ones(of_bit & sign)) * 2.0 ** (k + 1)
        for j in range(k):
            total += float(count_ones(load(magnitude, j) & of_bit)) * 2.0 ** (j + k + 1)
    return total


@njit(nogil=True, cache=True)
def _workspace(tables: Tables, gates: int) -> Work:
    inputs = tables.operands.shape[1]
    return Work(
        np.empty(inputs + gates, np.bool_),
        np.empty(inputs + gates, np.uint32),
        np.empty(gates, np.uint8),
        np.empty(gates, np.uint32),
        np.empty(gates, np.uint32),
        np.empty(inputs, np.uint32),
        np.empty(inputs + gates, np.float64),
        np.empty(inputs + gates, np.int64),
        row_array(inputs + gates),
        row_array(inputs + 1),
        row_array(1),
        np.empty((64, BLOCK_WORDS), np.int64),
    )


@njit(nogil=True, cache=True)
def assess(tables: Tables, genes: Genes, row: int, limits: FloatArray, repeats: int) -> bool:
    """Fill in cost and sums of a circuit, `repeats` times over; whether it keeps the limits."""
    work = _workspace(tables, genes.x.shape[1])
    count = _compact(genes, row, tables.operands.shape[1], work)
    kept = True
    for _ in range(repeats):
        kept = _measure(work, count, tables, limits, genes.sums[row])
    genes.cost[row] = _energy(work, count, tables) if tables.by_energy else _area(work, count, tables)
    return kept


@njit(nogil=True, cache=True)
def _keep(genes: Genes, found: Genes, metric: int, rungs: FloatArray) -> None:
    """Let the parent take the places of the ladder where it is cheaper, or as cheap with less error."""
    for rung in range(len(rungs)):
        cheaper = genes.cost[0] < found.cost[rung] or (
            genes.cost[0] == found.cost[rung] and genes.sums[0, metric] < found.sums[rung, metric]
        )
        if genes.sums[0, metric] > rungs[rung] or not cheaper:
            continue
        for k in range(genes.x.shape[1]):
            found.function[rung, k] = genes.function[0, k]
            found.x[rung, k] = genes.x[0, k]
            found.y[rung, k] = genes.y[0, k]
        for k in range(genes.outputs.shape[1]):
            found.outputs[rung, k] = genes.outputs[0, k]
        for k in range(genes.sums.shape[1]):
            found.sums[rung, k] = genes.sums[0, k]
        found.cost[rung] = genes.cost[0]


@njit(nogil=True, cache=True)
def run_generations(
    tables: Tables,
    limits: FloatArray,
    metric: int,
    rungs: FloatArray,
    genes: Genes,
    found: Genes,
    state: Words,
    counters: CountArray,
    evaluations: int,
    mutants: int,
    offspring: int,
    most: int,
) -> None:
    """Let an island go on for whole generations, until a counter reaches `evaluations` or `mutants`.

    Parameters
    ----------
    limits : (7,) float64
        Of the sums.
    metric : int
    rungs : float64
        Limits of the sum of `metric`, for what is kept in `found`.
    genes : Genes
        The parent in row 0; rows 1 and 2 are to work in.
    found : Genes
        The cheapest circuit within each of the rungs.
    state : (4,) uint64
        Of the generator.
    counters : (COUNTERS,) int64
    offspring, most : int
        Mutants in a generation, genes that one of them differs in.
    """
    inputs, gates = tables.operands.shape[1], genes.x.shape[1]
    work = _workspace(tables, gates)
    active = np.empty(inputs + gates, np.bool_)
    _mark(genes, 0, inputs, active)
    while counters[EVALUATIONS] < evaluations and counters[MUTANTS] < mutants:
        chosen, differs = False, False
        for _ in range(offspring):
            counters[MUTANTS] += 1
            _copy(genes, 0, 1)
            changed = _mutate(genes, 1, inputs, most, tables, active, state)
            if not changed:
                counters[UNCHANGED] += 1
            else:
                count = _compact(genes, 1, inputs, work)
                bound = genes.cost[2] if chosen else genes.cost[0]
                if not tables.by_energy:
                    genes.cost[1] = _area(work, count, tables)
                    if genes.cost[1] > bound:
                        counters[TOO_LARGE] += 1
                        continue
                counters[EVALUATIONS] += 1
                if not _measure(work, count, tables, limits, genes.sums[1]):
                    continue
                if tables.by_energy:
                    genes.cost[1] = _energy(work, count, tables)
                    if genes.cost[1] > bound:
                        continue
            if not chosen or genes.cost[1] <= genes.cost[2]:
                _copy(genes, 1, 2)
                chosen, differs = True, changed
        if chosen:
            counters[ACCEPTED] += 1
            counters[IMPROVED] += genes.cost[2] < genes.cost[0]
            _copy(genes, 2, 0)
            if differs:
                _mark(genes, 0, inputs, active)
                _keep(genes, found, metric, rungs)
