"""What a systolic array's gates compute: product tables of all PEs, matrix products, and any stream of waves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from axhw.errors import VerificationError
from axhw.hdl.pe.element import BoolArray
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.pe.tiling import ArrayPorts, Tiling, Waves, gathered, skewed
from axhw.hdl.registry import describe
from axhw.hdl.spec import IntegerArray
from axhw.sim.clocked import run_clocked
from axhw.sim.element import ElementVerification
from axhw.sim.product_table import ProductTable
from axhw.sim.simulators import Replay
from axhw.sim.testbench import ElementStream, check_streams, side_by_side, stream_replay
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph, Netlist

# A cycle costs a numpy call per gate, however few streams there are: many short ones are cheaper than few long ones.
_CONTROL_STREAMS = 256
_PRODUCT_STREAMS = 64
_TABLE_STREAMS = 4096
_REPLAY_CYCLES = 2048


def array_widths(spec: SystolicSpec) -> dict[str, int]:
    """Bits of every port, the clock left out."""
    operand = spec.multiplier.width
    return {
        **{f"a__{row}": operand for row in range(spec.rows)},
        **{f"w__{column}": operand for column in range(spec.columns)},
        **{f"s_i__{column}": spec.sum_width for column in range(spec.columns)},
        **{f"s_o__{column}": spec.sum_width for column in range(spec.columns)},
        **dict.fromkeys(("load", "valid_i", "rst"), 1),
        "valid_o": spec.columns,
    }


def array_inputs(
    spec: SystolicSpec,
    *,
    a: IntegerArray,
    w: IntegerArray,
    s_i: IntegerArray,
    valid: npt.ArrayLike,
    load: npt.ArrayLike,
    reset: npt.ArrayLike,
) -> dict[str, IntegerArray]:
    """Values by input port of ``(cycles, rows)`` or ``(cycles, columns)`` arrays, with or without a streams axis."""
    return {
        **{f"a__{row}": a[:, row] for row in range(spec.rows)},
        **{f"w__{column}": w[:, column] for column in range(spec.columns)},
        **{f"s_i__{column}": s_i[:, column] for column in range(spec.columns)},
        "valid_i": np.asarray(valid, np.int64),
        "load": np.asarray(load, np.int64),
        "rst": np.asarray(reset, np.int64),
    }


def settling_cycles(spec: SystolicSpec) -> int:
    """Cycles of a reset with `load` held after which every register of an array is known."""
    return 2 * (spec.rows + spec.columns) + 4


def array_stream(
    spec: SystolicSpec, *, cycles: int, rng: np.random.Generator, then: ArrayPorts | None = None
) -> ElementStream:
    """Corner and random operands, sums and weights with bubbles, loads at any distance and resets.

    It begins with a reset and loads in every cycle, until gates without initial values are defined.

    Parameters
    ----------
    cycles : int
        Random cycles after that.
    then : ArrayPorts, optional
        Follows the random cycles.
    """
    start = settling_cycles(spec)
    total = start + cycles
    low, high = spec.multiplier.operand_range
    a = with_corners(rng, low, high, (total, spec.rows))
    w = with_corners(rng, low, high, (total, spec.columns))
    least, most = (-(1 << (spec.sum_width - 1)), (1 << (spec.sum_width - 1)) - 1)
    if not spec.multiplier.signed:
        least, most = 0, (1 << spec.sum_width) - 1
    s_i = with_corners(rng, least, most, (total, spec.columns))
    valid = rng.random(total) < 0.75
    load = rng.random(total) < 0.1
    reset = rng.random(total) < 0.01
    load[:start] = True
    reset[:start] = False
    reset[:2] = True
    if then is not None:
        a, w, s_i = (np.concatenate(parts) for parts in ((a, then.a), (w, then.w), (s_i, then.s_i)))
        valid, load = np.concatenate([valid, then.valid]), np.concatenate([load, then.load])
        reset = np.concatenate([reset, np.zeros(len(then.load), np.bool_)])
    s_o, valid_o = spec.simulate(a, w, s_i, valid=valid, load=load, reset=reset)
    outputs = {f"s_o__{column}": s_o[:, column] for column in range(spec.columns)}
    outputs["valid_o"] = (valid_o << np.arange(spec.columns)).sum(axis=1)
    started = np.arange(len(load)) >= start
    return ElementStream(
        inputs=array_inputs(spec, a=a, w=w, s_i=s_i, valid=valid, load=load, reset=reset),
        outputs=outputs,
        checked=dict.fromkeys(outputs, started),
        widths=array_widths(spec),
    )


def with_corners(rng: np.random.Generator, low: int, high: int, shape: tuple[int, int]) -> IntegerArray:
    """Integers of a range, a quarter of them corners."""
    values = rng.integers(low, high, size=shape, endpoint=True)
    corner = rng.random(shape) < 0.25
    values[corner] = rng.choice([low, -1 if low < 0 else 1, 0, high], size=int(corner.sum()))
    return values


class MappedArray:
    """The gates of an array, run on its ports as the cycle model is."""

    def __init__(self, netlist: Netlist, graph: GateGraph, library: CellLibrary, spec: SystolicSpec) -> None:
        self.netlist, self.graph, self.library, self.spec = netlist, graph, library, spec
        sums = frozenset(f"s_o__{column}" for column in range(spec.columns))
        self._signed = sums if spec.multiplier.signed else frozenset()

    def outputs(self, inputs: Mapping[str, IntegerArray]) -> Mapping[str, IntegerArray]:
        """(cycles, streams) outputs by port."""
        run = run_clocked(self.netlist, self.graph, self.library, inputs, signed_outputs=self._signed)
        return run.outputs

    def run(self, ports: ArrayPorts) -> tuple[IntegerArray, BoolArray]:
        """``s_o`` and ``valid_o`` of a stream without resets; both have its streams axis, if it has one."""
        streams = ports.a.shape[2:] or (1,)
        a, w, s_i = (values.reshape(*values.shape[:2], *streams) for values in (ports.a, ports.w, ports.s_i))
        valid, load = (bit[:, None] & np.ones(streams, np.bool_) for bit in (ports.valid, ports.load))
        found = self.outputs(array_inputs(self.spec, a=a, w=w, s_i=s_i, valid=valid, load=load, reset=0 * load))
        columns = range(self.spec.columns)
        s_o = np.stack([found[f"s_o__{column}"] for column in columns], axis=1)
        valid_o = np.stack([found["valid_o"] >> column & 1 for column in columns], axis=1).astype(np.bool_)
        return s_o.reshape(*s_o.shape[:2], *ports.a.shape[2:]), valid_o.reshape(*s_o.shape[:2], *ports.a.shape[2:])


def verify_array(array: MappedArray, *, seed: int, cycles: int = 96) -> ElementVerification:
    """Hold a mapped array against its cycle model over streams with reloads, bubbles, resets and wrapping sums.

    Raises
    ------
    VerificationError
        Naming the first cycle that differs.
    """
    spec, rng = array.spec, np.random.default_rng(seed)
    streams = [array_stream(spec, cycles=cycles, rng=rng) for _ in range(_CONTROL_STREAMS)]
    check_streams(spec.name, array.outputs(side_by_side(streams)), streams)
    return ElementVerification(cycles=cycles * _CONTROL_STREAMS, overflow=True)


def verify_products(array: MappedArray, *, seed: int, table: ProductTable | Sequence[ProductTable] | None) -> Tiling:
    """Hold matrix products through the gates against numpy, 64 of one shape with several tiles each way.

    Parameters
    ----------
    table : ProductTable, sequence of ProductTable or None
        Gives the expected products, or one for each column; None for operands too wide to tabulate, where the golden
        model does.

    Returns
    -------
    Tiling
        The shape.

    Raises
    ------
    VerificationError
        If a product differs.
    """
    spec, rng = array.spec, np.random.default_rng(seed)
    tiling = _trial_product(spec)
    matrices = [_matrices(tiling, rng) for _ in range(_PRODUCT_STREAMS)]
    waves = [tiling.fill(a, w) for a, w in matrices]
    s_o, valid_o = array.run(skewed(spec, Waves.side_by_side(waves)))
    tables = [table] * spec.columns if isinstance(table, ProductTable) else table
    models = spec.column_multipliers
    columns = [models[column].reference if tables is None else tables[column].product for column in range(spec.columns)]
    for stream, ((a, w), each) in enumerate(zip(matrices, waves)):
        found = tiling.collect(each, s_o[:, :, stream], valid_o[:, :, stream])
        filters = [columns[n % spec.columns](a, w[:, n]).sum(axis=1) for n in range(tiling.n)]
        expected = np.stack(filters, axis=1)
        if not np.array_equal(found, expected):
            row, column = np.argwhere(found != expected)[0]
            raise VerificationError(
                f"Expected {spec.name} to multiply matrices as numpy with the product table, found "
                f"{found[row, column]} instead of {expected[row, column]} at [{row}, {column}]."
            )
    return tiling


def _trial_product(spec: SystolicSpec) -> Tiling:
    """More than two tiles of k and of n, none of them full at the end."""
    return Tiling(spec=spec, m=spec.rows + 1, k=2 * spec.rows + 1, n=spec.columns + 1)


def _matrices(tiling: Tiling, rng: np.random.Generator) -> tuple[IntegerArray, IntegerArray]:
    low, high = tiling.spec.multiplier.operand_range
    a = rng.integers(low, high, (tiling.m, tiling.k), endpoint=True)
    return a, rng.integers(low, high, (tiling.k, tiling.n), endpoint=True)


def extract_array_table(array: MappedArray) -> ProductTable:
    """The product table inside a mapped array of one multiplier, as `extract_column_tables`."""
    return extract_column_tables(array)[0]


def extract_column_tables(array: MappedArray) -> tuple[ProductTable, ...]:
    """The product table inside each column, after every pair went through every PE with all other rows at zero.

    Raises
    ------
    VerificationError
        Naming the first PE that does not multiply as the golden model.
    """
    spec = array.spec
    codes = spec.multiplier.operand_codes()
    size = len(codes)
    golden = {each: each.reference(codes[:, None], codes) for each in spec.column_multipliers}
    # A stream keeps one weight in each PE and sees one part of the activations.
    parts = max(1, min(_TABLE_STREAMS // size, size // 4))
    length = size // parts
    weight, part = (index.ravel() for index in np.divmod(np.arange(size * parts), parts))
    values = np.zeros((spec.columns, size, size), np.int32)
    for begin in range(0, size * parts, _TABLE_STREAMS):
        chosen = slice(begin, begin + _TABLE_STREAMS)
        a = part[chosen] * length + np.arange(length)[:, None]
        # Columns work at different weights, so that one column's cannot pass for another's.
        b = (weight[chosen] + 37 * np.arange(spec.columns)[:, None]) % size
        for (row, column), products in _isolated_products(array, codes[a], codes[b]):
            if not np.array_equal(products, golden[spec.column_multipliers[column]][a, b[column]]):
                raise VerificationError(
                    f"Expected every PE of {spec.name} to multiply as its golden model, found another product in PE "
                    f"({row}, {column})."
                )
            if row == 0:
                values[column][a, b[column]] = products
    return tuple(
        ProductTable(
            values=found,
            width=multiplier.width,
            signed=multiplier.signed,
            name=multiplier.name,
            source=describe(multiplier),
            netlist_sha256=array.netlist.sha256,
        )
        for multiplier, found in zip(spec.column_multipliers, values)
    )


def _isolated_products(
    array: MappedArray, a: IntegerArray, b: IntegerArray
) -> Iterator[tuple[tuple[int, int], IntegerArray]]:
    """Products of each PE by (row, column): vectors `a` (length, streams), weights `b` (columns, streams)."""
    spec = array.spec
    length, streams = a.shape
    interval = max(length, spec.rows)
    waves = Waves.empty(spec, spec.rows * interval, streams=(streams,))
    for row in range(spec.rows):
        start = row * interval
        waves.load[start] = True
        waves.weights[start, row] = b
        waves.a[start : start + length, row] = a
    s_o, _ = array.run(skewed(spec, waves))
    sums = gathered(spec, s_o, waves=spec.rows * interval)
    # The other rows multiply 0 by 0, which is not 0 for every multiplier.
    others = (spec.rows - 1) * spec.column_products(*np.zeros((2, spec.columns), np.int64))
    for row in range(spec.rows):
        for column in range(spec.columns):
            yield (row, column), sums[row * interval : row * interval + length, column] - others[column]


def array_replay(spec: SystolicSpec, *, module: str, sources: Mapping[str, str], seed: int) -> tuple[Replay, int]:
    """A replay of an array: random cycles, then a matrix product with several tiles each way.

    Returns
    -------
    replay, number of cycles
    """
    rng = np.random.default_rng(seed)
    tiling = _trial_product(spec)
    a, w = _matrices(tiling, rng)
    waves = tiling.fill(a, w)
    stream = array_stream(spec, cycles=_REPLAY_CYCLES, rng=rng, then=skewed(spec, waves))
    return stream_replay(stream, module=module, sources=sources), len(stream.inputs["load"])
