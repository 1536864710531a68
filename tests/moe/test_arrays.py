from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.pe.tiling import Tiling, skewed
from axhw.measure import Conditions
from axhw.mixed.characterize import characterize_mixed
from axhw.moe.arrays import Array, Columns, MatrixWork
from axhw.nn.graph import Builder, Graph
from axhw.nn.layers.products import Conv2d
from axhw.nn.zoo.names import build_graph
from axhw.record import DesignRecord
from axhw.sim.clocked import run_clocked
from axhw.sim.systolic import array_inputs
from axhw.sim.timed import timed_activity
from axhw.store import Store
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import levelize
from axhw.synth.power import measure_energy
from axhw.synth.timing import analyze_timing

Characterized = Callable[..., DesignRecord]


def array(*, rows: int, columns: tuple[int, ...]) -> Array:
    return Array(
        name="array",
        rows=rows,
        columns=tuple(
            Columns(multiplier=f"m{number}", count=count, product_fj=100.0) for number, count in enumerate(columns)
        ),
        area_um2=1000.0,
        leakage_nw=500.0,
        period_ns=2.0,
        clock_fj=10.0,
        library_sha256="",
    )


@settings(max_examples=100)
@given(
    side=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30)),
)
def test_cycles_are_those_of_the_tiling(side: tuple[int, int], size: tuple[int, int, int]) -> None:
    rows, columns = side
    m, k, n = size
    spec = SystolicSpec(multiplier=ExactSpec(), rows=rows, columns=columns)
    expected = Tiling(spec=spec, m=m, k=k, n=n).cycles
    own = array(rows=rows, columns=(columns,))
    work = MatrixWork(positions=m, k=k, n=n)
    assert own.cycles(work, np.array([1, 0]), multiplier="m0").tolist() == [expected, 0]
    assert own.cycles(MatrixWork(positions=1, k=k, n=n), np.array([m]), multiplier="m0").tolist() == [expected]


def test_groups_follow_each_other() -> None:
    own = array(rows=4, columns=(4,))
    # Three groups of 2 x 1 tiles, 10 positions each: 5 intervals of 10, then the last tile and the way out.
    work = MatrixWork(positions=10, k=7, n=4, groups=3)
    assert own.cycles(work, np.array([1]), multiplier="m0").tolist() == [5 * 10 + 10 - 1 + 8]


def test_a_multiplier_uses_its_own_columns() -> None:
    own = array(rows=4, columns=(1, 3))
    work = MatrixWork(positions=10, k=4, n=6)
    assert own.width == 4
    assert own.cells == 16
    assert own.cycles(work, np.array([1]), multiplier="m0").tolist() == [5 * 10 + 9 + 8]
    assert own.cycles(work, np.array([1]), multiplier="m1").tolist() == [1 * 10 + 9 + 8]
    with pytest.raises(AxhwError, match=r"^Expected a multiplier of array \(m0, m1\), found m2\.$"):
        own.columns_of("m2")


@pytest.mark.parametrize(
    ("name", "shape"),
    [("resnet8", (3, 32, 32)), ("vit_tiny", (3, 32, 32)), ("ds_cnn", (1, 32, 32)), ("resnet8_hard2", (3, 32, 32))],
)
def test_matrix_products_have_all_multiplications(name: str, shape: tuple[int, ...]) -> None:
    graph = build_graph(name, input_shape=shape, classes=10)
    for layer, count in graph.multiplications.items():
        assert MatrixWork.of(graph, layer).products == count


def test_layers_as_matrix_products(token_experts: Graph) -> None:
    assert MatrixWork.of(token_experts, "up0") == MatrixWork(positions=1, k=4, n=8)
    assert MatrixWork.of(token_experts, "gate_logits") == MatrixWork(positions=5, k=4, n=2)
    build = Builder("grouped", input_shape=(4, 6, 6))
    build("depthwise", Conv2d.square(4, 8, groups=4))
    build("pointwise", Conv2d.square(8, 2, kernel=1, stride=2))
    graph = build.graph()
    assert MatrixWork.of(graph, "depthwise") == MatrixWork(positions=36, k=9, n=2, groups=4)
    assert MatrixWork.of(graph, "pointwise") == MatrixWork(positions=9, k=8, n=2)
    vit = build_graph("vit_tiny", input_shape=(3, 32, 32), classes=10)
    assert MatrixWork.of(vit, "block1_attention_scores") == MatrixWork(positions=65, k=64, n=65, groups=3)
    assert MatrixWork.of(vit, "block1_attention_mix") == MatrixWork(positions=65, k=65, n=64, groups=3)


def test_figures_of_a_record(characterized: Characterized) -> None:
    record = characterized("exact:width=4", "systolic", rows=2, columns=2, terms=16)
    own = Array.of(record)
    cost = record.circuit_cost
    assert own.columns == (Columns(multiplier="exact4s", count=2, product_fj=cost.energy_fj),)
    assert (own.name, own.rows, own.cells) == (record.name, 2, 4)
    assert (own.area_um2, own.leakage_nw, own.period_ns) == (cost.area_um2, cost.leakage_nw, cost.delay_ns)
    assert 0 < own.clock_fj < cost.energy_fj


def test_figures_of_a_mixed_record(store: Store) -> None:
    first, second = RoupSpec(width=5, p=2), RoupSpec(width=5)
    spec = MixedSystolicSpec.of((first, second, first), rows=2, terms=4)
    record = characterize_mixed(spec, flow=Flow.of(store=store, conditions=Conditions(pairs=512)), threads=1)
    own = Array.of(record)
    assert [(each.multiplier, each.count) for each in own.columns] == [(first.name, 2), (second.name, 1)]
    assert own.columns_of(first.name).product_fj == record.way(first).energy_fj
    assert own.cells == 6
    assert own.clock_fj == record.costs[0].clock_fj


def test_only_arrays_run_layers(characterized: Characterized) -> None:
    with pytest.raises(AxhwError, match=r"^Expected a systolic array to run layers on, found exact4s\.$"):
        Array.of(characterized("exact:width=4"))


@pytest.mark.parametrize("size", [(64, 4, 4), (64, 3, 2), (64, 1, 2), (16, 5, 3), (9, 8, 1)])
def test_energy_is_near_that_of_the_gates(characterized: Characterized, size: tuple[int, int, int]) -> None:
    """Products and clock pins against timed simulation of a whole matrix product, with filling and draining."""
    record = characterized("exact:width=4", "systolic", rows=2, columns=2, terms=16)
    library, spec = load_library(DEFAULT).cells, record.spec
    assert isinstance(spec, SystolicSpec)
    m, k, n = size
    own = Array.of(record)
    tiling = Tiling(spec=spec, m=m, k=k, n=n)
    cycles = own.cycles(MatrixWork(positions=m, k=k, n=n), np.array([1]), multiplier="exact4s").item()
    assert cycles == tiling.cycles
    products = m * k * n
    modelled = products * own.columns[0].product_fj + (own.cells * cycles - products) * own.clock_fj

    rng = np.random.default_rng(1)
    ports = skewed(spec, tiling.fill(rng.integers(-8, 8, (m, k)), rng.integers(-8, 8, (k, n))))
    graph = levelize(record.netlist, library)
    timing = analyze_timing(record.netlist, library, graph=graph)
    inputs = {name: getattr(ports, name)[..., None] for name in ("a", "w", "s_i", "valid", "load")}
    run = run_clocked(record.netlist, graph, library, array_inputs(spec, **inputs, reset=np.zeros_like(inputs["load"])))
    activity = timed_activity(graph, timing, run.source_values(0), threads=1)
    simulated = measure_energy(
        record.netlist,
        library,
        timing,
        rise=activity.rise,
        fall=activity.fall,
        operations=1,
        one_probability=activity.one_probability,
        cycles_per_operation=cycles,
    ).dynamic_fj
    assert modelled == pytest.approx(simulated, rel=0.05)
