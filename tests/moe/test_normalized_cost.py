from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from axhw.errors import AxhwError
from axhw.moe.normalized_cost import NormalizedCost, measured_ratio, normalized_cost, published_ratio
from axhw.moe.rows import ExpertRows
from axhw.nn.graph import Graph
from axhw.nn.layers.products import Conv2d
from axhw.nn.zoo.names import build_graph
from axhw.record import DesignRecord

CIFAR, TINY = ((3, 32, 32), 100), ((3, 64, 64), 200)

Characterized = Callable[..., DesignRecord]
ImageExperts = Callable[[int], Graph]


@pytest.mark.parametrize(
    ("share", "circuit", "published"),
    [(0.973, "mul8s_1L2L", "0.485"), (0.99, "mul8s_1L2J", "0.71"), (0.999, "mul8s_1L2L", "0.47")],
)
def test_published_values(share: float, circuit: str, published: str) -> None:
    cost = NormalizedCost(executed=1, base=1, approximate_share=share, power_ratio=published_ratio(circuit))
    digits = len(published.partition(".")[2])
    assert f"{cost.value:.{digits}f}" == published


@pytest.mark.parametrize(
    ("name", "shape", "classes", "circuit", "published"),
    [
        ("vit_small", *TINY, "mul8s_1L2L", "0.485"),
        ("resnet20", *CIFAR, "mul8s_1L2J", "0.71"),
        ("vgg19_bn_hard4", *CIFAR, "mul8s_1L2L", "0.47"),
    ],
)
def test_published_values_of_our_networks(
    name: str, shape: tuple[int, ...], classes: int, circuit: str, published: str
) -> None:
    graph = build_graph(name, input_shape=shape, classes=classes)
    base = build_graph(name.partition("_hard")[0], input_shape=shape, classes=classes)
    cost = normalized_cost(ExpertRows.balanced(graph), ratios=published_ratio(circuit), base=base)
    assert f"{cost.value:.{len(published) - 2}f}" == published


@pytest.mark.parametrize(
    ("base", "experts"), [("resnet20", ""), ("resnet20", "_hard4"), ("resnet20", "_cluster4"), ("vgg11_bn", "_soft4")]
)
def test_share_of_convolutions(base: str, experts: str) -> None:
    """The study approximates convolutions, 98 to 99.9 % of the multiplications; our gates are small."""
    graph, dense = (build_graph(name, input_shape=(3, 32, 32), classes=100) for name in (base + experts, base))
    gates = {node.name for node in graph.gate_nodes}
    ratios = {node.name: 0.5 for node in graph if isinstance(node.layer, Conv2d) and node.name not in gates}
    cost = normalized_cost(ExpertRows.balanced(graph), ratios=ratios, base=dense)
    assert 0.98 <= cost.approximate_share < 1
    assert cost.executed / cost.base == pytest.approx(4 if experts == "_soft4" else 1, rel=0.01)


def test_share_of_linear_layers() -> None:
    """About 97.3 % in the study's ViT."""
    graph = build_graph("vit_small", input_shape=(3, 64, 64), classes=200)
    cost = normalized_cost(ExpertRows.balanced(graph), ratios=0.5, base=graph)
    assert cost.approximate_share == pytest.approx(0.973, abs=0.0005)


def test_by_hand(image_experts: ImageExperts) -> None:
    graph = image_experts(2)
    rows = ExpertRows.balanced(graph)
    # 6 of the gate, 2 * 64 of the experts, 4 of the head; a dense network would need 64 + 4.
    one = normalized_cost(rows, ratios=0.5, base=graph)
    assert (one.executed, one.approximate_share, one.power_ratio) == pytest.approx((138, 132 / 138, 0.5))
    assert one.base == 6 + 3 * 64 + 4
    two = normalized_cost(rows, ratios={"expert0": 0.25, "head": 1.0}, base=graph)
    share = 128 / 3 + 4
    assert two.approximate_share == pytest.approx(share / 138)
    assert two.value * two.base == pytest.approx(138 - 128 / 3 * 0.75)
    assert normalized_cost(rows, ratios={}, base=graph).value == pytest.approx(138 / 202)


def test_ratios(characterized: Characterized) -> None:
    assert published_ratio("mul8s_1KV6") == 1
    assert published_ratio("mul8s_1L2L") == pytest.approx(0.4706, abs=1e-4)
    exact, coarse = characterized("exact:width=4"), characterized("roup:width=4,p=1")
    assert measured_ratio(exact, exact) == 1
    assert measured_ratio(coarse, exact) == coarse.circuit_cost.energy_fj / exact.circuit_cost.energy_fj
    moved = replace(exact, cost=replace(exact.circuit_cost, library="other", library_sha256="0"))
    with pytest.raises(
        AxhwError, match=r"^Expected designs measured in one library, found other for exact4s and sg13g2"
    ):
        measured_ratio(coarse, moved)


def test_what_is_refused(image_experts: ImageExperts) -> None:
    good = {"executed": 1.0, "base": 1.0, "approximate_share": 0.5, "power_ratio": 0.5}
    for wrong, message in (
        ({"executed": 0.0}, "Expected more than 0 executed multiplications for a normalised cost, found 0.0."),
        ({"base": float("nan")}, "Expected more than 0 base multiplications for a normalised cost, found nan."),
        ({"approximate_share": 1.1}, "Expected an approximate share from 0 to 1, found 1.1."),
        ({"power_ratio": -1.0}, "Expected a power ratio of at least 0, found -1.0."),
    ):
        with pytest.raises(AxhwError, match=f"^{message}$"):
            NormalizedCost(**{**good, **wrong})
    with pytest.raises(
        AxhwError, match=r"^Expected a circuit of EvoApproxLib v2022 \(mul8s_1KV6, .*found 'mul8s_9'\.$"
    ):
        published_ratio("mul8s_9")
    graph = image_experts(1)
    rows = ExpertRows.balanced(graph)
    with pytest.raises(AxhwError, match=r"^Expected product layers of image_experts out of gate_logits, .*'mixed'\.$"):
        normalized_cost(rows, ratios={"mixed": 0.5}, base=graph)
    with pytest.raises(AxhwError, match=r"^Expected a finite figure of at least 0 for head, found -1\.$"):
        normalized_cost(rows, ratios={"head": -1}, base=graph)
