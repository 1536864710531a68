"""Figures of simulated models: what is in them."""

from __future__ import annotations

import pytest

from axhw.errors import AxhwError
from axhw.pim.model import LLAMA_MOE_4_16
from axhw.pim.simulator import Run, simulate
from axhw.pim.workload import Workload
from axhw.report.pim_simulation import draw_energy, draw_timeline
from axhw.report.render import to_svg


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate(Workload(model=LLAMA_MOE_4_16, prompt=4, new_tokens=2))


def test_timeline_of_a_later_step(run: Run) -> None:
    assert run.generating is not None
    figure = draw_timeline({"caches": run.generating}, step=1, about="two steps")
    (axes,) = figure.axes
    bars = axes.patches
    assert min(bar.get_x() for bar in bars) == pytest.approx(0.0)
    assert max(bar.get_x() + bar.get_width() for bar in bars) == pytest.approx(run.steps[1].time_ns / 1e3)
    lanes = [label.get_text() for label in axes.get_yticklabels()]
    assert lanes == [
        "embedding",
        "Q, K, V",
        "KV cache",
        "attention",
        "O",
        "router",
        "GO cache",
        "experts",
        "head",
    ]
    text = to_svg(figure)
    assert "two steps" in text
    assert f"caches: {run.steps[1].time_ns / 1e3:,.1f} µs" in text


def test_lanes_of_runs_without_caches_stay_empty(run: Run) -> None:
    bare = simulate(run.workload.uncached())
    assert run.generating is not None
    assert bare.generating is not None
    figure = draw_timeline({"caches": run.generating, "none": bare.generating})
    assert len(figure.axes[0].patches) == len(figure.axes[1].patches) + 4


def test_energy(run: Run) -> None:
    figure = draw_energy({"prompt": run.prefill, "steps": run.decode}, about="caches")
    whole, split = figure.axes
    assert [bar.get_width() for bar in whole.patches] == pytest.approx(
        [run.prefill.energy_nj / 1e3, run.decode.energy_nj / 1e3]
    )
    for place in (0, 1):
        own = [bar.get_width() for bar in split.patches if round(bar.get_y() + bar.get_height() / 2) == place]
        assert sum(own) == pytest.approx(100)
    text = to_svg(figure)
    assert "GO cache" in text
    assert "scheduler" not in text


def test_nothing_to_draw(run: Run) -> None:
    with pytest.raises(AxhwError, match="Expected runs with at least 2 passes to draw, found 1 runs."):
        draw_timeline({"prompt": run.reading}, step=1)
    with pytest.raises(AxhwError, match="Expected phases to draw, found none."):
        draw_energy({})
