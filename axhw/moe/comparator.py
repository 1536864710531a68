"""A comparison of the top-k unit behind a gate, as a circuit: the larger of two codes, and which one it is.

A unit that finds the largest of E logits one after another compares E - 1 times; the next largest takes E - 2 more.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.errors import AxhwError, VerificationError
from axhw.flow import Flow
from axhw.hdl.bits import pack_operands, unpack_product
from axhw.hdl.spec import IntegerArray
from axhw.measure import Conditions, area_um2
from axhw.measurement_key import measurement_key
from axhw.sim.activity import source_values
from axhw.sim.bitparallel import evaluate, port_words
from axhw.sim.timed import timed_activity
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph, Netlist, levelize
from axhw.synth.power import measure_energy

MIN_WIDTH, MAX_WIDTH = 4, 10

_ROOM = "comparators"


@dataclass(frozen=True, kw_only=True)
class ComparatorSpec:
    """The larger of two codes, the first of equal ones, as `axhw.nn.layers.routing.Gate` chooses.

    Attributes
    ----------
    width : int
        Bits of a code, 4 to 10.
    signed : bool
        Two's complement codes when true.

    Raises
    ------
    AxhwError
        For another width.
    """

    width: int = 8
    signed: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or isinstance(self.width, bool) or not MIN_WIDTH <= self.width <= MAX_WIDTH:
            raise AxhwError(f"Expected a comparator of {MIN_WIDTH} to {MAX_WIDTH} bits, found {self.width!r}.")

    @property
    def name(self) -> str:
        return f"larger{self.width}{'s' if self.signed else 'u'}"

    @property
    def operand_range(self) -> tuple[int, int]:
        """Smallest and largest code."""
        low = -(1 << (self.width - 1)) if self.signed else 0
        return low, low + (1 << self.width) - 1

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[IntegerArray, npt.NDArray[np.bool_]]:
        """The golden model: the larger of each pair, and whether it is the second."""
        first, second = np.asarray(a, np.int64), np.asarray(b, np.int64)
        return np.maximum(first, second), second > first

    def component(self) -> Comparator:
        """The Amaranth component with ports a, b -> o, second."""
        return Comparator(self)


class Comparator(wiring.Component):
    """The circuit of a spec.

    Ports
    -----
    a, b : In, `width` bits
    o : Out, the larger; second : Out, b > a
    """

    a: Signal
    b: Signal
    o: Signal
    second: Signal

    def __init__(self, spec: ComparatorSpec) -> None:
        code = Shape(spec.width, signed=spec.signed)
        super().__init__({"a": In(code), "b": In(code), "o": Out(code), "second": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [self.second.eq(self.b > self.a), self.o.eq(Mux(self.second, self.b, self.a))]
        return m


@dataclass(frozen=True, kw_only=True)
class ComparatorCost:
    """What a comparison costs.

    Attributes
    ----------
    area_um2, delay_ns, leakage_nw : float
    energy_fj : float
        Dynamic energy of one comparison of uniform random codes, timed with inertial filtering.
    pairs : int
        Comparisons averaged.
    library, library_sha256, engine : str
        Where the gates come from.
    """

    area_um2: float
    delay_ns: float
    leakage_nw: float
    energy_fj: float
    pairs: int
    library: str
    library_sha256: str
    engine: str


def comparator_cost(
    spec: ComparatorSpec | None = None,
    *,
    flow: Flow | None = None,
) -> ComparatorCost:
    """A comparator synthesised, compared with its golden model over all pairs, and measured; kept in the store.

    Parameters
    ----------
    spec : ComparatorSpec, optional
        Signed 8-bit codes by default.
    flow : Flow, optional
        As of `axhw.characterize.characterize`.

    Raises
    ------
    AxhwError
        If it cannot be synthesised or measured.
    VerificationError
        If the gates are not what the golden model says.
    """
    spec = ComparatorSpec() if spec is None else spec
    flow = Flow.of() if flow is None else flow
    library, store, conditions = flow.library, flow.store, flow.conditions
    job = flow.job(spec)

    def measured() -> dict[str, object]:
        synthesis = store.synthesise(job)
        cost = _measure(spec, synthesis.netlist, library.cells, conditions, engine=synthesis.engine)
        return dataclasses.asdict(cost)

    return ComparatorCost(**store.remember(_ROOM, measurement_key(job, conditions), measured))


def _measure(
    spec: ComparatorSpec, netlist: Netlist, library: CellLibrary, conditions: Conditions, *, engine: str
) -> ComparatorCost:
    graph = levelize(netlist, library)
    _verify(spec, netlist, graph)
    area = area_um2(netlist, library)
    wires = library.wire_loads.find(conditions.wire_load, area_um2=area)
    timing = conditions.timing(netlist, library, graph=graph, wire_load=wires)
    rng = np.random.default_rng(conditions.seed)
    a, b = rng.integers(*spec.operand_range, (2, conditions.pairs + 1), endpoint=True)
    activity = timed_activity(graph, timing, source_values(netlist, graph, {"a": a, "b": b}), threads=1)
    energy = measure_energy(
        netlist,
        library,
        timing,
        rise=activity.rise,
        fall=activity.fall,
        operations=activity.pairs,
        one_probability=activity.one_probability,
    )
    return ComparatorCost(
        area_um2=area,
        delay_ns=timing.delay_ns,
        leakage_nw=energy.leakage_nw,
        energy_fj=energy.dynamic_fj,
        pairs=activity.pairs,
        library=library.name,
        library_sha256=library.sha256,
        engine=engine,
    )


def _verify(spec: ComparatorSpec, netlist: Netlist, graph: GateGraph) -> None:
    """Compare the gates with the golden model over all pairs."""
    low, high = spec.operand_range
    a, b = (codes.ravel() for codes in np.mgrid[low : high + 1, low : high + 1])
    words = {"a": pack_operands(a, spec.width), "b": pack_operands(b, spec.width)}
    nets = evaluate(graph, port_words(netlist, words))
    larger, second = (nets[list(netlist.outputs[port])] for port in ("o", "second"))
    expected = spec.reference(a, b)
    found = unpack_product(larger, signed=spec.signed, count=len(a)), unpack_product(second, signed=False, count=len(a))
    if not all(np.array_equal(own, golden) for own, golden in zip(found, expected)):
        raise VerificationError(f"Expected {spec.name} to give the larger code of every pair, found others.")
