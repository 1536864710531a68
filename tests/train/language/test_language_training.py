"""Training language models: they learn, experts are balanced, the best weights stay, and it can be cut off."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.errors import AxhwError  # noqa: E402
from axhw.lm.config import ModelConfig  # noqa: E402
from axhw.lm.scoring import windows  # noqa: E402
from axhw.train.history import History  # noqa: E402
from axhw.train.language import trainer  # noqa: E402
from axhw.train.language.losses import ExpertUse, RouterLosses  # noqa: E402
from axhw.train.language.model import LanguageModule  # noqa: E402
from axhw.train.language.recipe import Recipe  # noqa: E402
from axhw.train.language.trainer import TextScore, score, train  # noqa: E402
from axhw.train.language.weights import to_arrays  # noqa: E402
from axhw.train.language.windows import DeviceText  # noqa: E402

Bytes = npt.NDArray[np.uint8]

RECIPE = Recipe(
    rounds=3, steps=8, batch=8, length=24, learning_rate=0.01, warmup_rounds=0.5, dropout=0.1, expert_dropout=0.1
)


def text(data: Bytes, length: int = 24) -> DeviceText:
    return DeviceText(data, length=length, name="text", device="cpu")


def run(
    config: ModelConfig, data: Bytes, recipe: Recipe, *, checkpoint: Path | None = None, **options: Any
) -> tuple[LanguageModule, list[str]]:
    """A trained model and the log."""
    lines: list[str] = []
    module = LanguageModule(config, seed=3, dropout=recipe.dropout, expert_dropout=recipe.expert_dropout)
    history = History(lines.append, checkpoint=checkpoint, run={"rounds": recipe.rounds})
    train(module, text(data), text(data[:200]), recipe, seed=5, history=history, **options)
    return module, lines


@pytest.mark.parametrize("architecture", ["olmoe", "deepseek"])
def test_a_repeated_text_is_learnt_by_heart(
    architecture: str, make_config: Callable[..., ModelConfig], repeated: Bytes
) -> None:
    config = make_config(architecture, shared_width=0 if architecture == "olmoe" else 12)
    recipe = replace(RECIPE, rounds=4, steps=50, dropout=0.0, expert_dropout=0.0)
    module, lines = run(config, repeated, recipe)
    found = score(module, text(repeated))
    # The first bytes of a window can't be told for sure.
    assert found.accuracy > 0.85
    assert found.perplexity < 2.0
    assert len(lines) == 4
    assert lines[-1].startswith("round 4 (4.0 of 4, ")


def test_training_goes_on_where_it_was_cut_off(
    make_config: Callable[..., ModelConfig], repeated: Bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, lines = run(make_config(), repeated, RECIPE)
    monkeypatch.setattr(trainer, "_CHECKPOINT_SECONDS", 0.0)
    path = tmp_path / "checkpoint.safetensors"
    rounds = trainer._round

    def cut_off(*arguments: Any, number: int, **options: Any) -> str:
        if number == 2:
            raise KeyboardInterrupt
        return rounds(*arguments, number=number, **options)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "_round", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(make_config(), repeated, RECIPE, checkpoint=path)
    torch.manual_seed(99)
    resumed, told = run(make_config(), repeated, RECIPE, checkpoint=path)
    assert [line.rsplit(",", 1)[0] for line in told] == [line.rsplit(",", 1)[0] for line in lines]
    expected = to_arrays(whole)
    for name, array in to_arrays(resumed).items():
        np.testing.assert_array_equal(array, expected[name])


def test_the_weights_of_the_best_round_stay(
    make_config: Callable[..., ModelConfig], repeated: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    nats = iter([3.0, 2.0, 2.5, 2.0, 2.1, 1.0])
    kept = []

    def scored(model: LanguageModule, *arguments: Any, **options: Any) -> TextScore:
        kept.append(to_arrays(model))
        return TextScore(nats=next(nats), accuracy=0.0, imbalance=1.0, unused=0)

    monkeypatch.setattr(trainer, "score", scored)
    module, lines = run(make_config(), repeated, replace(RECIPE, rounds=6, steps=1, patience=3))
    assert len(kept) == 5
    assert lines[-1] == "stopped: no better validation in 3 rounds"
    for name, array in to_arrays(module).items():
        np.testing.assert_array_equal(array, kept[1][name])


def test_a_time_limit_shortens_the_schedule(make_config: Callable[..., ModelConfig], repeated: Bytes) -> None:
    _, lines = run(make_config(), repeated, replace(RECIPE, rounds=1000, steps=2), seconds=0.3)
    assert 2 <= len(lines) < 500
    assert f"(1000.0 of 1000, {len(lines) * 2 * 8 * 24 / len(repeated):.1f} passes)" in lines[-1]


def test_balance_makes_use_even(make_config: Callable[..., ModelConfig], repeated: Bytes) -> None:
    recipe = replace(RECIPE, rounds=3, steps=30, router_z=0.0)
    imbalances = []
    for factor in (0.0, 0.1):
        module, _ = run(make_config(experts=16), repeated, replace(recipe, load_balance=factor))
        imbalances.append(score(module, text(repeated)).imbalance)
    assert imbalances[1] < 0.7 * imbalances[0]


def test_losses_of_routers() -> None:
    losses, use = RouterLosses(), ExpertUse()
    even, uneven = torch.zeros(4, 4), torch.tensor([[math.log(9.0), 0.0, 0.0, 0.0]] * 4)
    for layer, logits, chosen in ((0, even, [[0, 1], [2, 3], [0, 1], [2, 3]]), (2, uneven, [[0, 1]] * 4)):
        for observer in (losses, use):
            observer.observe(layer, logits, torch.tensor(chosen), torch.empty(4, 2))
    # Even use and even probabilities: 1. All rows to experts 0 and 1, of probabilities 9/12 and 1/12: 4 * 10/24.
    assert float(losses.balance()) == pytest.approx((1 + 4 * 10 / 24) / 2)
    assert float(losses.z()) == pytest.approx((math.log(4) ** 2 + math.log(12) ** 2) / 2)
    assert use.imbalance() == pytest.approx((1 + 2) / 2)
    assert use.unused() == 2


def test_windows_in_order_are_those_of_the_numpy_score(repeated: Bytes) -> None:
    data = repeated[:240]
    inputs, targets = windows(data, window=24)
    batches = list(text(data).in_order(4))
    np.testing.assert_array_equal(torch.cat([tokens for tokens, _ in batches]).numpy(), inputs)
    np.testing.assert_array_equal(torch.cat([following for _, following in batches]).numpy(), targets)


def test_random_windows_are_parts_of_the_text() -> None:
    data = np.arange(100, dtype=np.uint8)
    first = list(text(data).random(seed=1, number=2, steps=50, batch=4))
    again, other = (list(text(data).random(seed=1, number=number, steps=50, batch=4)) for number in (2, 3))
    tokens = torch.stack([tokens for tokens, _ in first])
    assert tokens.shape == (50, 4, 24)
    assert all(torch.equal(following, tokens + 1) for tokens, following in first)
    assert (int(tokens.min()), int(tokens.max())) == (0, 98)
    assert torch.equal(tokens, torch.stack([tokens for tokens, _ in again]))
    assert not torch.equal(tokens, torch.stack([tokens for tokens, _ in other]))


def test_bad_training_gets_a_sentence(make_config: Callable[..., ModelConfig], repeated: Bytes) -> None:
    with pytest.raises(AxhwError, match="Expected a finite loss, found nan in round 1: lower the learning rate."):
        run(make_config(), repeated, replace(RECIPE, learning_rate=1e30, warmup_rounds=0.0))
    with pytest.raises(AxhwError, match="Expected more than 24 bytes, one window, in text, found 24."):
        text(repeated[:24])
