from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.registry import DesignSpec
from axhw.measure import MIN_PAIRS, Conditions, measure_cost
from axhw.record import DesignRecord
from axhw.sim.operands import OperandStream, from_trace
from axhw.store import Store
from axhw.synth.cost import Cost
from axhw.synth.engines import find_engine
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.synthesis import SynthesisJob, to_rtlil

Characterized = Callable[..., DesignRecord]
Measure = Callable[..., Cost]

ELEMENTS = [(None, {}), ("registered", {}), ("mac", {"terms": 4, "overflow": "saturate"})]


@pytest.fixture
def measure(store: Store) -> Measure:
    """The cost of a spec under conditions, on the embedded library."""
    library = load_library(DEFAULT)

    def run(spec: DesignSpec, *, stream: OperandStream | None = None, **conditions: Any) -> Cost:
        rtlil = to_rtlil(spec.component(), name=spec.name)
        job = SynthesisJob(name=spec.name, rtlil=rtlil, liberty=library.text, engine=find_engine())
        return measure_cost(
            spec, store.synthesise(job), library=library.cells, conditions=Conditions(**conditions), stream=stream
        )

    return run


@pytest.mark.parametrize(("element", "parameters"), ELEMENTS)
def test_a_cost_depends_on_the_seed_alone(
    characterized: Characterized,
    measure: Measure,
    monkeypatch: pytest.MonkeyPatch,
    element: str | None,
    parameters: dict[str, object],
) -> None:
    spec = characterized("exact:width=4", element, **parameters).spec
    costs = []
    for processors in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda count=processors: count)
        costs.append(measure(spec, pairs=512, seed=7))
    assert costs[0] == costs[1]
    other = measure(spec, pairs=512, seed=8)
    assert other.energy_fj != costs[0].energy_fj
    assert other.energy_fj == pytest.approx(costs[0].energy_fj, rel=0.1)
    assert (other.area_um2, other.delay_ns) == (costs[0].area_um2, costs[0].delay_ns)


@pytest.mark.parametrize(("element", "parameters"), ELEMENTS)
def test_few_pairs_are_enough(
    characterized: Characterized, measure: Measure, element: str | None, parameters: dict[str, object]
) -> None:
    record = characterized("exact:width=4", element, **parameters)
    few = measure(record.spec, pairs=MIN_PAIRS)
    assert few.energy_fj == pytest.approx(record.cost.energy_fj, rel=0.25)
    assert few.delay_ns == record.cost.delay_ns


def test_conditions_change_what_they_should(characterized: Characterized, measure: Measure) -> None:
    spec, cost = characterized("exact:width=4").spec, characterized("exact:width=4").cost
    assert measure(spec) == cost
    loaded = measure(spec, output_load_ff=50.0)
    assert loaded.output_load_ff == 50.0
    assert loaded.delay_ns > cost.delay_ns
    assert loaded.switching_fj > cost.switching_fj
    slow = measure(spec, input_slew_ns=0.5)
    assert slow.input_slew_ns == 0.5
    assert slow.delay_ns > cost.delay_ns
    fast = measure(spec, clock_mhz=200.0)
    assert fast == dataclasses.replace(cost, clock_mhz=200.0, leakage_fj=cost.leakage_fj / 2)


def test_wires_load_every_gate(characterized: Characterized, measure: Measure) -> None:
    spec, bare = characterized("exact:width=4").spec, characterized("exact:width=4").cost
    assert (bare.wire_load, "zero wire" in bare.timing_model) == ("none", True)
    none = measure(spec, wire_load="fanout=0")
    assert none == dataclasses.replace(bare, wire_load="fanout=0", timing_model=none.timing_model)
    wired = measure(spec, wire_load="fanout=2.5")
    assert "wire load fanout=2.5" in wired.timing_model
    assert wired.delay_ns > 1.2 * bare.delay_ns
    assert wired.switching_fj > 1.2 * bare.switching_fj
    assert wired.area_um2 == bare.area_um2
    assert wired.leakage_nw == pytest.approx(bare.leakage_nw)


def test_wires_of_the_library(characterized: Characterized, measure: Measure) -> None:
    spec = characterized("exact:width=4").spec
    models = load_library(DEFAULT).cells.wire_loads
    default, by_area = measure(spec, wire_load="default"), measure(spec, wire_load="4_metls_routing")
    assert (default.wire_load, by_area.wire_load) == (models.default, "0_5k") == ("1k", "0_5k")
    assert 635 < by_area.area_um2 < 3175
    assert by_area == measure(spec, wire_load="0_5k")
    assert by_area.delay_ns < default.delay_ns
    with pytest.raises(AxhwError, match=r"^Expected a wire load of the library \(none, fanout=F, Zero, .*found '7k'"):
        measure(spec, wire_load="7k")


@pytest.mark.parametrize(("element", "least", "most"), [(None, 0.94, 1.0), ("registered", 0.6, 0.8)])
def test_energy_by_the_letter_of_liberty(
    characterized: Characterized, element: str | None, least: float, most: float
) -> None:
    # In SG13G2, clock pins have groups with and without a condition, which OpenSTA counts together.
    cost = characterized("exact:width=4", element).cost
    assert least < cost.energy_exclusive_fj / cost.energy_fj < most


def test_a_stream_that_does_not_change_spends_nothing(characterized: Characterized, measure: Measure) -> None:
    spec = characterized("exact:width=4").spec
    still = from_trace(spec, np.full(100, -3), np.full(100, 5), label="a still picture")
    cost = measure(spec, stream=still)
    assert cost.stream == "100 pairs of a still picture"
    assert (cost.energy_fj, cost.energy_transport_fj, cost.energy_zero_delay_fj, cost.toggles) == (0.0, 0.0, 0.0, 0.0)
    assert cost.leakage_nw > 0


def test_a_pair_of_inputs_that_reaches_one_gate(characterized: Characterized, measure: Measure) -> None:
    # Only the sign bits are multiplied, by one AND gate: it switches when b's sign does.
    record = characterized("bam:ha=7,hb=7")
    spec = record.spec
    a, b = np.full(65, -128), np.tile([-128, 127], 33)[:65]
    cost = measure(spec, stream=from_trace(spec, a, b))
    assert record.cost.cells == 1
    assert cost.toggles == 1.0
    assert cost.energy_fj == cost.energy_zero_delay_fj == cost.energy_transport_fj > 0
    voltage_v = load_library(DEFAULT).cells.voltage_v
    assert cost.switching_fj == pytest.approx(cost.output_load_ff * voltage_v**2 / 2)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"pairs": 63}, "Expected an integer of 64 or more for pairs, found 63."),
        ({"pairs": 100.0}, "Expected an integer of 64 or more for pairs, found 100.0."),
        ({"seed": -1}, "Expected an integer of 0 or more for seed, found -1."),
        ({"seed": True}, "Expected an integer of 0 or more for seed, found True."),
        ({"input_slew_ns": -0.1}, "Expected input_slew_ns to be 0 or more, found -0.1."),
        ({"input_slew_ns": math.nan}, "Expected input_slew_ns to be 0 or more, found nan."),
        ({"output_load_ff": math.inf}, "Expected output_load_ff to be 0 or more, found inf."),
        ({"wire_load": ""}, "Expected none, fanout=F or the name of a wire load, found nothing."),
        ({"wire_load": "fanout=x"}, "Expected fanout=F with F fF of 0 or more as a wire load, found 'fanout=x'."),
        ({"clock_mhz": 0.0}, "Expected clock_mhz above 0, found 0.0."),
        ({"clock_mhz": math.nan}, "Expected clock_mhz above 0, found nan."),
    ],
)
def test_impossible_conditions(conditions: dict[str, Any], message: str) -> None:
    with pytest.raises(AxhwError) as found:
        Conditions(**conditions)
    assert str(found.value) == message
