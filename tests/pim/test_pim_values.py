"""Rows of values: what they are compared with, steps one by one, and figures of the model that comes along."""

from __future__ import annotations

import math

import numpy as np
import pytest

from axhw.analog.bench import Bench
from axhw.analog.model_calibration import calibrate
from axhw.analog.operators import HybridModel
from axhw.analog.selectors import Selection
from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.expert_choice import ExpertChoice
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.random_weights import random_tensors
from axhw.lm.routing import NOBODY, Chosen
from axhw.lm.save import write_checkpoint
from axhw.lm.scoring import score, windows
from axhw.pim.cache import GoCache
from axhw.pim.cached_choice import CachedChoice
from axhw.pim.machines import Machine, build_machines, float_machine, integer_machine
from axhw.pim.value_trace import Comparison, Trace, trace
from axhw.pim.values import Route, ValueRow, ValueSettings, value_rows

WINDOW = 64
SETTINGS = ValueSettings(prompts=(16, 32), noisy_prompts=(16,), score_bits=(), window=WINDOW)


@pytest.fixture(scope="module")
def bench() -> Bench:
    """The model that comes along, with a text of eight windows."""
    return Bench.load(
        model="olmoe_bytes_small", text="python_topics", most_bytes=513, most_calibration_bytes=513, window=WINDOW
    )


@pytest.fixture(scope="module")
def exact_rows(bench: Bench) -> list[ValueRow]:
    """Those of the exact model."""
    return value_rows(bench.name, [float_machine(bench.model)], bench.test, settings=SETTINGS)


def small(folder: str, tmp_path_factory: pytest.TempPathFactory, **changes: object) -> LanguageModel:
    given: dict[str, object] = {
        "architecture": "deepseek",
        "vocabulary": 40,
        "hidden": 16,
        "layers": 3,
        "heads": 2,
        "kv_heads": 2,
        "head_dim": 8,
        "context": 64,
        "rope_theta": 1000.0,
        "norm_eps": 1e-5,
        "experts": 8,
        "active_experts": 2,
        "expert_width": 12,
        "normalize_top_k": False,
        "dense_layers": (0,),
        "dense_width": 20,
    }
    config = ModelConfig(**(given | changes))  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp(folder)
    write_checkpoint(path, config, random_tensors(config, np.random.default_rng(0), spread=0.4))
    return load_model(path, keep=True)


@pytest.mark.parametrize("size", ["fixed", "growing"])
def test_steps_one_by_one_give_the_same(size: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A step computes the new token alone, with the states of all earlier ones and a GO cache for each layer."""
    model = small("steps", tmp_path_factory)
    tokens = np.random.default_rng(2).integers(0, 40, (1, 30))
    prompt, experts = 9, 8
    chosen_at_once: dict[int, Chosen] = {}
    at_once = model.with_choice(CachedChoice(active=2, prompt=prompt, size=size)).logits(  # type: ignore[arg-type]
        tokens, observer=lambda layer, logits, chosen, weights: chosen_at_once.update({layer: chosen})
    )
    # The prompt, whose experts choose among its tokens.
    states = [model.embed(tokens[:, :prompt])]
    prefill = model.with_choice(ExpertChoice(active=2))
    scores: dict[int, list[np.ndarray]] = {}

    def read(layer: int, logits: np.ndarray, chosen: Chosen, weights: np.ndarray) -> None:
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores[layer] = list(shares / shares.sum(axis=1, keepdims=True))

    for layer in range(3):
        states.append(prefill.layer(layer, states[-1], observer=read))
    capacity = math.ceil(prompt * 2 / experts)
    caches = {layer: GoCache(rows, capacity=capacity) for layer, rows in scores.items()}
    for place in range(prompt, 30):
        new = model.embed(tokens[:, place : place + 1])
        for layer in range(3):
            before = np.concatenate([states[layer], new], axis=1)
            attended = model.attended(layer, before)[:, -1:]

            def choose(logits: np.ndarray, layer: int = layer, place: int = place) -> tuple[Chosen, np.ndarray]:
                shares = np.exp(logits[0, 0] - logits.max())
                row = shares / shares.sum()
                if size == "fixed":
                    took = caches[layer].add(row).experts
                else:
                    kept = math.ceil((place + 1) * 2 / experts)
                    took = np.flatnonzero((np.array(scores[layer]) >= row).sum(axis=0) < kept)
                    scores[layer].append(row)
                table = np.full((1, experts), NOBODY)
                weights = np.zeros((1, experts), np.float32)
                table[0, : len(took)], weights[0, : len(took)] = took, row[took]
                if layer:
                    np.testing.assert_array_equal(chosen_at_once[layer][place], table[0])
                return table, weights

            after = model.with_choice(choose).feed_forward(layer, attended)
            states[layer] = before
            new = after
        states[3] = np.concatenate([states[3], new], axis=1)
    np.testing.assert_allclose(model.head(states[3]), at_once, rtol=1e-3, atol=1e-3)


def test_rows_of_the_model_as_trained(bench: Bench, exact_rows: list[ValueRow]) -> None:
    first = exact_rows[0]
    right = score(bench.model, bench.test, window=WINDOW)
    assert first.perplexity == pytest.approx(right.perplexity, rel=1e-5)
    assert (first.tokens, first.routing, first.reference, first.causal) == (512, "token_choice", "trained", True)
    assert (first.output_error, first.agreement, first.rise_pct, first.experts_per_token) == (0, 1, 0, 2)
    assert first.without_pct == 0


def test_routings_and_caches_of_the_shipped_model(exact_rows: list[ValueRow]) -> None:
    found = {(row.routing, row.prompt, row.size): row for row in exact_rows}
    assert list(found) == [
        ("token_choice", 0, ""),
        ("expert_choice", 0, ""),
        *(("expert_choice", prompt, size) for prompt in (16, 32) for size in ("fixed", "growing")),
    ]
    whole = found["expert_choice", 0, ""]
    assert (whole.reference, whole.causal, whole.experts_per_token) == ("trained", False, 2)
    assert 0.3 < whole.agreement < 0.8
    assert 0.1 < whole.output_error < 0.4
    assert 0 < whole.rise_pct < 10
    for prompt in (16, 32):
        fixed, growing = found["expert_choice", prompt, "fixed"], found["expert_choice", prompt, "growing"]
        for row in (fixed, growing):
            assert (row.reference, row.causal, row.tokens) == ("window", True, 8 * (WINDOW - prompt))
        # The published cache leaves ever more tokens without experts.
        assert fixed.reference_perplexity == growing.reference_perplexity
        assert growing.perplexity < fixed.perplexity
        assert growing.output_error < fixed.output_error
        assert growing.agreement > fixed.agreement
        assert fixed.experts_per_token < 1.6 < growing.experts_per_token
        assert fixed.without_pct > 5 * growing.without_pct
    assert found["expert_choice", 16, "fixed"].rise_pct > found["expert_choice", 32, "fixed"].rise_pct > 5


def test_hardware_is_compared_with_the_exact_model_of_the_same_routing(bench: Bench) -> None:
    codes = np.arange(-128, 128)
    coarse = np.multiply.outer(codes, codes) // 64 * 64
    # In the order of two's complement, as tables are.
    coarse = np.roll(coarse, 128, axis=(0, 1)).astype(np.int32)
    machines = build_machines(bench, tables={"coarse": coarse}, magnitudes=(2.5,))
    assert [machine.name for machine in machines] == ["float32", "int8", "coarse", "pcm 2.5, chip 0"]
    steps: list[tuple[int, int, str]] = []
    rows = value_rows(
        bench.name,
        machines,
        bench.test[: 2 * WINDOW + 1],
        settings=ValueSettings(prompts=(32,), noisy_prompts=(16,), sizes=("growing",), score_bits=(), window=WINDOW),
        progress=lambda *step: steps.append(step),
    )
    assert [step[0] for step in steps] == list(range(steps[0][1]))
    exact, others = rows[:3], rows[3:]
    assert [row.prompt for row in exact] == [0, 0, 32]
    assert [(row.routing, row.prompt) for row in others] == 3 * [
        ("token_choice", 0),
        ("expert_choice", 0),
        ("expert_choice", 16),
    ]
    assert {row.reference for row in others} == {"exact"}
    for row, other in zip(others, exact[:2]):
        assert row.reference_perplexity == other.perplexity
    errors = [np.mean([row.output_error for row in others[i : i + 3]]) for i in (0, 3, 6)]
    assert 0 < errors[0] < 0.03
    assert errors[0] < errors[1]
    assert 0.1 < errors[2] < 0.4
    assert [(row.noise, row.magnitude, row.seed) for row in others[6:]] == 3 * [("pcm", 2.5, 0)]
    # The same with nothing else computed beside it.
    alone = value_rows(
        bench.name,
        [machines[0], machines[3]],
        bench.test[: 2 * WINDOW + 1],
        settings=ValueSettings(prompts=(), noisy_prompts=(16,), sizes=("growing",), score_bits=(), window=WINDOW),
    )
    assert alone[2:] == others[6:]


def test_a_model_trained_with_expert_choice(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = small("choosing", tmp_path_factory, routing="expert_choice")
    text = np.random.default_rng(3).integers(0, 40, 2 * 32 + 1)
    settings = ValueSettings(prompts=(8,), noisy_prompts=(8,), score_bits=(4,), window=32)
    rows = value_rows("small", [integer_machine(model)], text, settings=settings)
    tokens_choose, whole, fixed, fixed_in_bits, growing, growing_in_bits = rows
    assert [row.score_bits for row in rows] == [None, None, None, 4, None, 4]
    assert fixed_in_bits.agreement != fixed.agreement
    assert growing_in_bits.agreement != growing.agreement
    assert whole.trained == "expert_choice"
    assert (whole.output_error, whole.agreement, whole.rise_pct, whole.reference) == (0, 1, 0, "trained")
    assert tokens_choose.reference == "trained"
    assert tokens_choose.agreement < 1
    assert tokens_choose.reference_perplexity == whole.perplexity
    assert fixed.reference == growing.reference == "window"
    assert growing.trained_perplexity == growing.reference_perplexity
    # Two layers of three have experts.
    assert len(whole.output_errors) == len(whole.agreements) == 2


def test_sums_over_windows(bench: Bench) -> None:
    inputs, targets = windows(bench.test, window=WINDOW)
    machine = bench.model.with_choice(Route(routing="expert_choice").chooser(bench.model.config))
    whole, right = Comparison(layers=(0, 1, 2), first=5), trace(bench.model, inputs, targets)
    whole.add(trace(machine, inputs, targets), right, right)
    parts = Comparison(layers=(0, 1, 2), first=5)
    for some in (slice(0, 3), slice(3, 8)):
        right = trace(bench.model, inputs[some], targets[some])
        parts.add(trace(machine, inputs[some], targets[some]), right, right)
    assert whole.tokens == parts.tokens == 8 * (WINDOW - 5)
    for name in ("error", "agreement", "experts_per_token", "without_pct", "nats"):
        assert getattr(whole, name) == pytest.approx(getattr(parts, name), rel=1e-4), name


def test_what_is_compared() -> None:
    def made(nats: float, added: list[float], chosen: list[list[int]]) -> Trace:
        return Trace(
            nats=np.full((1, 3), nats, np.float32),
            added={1: np.array(added, np.float32).reshape(1, 3, 1)},
            chosen={1: np.array(chosen, np.bool_)[None]},
        )

    found = made(2.0, [9, 3, 0], [[1, 1], [1, 0], [0, 0]])
    right = made(1.0, [9, 3, 4], [[1, 0], [1, 1], [0, 1]])
    sums = Comparison(layers=(1,), first=1)
    sums.add(found, right, made(0.5, [0, 0, 0], [[0, 0]] * 3))
    assert (sums.tokens, sums.nats, sums.reference_nats, sums.trained_nats) == (2, 4.0, 2.0, 1.0)
    assert sums.errors == (pytest.approx(4 / 5),)
    assert sums.agreements == (pytest.approx(1 / 3),)
    assert (sums.experts_per_token, sums.without_pct) == (0.5, 50.0)


def test_rows_are_tables(exact_rows: list[ValueRow]) -> None:
    row = exact_rows[1].row()
    assert [row[f"output_error_{layer}"] for layer in range(3)] == list(exact_rows[1].output_errors)
    assert [row[f"agreement_{layer}"] for layer in range(3)] == list(exact_rows[1].agreements)
    assert not any(isinstance(value, tuple) for value in row.values())


def test_selectors_of_digital_experts_need_tokens_that_choose(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = small("selected", tmp_path_factory, routing="expert_choice")
    text = np.random.default_rng(3).integers(0, 40, 65)
    hybrid = HybridModel(model, calibrate(model, text, window=16, tiles=TileSpec(), k=6, output_range=2))
    with pytest.raises(AxhwError, match="Expected a model whose tokens choose experts, found one of expert_choice."):
        Selection(hybrid, text, window=16)


def test_what_has_no_values(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(AxhwError, match="Expected prompts of 1 to 63 tokens of a window, found 64."):
        ValueSettings(prompts=(64,), window=64)
    with pytest.raises(AxhwError, match="Expected the size of a cache out of fixed, growing, found 'huge'."):
        ValueSettings(sizes=("huge",))  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match="Expected at least one machine, the exact one, found none."):
        value_rows("none", [], bench.test)
    dense = small("dense", tmp_path_factory, dense_layers=(0, 1, 2))
    with pytest.raises(AxhwError, match="Expected a language model with experts, found none in dense."):
        value_rows("dense", [Machine(model=dense)], bench.test)
    normalized = small("normalized", tmp_path_factory, normalize_top_k=True)
    with pytest.raises(AxhwError, match="Expected weights of experts that experts may choose by, found ones that sum"):
        value_rows("normalized", [Machine(model=normalized)], bench.test)
