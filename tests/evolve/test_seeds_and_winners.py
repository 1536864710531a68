"""From designs to gates and back: the same products, costs from cells, limits held against the proved table."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.characterize import characterize
from axhw.errors import AxhwError, VerificationError
from axhw.evolve.gate_costs import GateCosts
from axhw.evolve.histogram import read_histogram, weighted_error
from axhw.evolve.limits import Limits
from axhw.evolve.search import Found
from axhw.evolve.seeds import seed_circuit, without_inverters
from axhw.evolve.winners import measure_winners
from axhw.flow import Flow
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.gate_builder import GateBuilder
from axhw.hdl.gates import FUNCTIONS, Gate, GateNetlist
from axhw.hdl.registry import parse
from axhw.measure import Conditions
from axhw.store import Store
from axhw.synth.liberty.reader import parse_library


@pytest.fixture(scope="module")
def flow(library, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    return Flow.of(library=library, store=store, conditions=Conditions(pairs=64))


@pytest.fixture(scope="module")
def record(flow):
    def make(text):
        return characterize(parse(text), flow=flow)

    return make


@pytest.mark.parametrize("text", ["exact:width=4", "roup:p=1,r=2,width=4", "bam:width=4,signed=no,v=2"])
def test_seed_has_the_products_of_the_design(text, record, library):
    design = record(text)
    circuit = seed_circuit(design, library.cells)
    spec = NetlistSpec.from_circuit(circuit, signed=design.multiplier.signed)
    codes = spec.operand_codes()
    assert np.array_equal(spec.reference(codes[:, None], codes), design.table.values)
    inverters = sum(gate.function == FUNCTIONS["not"] for gate in circuit.gates)
    assert inverters < len(circuit.gates) / 10


def test_inverters_join_their_neighbours():
    rng = np.random.default_rng(1)
    for _ in range(50):
        gates = []
        for signal in range(4, 40):
            function = int(rng.choice([*range(16), 5, 5, 5, 5]))
            gates.append(Gate(function, *rng.integers(0, signal, 2).tolist()))
        circuit = GateNetlist(inputs=4, gates=tuple(gates), outputs=tuple(rng.integers(0, 40, 6).tolist()))
        words = rng.integers(0, 2**63, (4, 3)).astype(np.uint64)
        assert np.array_equal(without_inverters(circuit).evaluate(words), circuit.evaluate(words))


def test_costs_come_from_the_smallest_cells(costs, library):
    cells = library.cells.cells
    assert costs.area_um2[FUNCTIONS["nand"]] == cells["sg13g2_nand2_1"].area_um2
    assert costs.cells[FUNCTIONS["not"]] == ("sg13g2_inv_1",)
    assert costs.area_um2[FUNCTIONS["buf"]] == costs.area_um2[FUNCTIONS["one"]] == 0
    assert (costs.internal_fj[[6, 7, 8]] > 0).all()
    assert costs.pin_fj[FUNCTIONS["not"], 1] == 0


_CELL = """
  cell (%s) { area : %g;
    pin (A) { direction : input; capacitance : 0.002; }
    %s
    pin (Y) { direction : output; function : "%s";
      timing () { related_pin : "A"; timing_sense : negative_unate;
        cell_rise (scalar) { values ("0.1"); } cell_fall (scalar) { values ("0.1"); }
        rise_transition (scalar) { values ("0.1"); } fall_transition (scalar) { values ("0.1"); } } } }
"""
_LIBRARY = """library (tiny) { time_unit : "1ns"; capacitive_load_unit (1, pf); voltage_unit : "1V";
  nom_voltage : 1.0; nom_temperature : 25; nom_process : 1; leakage_power_unit : "1nW"; %s }
"""
_SECOND_PIN = "pin (B) { direction : input; capacitance : 0.003; }"


def tiny_library(*cells, tmp_path):
    path = tmp_path / "tiny.lib"
    path.write_text(_LIBRARY % "".join(_CELL % cell for cell in cells))
    return parse_library({str(path): path.read_text()})


def test_functions_without_a_cell_are_put_together(tmp_path):
    library = tiny_library(("INV", 1, "", "!A"), ("NAND", 2, _SECOND_PIN, "!(A*B)"), tmp_path=tmp_path)
    costs = GateCosts.of(library)
    assert costs.area_um2[FUNCTIONS["and"]] == 3
    assert costs.area_um2[FUNCTIONS["or"]] == 4
    assert costs.area_um2[FUNCTIONS["xor"]] == 8
    assert sorted(costs.cells[FUNCTIONS["xor"]]) == ["INV", "INV", "NAND", "NAND", "NAND"]
    # C V^2 / 2 of one pin of the NAND.
    assert costs.pin_fj[FUNCTIONS["and"]].sum() == pytest.approx((2 + 3) / 2)


def test_libraries_without_gates_are_refused(tmp_path):
    with pytest.raises(AxhwError, match="Expected cells with one and two inputs in tiny that make every gate, found"):
        GateCosts.of(tiny_library(("INV", 1, "", "!A"), tmp_path=tmp_path))


def without_low_bits(circuit, count):
    builder = GateBuilder(circuit.inputs)
    signals = list(range(circuit.inputs))
    for gate in circuit.gates:
        signals.append(builder.add(gate.function, signals[gate.x], signals[gate.y]))
    zero = builder.add("and", -1, 0)
    return builder.build([zero] * count + [signals[output] for output in circuit.outputs[count:]])


def test_winners_are_measured_and_ranked(record, flow, library):
    seed = record("exact:width=4")
    cut = without_low_bits(seed_circuit(seed, library.cells), 2)
    limits = Limits(width=4, metric="mae", ladder=(0.5, 1.5, 3.0))
    found = [Found(limit=1.5, circuit=cut, cost=100.0, errors={"mae": 0.5})]
    winners = measure_winners(found, seed, limits=limits, objective="area", flow=flow, threads=1)
    assert [winner.evolved for winner in winners] == [False, True]
    assert winners[0].record.key == seed.key
    assert winners[1].record.circuit_cost.area_um2 < seed.circuit_cost.area_um2
    assert winners[1].record.name.startswith("evo4s_mae0p50_")
    table = winners[1].record.table
    assert winners[1].errors["mae"] == pytest.approx(100 * np.abs(table.values - table.exact()).mean() / 256)


def test_a_broken_limit_is_a_failed_check(record, flow, library):
    seed = record("exact:width=4")
    cut = without_low_bits(seed_circuit(seed, library.cells), 3)
    limits = Limits(width=4, metric="mae", ladder=(0.5,))
    found = [Found(limit=0.5, circuit=cut, cost=100.0, errors={"mae": 0.1})]
    with pytest.raises(VerificationError, match="Expected mae of at most 0.5 from evo4s_mae0p10_.* in its netlist"):
        measure_winners(found, seed, limits=limits, objective="area", flow=flow, threads=1)


def test_weighted_error_by_hand():
    exact = np.array([[0, 0], [0, 1]])
    counts = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert weighted_error(exact + np.array([[0, 1], [-2, 0]]), exact, counts) == (2 * 1 + 3 * 2) / 10


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_histograms_from_files(suffix, tmp_path):
    counts = np.arange(256, dtype=np.float64).reshape(16, 16)
    halves = np.stack([np.arange(16.0), np.ones(16)])
    for array, expected in ((counts, counts), (halves, np.outer(np.arange(16), np.ones(16)))):
        path = tmp_path / f"counts{suffix}"
        if suffix == ".npy":
            np.save(path, array)
        else:
            np.savetxt(path, array, delimiter=",")
        assert np.array_equal(read_histogram(path, width=4), expected)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("counts.txt", b"1", "a histogram in a file .npy or .csv"),
        ("counts.npy", b"1", "a histogram of operands in"),
        ("counts.csv", b"a,b", "a histogram of operands in"),
        ("counts.csv", b"1,2\n3,4", "a histogram of shape .16, 16. for 4-bit operands, found .2, 2."),
        ("missing.npy", None, "a histogram of operands in"),
    ],
)
def test_no_histograms(name, content, message, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AxhwError, match=f"Expected {message}"):
        read_histogram(path, width=4)
