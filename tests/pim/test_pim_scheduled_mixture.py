"""Layers in the cycles of schedules, against plain ones bit by bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.bench import Bench
from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.lm.config import ModelConfig
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.random_weights import random_tensors
from axhw.lm.save import write_checkpoint
from axhw.pim.choices import Choices
from axhw.pim.grouping import named_grouping, uniform_grouping
from axhw.pim.machines import Machine, analog_machines, float_machine, integer_machine
from axhw.pim.schedule import Mode
from axhw.pim.schedule_values import GROUPINGS, KINDS, ScheduleValueRow, schedule_value_rows
from axhw.pim.scheduled_mixture import ScheduledMixture
from axhw.pim.values import Route
from axhw.sim.product_table import golden_table

TOKEN_CHOICE = Route(routing="token_choice")
ROUTES = (
    TOKEN_CHOICE,
    Route(routing="expert_choice"),
    Route(routing="expert_choice", prompt=4, size="fixed"),
    Route(routing="expert_choice", prompt=4, size="growing"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """8 experts, of which tokens take 4: sums of four terms."""
    config = ModelConfig(
        architecture="deepseek",
        vocabulary=50,
        hidden=16,
        layers=2,
        heads=2,
        kv_heads=2,
        head_dim=8,
        context=64,
        rope_theta=1000.0,
        norm_eps=1e-5,
        experts=8,
        active_experts=4,
        expert_width=12,
        normalize_top_k=False,
        shared_width=12,
    )
    folder = tmp_path_factory.mktemp("model")
    write_checkpoint(folder, config, random_tensors(config, np.random.default_rng(0), spread=0.4))
    return load_model(folder, keep=True)


@pytest.fixture(scope="module")
def tokens() -> npt.NDArray[np.int64]:
    """A text."""
    return np.random.default_rng(1).integers(0, 50, 8)


@pytest.fixture(scope="module")
def bench() -> Bench:
    """The model that comes along, with a text."""
    return Bench.load(model="olmoe_bytes_small", text="python_topics", most_bytes=48, most_calibration_bytes=300)


def approximate(model: LanguageModel, name: str) -> Machine:
    return integer_machine(model, name=name, table=golden_table(parse(name, signed=True)))


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_schedule_in_integers_is_the_plain_model(
    route: Route, model: LanguageModel, tokens: npt.NDArray[np.int64]
) -> None:
    rows = schedule_value_rows(integer_machine(model), tokens, route=route)
    assert [(row.grouping, row.scheduler, row.mode) for row in rows] == [
        (g, *kind) for g in GROUPINGS for kind in KINDS
    ]
    assert all(row.equal and row.difference == 0 for row in rows)
    # Four terms in the order of arrival are another sum.
    assert sum(row.arrival_difference > 0 for row in rows) > len(rows) / 2
    assert max(row.arrival_difference for row in rows) < 1e-3


def test_approximate_products_too(model: LanguageModel, tokens: npt.NDArray[np.int64]) -> None:
    machine = approximate(model, "roup:p=1,r=4")
    rows = schedule_value_rows(machine, tokens, route=ROUTES[3], groupings=("S4",))
    assert all(row.equal for row in rows)
    exact = integer_machine(model).model.logits(tokens[None])
    assert not np.array_equal(machine.model.logits(tokens[None]), exact)


def test_the_shipped_model(bench: Bench) -> None:
    machine = approximate(bench.model, "evoapprox:mul8s_1L2L")
    for route, grouping in ((TOKEN_CHOICE, "S2"), (ROUTES[3], "S4")):
        rows = schedule_value_rows(machine, bench.test[:20], route=route, groupings=[grouping])
        assert all(row.equal for row in rows)
        # Two terms are the same sum in either order.
        assert all((row.arrival_difference == 0) == (route == TOKEN_CHOICE) for row in rows)


def test_rows_in_float32_and_on_a_chip_are_the_same_in_any_schedule(bench: Bench) -> None:
    (chip,) = analog_machines(bench, magnitudes=(1.5,), seeds=(3,))
    text = bench.test[None, :20]
    for machine in (float_machine(bench.model), chip):
        logits = []
        for name in ("U1", "S4"):
            for scheduler, mode in KINDS:
                mixture = ScheduledMixture(
                    groupings=dict.fromkeys(range(3), uniform_grouping(16, 1 if name == "U1" else 4)),
                    scheduler=scheduler,
                    mode=mode,
                )
                logits.append(machine.model.with_mixture(mixture).logits(text))
        for other in logits:
            np.testing.assert_array_equal(other, logits[0])
        # The plain one multiplies many rows at once, whose sums are in another order.
        np.testing.assert_allclose(logits[0], machine.model.logits(text), rtol=1e-3, atol=1e-3)


def test_what_is_computed_is_what_the_schedule_says(model: LanguageModel) -> None:
    rng = np.random.default_rng(4)
    chosen = np.array([rng.permutation(8)[:4] for _ in range(9)])
    chosen[3, 2:] = -1
    chosen[5] = -1
    rows = rng.standard_normal((9, 6)).astype(np.float32)
    weights = rng.random((9, 4)).astype(np.float32)
    grouping = uniform_grouping(8, 2)
    seen = []

    def run(expert: int, some: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        assert some.shape == (1, 6)
        (token,) = np.flatnonzero((rows == some).all(axis=1))
        seen.append((int(token), expert))
        return some * np.float32(expert + 1)

    mixture = ScheduledMixture(groupings={7: grouping}, scheduler="compact", prompt=4)
    found = mixture(7, rows, chosen, weights, run)
    wanted = [
        sum(w * (e + 1) for e, w in zip(own, weight) if e >= 0) * row for own, weight, row in zip(chosen, weights, rows)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert sorted(seen) == sorted((t, e) for t in range(9) for e in chosen[t].tolist() if e >= 0)
    # The prompt, then the tokens 4, 6, 7 and 8: nobody took 5.
    prompt, *steps = mixture.schedules[7]
    assert prompt.name == "compact"
    assert [step.name for step in steps] == ["token_by_token"] * 4
    experts = prompt.experts(Choices(chosen=chosen[:4], experts=8).chosen, grouping.group_of)
    order = [(int(prompt.slots[at]), int(experts[at])) for at in map(tuple, np.argwhere(prompt.slots >= 0))]
    assert seen[: len(order)] == order
    assert [token for token, _ in seen[len(order) :]] == [4] * 4 + [6] * 4 + [7] * 4 + [8] * 4


@pytest.mark.parametrize("mode", ["token_order", "any_order"])
def test_a_buffer_makes_the_order_of_arrival_irrelevant(mode: Mode) -> None:
    """Terms of very different size, so that every order has another sum."""
    choices = Choices(chosen=np.tile(np.arange(8), (6, 1)), experts=8)
    rows, weights = np.ones((6, 1), np.float32), np.ones((6, 8), np.float32)
    terms = np.float32([1e8, 1.0, -1e8, 3.0, 1e4, -7.0, 1e-3, 2e7])

    def run(expert: int, some: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return some * terms[expert]

    sums, arrived = set(), set()
    for name in ("U1", "U2", "U4", "S2", "S4"):
        grouping = named_grouping(name, choices, rng=np.random.default_rng(0))
        given = {"groupings": {0: grouping}, "scheduler": "ours", "mode": mode}
        buffered = ScheduledMixture(**given)(0, rows, choices.chosen, weights, run)  # type: ignore[arg-type]
        sums.update(buffered.ravel().tolist())
        naive = ScheduledMixture(**given, combine="arrival")(0, rows, choices.chosen, weights, run)  # type: ignore[arg-type]
        arrived.update(naive.ravel().tolist())
    expected = np.float32(0)
    for term in terms:
        expected += term
    assert sums == {float(expected)}
    assert len(arrived) > 1


def test_rows_are_tables(model: LanguageModel, tokens: npt.NDArray[np.int64]) -> None:
    (row,) = schedule_value_rows(
        integer_machine(model), tokens, route=TOKEN_CHOICE, groupings=["U1"], kinds=(("compact", "token_order"),)
    )
    assert ScheduleValueRow(**row.row()) == row
    assert replace(row, equal=False) != row
    assert (row.multiplier, row.noise, row.seed, row.prompt, row.size) == ("int8", "none", None, 0, "")
    assert row.transfers >= row.cycles > 8 * 4 / 8 * 2


def test_what_no_mixture_can_be(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match="Expected a prompt of at least 1 token, found 0."):
        ScheduledMixture(groupings={}, prompt=0)
    with pytest.raises(AxhwError, match="Expected to combine by expert_order or arrival, found 'chance'."):
        ScheduledMixture(groupings={}, combine="chance")  # type: ignore[arg-type]
