from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.moe.arrays import Array, Columns
from axhw.moe.hardware import hardware_cost
from axhw.moe.rows import ExpertRows
from axhw.nn.graph import Graph
from axhw.nn.zoo.names import build_graph
from axhw.record import DesignRecord

Characterized = Callable[..., DesignRecord]
ImageExperts = Callable[[int], Graph]


def array(multiplier: str, **others: float) -> Array:
    """4 x 4 PEs."""
    usual = Array(
        name=f"array_{multiplier}",
        rows=4,
        columns=(Columns(multiplier=multiplier, count=4, product_fj=100.0),),
        area_um2=1000.0,
        leakage_nw=500.0,
        period_ns=2.0,
        clock_fj=10.0,
        library_sha256="",
    )
    return replace(usual, **others)


def test_one_array_by_hand(image_experts: ImageExperts) -> None:
    """Each layer is one tile: 1 - 1 + 8 cycles for gate and head, 16 - 1 + 8 for the expert."""
    cost = hardware_cost(ExpertRows.balanced(image_experts(1)), [array("exact")], multipliers={}, exact="exact")
    assert cost.cycles == cost.worst_cycles == 8 + 23 + 8
    assert cost.latency_us == pytest.approx(0.002 * 39)
    products = 6 + 64 + 4
    assert cost.product_nj == pytest.approx(1e-6 * products * 100)
    assert cost.idle_nj == pytest.approx(1e-6 * (16 * 39 - products) * 10)
    assert cost.leakage_nj == pytest.approx(500 * 78 * 1e-9)
    assert cost.energy_nj == pytest.approx(cost.product_nj + cost.idle_nj + cost.leakage_nj)
    assert cost.area_um2 == 1000
    assert cost.utilisation == cost.arrays[0].utilisation == pytest.approx(products / (16 * 39))
    by_layer = {run.layer: run for run in cost.layers}
    assert by_layer["expert0"].cycles == pytest.approx(23 / 3)
    assert by_layer["expert0"].utilisation == pytest.approx(64 / (16 * 23))


def test_experts_on_their_own_arrays_overlap(image_experts: ImageExperts) -> None:
    rows = ExpertRows.balanced(image_experts(3))
    together = hardware_cost(rows, [array("exact")], multipliers={}, exact="exact")
    assert together.cycles == 8 + 3 * 23 + 8
    names = {f"expert{number}": f"m{number}" for number in range(3)}
    apart = hardware_cost(
        rows, [array("exact"), *(array(name) for name in names.values())], multipliers=names, exact="exact"
    )
    assert apart.cycles == 8 + 23 + 8
    assert apart.area_um2 == 4000
    assert apart.product_nj == pytest.approx(together.product_nj)
    assert apart.idle_nj == pytest.approx(together.idle_nj)
    # Four arrays leak, for a shorter time.
    assert apart.leakage_nj == pytest.approx(4 * 500 * 2 * 39 * 1e-9)
    assert apart.utilisation == pytest.approx((6 + 192 + 4) / (4 * 16 * 39))
    assert [use.cycles for use in apart.arrays] == [16, 23, 23, 23]


def test_the_slowest_array_sets_the_clock(image_experts: ImageExperts) -> None:
    arrays = [array("exact", period_ns=3.0), array("coarse", period_ns=1.0, leakage_nw=100.0)]
    names = {f"expert{number}": "coarse" for number in range(3)}
    cost = hardware_cost(ExpertRows.balanced(image_experts(1)), arrays, multipliers=names, exact="exact")
    assert cost.period_ns == 3
    assert cost.latency_us == pytest.approx(0.003 * 39)
    assert cost.leakage_nj == pytest.approx(600 * 117 * 1e-9)


def test_tokens_by_hand(token_experts: Graph) -> None:
    """Both layers of an expert are two tiles: max(m, 4) + m - 1 + 8 cycles for m tokens, none for no tokens."""
    rows = ExpertRows(graph=token_experts, by_gate={"gate": np.array([[5, 0], [2, 3]])})
    names = {f"{layer}{expert}": f"m{expert}" for layer in ("up", "down") for expert in range(2)}
    one = hardware_cost(rows, [array("exact")], multipliers={}, exact="exact")
    # 12 for the gate and 5 tiles of one row for the head.
    first, second = 12 + 2 * 17 + 24, 12 + 2 * 13 + 2 * 14 + 24
    assert one.cycles == pytest.approx((first + second) / 2)
    assert one.worst_cycles == second
    three = hardware_cost(rows, [array("exact"), array("m0"), array("m1")], multipliers=names, exact="exact")
    assert three.cycles == pytest.approx((first + 12 + 2 * 14 + 24) / 2)
    by_layer = {run.layer: run for run in three.layers}
    assert by_layer["up0"].cycles == pytest.approx((17 + 13) / 2)
    assert by_layer["up1"].cycles == pytest.approx(14 / 2)


def test_energies_of_the_operands(image_experts: ImageExperts) -> None:
    rows = ExpertRows.balanced(image_experts(1))
    cost = hardware_cost(rows, [array("exact")], multipliers={}, exact="exact", product_fj={"head": 50.0})
    assert cost.product_nj == pytest.approx(1e-6 * (70 * 100 + 4 * 50))


def test_columns_of_one_array_wait_for_each_other(image_experts: ImageExperts) -> None:
    """An array of two multipliers does one layer at a time; the other columns are idle."""
    columns = tuple(
        Columns(multiplier=name, count=2, product_fj=fj) for name, fj in (("exact", 100.0), ("coarse", 60.0))
    )
    mixed = replace(array("exact"), columns=columns)
    names = {f"expert{number}": "coarse" for number in range(3)}
    cost = hardware_cost(ExpertRows.balanced(image_experts(1)), [mixed], multipliers=names, exact="exact")
    # The gate's three outputs take two tiles of two columns: 4 cycles more.
    assert cost.cycles == 12 + 23 + 8
    assert cost.product_nj == pytest.approx(1e-6 * (10 * 100 + 64 * 60))
    assert cost.idle_nj == pytest.approx(1e-6 * (16 * 43 - 74) * 10)


def test_an_expert_that_nobody_chooses(image_experts: ImageExperts) -> None:
    rows = ExpertRows(graph=image_experts(1), by_gate={"gate": np.array([[1, 0, 0]])})
    arrays = [array("exact"), array("coarse")]
    cost = hardware_cost(rows, arrays, multipliers={"expert1": "coarse"}, exact="exact")
    unused = cost.arrays[1]
    assert (unused.products, unused.cycles, unused.utilisation, unused.idle_nj) == (0, 0, 0, 0)
    assert unused.energy_nj == unused.leakage_nj > 0
    assert next(run for run in cost.layers if run.layer == "expert1").utilisation == 0


def test_topologies_on_real_arrays(characterized: Characterized) -> None:
    """Hard and Cluster cost a little more than Dense, Soft four times as much; coarse arrays save."""
    exact = characterized("exact:width=4", "systolic", rows=2, columns=2, terms=16)
    coarse = characterized("roup:width=4,p=1,r=2", "systolic", rows=2, columns=2, terms=16)
    arrays = [Array.of(exact), Array.of(coarse)]
    found = {}
    for name in ("resnet8", "resnet8_hard4", "resnet8_soft4", "resnet8_cluster4"):
        graph = build_graph(name, input_shape=(3, 32, 32), classes=10)
        rows = ExpertRows.balanced(graph)
        gates = {node.name for node in graph.gate_nodes}
        names = {layer: "roup4s_p1_r2" for layer in graph.multiplications if layer not in gates}
        cost = found[name] = hardware_cost(rows, arrays, multipliers=names, exact="exact4s")
        assert sum(use.products for use in cost.arrays) == pytest.approx(sum(rows.multiplications.values()))
        assert cost.energy_nj < hardware_cost(rows, arrays[:1], multipliers={}, exact="exact4s").energy_nj
    dense = found["resnet8"].energy_nj
    assert found["resnet8_hard4"].energy_nj == pytest.approx(dense, rel=0.03)
    assert found["resnet8_cluster4"].energy_nj == pytest.approx(dense, rel=0.03)
    assert found["resnet8_soft4"].energy_nj == pytest.approx(4 * dense, rel=0.03)


def test_what_is_refused(image_experts: ImageExperts) -> None:
    rows = ExpertRows.balanced(image_experts(1))
    with pytest.raises(AxhwError, match=r"^Expected at least one array to run a network on, found none\.$"):
        hardware_cost(rows, [], multipliers={}, exact="exact")
    with pytest.raises(AxhwError, match=r"^Expected a multiplier of the arrays \(exact\), found coarse for head\.$"):
        hardware_cost(rows, [array("exact")], multipliers={"head": "coarse"}, exact="exact")
    with pytest.raises(AxhwError, match=r"^Expected product layers of image_experts out of .*, found 'mixed'\.$"):
        hardware_cost(rows, [array("exact")], multipliers={"mixed": "exact"}, exact="exact")
    with pytest.raises(AxhwError, match=r"^Expected a finite figure of at least 0 for head, found nan\.$"):
        hardware_cost(rows, [array("exact")], multipliers={}, exact="exact", product_fj={"head": float("nan")})
    twice = [array("exact"), replace(array("exact"), name="second")]
    with pytest.raises(
        AxhwError, match=r"^Expected each multiplier in one array, found exact in array_exact and second"
    ):
        hardware_cost(rows, twice, multipliers={}, exact="exact")
    with pytest.raises(AxhwError, match=r"^Expected array_b measured in the library of array_a, found another\.$"):
        hardware_cost(rows, [array("a"), replace(array("b"), library_sha256="0")], multipliers={}, exact="a")
