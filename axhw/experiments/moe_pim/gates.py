"""Crossbars that share a periphery, and the GO-cache unit, in gates."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

from axhw.experiments.moe_pim.plan import CacheSetting, GroupSetting
from axhw.flow import Flow
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec, Place
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.lookup import named_multiplier
from axhw.pim.go_cache_unit import go_cache_cost
from axhw.pim.parts import dominant
from axhw.pim.sharing import measure_sharing

Row = dict[str, Any]

_PJ_PER_FJ = 1e-3


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What gates are made and measured with.

    Attributes
    ----------
    flow : Flow
    """

    flow: Flow

    @property
    def settings(self) -> dict[str, Any]:
        """What all that is measured depends on."""
        return {
            "library": self.flow.library.cells.sha256,
            "engine": str(self.flow.engine),
            "conditions": asdict(self.flow.conditions),
        }

    def group_rows(self, setting: GroupSetting, stage: Callable[[str], None]) -> list[Row]:
        """Groups of crossbars by their size, with the factors of area and energy beside the published ones."""
        spec = CrossbarGroupSpec(
            multiplier=named_multiplier(setting.multiplier, self.flow.store, {}).spec,
            rows=setting.rows,
            columns=setting.columns,
            depth=setting.depth,
            multiply_in=cast(Place, setting.multiply_in),
        )
        begun = _processor_s()
        sharing = measure_sharing(spec, crossbars=setting.crossbars, flow=self.flow, stage=stage)
        taken = _processor_s() - begun
        rows: list[Row] = []
        for row in sharing.rows():
            area, energy = row.pop("dominant_area"), row.pop("dominant_energy")
            del row["parts"]
            given = {name: value for name, value in asdict(setting).items() if name != "crossbars"}
            rows.append({**given, **row, "most_area_in": area[0], "most_energy_in": energy[0], "processor_s": taken})
        return rows

    def cache_rows(self, setting: CacheSetting, stage: Callable[[str], None]) -> list[Row]:
        """A GO-cache unit, and what a new token costs in it: a request of each expert."""
        spec = GoCacheSpec(
            experts=setting.experts, kept=setting.kept, score_bits=setting.score_bits, tokens=setting.tokens
        )
        begun = _processor_s()
        cost = go_cache_cost(spec, flow=self.flow, stage=lambda name: stage(f"{spec.name}: {name}"))
        row: Row = {
            **asdict(setting),
            "name": cost.name,
            "area_um2": cost.area_um2,
            "period_ns": cost.period_ns,
            "request_fj": cost.request_fj,
            "clock_fj": cost.clock_fj,
            "leakage_nw": cost.leakage_nw,
            "stored_bits": cost.stored_bits,
            "token_pj": setting.experts * cost.request_fj * _PJ_PER_FJ,
            "token_ns": setting.experts * cost.period_ns,
            "most_area_in": dominant(cost.parts, "area_um2")[0],
            "most_energy_in": dominant(cost.parts, "energy_fj")[0],
            "verified_cycles": cost.verified_cycles,
            "processor_s": _processor_s() - begun,
        }
        return [row]


def _processor_s() -> float:
    """Processor time of this process and of those that it ran."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
