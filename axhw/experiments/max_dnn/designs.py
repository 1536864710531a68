"""The designs of the experiment: palettes to choose from, and the three classes of ROUP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from axhw.errors import AxhwError
from axhw.experiments.max_dnn.plan import PaletteName, Plan
from axhw.flow import Flow
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.registry import parse
from axhw.library.archive import SHIPPED, Archive
from axhw.lookup import NamedMultiplier, named_multipliers
from axhw.record import DesignRecord
from axhw.search.palette import Palette

ClassName: TypeAlias = Literal["L", "M", "H"]
CLASSES: tuple[ClassName, ...] = get_args(ClassName)

CLASS_RULE = (
    "the ROUP designs of the search that err and whose rounding is aligned to the rows, in the order of their mean "
    "relative error; ROUP_L, ROUP_M and ROUP_H are the middle ones of the first, second and last third"
)

Progress = Callable[[int, int, str], None]


def palettes(plan: Plan, flow: Flow, *, progress: Progress) -> dict[PaletteName, Palette]:
    """The designs to choose from, with an exact one each, from the store or made.

    ``library`` is there where designs come with axhw that were measured in the same cell library: all of them with
    signed 8-bit operands, and those of the other palettes.
    """
    exact = NamedMultiplier(spec=parse("exact"))
    named = {
        "roup": named_multipliers(plan.roup, flow.store),
        "published": named_multipliers(plan.published, flow.store),
    }
    total = 1 + sum(map(len, named.values()))
    records: dict[str, DesignRecord] = {}
    for multiplier in [exact, *named["roup"], *named["published"]]:
        progress(len(records), total, f"design {multiplier.name}")
        records[multiplier.name] = multiplier.measured(flow)
    found: dict[PaletteName, Palette] = {}
    for name in ("roup", "published"):
        found[name] = Palette.of(records[each.name] for each in [exact, *named[name]])
    if any(searches.palette == "library" for searches in plan.searches) and SHIPPED.exists():
        found["library"] = Palette.of([*records.values(), *_shipped(flow)])
    return found


def _shipped(flow: Flow) -> list[DesignRecord]:
    """The designs that come with axhw and can take part."""
    archive = Archive()
    keys = [
        str(summary["key"])
        for summary in archive.summaries
        if summary["width"] == 8 and summary["signed"] and summary["element"] is None and summary["verified"]
    ]
    records = [DesignRecord.from_entry(archive.unpack(key, flow.store)) for key in keys]
    wanted = flow.library.cells.sha256
    return [record for record in records if record.circuit_cost.library_sha256 == wanted and record.table is not None]


def classes(records: Sequence[DesignRecord]) -> Mapping[ClassName, DesignRecord]:
    """ROUP_L, ROUP_M and ROUP_H, by `CLASS_RULE`.

    Raises
    ------
    AxhwError
        With fewer than three such designs.
    """
    inexact = [
        (record.metrics.mre_pct, record.name, record)
        for record in records
        if isinstance(record.spec, RoupSpec) and record.spec.rule == "aligned" and record.metrics.mae > 0
    ]
    if len(inexact) < len(CLASSES):
        raise AxhwError(f"Expected at least {len(CLASSES)} ROUP designs for the classes, found {len(inexact)}.")
    ordered = [record for _, _, record in sorted(inexact, key=lambda item: item[:2])]
    # (2 k + 1) / 6 is the middle of third k.
    return {name: ordered[len(ordered) * (2 * third + 1) // 6] for third, name in enumerate(CLASSES)}
