"""What tokens cost: models on arrays and tiles, by placement, multiplier and technology."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.analog.cost import TokenCost, token_cost
from axhw.analog.digital import ArrayPool
from axhw.analog.expert_cost import expected_use
from axhw.analog.front import energy_front
from axhw.analog.machine import FREE, SRAM, Load, Machine, MemoryCosts, dram
from axhw.analog.operators import DENSE
from axhw.analog.placement import Placement, place
from axhw.analog.technology import MEASURED, SCALED_TO_14_NM, Technology
from axhw.analog.tiles import TileSpec
from axhw.experiments.analog_moe.points import Row
from axhw.experiments.analog_moe.published import PUBLISHED
from axhw.experiments.analog_moe.subjects import Subject
from axhw.lm.config import ModelConfig
from axhw.lm.matrices import Module

BATCH = 64

ALL = "all"
"""Multiplier of volumes that points with any of them dominate together."""
SHARES_PCT = (0.0, 12.5, 25.0, 50.0, 75.0, 100.0)

_PUBLISHED_ARRAYS, _PUBLISHED_CHANNELS = 4096, 16


@dataclass(frozen=True, kw_only=True)
class View:
    """In which technology gates are counted, and from where digital weights come.

    Attributes
    ----------
    name : str
    technology : Technology
    memory : MemoryCosts
    """

    name: str
    technology: Technology
    memory: MemoryCosts


ARITHMETIC = View(name="gates of 130 nm, arithmetic alone", technology=MEASURED, memory=FREE)
SYSTEM = View(name="gates scaled to 14 nm, weights from SRAM", technology=SCALED_TO_14_NM, memory=SRAM)
VIEWS = (ARITHMETIC, SYSTEM)
"""Tiles are of 14 nm in both: in the first one, figures of gates are as they were measured."""

PUBLISHED_VIEW = View(
    name="gates scaled to 14 nm, weights from DRAM", technology=SCALED_TO_14_NM, memory=dram(_PUBLISHED_CHANNELS)
)


@dataclass(frozen=True, kw_only=True)
class Pools:
    """Arrays of each multiplier, as measured.

    Attributes
    ----------
    pools : mapping of str to ArrayPool
        By the multipliers' names in the plan, the exact one first.
    """

    pools: Mapping[str, ArrayPool]

    @cached_property
    def exact(self) -> str:
        """Multiplier of all that is digital and no expert."""
        return next(iter(self.pools))

    def machine(
        self,
        view: View,
        tiles: TileSpec,
        *,
        multiplier: str | None = None,
        count: int | None = None,
        analog_modules: frozenset[Module] = frozenset(),
    ) -> Machine:
        """A machine with digital experts on arrays of their own multiplier, as large a pool as that of all else.

        With the exact multiplier, experts use the arrays of all else.
        """

        def pool(name: str) -> ArrayPool:
            own = replace(self.pools[name], technology=view.technology)
            return own if count is None else replace(own, count=count)

        other = multiplier is not None and multiplier != self.exact
        return Machine(
            arrays=pool(self.exact),
            expert_arrays=pool(multiplier) if other and multiplier is not None else None,
            tiles=tiles,
            memory=view.memory,
            analog_modules=analog_modules,
        )


def load_of(subject: Subject) -> Load:
    """Texts as long as the windows that are scored: a token attends to half of one on average."""
    return Load(batch=BATCH, keys=(subject.plan.window + 1) / 2)


def cost_rows(subjects: Sequence[Subject], pools: Pools, *, published: bool) -> list[Row]:
    """A row for each model, view and share of digital experts, and for all modules analog."""
    rows: list[Row] = []
    for subject in subjects:
        for view in VIEWS:
            rows += _model_rows(
                subject.name,
                subject.config,
                pools,
                view,
                subject.plan.tiles,
                use=subject.use,
                load=load_of(subject),
            )
    if published:
        for name, config in PUBLISHED.items():
            rows += _model_rows(
                name,
                config,
                pools,
                PUBLISHED_VIEW,
                TileSpec(),
                use=expected_use(config),
                load=Load(batch=BATCH),
                count=_PUBLISHED_ARRAYS,
            )
    return rows


def _model_rows(
    name: str,
    config: ModelConfig,
    pools: Pools,
    view: View,
    tiles: TileSpec,
    *,
    use: npt.NDArray[np.float64],
    load: Load,
    count: int | None = None,
) -> list[Row]:
    """Digital experts are those that are used most: an upper bound of what they cost."""
    rows: list[Row] = []

    def add(analog: str, share_pct: float, multiplier: str, cost: TokenCost) -> None:
        rows.append(
            {
                "model": name,
                "view": view.name,
                "analog": analog,
                "digital_pct": share_pct,
                "multiplier": multiplier,
                **cost.row(),
                "experts_nj": sum(module.energy_nj for module in cost.modules if "experts" in module.module),
            }
        )

    for multiplier in pools.pools:
        machine = pools.machine(view, tiles, multiplier=multiplier, count=count)
        for share_pct in SHARES_PCT:
            if share_pct == 0 and multiplier != pools.exact:
                continue
            placement = place(use, config, share=share_pct / 100)
            add("experts", share_pct, multiplier, token_cost(config, machine, placement, load=load, use=use))
    everything = pools.machine(view, tiles, count=count, analog_modules=frozenset(DENSE))
    add("all", 0.0, pools.exact, token_cost(config, everything, Placement(), load=load, use=use))
    return rows


def front_rows(
    subject: Subject, rows: Sequence[Row], placements: Mapping[float, Placement], pools: Pools
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Points of accuracy and energy, and how much of the plane the points of each multiplier dominate.

    Parameters
    ----------
    subject : Subject
    rows : sequence of mapping
        Measured, with ``multiplier``, ``digital_pct``, ``seed``, ``nats_per_token`` and ``accuracy``.
    placements : mapping of float to Placement
        Digital experts by their share in %.
    pools : Pools

    Returns
    -------
    points, volumes : lists of dict
        A volume is the share of the rectangle between all experts analog and all of them digital and exact, which is
        what a choice of digital experts has to decide about; for each multiplier by itself, with what it is above
        exact ones, and its standard error over seeds, and for all multipliers together.
    """
    found: list[dict[str, Any]] = []
    volumes: list[dict[str, Any]] = []
    reference = [row for row in rows if row["multiplier"] == pools.exact and row["digital_pct"] == 100]
    nats = float(np.mean([row["nats_per_token"] for row in reference]))
    # Without noise there is one chip, which stands for all.
    by_seed = [
        [row for row in rows if row["seed"] == seed or row["digital_pct"] == 100]
        for seed in dict.fromkeys(row["seed"] for row in rows)
    ]
    for view in VIEWS:
        costs: dict[tuple[str, float], TokenCost] = {}
        for name, share_pct in {(str(row["multiplier"]), float(row["digital_pct"])) for row in rows}:
            machine = pools.machine(view, subject.plan.tiles, multiplier=name)
            costs[name, share_pct] = token_cost(
                subject.config, machine, placements[share_pct], load=load_of(subject), use=subject.use
            )
        energy = costs[pools.exact, 100.0].energy_nj
        whole, *parts = (
            energy_front(some, costs, reference_nats=nats, reference_nj=energy) for some in (rows, *by_seed)
        )
        found += [{"model": subject.name, "view": view.name, **row} for row in whole.rows]
        analog = next(row for row in whole.rows if row["digital_pct"] == 0)
        corner = {"worst_rise": analog["rise_pct"] / 100, "least_energy": analog["energy_pct"] / 100}
        exact = np.array([part.hypervolume([pools.exact], **corner) for part in parts])
        for name in pools.pools:
            gains = np.array([part.hypervolume([name], **corner) for part in parts]) - exact
            volumes.append(
                {
                    "model": subject.name,
                    "view": view.name,
                    "multiplier": name,
                    "hypervolume": whole.hypervolume([name], **corner),
                    "gain": float(gains.mean()),
                    "gain_error": float(gains.std(ddof=1) / math.sqrt(len(gains))) if len(gains) > 1 else None,
                }
            )
        everything = {"multiplier": ALL, "hypervolume": whole.hypervolume(**corner), "gain": None, "gain_error": None}
        volumes.append({"model": subject.name, "view": view.name, **everything})
    return found, volumes


def array_rows(pools: Pools) -> list[Row]:
    """The arrays, as measured."""
    return [
        {
            "multiplier": name,
            "array": pool.array.name,
            "arrays": pool.count,
            "product_pj": 1e3 * pool.product_nj,
            "idle_pj": 1e3 * pool.idle_nj,
            "period_ns": pool.period_ns,
            "area_mm2": pool.area_mm2 / pool.count,
            "leakage_nw": pool.leakage_nw / pool.count,
        }
        for name, pool in pools.pools.items()
    ]
