"""Genomes, the noise they are predicted to make, and their energy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.nn.executor import Executor
from axhw.search.assignment import Ids, layer_tables
from axhw.search.energy import EnergyModel
from axhw.search.margins import Margins
from axhw.search.space import SPACE_LEVELS, SpaceLevel
from axhw.search.workbench import Workbench
from axhw.store import Store
from axhw.synth.libraries import DEFAULT, load_library
from axhw.workload import layer_operands

Choose = Callable[[int], dict[str, Ids]]


@pytest.mark.parametrize("level", SPACE_LEVELS)
def test_every_genome_is_a_configuration(workbench: Workbench, level: SpaceLevel) -> None:
    space = workbench.space(level)
    rng = np.random.default_rng(3)
    for genome in [
        tuple([0] * len(space.highest)),
        tuple(space.highest.tolist()),
        *(space.random(rng) for _ in range(20)),
    ]:
        choice = space.choice(genome)
        workbench.assignment(choice).check(space.graph)
        noise, energy = space.predicted(genome)
        assert energy == pytest.approx(space.energy.relative(choice))
        assert noise == pytest.approx(space.noise.noise(choice))
    exact = space.choice(space.exact())
    assert all((ids == workbench.palette.exact).all() for ids in exact.values())
    assert space.predicted(space.exact()) == pytest.approx((0.0, 1.0))


@pytest.mark.parametrize("level", ["filter", "kernel"])
def test_no_other_filters_or_kernels_make_less_noise(workbench: Workbench, level: SpaceLevel) -> None:
    space = workbench.space(level)
    name = "conv2"
    first, second = 0, len(space.options[name]) - 1
    place = list(space.options).index(name) * 3
    for taken in (4, 9):
        genome = list(space.exact())
        genome[place : place + 3] = [first, second, taken]
        ids = space.choice(tuple(genome))[name]
        least = space.noise.layer(name, ids)
        rng = np.random.default_rng(taken)
        for _ in range(10):
            other = rng.permutation(ids.ravel()).reshape(ids.shape)
            assert space.noise.layer(name, other) >= least - 1e-12


def test_kernels_add_up_to_filters(workbench: Workbench) -> None:
    noise = workbench.noise
    for name, filters in noise.filters.items():
        np.testing.assert_allclose(noise.kernels[name].sum(axis=2), filters, rtol=1e-9)
        assert (filters[workbench.palette.exact] == 0).all()


def test_predicted_noise_is_that_of_the_logits(workbench: Workbench, random_choice: Choose) -> None:
    """Within a factor, over configurations of very different noise."""
    network, images = workbench.network, workbench.bench.data.validation.images
    exact = Executor(network)(images)
    ratios = []
    for seed in range(8):
        choice = random_choice(seed)
        tables = {name: layer_tables(ids, workbench.palette.tables) for name, ids in choice.items()}
        change = Executor(network, tables)(images) - exact
        change = change - change.mean(axis=1, keepdims=True)
        ratios.append(float((change**2).mean()) / workbench.noise.noise(choice))
    assert 0.3 < min(ratios) <= max(ratios) < 3


def test_margins_against_drawn_noise() -> None:
    rng = np.random.default_rng(0)
    own = Margins(right=np.abs(rng.normal(2, 1, 400)), images=500)
    drawn = rng.normal(size=(400, 2000)) * np.sqrt(2 * 0.8) > own.right[:, None]
    assert own.loss(0.8) == pytest.approx(drawn.mean() * 400 / 500, rel=0.03)
    noises = [0.0, 1e-3, 0.8, 5.0]
    np.testing.assert_allclose(own.losses(noises), [own.loss(noise) for noise in noises], atol=2e-3)
    assert own.loss(0.0) == 0.0
    assert own.loss(1e9) == pytest.approx(0.4, rel=1e-3)


def test_energy_is_multiplications_times_energies(workbench: Workbench) -> None:
    energy = workbench.uniform_energy
    graph, energies = energy.graph, workbench.palette.energies_fj
    choice = {name: np.asarray(0) for name in graph.multiplications}
    choice["conv1"] = np.array([1, 3] * 8)
    conv1 = graph.multiplications["conv1"]
    others = sum(graph.multiplications.values()) - conv1
    assert energy.energy_nj(choice) == pytest.approx(
        1e-6 * (conv1 * (energies[1] + energies[3]) / 2 + others * energies[0])
    )


def test_operand_energies_are_kept(workbench: Workbench, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    library = load_library(DEFAULT).cells
    operands = layer_operands(workbench.network, workbench.bench.calibration_images[:1])

    def model() -> EnergyModel:
        return EnergyModel.of_operands(
            workbench.palette, workbench.network.graph, operands, library=library, store=store, pairs=64
        )

    first = model()
    monkeypatch.setattr("axhw.search.energy.workload_energy", lambda *args, **kwargs: pytest.fail("measured again"))
    second = model()
    for name, own in first.by_layer_fj.items():
        np.testing.assert_array_equal(own, second.by_layer_fj[name])
        assert (own > 0).all()
    # Activations behind a ReLU are often 0: they cost less than uniform ones.
    exact = workbench.palette.exact
    assert first.by_layer_fj["conv2"][exact] < workbench.palette.energies_fj[exact]


def test_layers_that_can_not_be_searched(workbench: Workbench) -> None:
    assert list(workbench.space("layer", layers=["conv2"]).options) == ["conv2"]
    with pytest.raises(AxhwError, match="Expected layers with weights to search, found 'relu1', which has none"):
        workbench.space("layer", layers=["relu1"])
    with pytest.raises(AxhwError, match="Expected at least one layer of digits_cnn to search, found none"):
        workbench.space("layer", layers=[])
