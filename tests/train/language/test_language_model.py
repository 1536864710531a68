"""The module against `axhw.lm`'s numpy model and against experts row by row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.errors import AxhwError  # noqa: E402
from axhw.lm.checkpoint import Checkpoint  # noqa: E402
from axhw.lm.config import ModelConfig  # noqa: E402
from axhw.lm.layout import tensor_shapes  # noqa: E402
from axhw.lm.model import LanguageModel  # noqa: E402
from axhw.lm.random_weights import random_tensors  # noqa: E402
from axhw.lm.save import write_checkpoint  # noqa: E402
from axhw.train.language.experts import Experts  # noqa: E402
from axhw.train.language.model import LanguageModule, count_parameters  # noqa: E402
from axhw.train.language.weights import from_arrays, to_arrays  # noqa: E402

VARIANTS: dict[str, dict[str, Any]] = {
    "olmoe": {},
    "olmoe-other": {"architecture": "olmoe", "normalize_top_k": True, "tied_embeddings": True},
    "deepseek": {"architecture": "deepseek", "shared_width": 24, "dense_layers": (0,), "dense_width": 20},
    "deepseek-other": {"architecture": "deepseek", "normalize_top_k": True},
    "experts-choose": {"architecture": "deepseek", "shared_width": 12, "routing": "expert_choice"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_those_of_the_numpy_model(
    variant: str, make_config: Callable[..., ModelConfig], tmp_path: Path
) -> None:
    config = make_config(**VARIANTS[variant])
    arrays = random_tensors(config, np.random.default_rng(1), spread=0.3)
    module = LanguageModule(config, dropout=0.5, expert_dropout=0.5).eval()
    from_arrays(module, arrays)
    write_checkpoint(tmp_path, config, arrays)
    tokens = np.random.default_rng(2).integers(0, config.vocabulary, (3, config.context))
    seen: dict[int, list[Any]] = {}
    with torch.no_grad():
        found = module(torch.from_numpy(tokens), lambda layer, *routing: seen.update({layer: list(routing)}))
    expected = LanguageModel(config, Checkpoint(tmp_path)).logits(tokens)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert tuple(seen) == config.expert_layers
    logits, chosen, weights = seen[config.layers - 1]
    assert logits.shape == (tokens.size, config.experts)
    if config.routing == "expert_choice":
        # 32 x 2 / 6, rounded up, of each of 3 texts.
        assert chosen.shape == weights.shape == (3 * 11, config.experts)
    else:
        assert chosen.shape == weights.shape == (tokens.size, config.active_experts)


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_go_to_arrays_and_back(variant: str, make_config: Callable[..., ModelConfig]) -> None:
    config = make_config(**VARIANTS[variant])
    arrays = random_tensors(config, np.random.default_rng(0))
    module = LanguageModule(config)
    from_arrays(module, arrays)
    back = to_arrays(module)
    assert set(back) == set(tensor_shapes(config))
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
    assert count_parameters(module) == sum(array.size for array in arrays.values())


def test_initial_weights_depend_on_the_seed(make_config: Callable[..., ModelConfig]) -> None:
    first, same, other = (to_arrays(LanguageModule(make_config(), seed=seed)) for seed in (0, 0, 1))
    matrix = "model.layers.1.mlp.experts.3.up_proj.weight"
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not np.array_equal(first[matrix], other[matrix])
    assert first["model.norm.weight"].tolist() == [1.0] * 16


@pytest.mark.parametrize("unused", [False, True])
def test_experts_are_those_of_each_row(unused: bool) -> None:
    torch.manual_seed(0)
    layer = Experts(5, 6, 7, dropout=0.0).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    rows = torch.randn(11, 6, dtype=torch.float64, requires_grad=True)
    chosen = torch.stack([torch.randperm(3 if unused else 5)[:2] for _ in range(11)])
    weights = torch.rand(11, 2, dtype=torch.float64, requires_grad=True)
    trained = [rows, weights, *layer.parameters()]

    def expected() -> Any:
        outputs = []
        for i, row in enumerate(rows):
            added = torch.zeros(6, dtype=torch.float64)
            for expert, weight in zip(chosen[i], weights[i]):
                inner = torch.nn.functional.silu(layer.gate[expert] @ row) * (layer.up[expert] @ row)
                added = added + weight * (layer.down[expert] @ inner)
            outputs.append(added)
        return torch.stack(outputs)

    found, wanted = layer(rows, chosen, weights), expected()
    torch.testing.assert_close(found, wanted)
    slope = torch.randn_like(found)
    gradients = torch.autograd.grad((found * slope).sum(), trained)
    for gradient, right in zip(gradients, torch.autograd.grad((wanted * slope).sum(), trained)):
        torch.testing.assert_close(gradient, right)


def test_experts_take_rows_of_each_text() -> None:
    torch.manual_seed(0)
    layer = Experts(3, 6, 7, dropout=0.0).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    rows = torch.randn(2, 5, 6, dtype=torch.float64)
    places = torch.tensor([[[0, 4], [4, 2], [4, 0]], [[1, 3], [1, 0], [2, 1]]])
    weights = torch.rand(2, 3, 2, dtype=torch.float64)
    wanted = torch.zeros_like(rows)
    for text in range(2):
        for expert in range(3):
            for place, weight in zip(places[text, expert], weights[text, expert]):
                row = rows[text, place]
                inner = torch.nn.functional.silu(layer.gate[expert] @ row) * (layer.up[expert] @ row)
                wanted[text, place] += weight * (layer.down[expert] @ inner)
    torch.testing.assert_close(layer.take(rows, places, weights), wanted)


@pytest.mark.parametrize("routing", ["token_choice", "expert_choice"])
def test_bfloat16_is_close(routing: str, make_config: Callable[..., ModelConfig]) -> None:
    module = LanguageModule(make_config("deepseek", shared_width=12, routing=routing)).eval()
    tokens = torch.arange(32)[None]
    with torch.no_grad():
        exact = module(tokens)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = module(tokens)
    assert rounded.dtype == torch.bfloat16
    assert (exact - rounded).abs().max() < 0.05 * exact.abs().max()


def test_bad_models_get_a_sentence(make_config: Callable[..., ModelConfig]) -> None:
    with pytest.raises(AxhwError, match="that can be trained, out of olmoe, deepseek, found mixtral."):
        LanguageModule(make_config("mixtral", normalize_top_k=True))
    with pytest.raises(AxhwError, match="found attention_bias False, 2 and 1 heads."):
        LanguageModule(make_config(kv_heads=1))
    with pytest.raises(AxhwError, match="Expected a model with experts in at least one layer, found only dense layers"):
        LanguageModule(make_config("deepseek", dense_layers=(0, 1), dense_width=8))
    module = LanguageModule(make_config())
    with pytest.raises(AxhwError, match="Expected at most 32 bytes, the model's context, found 33."):
        module(torch.zeros(1, 33, dtype=torch.int64))
    arrays = to_arrays(module)
    arrays["model.norm.weight"] = arrays["model.norm.weight"][:3]
    with pytest.raises(AxhwError, match=r"Expected a tensor model.norm.weight of shape \(16,\), found \(3,\)."):
        from_arrays(module, arrays)
    del arrays["model.norm.weight"]
    with pytest.raises(AxhwError, match=r"Expected a tensor model.norm.weight of shape \(16,\), found none."):
        from_arrays(module, arrays)
