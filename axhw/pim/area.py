"""Area of a chip that holds a model: crossbar cores, what controls them, digital units, attention units, buffers.

    part               units                                      area of each
    cores              crossbars that hold the matrices           0.634 mm2 x (1 - s + s / g), s = 80 %: HERMES, and
                                                                  arXiv 2602.10254 for its share of the periphery
    schedulers         one at each periphery that experts share   measured in gates
    GO-cache units     one in each layer where experts choose     measured in gates
    digital units      lanes that add at the published rate       measured in gates, 256 / add_ns lanes a ns
    attention units    lanes for 2 S^2 d products in the time     measured in gates, 2 d / (a d + b d^2) lanes a ns
                       of the published formula
    activation buffer  hidden values, queries, keys, values of    0.064 um2 a bit: a high-density SRAM cell at 14 nm
                       the prompt, 8 bits each                    (WikiChip, 14 nm lithography process)

As published, the cores of experts count alone. The paper has no figure of anything else; ours for digital and attention
units and for buffers are lower bounds: lanes without what divides and looks up tables, and cells without decoders and
sense amplifiers. Only experts share peripheries. Keys, values and the contents of the GO cache are in DRAM, which is
another chip.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from axhw.pim.configurations import Configuration
from axhw.pim.gate_units import (
    GO_CACHE_COMMAND,
    GROUP_COMMAND,
    LANE,
    LANE_COMMAND,
    SCHEDULER_COMMAND,
    GateUnit,
    Scaling,
    go_cache_unit,
    scheduler_unit,
)
from axhw.pim.model import DecoderModel
from axhw.pim.parameters import VALUES, Parameters

SRAM_UM2_PER_BIT = 0.064
"""High-density cell at 14 nm of Samsung and GlobalFoundries."""

_BITS = 8
_MM2_PER_UM2 = 1e-6
HERMES_SOURCE = "HERMES (JSSC 57, 2022), arXiv 2602.10254"


@dataclass(frozen=True, kw_only=True)
class AreaPart:
    """Units of one kind.

    Attributes
    ----------
    part : str
    count : int
    unit_mm2 : float
        Of each.
    published : bool
        Whether the published area efficiency counts them.
    source : str
    """

    part: str
    count: int
    unit_mm2: float
    published: bool
    source: str

    @property
    def mm2(self) -> float:
        """Of all."""
        return self.count * self.unit_mm2


@dataclass(frozen=True, kw_only=True)
class ChipArea:
    """All parts of a chip.

    Attributes
    ----------
    parts : tuple of AreaPart
    """

    parts: tuple[AreaPart, ...]

    @property
    def moe_mm2(self) -> float:
        """Cores of experts, as published."""
        return sum(part.mm2 for part in self.parts if part.published)

    @property
    def total_mm2(self) -> float:
        """Everything."""
        return sum(part.mm2 for part in self.parts)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each part, as JSON values."""
        return [{**asdict(part), "mm2": part.mm2} for part in self.parts]


def chip_area(model: DecoderModel, configuration: Configuration, *, prompt: int = 32) -> ChipArea:
    """Area of a chip that holds a model.

    Parameters
    ----------
    model : DecoderModel
    configuration : Configuration
    prompt : int
        Tokens that buffers hold.
    """
    parameters, group, scaling = configuration.parameters, configuration.group, configuration.scaling
    core = parameters.core
    source = HERMES_SOURCE if configuration.name != "gates" else f"measured: {GROUP_COMMAND}"
    tiles = model.tiles(core)
    parts = [
        AreaPart(
            part="cores: experts",
            count=tiles["experts"],
            unit_mm2=core.area_mm2 * core.sharing_factor(group),
            published=True,
            source=source,
        )
    ]
    parts += [
        AreaPart(
            part=f"cores: {name}",
            count=count,
            unit_mm2=configuration.others.area_mm2,
            published=False,
            source=source,
        )
        for name, count in tiles.items()
        if name != "experts" and count
    ]
    if configuration.has_schedulers:
        parts.append(_unit("schedulers", tiles["experts"] // group, scheduler_unit(group), scaling, SCHEDULER_COMMAND))
    if model.experts_choose:
        unit = go_cache_unit(experts=model.experts, kept=configuration.kept)
        parts.append(_unit("GO-cache units", len(model.expert_layers), unit, scaling, GO_CACHE_COMMAND))
    lane_mm2 = LANE.area_mm2(scaling)
    parts += [
        AreaPart(part=name, count=count, unit_mm2=lanes * lane_mm2, published=False, source=f"measured: {LANE_COMMAND}")
        for name, count, lanes in (
            ("digital units", parameters.digital_units, addition_lanes(parameters, scaling)),
            ("attention units", parameters.attention_units, attention_lanes(parameters, model.query_width, scaling)),
        )
    ]
    values = prompt * (model.hidden + model.query_width + 2 * model.kv_width)
    parts.append(
        AreaPart(
            part="activation buffer",
            count=1,
            unit_mm2=values * _BITS * SRAM_UM2_PER_BIT * _MM2_PER_UM2,
            published=False,
            source="WikiChip, 14 nm lithography process: SRAM cells",
        )
    )
    return ChipArea(parts=tuple(parts))


def kept_tokens(model: DecoderModel, prompt: int) -> int:
    """Tokens that each expert keeps of a prompt where experts choose: their even share, rounded up."""
    return -(-prompt * model.active_experts // model.experts)


def addition_lanes(parameters: Parameters, scaling: Scaling) -> int:
    """Lanes of a digital unit that add 256 values in the published time, one a clock period each."""
    return math.ceil(VALUES / parameters.add_ns * LANE.operation_ns(scaling))


def attention_lanes(parameters: Parameters, width: int, scaling: Scaling) -> int:
    """Lanes of an attention unit: 2 S^2 d products, for scores and for sums, in the published time of S tokens."""
    square = parameters.attention_ns_d * width + parameters.attention_ns_d2 * width * width
    return math.ceil(2 * width / square * LANE.operation_ns(scaling))


def _unit(name: str, count: int, unit: GateUnit, scaling: Scaling, command: str) -> AreaPart:
    return AreaPart(
        part=name, count=count, unit_mm2=unit.area_mm2(scaling), published=False, source=f"measured: {command}"
    )
