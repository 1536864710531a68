from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.registered import RegisteredSpec
from axhw.hdl.registry import parse
from axhw.record import DesignRecord
from axhw.sim.element import (
    ElementVerification,
    element_products,
    extract_element_table,
    operand_grid,
    steady_inputs,
    value_port,
    verify_element,
)
from axhw.sim.operands import uniform
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import GateGraph, Netlist, levelize

Characterized = Callable[..., DesignRecord]

LIBRARY = load_library(DEFAULT).cells
EXACT4 = parse("exact:width=4")
ELEMENTS = [
    ("exact:width=4", "registered", {}),
    ("exact:width=4", "mac", {"terms": 4, "overflow": "saturate"}),
    ("roup:width=4,p=1,r=1,signed=false", "mac", {"terms": 3}),
]


@pytest.fixture(params=ELEMENTS, ids=lambda element: f"{element[0]}-{element[1]}")
def record(request: pytest.FixtureRequest, characterized: Characterized) -> DesignRecord:
    text, element, parameters = request.param
    return characterized(text, element, **parameters)


def graph_of(record: DesignRecord) -> tuple[Netlist, GateGraph]:
    return record.netlist, levelize(record.netlist, LIBRARY)


def with_pin(netlist: Netlist, instance: int, pin: str, net: int) -> Netlist:
    """The netlist with one pin on another net."""
    changed = dataclasses.replace(netlist.instances[instance], pins={**netlist.instances[instance].pins, pin: net})
    instances = (*netlist.instances[:instance], changed, *netlist.instances[instance + 1 :])
    return dataclasses.replace(netlist, instances=instances)


def flip_flops(netlist: Netlist) -> list[int]:
    return [
        position
        for position, instance in enumerate(netlist.instances)
        if LIBRARY.cells[instance.cell].flip_flop is not None
    ]


def test_the_table_inside_an_element(record: DesignRecord) -> None:
    netlist, graph = graph_of(record)
    multiplier = record.multiplier
    table = extract_element_table(netlist, graph, LIBRARY, record.spec)
    codes = multiplier.operand_codes()
    assert np.array_equal(table.values, multiplier.reference(codes[:, None], codes))
    assert (table.width, table.signed, table.name) == (multiplier.width, multiplier.signed, multiplier.name)
    assert table.netlist_sha256 == netlist.sha256
    assert record.table is not None
    assert table.sha256 == record.table.sha256


@pytest.mark.parametrize("pairs", [1, 63, 64, 65, 1000])
def test_products_of_any_number_of_pairs(characterized: Characterized, pairs: int) -> None:
    record = characterized("exact:width=4", "mac", terms=4, overflow="saturate")
    netlist, graph = graph_of(record)
    a, b = np.random.default_rng(pairs).integers(-8, 8, (2, pairs))
    assert np.array_equal(element_products(netlist, graph, LIBRARY, record.spec, a, b), a * b)


def test_an_element_follows_its_cycle_model(record: DesignRecord) -> None:
    netlist, graph = graph_of(record)
    found = verify_element(netlist, graph, LIBRARY, record.spec, seed=5, cycles=100)
    assert found.overflow == isinstance(record.spec, MacSpec)
    assert found.cycles >= 6400
    assert found == verify_element(netlist, graph, LIBRARY, record.spec, seed=6, cycles=100)


def test_accumulators_that_take_too_long_to_fill(characterized: Characterized, monkeypatch: pytest.MonkeyPatch) -> None:
    record = characterized("exact:width=4", "mac", terms=4, overflow="saturate")
    netlist, graph = graph_of(record)
    monkeypatch.setattr("axhw.sim.element._LONGEST_RUN", 11)
    # Downwards it takes 12 cycles.
    assert verify_element(netlist, graph, LIBRARY, record.spec, seed=5, cycles=100) == ElementVerification(
        cycles=64 * (100 + 10), overflow=False
    )


def test_a_stuck_flip_flop_is_found(record: DesignRecord) -> None:
    netlist = record.netlist
    for position in flip_flops(netlist)[::4]:
        stuck = with_pin(netlist, position, "D", 1)
        with pytest.raises(
            VerificationError,
            match=rf"^Expected {record.name} to follow its cycle model, found \d+ wrong values of \w+, the first in "
            r"cycle \d+: the netlist gives -?\d+, the model -?\d+\.$",
        ):
            verify_element(stuck, levelize(stuck, LIBRARY), LIBRARY, record.spec, seed=1, cycles=200)


def test_an_inverted_output_is_found(record: DesignRecord) -> None:
    netlist, port = record.netlist, value_port(record.spec)
    inverter = dataclasses.replace(
        netlist.instances[0],
        name="inverter",
        cell="sg13g2_inv_1",
        pins={"A": netlist.outputs[port][0], "Y": netlist.net_count},
    )
    broken = dataclasses.replace(
        netlist,
        instances=(*netlist.instances, inverter),
        outputs={**netlist.outputs, port: (netlist.net_count, *netlist.outputs[port][1:])},
        net_count=netlist.net_count + 1,
    )
    graph = levelize(broken, LIBRARY)
    with pytest.raises(VerificationError, match=f"wrong values of {port}"):
        verify_element(broken, graph, LIBRARY, record.spec, seed=1, cycles=20)
    table = extract_element_table(broken, graph, LIBRARY, record.spec)
    assert record.table is not None
    assert np.array_equal(table.values, record.table.values ^ 1)


@pytest.mark.parametrize("end", [0, 1], ids=["low", "high"])
def test_a_clamp_that_is_missing_at_one_end_is_found(characterized: Characterized, end: int) -> None:
    # A model that wraps at one end only: the netlist's clamp there is then wrong.
    record = characterized("exact:width=4", "mac", terms=4, overflow="saturate")
    netlist, graph = graph_of(record)

    class OneClamp(MacSpec):
        def _limit(self, total: int) -> int:
            low, high = self.accumulator_range
            over = total < low if end == 0 else total > high
            return (total - low) % (high - low + 1) + low if over else min(max(total, low), high)

    spec = OneClamp(multiplier=record.multiplier, terms=4, overflow="saturate")
    with pytest.raises(VerificationError, match="wrong values of acc"):
        verify_element(netlist, graph, LIBRARY, spec, seed=1, cycles=8)


def test_steady_inputs() -> None:
    spec = MacSpec(multiplier=EXACT4, terms=3)
    a, b = np.arange(14).reshape(7, 2), np.ones((7, 2), np.int64)
    inputs = steady_inputs(spec, a, b, sum_length=3)
    assert inputs["a"] is a
    assert inputs["rst"][:, 0].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert inputs["clear"][:, 1].tolist() == [0, 1, 0, 0, 1, 0, 0], "sums begin behind the reset"
    assert (inputs["valid_i"] == 1).all()
    assert set(steady_inputs(RegisteredSpec(multiplier=EXACT4), a, b, sum_length=1)) == {"a", "b", "valid_i", "rst"}


def test_a_grid_of_operands() -> None:
    stream = uniform(EXACT4, pairs=103, seed=1)
    a, b = operand_grid(stream, streams=10)
    assert a.shape == b.shape == (10, 10)
    assert a[:, 3].tolist() == stream.a[30:40].tolist()
    assert b[:, 9].tolist() == stream.b[90:100].tolist()


def test_operands_too_wide_for_a_table(characterized: Characterized) -> None:
    record = characterized("exact:width=4", "registered")
    netlist, graph = graph_of(record)
    spec = RegisteredSpec(multiplier=dataclasses.replace(EXACT4, width=12))
    with pytest.raises(AxhwError, match=r"^Expected operands of at most 10 bits for a product table, found 12\.$"):
        extract_element_table(netlist, graph, LIBRARY, spec)
