"""What a crossbar group's gates compute: streams with back-pressure, whole requests, and tables of all cells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.crossbar_requests import Requests
from axhw.hdl.ports import signed_outputs
from axhw.hdl.registry import describe
from axhw.hdl.spec import IntegerArray
from axhw.sim.clocked import run_clocked
from axhw.sim.crossbar_group_inputs import FullSpeed, group_stream
from axhw.sim.element import ElementVerification
from axhw.sim.operands import OperandStream
from axhw.sim.product_table import ProductTable
from axhw.sim.simulators import Replay
from axhw.sim.testbench import check_streams, side_by_side, stream_replay
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph, Netlist

# A cycle costs a numpy call per gate, however few streams there are: many short ones are cheaper than few long ones.
_CONTROL_STREAMS = 256
_REQUEST_STREAMS = 64
_REQUESTS = 24
_TABLE_STREAMS = 4096
_REPLAY_CYCLES = 2048
_READS = 64


class MappedGroup:
    """The gates of a crossbar group."""

    def __init__(self, netlist: Netlist, graph: GateGraph, library: CellLibrary, spec: CrossbarGroupSpec) -> None:
        self.netlist, self.graph, self.library, self.spec = netlist, graph, library, spec
        self._signed = signed_outputs(spec.signature)

    def outputs(self, inputs: Mapping[str, IntegerArray]) -> Mapping[str, IntegerArray]:
        """(cycles, streams) outputs by port."""
        run = run_clocked(self.netlist, self.graph, self.library, inputs, signed_outputs=self._signed)
        return run.outputs

    def results(self, run: FullSpeed) -> tuple[IntegerArray, Mapping[str, IntegerArray]]:
        """(results, columns, streams) sums of a run, and all outputs.

        Raises
        ------
        VerificationError
            If results come in other cycles than the golden model's.
        """
        found = self.outputs(run.inputs)
        valid = np.zeros_like(found["result__valid"])
        valid[run.results] = 1
        if not np.array_equal(found["result__valid"], valid):
            raise VerificationError(
                f"Expected {self.spec.name} to give {len(run.results)} results in the cycles of its golden model, "
                "found others."
            )
        sums = [found[f"result__sums__{column}"][run.results] for column in range(self.spec.columns)]
        return np.stack(sums, axis=1), found


def verify_group(group: MappedGroup, *, seed: int, cycles: int = 96) -> ElementVerification:
    """Hold a mapped group against its cycle model over streams with back-pressure, new weights and resets.

    Raises
    ------
    VerificationError
        Naming the first cycle that differs.
    """
    spec, rng = group.spec, np.random.default_rng(seed)
    streams = [group_stream(spec, cycles=cycles, rng=rng) for _ in range(_CONTROL_STREAMS)]
    check_streams(spec.name, group.outputs(side_by_side(streams)), streams)
    return ElementVerification(cycles=cycles * _CONTROL_STREAMS, overflow=False)


def random_requests(spec: CrossbarGroupSpec, *, count: int, rng: np.random.Generator) -> Requests:
    """Requests of all kinds; the first one loads a vector."""
    return Requests.of(
        token=rng.integers(0, 1 << spec.tag_bits, count),
        crossbars=rng.integers(0, 1 << spec.crossbars, count),
        idle=rng.integers(0, min(2, (1 << spec.idle_bits) - 1), count, endpoint=True),
        load=(rng.random(count) < 0.7) | (np.arange(count) == 0),
        keep=rng.random(count) < 0.3,
    )


def verify_requests(group: MappedGroup, *, seed: int, table: ProductTable | None) -> int:
    """Hold whole requests through the gates against the golden model, in values, order and time, and against numpy.

    Parameters
    ----------
    table : ProductTable or None
        Gives the products of single reads in numpy; None for operands too wide to tabulate, where the golden model
        does.

    Returns
    -------
    int
        Results compared.

    Raises
    ------
    VerificationError
        If something differs.
    """
    spec, rng = group.spec, np.random.default_rng(seed)
    low, high = spec.multiplier.operand_range
    requests = random_requests(spec, count=_REQUESTS, rng=rng)
    vectors = rng.integers(low, high, (len(requests), spec.rows, _REQUEST_STREAMS), endpoint=True)
    weights = rng.integers(low, high, (spec.crossbars, spec.rows, spec.columns, _REQUEST_STREAMS), endpoint=True)
    run = FullSpeed.of(spec, requests, vectors=vectors, weights=weights)
    sums, outputs = group.results(run)
    for stream in range(_REQUEST_STREAMS):
        golden = spec.results(requests, vectors=vectors[..., stream], weights=weights[..., stream])
        pairs = {
            "sums": (sums[..., stream], golden.sums),
            "cycles": (run.results - run.begin, golden.cycle),
            "tokens": (outputs["result__token"][run.results, stream], golden.token),
            "crossbars": (outputs["result__crossbar"][run.results, stream], golden.crossbar),
        }
        for what, (found, expected) in pairs.items():
            if not np.array_equal(found, expected):
                raise VerificationError(
                    f"Expected {spec.name} to answer {len(requests)} requests as its golden model, found other {what}."
                )
    _verify_products(group, rng=rng, table=table)
    return len(run.results) * _REQUEST_STREAMS


def _verify_products(group: MappedGroup, *, rng: np.random.Generator, table: ProductTable | None) -> None:
    """A vector times the matrix of every crossbar, against sums of the table's products."""
    spec = group.spec
    low, high = spec.multiplier.operand_range
    vectors = rng.integers(low, high, (1, spec.rows, _REQUEST_STREAMS), endpoint=True)
    weights = rng.integers(low, high, (spec.crossbars, spec.rows, spec.columns, _REQUEST_STREAMS), endpoint=True)
    requests = Requests.of(token=0, crossbars=(1 << spec.crossbars) - 1)
    sums, _ = group.results(FullSpeed.of(spec, requests, vectors=vectors, weights=weights))
    product = spec.multiplier.reference if table is None else table.product
    activations = np.broadcast_to(vectors[0][None, :, None], weights.shape)
    expected = product(activations, weights).sum(axis=1)
    if not np.array_equal(sums, spec.wrap(expected)):
        number, column, stream = np.argwhere(sums != spec.wrap(expected))[0]
        raise VerificationError(
            f"Expected {spec.name} to multiply vectors and matrices as numpy with the product table, found "
            f"{sums[number, column, stream]} instead of {expected[number, column, stream]} in column {column} of "
            f"crossbar {number}."
        )


def extract_group_table(group: MappedGroup) -> ProductTable:
    """The product table inside a mapped group, after every pair went through every cell with all other rows at zero.

    Raises
    ------
    VerificationError
        Naming the first cell that does not multiply as the golden model.
    """
    spec = group.spec
    codes = spec.multiplier.operand_codes()
    size = len(codes)
    golden = spec.multiplier.reference(codes[:, None], codes)
    # A stream keeps one weight in each cell and sees one part of the activations.
    parts = max(1, min(_TABLE_STREAMS // size, size // 4))
    length = size // parts
    weight, part = (index.ravel() for index in np.divmod(np.arange(size * parts), parts))
    # Cells of a row work at different weights, so that one's cannot pass for another's.
    offset = 37 * np.arange(spec.crossbars * spec.columns).reshape(spec.crossbars, spec.columns, 1)
    values = np.zeros((size, size), np.int32)
    for begin in range(0, size * parts, _TABLE_STREAMS):
        chosen = slice(begin, begin + _TABLE_STREAMS)
        a = part[chosen] * length + np.arange(length)[:, None]
        b = (weight[chosen] + offset) % size
        for row in range(spec.rows):
            products = _isolated_products(group, row, codes[a], codes[b])
            expected = golden[a[:, None, None], b]
            wrong = np.argwhere((products != expected).any(axis=(0, 3)))
            if len(wrong):
                crossbar, column = wrong[0]
                raise VerificationError(
                    f"Expected every cell of {spec.name} to multiply as its golden model, found another product in "
                    f"cell ({row}, {column}) of crossbar {crossbar}."
                )
            if row == 0:
                values[a, b[0, 0]] = products[:, 0, 0]
    return ProductTable(
        values=values,
        width=spec.multiplier.width,
        signed=spec.multiplier.signed,
        name=spec.multiplier.name,
        source=describe(spec.multiplier),
        netlist_sha256=group.netlist.sha256,
    )


def _isolated_products(group: MappedGroup, row: int, a: IntegerArray, b: IntegerArray) -> IntegerArray:
    """(length, crossbars, columns, streams) products of one row's cells, activations `a` (length, streams)."""
    spec = group.spec
    length, streams = a.shape
    vectors = np.zeros((length, spec.rows, streams), np.int64)
    vectors[:, row] = a
    weights = np.zeros((spec.crossbars, spec.rows, spec.columns, streams), np.int64)
    weights[:, row] = b
    requests = Requests.of(token=np.zeros(length, np.int64), crossbars=(1 << spec.crossbars) - 1)
    sums, _ = group.results(FullSpeed.of(spec, requests, vectors=vectors, weights=weights))
    # The other rows multiply 0 by 0, which is not 0 for every multiplier.
    others = (spec.rows - 1) * int(spec.multiplier.reference(0, 0))
    return sums.reshape(length, spec.crossbars, spec.columns, streams) - others


def group_replay(spec: CrossbarGroupSpec, *, module: str, sources: Mapping[str, str], seed: int) -> tuple[Replay, int]:
    """A replay of a group: random cycles with back-pressure and resets.

    Returns
    -------
    replay, number of cycles
    """
    stream = group_stream(spec, cycles=_REPLAY_CYCLES, rng=np.random.default_rng(seed))
    return stream_replay(stream, module=module, sources=sources), len(stream.inputs["rst"])


def group_values(
    group: MappedGroup, stream: OperandStream, *, held: bool = False
) -> tuple[list[npt.NDArray[np.uint8]], str]:
    """Settled values of the gates' sources at full throughput, for `axhw.sim.timed`.

    A read in every cycle, of a vector of its own, through one crossbar after the other in random order, each as often.
    Activations are the stream's first operands in their order, weights its second ones; a short stream is used again.

    Parameters
    ----------
    held : bool
        Read the same crossbar every time, as a schedule does that has a crossbar's tokens follow each other.

    Returns
    -------
    values : list of (cycles, sources) uint8 arrays
        Of parallel runs.
    description : str

    Raises
    ------
    AxhwError
        For reads of several cycles.
    """
    spec = group.spec
    if spec.read_cycles != 1:
        raise AxhwError(
            f"Expected reads of one cycle where energy is measured, as digital crossbars need no more, found "
            f"{spec.read_cycles} in {spec.name}."
        )
    count = -(-_READS // spec.crossbars) * spec.crossbars
    streams = max(1, round(len(stream) / (spec.rows * count)))
    # The group fills first: a result comes as many cycles behind its request.
    order = np.random.default_rng(stream.seed or 0).permuted(np.arange(count + spec.latency) % spec.crossbars)
    if held:
        order = np.zeros_like(order)
    requests = Requests.of(token=np.arange(len(order)) % (1 << spec.tag_bits), crossbars=1 << order)
    vectors = np.resize(stream.a, (streams, len(order), spec.rows)).transpose(1, 2, 0)
    weights = np.resize(stream.b, (streams, spec.crossbars, spec.rows, spec.columns)).transpose(1, 2, 3, 0)
    run = FullSpeed.of(spec, requests, vectors=vectors, weights=weights)
    busy = slice(run.begin + spec.latency - 1, run.begin + len(order))
    found = run_clocked(group.netlist, group.graph, group.library, run.inputs)
    which = "one crossbar" if held else f"{spec.crossbars} crossbars in random order"
    description = (
        f"{streams * count} reads of {which}, each of a vector of its own, with activations and weights of "
        f"{stream.description}"
    )
    return [found.source_values(number)[busy] for number in range(streams)], description
