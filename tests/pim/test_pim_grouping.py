"""Groups of experts: as published, and with few conflicts."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.pim.choices import Choices, synthetic_choices
from axhw.pim.coactivation import _bounds, coactivation_grouping
from axhw.pim.grouping import Grouping, named_grouping, sorted_grouping, uniform_grouping
from axhw.pim.model_choices import model_folder, traced_layer
from axhw.pim.ordered_schedule import in_order
from axhw.pim.schedule import Mode, least_cycles, least_transfers

TRACE = synthetic_choices(seed=0, tokens=512)


def made(name: str, choices: Choices = TRACE) -> Grouping:
    return named_grouping(name, choices, rng=np.random.default_rng(0))


def test_sorted_groups() -> None:
    order = np.argsort(TRACE.expert_loads, kind="stable")
    pairs = tuple((order[i], order[15 - i]) for i in range(8))
    assert made("S2").groups == pairs
    fours = tuple((order[2 * i], order[2 * i + 1], order[15 - 2 * i], order[14 - 2 * i]) for i in range(4))
    assert made("S4").groups == fours
    assert sorted_grouping([5, 5, 5, 5], 2).groups == ((0, 3), (1, 2)), "equal loads stay as they are"


def test_neighbours() -> None:
    assert made("U1").groups == tuple((expert,) for expert in range(16))
    assert uniform_grouping(6, 3).groups == ((0, 1, 2), (3, 4, 5))
    assert made("U8").name == "U8"


def test_loads() -> None:
    grouping = Grouping(name="own", groups=((0, 2), (1,), (3,)))
    assert grouping.group_of.tolist() == [0, 1, 0, 2]
    choices = Choices(chosen=np.array([[0, 2], [1, -1], [3, 2]]), experts=4)
    assert grouping.loads(choices).tolist() == [[2, 0, 0], [0, 1, 0], [1, 0, 1]]
    with pytest.raises(AxhwError, match="Expected choices out of 4 experts, found ones out of 16."):
        grouping.loads(TRACE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("X4", r"Expected a grouping such as U1, U2, S2, C2 \(a letter out of U, S, C and a size\), found 'X4'."),
        ("S", "found 'S'."),
        ("U3", "Expected groups of a size that divides 16 experts, found 3."),
        ("C5", "Expected groups of a size that divides 16 experts, found 5."),
        ("S1", "Expected an even size of groups sorted by load, found 1."),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        made(name)


@pytest.mark.parametrize("groups", [((0, 1), (1, 2)), ((0, 2),), ((0,), ()), ()])
def test_what_is_no_grouping(groups: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(AxhwError, match="Expected each expert from 0 up in one group and groups that are not empty"):
        Grouping(name="own", groups=groups)


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_few_conflicts_in_any_order(seed: int) -> None:
    choices = synthetic_choices(seed=seed, tokens=512)
    for size in (2, 4):
        ours, sort = made(f"C{size}", choices), made(f"S{size}", choices)
        assert ours.groups == made(f"C{size}", choices).groups, "the same seed, the same groups"
        assert sorted(map(len, ours.groups)) == [size] * (16 // size)
        loads, others = ours.loads(choices), sort.loads(choices)
        # Of two experts each, the sorted pairs have the shortest longest queue there is.
        assert least_cycles(loads) == least_cycles(others) if size == 2 else least_cycles(loads) < least_cycles(others)
        assert least_transfers(loads) < least_transfers(others)


def test_few_conflicts_in_token_order() -> None:
    choices = synthetic_choices(seed=3, tokens=256)
    rng = np.random.default_rng(0)
    ours = coactivation_grouping(choices, 4, rng=rng, mode="token_order", compared=400).loads(choices)
    others = made("S4", choices).loads(choices)
    assert least_cycles(ours) < least_cycles(others)
    assert in_order(ours, rng=rng).transfers < in_order(others, rng=rng).transfers


def test_few_conflicts_on_text_that_it_was_not_made_for() -> None:
    folder = model_folder("olmoe_bytes_small")
    assert folder is not None
    trace = traced_layer(folder, layer=1, tokens=4096 + 512)
    new, known = trace.part(0, 512), trace.part(512, trace.tokens)
    ours = coactivation_grouping(known, 4, rng=np.random.default_rng(0), parts=8).loads(new)
    others = sorted_grouping(known.expert_loads, 4).loads(new)
    assert least_cycles(ours) < 0.85 * least_cycles(others)
    assert least_transfers(ours) < 0.95 * least_transfers(others)


def test_bounds_of_parts_are_those_of_schedules() -> None:
    rng = np.random.default_rng(0)
    loads = rng.integers(0, 4, (40, 5))
    cuts = np.array([0, 1, 17, 40])
    measured = np.empty((3, 2), np.int64)
    _bounds(loads, cuts, measured)
    parts = np.split(loads, cuts[1:-1])
    assert measured.tolist() == [[least_cycles(part), least_transfers(part)] for part in parts]


@pytest.mark.parametrize("mode", ["any_order", "token_order"])
def test_nothing_to_exchange(mode: Mode) -> None:
    for size in (1, 16):
        grouping = coactivation_grouping(TRACE, size, rng=np.random.default_rng(0), mode=mode, compared=5)
        assert len(grouping.groups) == 16 // size


def test_odd_sizes_begin_with_neighbours() -> None:
    choices = synthetic_choices(seed=0, tokens=100, experts=9, active=3)
    ours = made("C3", choices).loads(choices)
    assert least_transfers(ours) < least_transfers(made("U3", choices).loads(choices))


@pytest.mark.parametrize("parts", [0, 513])
def test_bad_parts(parts: int) -> None:
    with pytest.raises(AxhwError, match=f"Expected 1 to 512 parts of as many tokens, found {parts}."):
        coactivation_grouping(TRACE, 2, rng=np.random.default_rng(0), parts=parts)
