"""The search: limits hold, errors are the right ones, and a seed gives one result however it is run."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

import axhw.evolve.search_kernels
import axhw.sim.gate_kernels
from axhw.errors import AxhwError
from axhw.evolve.histogram import weighted_error
from axhw.evolve.islands import circuit_of, genes_of
from axhw.evolve.limits import METRICS, Limits, absolute, ladder, shown
from axhw.evolve.problem import Problem
from axhw.evolve.search import Search, Settings
from axhw.evolve.search_kernels import assess
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.gate_builder import exact_multiplier
from axhw.hdl.gates import Gate, GateNetlist
from axhw.sim.metrics import exact_metrics
from axhw.sim.product_table import ProductTable


def errors_by_numpy(circuit, *, signed, histogram=None):
    """Every metric in the units of `Limits`, from the products of all pairs."""
    spec = NetlistSpec.from_circuit(circuit, signed=signed)
    codes = spec.operand_codes()
    values = spec.reference(codes[:, None], codes)
    table = ProductTable(values=values.astype(np.int32), width=spec.width, signed=signed, name="x", source={})
    metrics = exact_metrics(table)
    return {
        "mae": metrics.mae,
        "wce": metrics.wce,
        "mre": metrics.mre_pct / 100,
        "ep": metrics.ep_pct / 100,
        "mse": metrics.mse,
        "bias": abs(metrics.bias),
        "wmed": 0.0 if histogram is None else weighted_error(values, codes[:, None] * codes, histogram),
    }


def state(search):
    return {name: array.copy() for name, array in search.arrays().items()}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        # Rows 1 and 2 of the genes hold nothing between two generations.
        part = slice(0, 1) if "_genes_" in name else slice(None)
        assert np.array_equal(found[name][part], array[part]), name


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("width", [4, 8])
def test_sums_of_errors_are_those_of_numpy(width, signed, costs):
    rng = np.random.default_rng(width)
    circuit = exact_multiplier(width, signed=signed)
    gates = list(circuit.gates)
    for place in rng.integers(0, len(gates), 3).tolist():
        gates[place] = Gate(int(rng.integers(16)), *rng.integers(0, 2 * width + place, 2).tolist())
    circuit = GateNetlist(inputs=circuit.inputs, gates=tuple(gates), outputs=circuit.outputs)
    histogram = rng.integers(0, 1000, (1 << width, 1 << width)).astype(np.float64)
    problem = Problem(width=width, signed=signed, costs=costs, objective="area", metrics=METRICS, histogram=histogram)
    genes = genes_of(circuit)
    assert assess(problem.tables, genes, 0, np.full(len(METRICS), np.inf), 1)
    found = dict(zip(METRICS, genes.sums[0] / problem.totals))
    expected = errors_by_numpy(circuit, signed=signed, histogram=histogram)
    for metric, value in expected.items():
        exactly = metric not in ("mre", "wmed")
        assert found[metric] == (value if exactly else pytest.approx(value, rel=1e-12)), metric
    for metric, value in zip(METRICS, genes.sums[0].copy()):
        # The largest sum that is allowed, and one that is not.
        for limit, kept in ((value, True), (np.nextafter(value, -1), False)):
            limits = np.full(len(METRICS), np.inf)
            limits[METRICS.index(metric)] = limit
            assert assess(problem.tables, genes, 0, limits, 1) == kept, metric


@pytest.mark.parametrize("width", [12, 16])
def test_errors_of_wide_operands_are_those_of_the_sample(width, costs):
    circuit = exact_multiplier(width, signed=True)
    # Without the lowest bit of the product, odd products are 1 too small.
    gates = [gate if place else Gate(0, 0, 0) for place, gate in enumerate(circuit.gates)]
    circuit = GateNetlist(inputs=circuit.inputs, gates=tuple(gates), outputs=circuit.outputs)
    metrics = ("mae", "wce", "mre", "ep", "bias")
    problem = Problem(width=width, signed=True, costs=costs, objective="area", metrics=metrics)
    genes = genes_of(circuit)
    assert problem.sampled
    assert assess(problem.tables, genes, 0, np.full(len(METRICS), np.inf), 1)
    found = dict(zip(METRICS, genes.sums[0] / problem.totals))
    assert found["wce"] == 1
    assert found["mae"] == found["ep"] == abs(found["bias"])
    # A quarter of 262,144 pairs, give or take four standard deviations.
    assert abs(found["mae"] - 0.25) < 4 * (0.25 * 0.75 / 2**18) ** 0.5
    assert 0 < found["mre"] < found["mae"]


@pytest.mark.parametrize("objective", ["area", "energy"])
def test_area_and_energy_are_those_of_the_gates(objective, costs):
    circuit = exact_multiplier(4, signed=True)
    problem = Problem(width=4, signed=True, costs=costs, objective=objective, metrics=("mae",))
    genes = genes_of(circuit, spare=5)
    assess(problem.tables, genes, 0, np.full(len(METRICS), np.inf), 1)
    rows = []
    for bits in range(256):
        signals = [bits >> k & 1 for k in range(8)]
        for gate in circuit.gates:
            signals.append(gate.function >> signals[gate.x] + 2 * signals[gate.y] & 1)
        rows.append(signals)
    share = np.mean(rows, axis=0)
    load = np.zeros(circuit.signals)
    for gate in circuit.gates:
        load[gate.x] += costs.pin_fj[gate.function, 0]
        load[gate.y] += costs.pin_fj[gate.function, 1]
    load[list(circuit.outputs)] += costs.output_fj
    internal = [costs.internal_fj[gate.function] for gate in circuit.gates]
    energy = (2 * share * (1 - share))[8:] @ (internal + load[8:])
    area = sum(costs.area_um2[gate.function] for gate in circuit.gates)
    assert genes.cost[0] == pytest.approx(area if objective == "area" else energy)


@pytest.mark.parametrize(
    ("metric", "limits"),
    [
        ("mae", (0.5, 2.0)),
        ("wce", (3, 9)),
        ("mre", (0.02, 0.1)),
        ("ep", (0.1, 0.4)),
        ("mse", (1, 10)),
        ("bias", (0.1, 0.5)),
        ("wmed", (0.3, 1.5)),
    ],
)
def test_winners_keep_the_limits(metric, limits, search):
    histogram = np.random.default_rng(1).integers(0, 100, (16, 16)).astype(np.float64)
    values = {} if metric in ("wce", "mae") else {"wce": 20.0}
    evolution = search(metric=metric, ladder=limits, values=values, histogram=histogram)
    before = evolution.seed_cost
    evolution.run(evaluations=8_000)
    found = evolution.found()
    assert found
    for each in found:
        errors = errors_by_numpy(each.circuit, signed=True, histogram=histogram)
        assert errors[metric] <= each.limit * (1 + 1e-12)
        assert all(errors[other] <= limit for other, limit in values.items())
        assert each.errors[metric] == pytest.approx(shown(metric, errors[metric], width=4))
    assert min(each.cost for each in found) < before


def test_small_evolution_finds_less_area(search):
    evolution = search(ladder=(0.5, 1.0, 2.0), objective="area")
    evolution.run(evaluations=12_000)
    costs = evolution.progress.costs
    assert costs[0] < 0.9 * evolution.seed_cost
    assert costs[2] < costs[1] < costs[0]


@pytest.mark.parametrize("objective", ["area", "energy"])
def test_threads_and_interruptions_change_nothing(objective, search):
    whole = search(objective=objective, islands=3)
    whole.run(evaluations=6_000, threads=1)
    parts = search(objective=objective, islands=3)
    for goal in (100, 2_345, 2_346, 6_000):
        parts.run(evaluations=goal, threads=3)
        again = search(objective=objective, islands=3)
        again.restore(state(parts))
        parts = again
    assert_equal(state(parts), state(whole))


def test_seeds_differ(search):
    costs = set()
    for seed in range(3):
        evolution = search(seed=seed)
        evolution.run(evaluations=3_000)
        costs.add(evolution.progress.costs)
    assert len(costs) == 3


def test_time_ends_a_search(search):
    evolution = search()
    evolution.run(seconds=0.0)
    assert evolution.evaluations == 0


def test_a_seed_within_looser_limits_only(costs):
    # Two low bits of the product are missing.
    exact = exact_multiplier(4, signed=False)
    zero = GateNetlist(
        inputs=8, gates=(*exact.gates, Gate(0, 0, 0)), outputs=(exact.signals, exact.signals, *exact.outputs[2:])
    )
    error = errors_by_numpy(zero, signed=False)["mae"]
    limits = Limits(width=4, metric="mae", ladder=(error / 2, error, error * 2))
    problem = Problem(width=4, signed=False, costs=costs, objective="area", metrics=("mae",))
    search = Search(problem, limits, zero, Settings(epoch=200))
    assert np.isinf(search.progress.costs[0])
    search.run(evaluations=2_000)
    assert all(each.errors["mae"] <= shown("mae", each.limit, width=4) for each in search.found())
    with pytest.raises(AxhwError, match=r"Expected a design within the limits to begin with, found one with mae 0\."):
        Search(problem, dataclasses.replace(limits, ladder=(error / 2,)), zero, Settings())


def test_genes_and_circuits():
    circuit = exact_multiplier(4, signed=True)
    genes = genes_of(circuit, spare=3)
    assert circuit_of(genes, 0, inputs=8).gates[:-3] == circuit.gates
    assert circuit_of(genes, 0, inputs=8).outputs == circuit.outputs


def test_limits_in_per_cent():
    assert absolute("mae", 0.1, width=8) == pytest.approx(65.536)
    assert absolute("mre", 5, width=8) == 0.05
    for metric in METRICS:
        if metric not in ("mse", "bias"):
            assert shown(metric, absolute(metric, 0.3, width=8), width=8) == pytest.approx(0.3)
    assert ladder(1.0, 8.0, 4) == pytest.approx((1, 2, 4, 8))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Limits(width=8, metric="mae", ladder=(2.0, 1.0)), "one limit or rising ones for mae"),
        (lambda: Limits(width=8, metric="mae", ladder=(-1.0,)), "limits of 0 or more, found -1.0 for mae"),
        (lambda: Limits(width=8, metric="mae", ladder=(1.0,), values={"mae": 1.0}), "one limit or range for mae"),
        (lambda: ladder(2.0, 1.0, 4), "a range from above 0 upwards"),
        (lambda: Settings(islands=0), "islands of 1 or more, found 0"),
    ],
)
def test_what_is_impossible_is_refused(make, message):
    with pytest.raises(AxhwError, match=message):
        make()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 17}, "at most 16 bits to evolve, found 17"),
        ({"width": 12, "histogram": np.ones((4096, 4096))}, "at most 10 bits for WMED, found 12"),
        ({"objective": "delay"}, "an objective out of area, energy, found 'delay'"),
        ({"metrics": ("wmed",)}, "a histogram of operands beside a limit of WMED"),
        ({"histogram": np.ones((4, 4))}, "a histogram of shape .16, 16. for 4-bit operands"),
        ({"histogram": np.full((16, 16), -1.0)}, "a histogram with counts of 0 or more"),
    ],
)
def test_impossible_problems(changes, message, costs):
    given = {"width": 4, "signed": True, "costs": costs, "objective": "area", "metrics": ("mae",)}
    with pytest.raises(AxhwError, match=message):
        Problem(**{**given, **changes})


def test_compiled_code_is_not_taken_from_an_older_cache():
    # As in tests/sim/test_gate_kernels.py.
    digest = hashlib.sha256(Path(axhw.sim.gate_kernels.__file__).read_bytes()).hexdigest()[:12]
    assert digest == axhw.evolve.search_kernels.KERNELS_DIGEST, f"set KERNELS_DIGEST in search_kernels.py to {digest}"
