"""Energy of processing elements over the operands of a layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.element_workload import ElementMeter, LayerProducts, TracedElement
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.registry import parse
from axhw.hdl.spec import IntegerArray
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.sim.clocked import run_clocked
from axhw.store import Store
from axhw.synth.libraries import DEFAULT, load_library
from axhw.workload import RUN, LayerOperands, workload_energy

Characterized = Callable[..., DesignRecord]

IMAGES, POSITIONS, TERMS, OUTPUTS = 2, 5, 6, 3
LIBRARY = load_library(DEFAULT)
CONDITIONS = Conditions(pairs=256, seed=3)
DESIGNS = ("exact:width=4", "roup:width=4,p=1,r=1")


def cell(text: str, terms: int = 8) -> SystolicSpec:
    return SystolicSpec(multiplier=parse(text), rows=1, columns=1, terms=terms)


def mac(text: str, terms: int = 8) -> MacSpec:
    return MacSpec(multiplier=parse(text), terms=terms)


ELEMENTS: tuple[Callable[[str], TracedElement], ...] = (mac, cell)


@pytest.fixture(scope="module")
def products(characterized: Characterized) -> LayerProducts:
    """A layer that two designs share, neither of which has all terms of a sum."""
    rng = np.random.default_rng(0)
    tables = [characterized(text).table for text in DESIGNS]
    assert all(table is not None for table in tables)
    return LayerProducts(
        operands=LayerOperands(
            layer="small",
            activations=rng.integers(-8, 7, (IMAGES, POSITIONS, TERMS), np.int8, endpoint=True),
            weights=rng.integers(-8, 7, (TERMS, OUTPUTS), np.int8, endpoint=True),
            zero=0,
            multiplications=POSITIONS * TERMS * OUTPUTS,
        ),
        tables=tuple(table for table in tables if table is not None),
        table_of=rng.integers(0, 2, (TERMS, OUTPUTS)),
    )


@pytest.fixture(scope="module")
def meter(store: Store) -> Callable[[TracedElement], ElementMeter]:
    def make(spec: TracedElement) -> ElementMeter:
        return ElementMeter.of(spec, Flow.of(library=LIBRARY, store=store, conditions=CONDITIONS))

    return make


def product(products: LayerProducts, image: int, position: int, term: int, output: int) -> int:
    """One product of the layer, by the table of its multiplier."""
    a = products.operands.activations[image, position, term]
    w = products.operands.weights[term, output]
    return int(products.tables[products.table_of[term, output]].product(np.array([a]), np.array([w]))[0])


def test_sums_before_an_operation(products: LayerProducts) -> None:
    layer = products.operands
    places = layer.places("weight-stationary", np.arange(layer.operations))
    found = products.sums_before(places)
    for number in range(0, layer.operations, 7):
        where = [int(axis[number]) for axis in (places.image, places.position, places.term, places.output)]
        image, position, last, output = where
        expected = sum(product(products, image, position, term, output) for term in range(last))
        assert found[number] == expected


@pytest.mark.parametrize("number", [0, 1])
def test_the_accumulator_holds_the_sum_of_the_middle_of_the_trace(
    products: LayerProducts, meter: Callable[[TracedElement], ElementMeter], number: int
) -> None:
    """What the gates of a MAC hold when a run is over is the sum of its own terms so far."""
    spec = mac(DESIGNS[number])
    measured, part = meter(spec), products.part(number)
    inputs, lead = measured.inputs(products, part)
    run = run_clocked(
        measured.whole.netlist, measured.whole.graph, LIBRARY.cells, inputs, signed_outputs=frozenset({"acc"})
    )
    starts = part.starts(pairs=CONDITIONS.pairs, seed=CONDITIONS.seed)
    found = run.outputs["acc"][lead + 2 :]
    assert len(found) == RUN
    places = part.places("output-stationary", starts + np.arange(RUN)[:, None])
    np.testing.assert_array_equal(found, own_sums(products, places_of(places), number))


def places_of(places: object) -> tuple[IntegerArray, ...]:
    return tuple(getattr(places, name) for name in ("image", "position", "term", "output"))


def own_sums(products: LayerProducts, places: tuple[IntegerArray, ...], number: int) -> IntegerArray:
    """Sums of the terms up to each place that one design does."""

    def total(image: int, position: int, last: int, output: int) -> int:
        terms = [term for term in range(last + 1) if products.table_of[term, output] == number]
        return sum(product(products, image, position, term, output) for term in terms)

    summed: IntegerArray = np.vectorize(total)(*places)
    return summed


@pytest.mark.parametrize("number", [0, 1])
def test_the_cell_of_an_array_adds_to_the_sum_from_above(
    products: LayerProducts, meter: Callable[[TracedElement], ElementMeter], number: int
) -> None:
    spec = cell(DESIGNS[number])
    measured, part = meter(spec), products.part(number)
    inputs, lead = measured.inputs(products, part)
    run = run_clocked(
        measured.whole.netlist, measured.whole.graph, LIBRARY.cells, inputs, signed_outputs=frozenset({"s_o__0"})
    )
    starts = part.starts(pairs=CONDITIONS.pairs, seed=CONDITIONS.seed)
    places = part.places("weight-stationary", starts + np.arange(RUN)[:, None])
    a, w = part.at(places)
    expected = products.sums_before(places) + products.tables[number].product(a, w)
    np.testing.assert_array_equal(run.outputs["s_o__0"][lead + 2 :], expected)
    # A weight is loaded only where another one is due.
    assert inputs["load"][1:].mean() == pytest.approx(1 / POSITIONS, abs=0.05)


@pytest.mark.parametrize("make", ELEMENTS)
def test_energy_and_its_parts(
    products: LayerProducts,
    meter: Callable[[TracedElement], ElementMeter],
    characterized: Characterized,
    make: Callable[[str], TracedElement],
) -> None:
    measured = meter(make(DESIGNS[0]))
    found = measured.energy(products, 0)
    assert set(found.parts_fj) == {"multiplier", "registers", "logic", "clock"}
    assert sum(found.parts_fj.values()) == pytest.approx(found.energy_fj, rel=0.15)
    assert 0 < found.standard_error_fj < 0.1 * found.energy_fj
    alone = workload_energy(
        characterized(DESIGNS[0]),
        {"small": products.part(0)},
        library=LIBRARY.cells,
        order=measured.order,
        conditions=CONDITIONS,
    ).layers[0]
    # The same operations; other loads and arrival times.
    assert found.parts_fj["multiplier"] == pytest.approx(alone.energy_fj, rel=0.35)
    assert 0 < found.multiplier_share < 0.5
    assert measured.energy(products, 0) == found


@pytest.mark.parametrize("make", ELEMENTS)
def test_operands_that_stay_leave_the_clock(
    meter: Callable[[TracedElement], ElementMeter], products: LayerProducts, make: Callable[[str], TracedElement]
) -> None:
    still = LayerProducts(
        operands=LayerOperands(
            layer="still",
            activations=np.zeros((1, 40, 1), np.int8),
            weights=np.full((1, 1), 3, np.int8),
            zero=0,
            multiplications=40,
        ),
        tables=products.tables,
        table_of=np.zeros((1, 1), np.int64),
    )
    parts = meter(make(DESIGNS[0])).energy(still, 0).parts_fj
    assert parts["clock"] > 0
    assert parts["multiplier"] == pytest.approx(0, abs=1e-9)


def test_elements_that_are_refused(
    products: LayerProducts, meter: Callable[[TracedElement], ElementMeter], store: Store
) -> None:
    with pytest.raises(
        AxhwError, match="Expected an element with room for the 6 terms of small, found 4 in exact4s_mac4"
    ):
        meter(mac(DESIGNS[0], terms=4)).energy(products, 0)
    with pytest.raises(AxhwError, match="Expected an array of one cell to trace operands through, found exact4s_sa2x1"):
        meter(SystolicSpec(multiplier=parse(DESIGNS[0]), rows=2, columns=1))
