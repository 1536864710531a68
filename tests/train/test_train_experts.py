"""Experts in training: the integers of the rows chosen for them are those of the executor."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.data.names import load_dataset  # noqa: E402
from axhw.errors import AxhwError  # noqa: E402
from axhw.nn.executor import Executor  # noqa: E402
from axhw.nn.graph import INPUT, Graph, Node  # noqa: E402
from axhw.nn.layers.activations import Relu  # noqa: E402
from axhw.nn.layers.routing import Combine, Gate, chosen_rows  # noqa: E402
from axhw.nn.network import Network  # noqa: E402
from axhw.nn.quantizer import quantize_network  # noqa: E402
from axhw.nn.weights_file import load_shipped, read_weights, write_weights  # noqa: E402
from axhw.nn.zoo.moe import mixture_of_experts, parse_mixture  # noqa: E402
from axhw.nn.zoo.names import build_graph  # noqa: E402
from axhw.nn.zoo.vit import vit  # noqa: E402
from axhw.sim.product_table import ProductTable  # noqa: E402
from axhw.train import history  # noqa: E402
from axhw.train.batches import DeviceImages  # noqa: E402
from axhw.train.layers import forward  # noqa: E402
from axhw.train.options import Options, add_arguments  # noqa: E402
from axhw.train.quantization_aware import QuantizedModule  # noqa: E402
from axhw.train.recipe import Plan, Recipe, plan_for  # noqa: E402
from axhw.train.routing import Capacity, ChosenRows, LoadBalance  # noqa: E402
from axhw.train.run import run  # noqa: E402
from axhw.train.torch_model import GraphModule, initial_parameters, upcycled  # noqa: E402
from axhw.train.trainer import Trainer, choices_of  # noqa: E402

Images = np.ndarray
SHAPE = (3, 8, 8)
NAMES = ["resnet8_hard4", "digits_cnn_soft3", "digits_cnn_cluster3", "digits_cnn_hard4_top2", "vit_hard3", "vit_soft2"]


def graph_of(name: str) -> Graph:
    if not name.startswith("vit"):
        return build_graph(name, input_shape=SHAPE, classes=5)
    dense = vit("vit", patch=4, features=12, blocks=1, heads=2, input_shape=SHAPE, classes=5)
    found = parse_mixture(name)
    assert found is not None
    return mixture_of_experts(dense, found[1], name=name)


@pytest.mark.parametrize(("signed", "symmetric"), [(True, None), (True, False), (False, None)])
@pytest.mark.parametrize("name", NAMES)
def test_integers_of_chosen_rows_equal_the_executor(
    name: str,
    signed: bool,
    symmetric: bool | None,
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., Images],
    make_table: Callable[..., ProductTable],
) -> None:
    network = make_network(graph_of(name))
    images = noise(6, SHAPE)
    network = calibrated(network, images, signed=signed, symmetric=symmetric)
    table = make_table("roup:p=1,r=4", signed=signed)
    executor = Executor(quantize_network(network, images, signed=signed, symmetric=symmetric), table)
    module = QuantizedModule(network, signed=signed, symmetric=symmetric, tables=table)
    expected: dict[str, Images] = {}
    logits = executor(images, observe=lambda node, inputs, output: expected.__setitem__(node.name, np.array(output)))
    compared = set()

    def check(node: Node, found: torch.Tensor) -> None:
        consumers = module.graph.consumers[node.name]
        if len(consumers) == 1 and isinstance(consumers[0].layer, Relu):
            # Cut off at once here, and one layer later there.
            return
        values = found.detach().numpy()
        if node.route is not None:
            if found.requires_grad:
                zero = int(executor.network.codings[node.route.gate].zero_point)
                values = values[chosen_rows(expected[node.route.gate], node.route.expert, zero=zero)]
            if not len(values):
                assert node.name not in expected
                return
        np.testing.assert_array_equal(values, expected[node.name], err_msg=node.name)
        compared.add(node.name)

    # Without gradients experts compute the chosen rows, with gradients of gates all rows.
    for gradients in (False, True):
        compared.clear()
        with torch.set_grad_enabled(gradients):
            found = module(torch.from_numpy(images), check)
        np.testing.assert_array_equal(found.detach().numpy(), logits)
        assert any(module.graph[node].route is not None for node in compared)
        assert {node.name for node in module.graph if isinstance(node.layer, Gate)} <= compared


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_left_out_have_no_gradient(
    name: str,
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., Images],
) -> None:
    network = make_network(graph_of(name))
    images = noise(6, SHAPE)
    module = QuantizedModule(calibrated(network, images, signed=True), signed=True).train()
    gates = {node.name for node in module.graph.gate_nodes}
    gradients, rows = [], []
    for frozen in (set(), gates):
        module.model.freeze(frozen)
        module.zero_grad()
        computed: dict[str, int] = {}
        logits = module(
            torch.from_numpy(images),
            lambda node, value: computed.__setitem__(node.name, len(value)),  # noqa: B023
        )
        torch.nn.functional.cross_entropy(logits, torch.arange(6) % 5).backward()
        gradients.append({key: value.grad for key, value in module.model.named_parameters()})
        rows.append(sum(count for node, count in computed.items() if module.graph[node].route is not None))
    every, chosen = gradients
    for key, gradient in every.items():
        if key.rpartition("/")[0] in gates:
            continue
        assert gradient is not None
        torch.testing.assert_close(chosen[key], gradient, rtol=1e-4, atol=1e-5, msg=key)
    # Gates that see tokens pass gradients on to what makes these, so all experts are asked.
    assert (rows[1] < rows[0]) == (name not in ("digits_cnn_soft3", "vit_hard3", "vit_soft2"))


@pytest.mark.parametrize("name", ["resnet8_hard4", "digits_cnn_cluster3"])
def test_slots_for_rows_change_no_logit_and_no_gradient(
    name: str,
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., Images],
    make_table: Callable[..., ProductTable],
) -> None:
    network, images = make_network(graph_of(name)), noise(40, SHAPE)
    table = make_table("roup:p=1,r=4", signed=True)
    module = QuantizedModule(calibrated(network, images, signed=True), signed=True, tables=table).train()
    module.model.freeze(node.name for node in module.graph.gate_nodes)
    assert len(module.early_gates) == (1 if "cluster" in name else 7)
    batch = torch.from_numpy(images)
    decided = module.choices(batch)
    assert set(decided) == set(module.early_gates)
    assert all((codes != 0).sum() == len(images) for codes in decided.values())
    logits, gradients, rows = [], [], []
    for given in (False, True):
        if given:
            assert module.make_room(decided, batch=len(images))
            assert not module.make_room(decided, batch=len(images) // 2)
        module.zero_grad()
        computed: dict[str, int] = {}
        observe = lambda node, x: computed.__setitem__(node.name, len(x))  # noqa: B023, E731
        logits.append(module(batch, observe, decided=decided if given else None))
        assert computed.keys().isdisjoint(decided) == given
        torch.nn.functional.cross_entropy(logits[-1], torch.arange(len(images)) % 5).backward()
        gradients.append({key: value.grad for key, value in module.model.named_parameters()})
        rows.append({node.name: computed[node.name] for node in module.graph if node.route is not None})
    assert torch.equal(*logits)
    assert torch.equal(module(batch), logits[0])
    for key, gradient in gradients[0].items():
        if gradient is not None and gradient.any():
            torch.testing.assert_close(gradients[1][key], gradient, rtol=1e-4, atol=1e-5, msg=key)
        else:
            assert gradients[1][key] is None or not gradients[1][key].any(), key
    # Four to spare, and eight at once.
    assert rows[1] == {node: -(-(count + 4) // 8) * 8 for node, count in rows[0].items()}


def test_rows_without_a_slot_are_an_error() -> None:
    graph = build_graph("digits_cnn_hard2", input_shape=SHAPE, classes=5)
    capacities = {"conv1_gate": Capacity.of([4, 3], torch.device("cpu"))}
    rows = ChosenRows(graph, capacities)
    chosen = torch.arange(17) < 9
    rows.decide("conv1_gate", torch.stack([chosen, ~chosen], dim=1))
    values = {INPUT: torch.ones(17, *SHAPE), "conv1_gate": torch.zeros(17, 2)}
    for name in ("conv1_expert0", "conv1_expert1"):
        (values[name],) = rows.inputs(graph[name], values)
        assert len(values[name]) == 8
    with pytest.raises(IndexError):
        rows.picked(graph["conv1"], values)


def test_gates_choose_for_a_whole_epoch(
    make_network: Callable[[Graph], Network], calibrated: Callable[..., Network]
) -> None:
    data = load_dataset("digits")
    images = DeviceImages(data.train, device="cpu")
    graph = build_graph("digits_cnn_hard4", input_shape=data.train.image_shape, classes=10)
    network = calibrated(make_network(graph), data.train.batch(0, 64)[0], signed=True)
    module = QuantizedModule(network, signed=True)
    assert module.early_gates == ()
    module.model.freeze(node.name for node in graph.gate_nodes)
    choice = images.epoch(seed=0, epoch=0)[:320]
    found = choices_of(module, images, choice)
    assert set(found) == set(module.early_gates)
    for step in range(10):
        part = slice(32 * step, 32 * step + 32)
        for gate, codes in module.choices(images(choice[part])[0]).items():
            assert torch.equal(codes, found[gate][part])
    module.follow_ranges(True)
    assert module.early_gates == ()


@pytest.mark.parametrize("name", ["digits_cnn_hard4", "digits_cnn_cluster3"])
def test_epochs_with_slots_train_as_those_without(
    name: str, make_network: Callable[[Graph], Network], calibrated: Callable[..., Network]
) -> None:
    data = load_dataset("digits")
    images = DeviceImages(data.train, data.augmentation, device="cpu")
    graph = build_graph(name, input_shape=data.train.image_shape, classes=10)
    network = calibrated(make_network(graph), data.train.batch(0, 64)[0], signed=True)
    recipe = Recipe(epochs=2, batch=64, learning_rate=0.01, largest_gradient=1.0, freeze_gates=True)
    losses, weights = [], []
    for recorded in (False, True):
        module = QuantizedModule(network, signed=True)
        module.model.freeze(node.name for node in graph.gate_nodes)
        trainer = Trainer(module, module.model.tensors(), images, recipe, seed=0, log=lambda line: None)
        # As on a GPU, but for the recording of a step.
        trainer._on_gpu = recorded
        trainer._recorded = lambda trainer=trainer: trainer._step
        found = []
        for epoch in range(2):
            assert trainer.make_room(epoch) == (recorded and epoch == 0)
            assert not trainer.make_room(epoch)
            found.append(trainer.epoch(epoch))
        losses.append(found)
        weights.append(module.network().parameters)
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    for name, value in weights[0].items():
        np.testing.assert_allclose(weights[1][name], value, atol=2e-3, err_msg=name)


@pytest.mark.parametrize("name", NAMES)
def test_real_values_are_those_of_chosen_rows(
    name: str, make_network: Callable[[Graph], Network], noise: Callable[..., Images]
) -> None:
    network, images = make_network(graph_of(name)), noise(6, SHAPE)
    module = GraphModule(network.graph, network.parameters).eval()
    with torch.no_grad():
        found = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, network.forward(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_gates_choose_as_numpy_does(k: int) -> None:
    rng = np.random.default_rng(0)
    logits = rng.integers(-2, 3, (50, 4)).astype(np.float32)
    found = forward(Gate(k=k), torch.from_numpy(logits), parameters={}).numpy()
    expected = Gate(k=k).forward(logits, parameters={})
    np.testing.assert_array_equal(found != 0, expected != 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    if k == 1:
        np.testing.assert_array_equal(found, expected)


def test_one_expert_is_chosen_with_the_gradient_of_the_softmax() -> None:
    logits = torch.tensor([[0.5, 2.0, -1.0]], requires_grad=True)
    weights = forward(Gate(k=1), logits, parameters={})
    assert weights.tolist() == [[0.0, 1.0, 0.0]]
    direction = torch.tensor([[1.0, 2.0, 4.0]])
    (weights * direction).sum().backward()
    found = logits.grad.clone()
    logits.grad = None
    (torch.softmax(logits, dim=-1) * direction).sum().backward()
    torch.testing.assert_close(found, logits.grad)


def test_combined_experts_have_the_bits_of_numpy() -> None:
    rng = np.random.default_rng(0)
    weights = Gate(k=2).forward(rng.normal(size=(5, 3, 4)).astype(np.float32), parameters={})
    experts = [rng.normal(size=(15, 6)).astype(np.float32) for _ in range(4)]
    found = forward(Combine(), torch.from_numpy(weights), *map(torch.from_numpy, experts), parameters={})
    chosen = (x[chosen_rows(weights, expert)] for expert, x in enumerate(experts))
    np.testing.assert_array_equal(found.numpy(), Combine().forward(weights, *chosen, parameters={}))


def test_uneven_use_costs_and_even_use_does_not() -> None:
    graph = build_graph("digits_cnn_hard2_r30", input_shape=(1, 8, 8), classes=10)
    name = "conv3_gate_logits"

    def loss(logits: list[list[float]]) -> torch.Tensor:
        balance = LoadBalance(graph)
        balance.observe("conv3", torch.zeros(1))
        balance.observe(name, torch.tensor(logits))
        return balance.loss()

    probability = float(torch.softmax(torch.tensor([1.0, 0.0]), dim=0)[0])
    assert float(loss([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(1.0)
    # All rows to the first expert: 2 (1 p + 0 (1 - p)).
    assert float(loss([[1.0, 0.0], [1.0, 0.0]])) == pytest.approx(2 * probability)
    soft = LoadBalance(build_graph("digits_cnn_soft2_r30", input_shape=(1, 8, 8), classes=10))
    soft.observe(name, torch.tensor([[5.0, 0.0], [3.0, 1.0]]))
    assert float(soft.loss()) == pytest.approx(1.0)


def test_frozen_gates_do_not_change(make_network: Callable[[Graph], Network], noise: Callable[..., Images]) -> None:
    network = make_network(graph_of("resnet8_hard4"))
    module = GraphModule(network.graph, network.parameters).train()
    gates = {node.name for node in network.graph.gate_nodes}
    module.freeze(gates)
    module(torch.from_numpy(noise(6, SHAPE))).sum().backward()
    for name in network.graph.parameter_shapes:
        node, _, local = name.rpartition(".")
        tensor = module.tensor(name)
        if local.startswith("running"):
            assert torch.equal(tensor, torch.from_numpy(network.parameters[name])) == (node in gates), name
        else:
            assert tensor.requires_grad == (node not in gates), name
            assert (tensor.grad is None) == (node in gates), name
    module.freeze([])
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("name", ["digits_cnn_hard3", "digits_cnn_cluster3", "vit_hard3"])
def test_ranges_follow_the_chosen_rows(
    name: str,
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., Images],
) -> None:
    images = noise(6, SHAPE)
    network = calibrated(make_network(graph_of(name)), images, signed=True)
    wide = {tensor: (2 * low, 2 * high) for tensor, (low, high) in network.ranges.items() if "_gate" not in tensor}
    network = replace(network, ranges={**network.ranges, **wide})
    module = QuantizedModule(network, signed=True).train()
    module.follow_ranges(True)
    module(torch.from_numpy(images))
    seen: dict[str, tuple[float, float]] = {}

    def note(tensor: str, values: Images) -> None:
        # 0 is in every range.
        seen[tensor] = (min(0.0, float(values.min())), max(0.0, float(values.max())))

    network.forward(images, observe=note)
    moved = 0
    for tensor, after in module.ranges.items():
        before = network.ranges[tensor]
        if tensor.endswith("_gate") or tensor not in seen:
            assert after == pytest.approx(before, abs=1e-12)
            continue
        # One step of 1 % tells where it goes; codes are not quite the real values.
        low, high = (old + (new - old) / 0.01 for old, new in zip(before, after))
        tolerance = 0.15 * max(-seen[tensor][0], seen[tensor][1])
        assert (min(low, 0.0), high) == pytest.approx(seen[tensor], abs=tolerance), tensor
        moved += 1
    assert moved >= 4


def test_plans_balance_gates_and_then_freeze_them() -> None:
    plan, dense = plan_for("resnet8_hard4"), plan_for("resnet8")
    assert plan.dense == replace(dense.real, epochs=100)
    assert (plan.real.epochs, plan.real.learning_rate, plan.real.load_balance) == (50, 0.05, 0.03)
    assert plan_for("vit_tiny_hard4").real.load_balance == 0.01
    assert plan_for("vit_tiny_cluster4").real.load_balance == 0.03
    assert plan.quantized == replace(dense.quantized, freeze_gates=True)
    assert plan_for("vit_tiny_cluster2").real.label_smoothing == plan_for("vit_tiny").real.label_smoothing > 0
    with pytest.raises(AxhwError, match="Expected load balance of at least 0, found -1."):
        Recipe(epochs=1, load_balance=-1.0)


def test_gates_begin_undecided() -> None:
    graph = build_graph("resnet20_hard4", input_shape=(3, 32, 32), classes=10)
    parameters = initial_parameters(graph, seed=0)
    assert parameters["conv5_gate_logits.weight"].std() == pytest.approx(0.02, rel=0.3)
    assert parameters["gateway_conv2.weight"].std() == pytest.approx(np.sqrt(2 / 72), rel=0.1)
    assert not np.array_equal(parameters["conv5_expert0.weight"], parameters["conv5_expert1.weight"])


def test_experts_begin_as_what_they_stand_for() -> None:
    base = build_graph("resnet8", input_shape=(3, 32, 32), classes=10)
    dense = Network(graph=base, parameters=initial_parameters(base, seed=3))
    graph = build_graph("resnet8_hard2", input_shape=(3, 32, 32), classes=10)
    taken = upcycled(graph, dense)
    for expert in ("conv5_expert0", "conv5_expert1"):
        np.testing.assert_array_equal(taken[f"{expert}.weight"], dense.parameters["conv5.weight"])
    np.testing.assert_array_equal(taken["conv5_norm.weight"], dense.parameters["conv5_norm.weight"])
    gates = {node.name for node in graph.gate_nodes}
    assert {name.rpartition(".")[0] for name in set(graph.parameter_shapes) - set(taken)} <= gates
    copies = build_graph("resnet8_cluster2", input_shape=(3, 32, 32), classes=10)
    np.testing.assert_array_equal(upcycled(copies, dense)["copy1_conv3.weight"], dense.parameters["conv3.weight"])


def start_options(out: Path, *given: str) -> Options:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    named = [f"--out={out}", "--data=digits", "--epochs=1", "--quantized-epochs=1"]
    return Options.parsed(parser.parse_args([*named, *given]), device="cpu")


@pytest.mark.parametrize("model", ["digits_cnn_hard2", "digits_cnn"])
def test_training_starts_from_trained_weights(model: str, tmp_path: Path) -> None:
    dense = tmp_path / "dense.safetensors"
    write_weights(dense, load_shipped("digits_cnn", "digits"), folded=True)
    lines: list[str] = []
    # At this rate nothing is unlearnt: weights from nowhere would be right about one image of ten.
    run(
        start_options(tmp_path, f"--model={model}", f"--start={dense}", "--learning-rate=1e-4"),
        log=lines.append,
    )
    (told,) = [line for line in lines if line.startswith("real values: test accuracy")]
    assert float(told.rpartition(" ")[2]) > 0.9
    assert any(line.startswith("start: dense.safetensors, sha256 ") for line in lines)
    assert not any(line.startswith(("dense epoch", "without experts")) for line in lines)


def test_a_start_is_of_the_dense_network(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    write_weights(other, load_shipped("digits_cnn_hard2", "digits"), folded=True)
    said = r"^Expected weights of digits_cnn in other.safetensors, found those of digits_cnn_hard2\.$"
    with pytest.raises(AxhwError, match=said):
        run(start_options(tmp_path, "--model=digits_cnn_hard2", f"--start={other}"), log=print)
    said = r"^Expected a network without batch norms to start from weights, found resnet8\.$"
    with pytest.raises(AxhwError, match=said):
        run(start_options(tmp_path, "--model=resnet8_hard2", f"--start={other}"), log=print)


def test_a_continued_plan_has_less_to_learn() -> None:
    dense, experts = plan_for("vit_mini"), plan_for("vit_mini_hard4_r25")
    continued = dense.continued()
    assert continued.real.epochs == dense.real.epochs // 4
    assert continued.real.learning_rate == dense.real.learning_rate / 4
    assert experts.continued() == replace(experts, dense=None)
    assert replace(experts.continued().real, load_balance=0.0) == continued.real


def options(out: Path, **changes: Any) -> Options:
    quantized = Recipe(epochs=2, batch=128, learning_rate=1e-3, largest_gradient=1.0, freeze_gates=True)
    real = Recipe(epochs=1, batch=128, learning_rate=0.05, load_balance=0.01)
    dense = Recipe(epochs=2, batch=128, learning_rate=0.05)
    plan = replace(Plan(real=real, quantized=quantized, calibration_images=32, dense=dense), **changes)
    return Options(
        model="digits_cnn_hard2", data="digits", data_folder=None, out=out, plan=plan, seed=0, signed=True, device="cpu"
    )


@pytest.mark.parametrize("stage", ["dense", "real", "quantized"])
def test_training_that_was_cut_off_comes_to_the_same_weights(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "digits_cnn_hard2-digits.safetensors"
    lines: list[str] = []
    whole = run(options(tmp_path / "whole"), log=lines.append)
    assert "network: digits_cnn_hard2, 348128 multiplications per image" in lines
    assert whole.network.ranges["conv2_gate"] == (0.0, 1.0)
    monkeypatch.setattr(history, "_CHECKPOINT_SECONDS", 0.0)

    class CutOff(Exception):
        pass

    saved = history.save_checkpoint

    def save_then_cut(path: Path, progress: Any, tensors: Any) -> None:
        saved(path, progress, tensors)
        if progress.log[-1].startswith(f"{stage} epoch 1:"):
            raise CutOff

    with monkeypatch.context() as patch:
        patch.setattr(history, "save_checkpoint", save_then_cut)
        with pytest.raises(CutOff):
            run(options(tmp_path / "cut"), log=lambda line: None)
    run(options(tmp_path / "cut"), log=lambda line: None)
    assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert read_weights(tmp_path / "whole" / name).network.graph == whole.network.graph


def test_gates_are_not_balanced_with_codes(tmp_path: Path) -> None:
    quantized = Recipe(epochs=1, batch=64, learning_rate=1e-3, load_balance=0.01)
    with pytest.raises(AxhwError, match="Expected gates to be balanced in training with real values, found 0.01 for"):
        run(options(tmp_path, quantized=quantized), log=lambda line: None)
