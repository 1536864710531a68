"""A front of a tiny model with random weights: what is scored and costed is what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from axhw.analog.budget import Budget
from axhw.analog.cost import token_cost
from axhw.analog.digital import ArrayPool
from axhw.analog.evaluation import Evaluator
from axhw.analog.front_run import Design, MeasuredFront, measure_front
from axhw.analog.machine import Load, Machine
from axhw.analog.model_calibration import calibrate
from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import place
from axhw.analog.programming_noise import Pcm
from axhw.analog.selectors import SELECTORS, Selection
from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.lm.config import ModelConfig
from axhw.lm.model import load_model
from axhw.lm.random_weights import random_tensors
from axhw.lm.save import write_checkpoint
from axhw.lm.scoring import score
from axhw.moe.arrays import Array, Columns
from axhw.sim.product_table import golden_table

CONFIG = ModelConfig(
    architecture="olmoe",
    vocabulary=32,
    hidden=16,
    layers=2,
    heads=2,
    kv_heads=2,
    head_dim=8,
    context=64,
    rope_theta=1e4,
    norm_eps=1e-5,
    experts=8,
    active_experts=2,
    expert_width=12,
    normalize_top_k=True,
)
TILES = TileSpec(rows=16, columns=16)
LOAD = Load(batch=4)
WINDOW = 32


def machine(product_fj: float) -> Machine:
    arrays = [
        Array(
            name=name,
            rows=4,
            columns=(Columns(multiplier=name, count=4, product_fj=figure),),
            area_um2=1e5,
            leakage_nw=500.0,
            period_ns=2.0,
            clock_fj=1000.0,
            library_sha256="",
        )
        for name, figure in (("exact", 5000.0), ("own", product_fj))
    ]
    pools = [ArrayPool(array=array, count=2) for array in arrays]
    return Machine(arrays=pools[0], expert_arrays=pools[1], tiles=TILES)


DESIGNS = (
    Design(name="exact", table=golden_table(parse("exact", signed=True)), machine=machine(5000.0)),
    Design(name="rough", table=golden_table(parse("roup:p=2,r=3", signed=True)), machine=machine(3500.0)),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    selection: Selection
    evaluator: Evaluator

    def front(self, **options: object) -> MeasuredFront:
        usual: dict[str, object] = {
            "designs": DESIGNS,
            "selector": SELECTORS["maxnn"],
            "shares": (0.0, 0.25, 1.0),
            "programmings": [Programming(noise=Pcm(magnitude=2.0), seed=seed) for seed in range(2)],
            "load": LOAD,
        }
        measured: Callable[..., MeasuredFront] = measure_front
        return measured(self.selection, self.evaluator, **(usual | options))


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder: Path = tmp_path_factory.mktemp("model")
    write_checkpoint(folder, CONFIG, random_tensors(CONFIG, np.random.default_rng(0), spread=0.3))
    model = load_model(folder, keep=True)
    texts = np.random.default_rng(1).integers(0, 32, (2, 640))
    calibration = calibrate(model, texts[0], window=WINDOW, tiles=TILES)
    hybrid = HybridModel(model, calibration)
    return Setting(
        selection=Selection(hybrid, texts[0], window=WINDOW, jobs=1),
        evaluator=Evaluator(texts[1], window=WINDOW, jobs=1),
    )


def test_points_are_scored_and_costed_as_their_placements(setting: Setting) -> None:
    found = setting.front()
    rows = {(row["multiplier"], row["choice"]): row for row in found.front.rows}
    assert list(rows) == [
        ("none", "0 %"),
        ("exact", "25 %"),
        ("rough", "25 %"),
        ("exact", "100 %"),
        ("rough", "100 %"),
    ]
    assert [row["seeds"] for row in rows.values()] == [2, 2, 2, 1, 1]
    assert [row["digital_pct"] for row in rows.values()] == [0, 25, 25, 100, 100]
    selection = setting.selection
    scores = SELECTORS["maxnn"].scores(selection, Programming())
    placement = place(scores, CONFIG, share=0.25)
    hybrid = HybridModel(selection.hybrid.model, selection.hybrid.calibration, table=DESIGNS[1].table)
    text = np.random.default_rng(1).integers(0, 32, (2, 640))[1]
    nats = [
        score(hybrid.place(placement, Programming(noise=Pcm(magnitude=2.0), seed=seed)), text, window=WINDOW)
        for seed in range(2)
    ]
    row = rows["rough", "25 %"]
    assert row["nats_per_token"] == pytest.approx(np.mean([each.nats_per_token for each in nats]), rel=1e-5)
    assert row["accuracy"] == pytest.approx(np.mean([each.accuracy for each in nats]))
    cost = token_cost(CONFIG, DESIGNS[1].machine, placement, load=LOAD, use=selection.use.frequency)
    assert row["energy_nj"] == pytest.approx(cost.energy_nj)
    # The reference is the exact multiplier in all experts.
    assert rows["exact", "100 %"]["nats_per_token"] == pytest.approx(found.reference.nats_per_token)
    assert rows["exact", "100 %"]["energy_pct"] == pytest.approx(100)
    assert rows["rough", "25 %"]["energy_nj"] < rows["exact", "25 %"]["energy_nj"]
    assert found.chosen == {}


def test_a_budget_adds_a_point_for_each_multiplier(setting: Setting) -> None:
    before = setting.front()
    energies = [row["energy_nj"] for row in before.front.rows]
    limit = 0.5 * (min(energies) + max(energies))
    found = setting.front(budget=Budget(energy_nj=limit))
    assert set(found.chosen) == {"exact", "rough"}
    chosen = {row["multiplier"]: row for row in found.front.rows if row["choice"] == "budget"}
    for name, (choice,) in found.chosen.items():
        assert choice.cost.energy_nj <= limit
        assert chosen[name]["energy_nj"] == pytest.approx(choice.cost.energy_nj)
        assert chosen[name]["digital_pct"] == pytest.approx(100 * choice.placement.share(CONFIG))
        assert chosen[name]["seeds"] == 2
    # Cheaper products leave room for more experts.
    assert found.chosen["rough"][0].gain > found.chosen["exact"][0].gain


def test_scores_of_a_chip_make_placements_of_their_own(setting: Setting) -> None:
    found = setting.front(selector=SELECTORS["random"], shares=(0.25,), budget=Budget(energy_nj=1e9))
    assert len(found.chosen["exact"]) == 2
    # One score is 0: it is not worth any energy.
    assert [len(choice.placement.digital) for choice in found.chosen["exact"]] == [15, 15]
    first, second = (choice.placement for choice in found.chosen["exact"])
    assert first != second
    assert {row["seeds"] for row in found.front.rows} == {2}


def test_nothing_to_measure_is_refused(setting: Setting) -> None:
    for option in ("designs", "shares", "programmings"):
        with pytest.raises(
            AxhwError, match="Expected multipliers, shares of digital experts and chips to measure a fron"
        ):
            setting.front(**{option: ()})
    with pytest.raises(AxhwError, match="Expected a part of the experts from 0 to 1, found 2.0."):
        setting.front(shares=(2.0,))
