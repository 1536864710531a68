"""A design for each expert, for each layer, and for all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.evaluation import Bench
from axhw.moe.rows import ExpertRows
from axhw.moe.search import ROW_IMAGES, best_within, executed_energy, searched_fronts
from axhw.moe.shared_space import SharedSpace, expert_groups
from axhw.nn.zoo.names import build_graph
from axhw.record import DesignRecord
from axhw.search.palette import Palette
from axhw.search.space import Space
from axhw.search.workbench import Workbench


@pytest.fixture(scope="module")
def workbench(characterized: Callable[..., DesignRecord]) -> Workbench:
    circuits = ("mul8s_1KV6", "mul8s_1L2L", "mul8s_1L2N", "mul8s_1L12")
    palette = Palette.of([characterized(f"evoapprox:{circuit}") for circuit in circuits])
    bench = Bench.load(model="digits_cnn_hard2", data="digits", images=100)
    return Workbench(bench=bench, palette=palette, images=100, threads=1)


@pytest.fixture(scope="module")
def space(workbench: Workbench) -> Space:
    return workbench.space("layer", energy=executed_energy(workbench))


def test_groups_of_experts() -> None:
    graph = build_graph("vit_tiny_hard4_r25", input_shape=(3, 32, 32), classes=10)
    layers = tuple(node.name for node in graph.product_nodes)
    groups = expert_groups(graph, layers)
    assert tuple(f"block12_fc2_expert{expert}" for expert in range(4)) in groups
    assert ("block1_fc1",) in groups
    assert sum(map(len, groups)) == len(layers)
    cluster = build_graph("digits_cnn_cluster3", input_shape=(1, 8, 8), classes=10)
    found = expert_groups(cluster, ("copy0_conv2", "copy1_conv2", "copy2_conv2", "gateway_conv1"))
    assert found == [("gateway_conv1",), ("copy0_conv2", "copy1_conv2", "copy2_conv2")]


def test_energy_is_that_of_the_rows_executed(workbench: Workbench, space: Space) -> None:
    images = workbench.bench.data.train.limited(ROW_IMAGES).images
    done = ExpertRows.executed(workbench.network, images).multiplications
    for design in range(len(workbench.palette)):
        choice = space.uniform(design)
        own = workbench.palette.energies_fj
        wanted = sum(count * own[int(choice[name])] for name, count in done.items())
        assert space.energy.energy_nj(choice) == pytest.approx(1e-6 * wanted)


def test_layers_that_share_have_one_design(workbench: Workbench, space: Space) -> None:
    shared = SharedSpace.sharing(space)
    assert list(shared.groups) == ["conv1_expert0", "conv2_expert0", "conv3_expert0", "linear"]
    rng = np.random.default_rng(0)
    for genome in (shared.exact(), *(shared.random(rng) for _ in range(5))):
        choice = shared.choice(genome)
        for name, members in shared.groups.items():
            assert {int(choice[member]) for member in members} == {int(choice[name])}
        noise, energy = shared.predicted(genome)
        assert noise == pytest.approx(workbench.noise.noise(choice))
        assert energy == pytest.approx(space.energy.relative(choice))
    assert shared.predicted(shared.exact())[1] == pytest.approx(1)
    assert shared.uniform(2) == space.uniform(2)


def test_only_spaces_by_layer_can_be_shared(workbench: Workbench) -> None:
    with pytest.raises(AxhwError, match=r"^Expected a space by layer for experts that share, found one by filter\.$"):
        SharedSpace.sharing(workbench.space("filter"))


def test_finer_fronts_are_never_behind(workbench: Workbench) -> None:
    fronts = searched_fronts(workbench, evaluations=24, population=8, seed=1)
    volumes = fronts.hypervolumes
    assert volumes["network"] <= volumes["layer"] <= volumes["expert"]
    assert len(fronts.of("network")) == len(workbench.palette)
    rows = [point.row() for point in fronts.points]
    for most in (0.0, 1.0, 2.0, 8.0):
        saved = [
            best["energy_saved_pct"]
            for sharing in ("network", "layer", "expert")
            if (best := best_within([row for row in rows if row["sharing"] == sharing], most)) is not None
        ]
        assert saved == sorted(saved)
    again = searched_fronts(workbench, evaluations=24, population=8, seed=1)
    assert [point.row() for point in again.points] == rows


def test_the_best_within_a_loss() -> None:
    points = ((0, 10), (1 + 1e-12, 30), (2, 40))
    rows = [{"validation_loss_pct": loss, "energy_saved_pct": saved} for loss, saved in points]
    assert best_within(rows, 1) == rows[1]
    assert best_within(rows[1:], 0.5) is None
