"""Retraining towards what a network answered with exact products."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from axhw.data import digits
from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.assignment import approximated_layers
from axhw.nn.executor import Executor
from axhw.nn.network import Network
from axhw.nn.quantizer import quantize_network
from axhw.nn.weights_file import load_shipped
from axhw.sim.product_table import ProductTable

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.train.batches import DeviceImages  # noqa: E402
from axhw.train.quantization_aware import QuantizedModule  # noqa: E402
from axhw.train.recipe import Recipe  # noqa: E402
from axhw.train.session import Session  # noqa: E402
from axhw.train.trainer import Trainer, answers_of  # noqa: E402

STILL = 1e-30
"""A rate at which nothing changes."""


@pytest.fixture(scope="module")
def splits() -> Splits:
    return digits.load()


@pytest.fixture(scope="module", params=["digits_cnn", "digits_cnn_hard2"])
def network(request: pytest.FixtureRequest) -> Network:
    return load_shipped(request.param, "digits").network


def modules(network: Network, table: ProductTable) -> tuple[QuantizedModule, QuantizedModule]:
    """With the table, and with exact products."""
    tables = dict.fromkeys(approximated_layers(network.graph), table)
    return QuantizedModule(network, signed=True, tables=tables), QuantizedModule(network, signed=True)


def test_answers_are_those_of_the_integer_network(network: Network, splits: Splits) -> None:
    teacher = QuantizedModule(network, signed=True)
    images = DeviceImages(splits.train, device="cpu")
    chosen = images.epoch(seed=0, epoch=0)[:300]
    answers = answers_of(teacher, images, chosen)
    executor = Executor(quantize_network(network, splits.train.images[:0], signed=True))
    np.testing.assert_array_equal(answers.numpy(), executor(splits.train.images[chosen.index.numpy()]))


@pytest.mark.parametrize(("share", "temperature"), [(0.0, 1.0), (0.5, 1.0), (1.0, 3.0)])
def test_the_loss_is_that_of_labels_and_answers(
    network: Network, splits: Splits, make_table: Callable[..., ProductTable], share: float, temperature: float
) -> None:
    module, teacher = modules(network, make_table("roup:p=3,r=6"))
    images = DeviceImages(splits.train, device="cpu")
    recipe = Recipe(
        epochs=1, batch=256, learning_rate=STILL, warmup_epochs=0, distillation=share, temperature=temperature
    )
    trainer = Trainer(module, module.model.tensors(), images, recipe, seed=0, log=print, teacher=teacher)
    found = trainer.epoch(0)

    order = images.epoch(seed=0, epoch=0).index.numpy()[: trainer.steps * recipe.batch]
    seen = torch.from_numpy(splits.train.images[order])
    with torch.no_grad():
        logits, wanted = module.eval()(seen).double(), teacher(seen).double()
    log_shares = torch.log_softmax(logits, dim=1)
    of_labels = -log_shares[torch.arange(len(order)), torch.from_numpy(splits.train.labels[order]).long()].mean()
    told = torch.softmax(wanted / temperature, dim=1)
    of_answers = -(told * torch.log_softmax(logits / temperature, dim=1)).sum(dim=1).mean()
    assert found == pytest.approx(float((1 - share) * of_labels + share * temperature**2 * of_answers), rel=1e-5)


def test_with_answers_alone_labels_do_not_matter(
    network: Network, splits: Splits, make_table: Callable[..., ProductTable]
) -> None:
    table = make_table("roup:p=3,r=6")
    shuffled = np.random.default_rng(0).permutation(splits.train.labels)
    trained = []
    for labels in (splits.train.labels, shuffled):
        module, teacher = modules(network, table)
        images = DeviceImages(dataclasses.replace(splits.train, labels=labels), device="cpu")
        recipe = Recipe(epochs=1, batch=128, learning_rate=0.01, warmup_epochs=0, distillation=1.0)
        trainer = Trainer(module, module.model.tensors(), images, recipe, seed=0, log=print, teacher=teacher)
        trainer.epoch(0)
        trained.append(module.network().parameters)
    assert any(not np.array_equal(trained[0][name], network.parameters[name]) for name in network.parameters)
    for name, values in trained[0].items():
        np.testing.assert_array_equal(values, trained[1][name])


def test_answers_recover_what_a_table_costs(
    network: Network, splits: Splits, make_table: Callable[..., ProductTable]
) -> None:
    session = Session(splits=splits, seed=0, signed=True, device="cpu", log=lambda line: None)
    recipe = Recipe(epochs=3, batch=64, learning_rate=0.005, largest_gradient=1.0, distillation=1.0, freeze_gates=True)
    tables = dict.fromkeys(approximated_layers(network.graph), make_table("roup:p=3,r=6"))
    result = session.retrain(network, recipe, tables=tables)
    assert result.accuracy_before < 0.8
    assert result.accuracy_after > result.accuracy_before + 0.1


def test_training_from_random_weights_has_no_answers(splits: Splits) -> None:
    module = QuantizedModule(load_shipped("digits_cnn", "digits").network, signed=True)
    images = DeviceImages(splits.train, device="cpu")
    with pytest.raises(AxhwError, match=r"^Expected distillation in retraining, .* found 0\.5 in a training from"):
        Trainer(
            module,
            module.model.tensors(),
            images,
            Recipe(epochs=1, distillation=0.5),
            seed=0,
            log=print,
        )
