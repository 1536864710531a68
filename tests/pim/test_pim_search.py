"""The search of hardware: its space, its front, and that nothing is evaluated twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.analog.technology import SCALED_TO_14_NM
from axhw.errors import AxhwError
from axhw.pim import search as search_module
from axhw.pim.accounting import FULL_ACCOUNTING, PUBLISHED_ACCOUNTING
from axhw.pim.area import chip_area
from axhw.pim.configurations import configured
from axhw.pim.grouping import uniform_grouping
from axhw.pim.model import LLAMA_MOE_4_16, OLMOE
from axhw.pim.routing import LayerRouting
from axhw.pim.search import OBJECTIVES, Limits, SearchResult, drawn_choices, pareto, search
from axhw.pim.search_space import FULL_SPACE, QUICK_SPACE, READY, SearchSpace
from axhw.pim.simulator import simulate
from axhw.pim.workload import Workload
from axhw.store import Store

SMALL = SearchSpace(
    groupings=("U1", "S2", "U4"),
    schedules=(READY, "ours_any_order"),
    digital_units=(2, 20),
    attention_units=(1,),
    drams=("published",),
)


def searched(**changes: Any) -> SearchResult:
    given = {"space": SMALL, "scaling": SCALED_TO_14_NM, "prompt": 8, "new_tokens": 2}
    return search(LLAMA_MOE_4_16, **{**given, **changes})


@pytest.fixture(scope="module")
def result() -> SearchResult:
    return searched()


def test_space() -> None:
    hardware = list(FULL_SPACE.hardware(LLAMA_MOE_4_16))
    assert len(hardware) == len(set(hardware)) == 10 * 2 * 7 * 2 * 2
    assert len(hardware) * len(FULL_SPACE.schedules) == 3360
    assert {each.group for each in hardware} == {1, 2, 4, 8}
    # Tokens choose: there is a KV cache alone.
    assert {each.caches for each in FULL_SPACE.hardware(OLMOE)} == {"none", "kv"}
    assert {each.kept for each in SearchSpace(kept=(4, 8)).hardware(OLMOE)} == {None}
    assert QUICK_SPACE.schedules_of(PUBLISHED_ACCOUNTING) == (READY,)
    assert QUICK_SPACE.schedules_of(FULL_ACCOUNTING) == QUICK_SPACE.schedules


def test_points_are_what_the_simulator_says(result: SearchResult) -> None:
    assert len(result.points) == 3 * 2 * 2 * 2
    point = next(
        each
        for each in result.points
        if (each["grouping"], each["caches"], each["digital_units"], each["schedule"]) == ("U4", "both", 2, READY)
    )
    chosen = drawn_choices(
        LLAMA_MOE_4_16, prompt=8, new_tokens=2, kept=None, skew=0.5, rng=np.random.default_rng([0, 0])
    )
    routing = LayerRouting(chosen=chosen, grouping=uniform_grouping(16, 4))
    chip = configured("control", model=LLAMA_MOE_4_16, scaling=SCALED_TO_14_NM, group=4, kept=2, units=(2, 1))
    run = simulate(
        Workload(model=LLAMA_MOE_4_16, prompt=8, new_tokens=2, group=4, routing=(routing,)),
        parameters=chip.parameters,
    )
    assert point["latency_ns"] == run.prefill.time_ns + run.decode.time_ns
    assert point["energy_nj"] == run.prefill.energy_nj + run.decode.energy_nj
    assert point["area_mm2"] == chip_area(LLAMA_MOE_4_16, chip, prompt=8).total_mm2
    assert point["kept_tokens"] == 2


def test_front(result: SearchResult) -> None:
    values = np.array([[point[name] for name in OBJECTIVES] for point in result.points])
    for point, own in zip(result.points, values):
        beaten = ((values <= own).all(axis=1) & (values < own).any(axis=1)).any()
        assert not (point["front"] and beaten)
        # Nothing is left out but what another one beats, or equals.
        assert point["front"] or (values <= own).all(axis=1).sum() > 1
    assert 0 < result.hypervolume <= 1
    # With caches energy is less.
    assert all(point["caches"] == "both" for point in (result.best("energy_nj"), result.best("area_mm2")) if point)
    least = result.best("area_mm2")
    assert least is not None
    assert least["group"] == 4


def test_limits(result: SearchResult) -> None:
    area = sorted({point["area_mm2"] for point in result.points})[2]
    found = searched(limits=Limits(area_mm2=area))
    assert all(point["area_mm2"] <= area for point in found.front)
    assert {point["within"] for point in found.points} == {True, False}
    assert found.hypervolume <= result.hypervolume
    none = searched(limits=Limits(latency_ns=1.0))
    assert (none.front, none.hypervolume, none.best("energy_nj")) == ([], 0.0, None)


def test_goes_on_from_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    space = SearchSpace(
        groupings=("U1", "U2"),
        schedules=(READY,),
        caches=("both",),
        digital_units=(5,),
        attention_units=(1,),
        drams=("published",),
    )
    first = searched(space=space, store=store, workers=2, report=lambda done, total, what: told.append((total, what)))
    assert sorted(told) == [(2, "U1"), (2, "U2")]
    monkeypatch.setattr(search_module, "simulate", None)
    assert searched(space=space, store=store) == first
    # Another prompt is another evaluation.
    with pytest.raises(TypeError):
        searched(space=space, store=store, prompt=7)


def test_threads_change_nothing(result: SearchResult) -> None:
    assert searched(workers=2) == result


def test_published_accounting_and_kept_tokens() -> None:
    space = SearchSpace(
        groupings=("U1",),
        schedules=(READY, "compact"),
        caches=("both",),
        kept=(1, 4),
        digital_units=(5,),
        attention_units=(1,),
        drams=("published", "fast"),
    )
    found = searched(space=space, accounting=PUBLISHED_ACCOUNTING)
    assert [(point["kept"], point["dram"], point["schedule"]) for point in found.points] == [
        (1, "published", READY),
        (1, "fast", READY),
        (4, "published", READY),
        (4, "fast", READY),
    ]
    few, fast, many, _ = found.points
    assert few["prompt_nj"] < many["prompt_nj"]
    assert few["area_mm2"] < many["area_mm2"]
    assert fast["steps_ns"] < few["steps_ns"]


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=30))
def test_pareto(points: list[tuple[int, int, int]]) -> None:
    kept = pareto(points)
    values = np.array(points)
    for place, own in enumerate(values):
        no_worse = (values <= own).all(axis=1)
        better = no_worse & (values < own).any(axis=1)
        equal_before = (values[:place] == own).all(axis=1).any()
        assert kept[place] == (not better.any() and not equal_before)


def test_errors() -> None:
    with pytest.raises(AxhwError, match=r"^Expected schedules out of as_ready, .*, found soon"):
        SearchSpace(schedules=("soon",))
    with pytest.raises(AxhwError, match=r"^Expected drams out of published, fast, found none"):
        SearchSpace(drams=())
    with pytest.raises(AxhwError, match=r"^Expected values of digital_units of at least 1, found \(0,\)"):
        SearchSpace(digital_units=(0,))
    with pytest.raises(AxhwError, match=r"^Expected at least one grouping, found none"):
        SearchSpace(groupings=())
    with pytest.raises(AxhwError, match=r"^Expected groups of a size that divides 16 experts, found none in the space"):
        searched(space=SearchSpace(groupings=("U3",)))
