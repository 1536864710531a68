"""What a search of hardware chooses from: groups, schedules, caches, units and memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from axhw.errors import AxhwError
from axhw.pim.accounting import Accounting
from axhw.pim.grouping import parsed_name
from axhw.pim.model import DecoderModel
from axhw.pim.parameters import PUBLISHED, Dram
from axhw.pim.schedule import Mode

Caches: TypeAlias = Literal["none", "kv", "go", "both"]
CACHES: tuple[Caches, ...] = get_args(Caches)

READY = "as_ready"
"""No schedule: groups take what is ready, low tokens first."""

SCHEDULES: Mapping[str, tuple[str, Mode]] = {
    "token_by_token": ("token_by_token", "token_order"),
    "compact": ("compact", "token_order"),
    "rescheduled": ("rescheduled", "token_order"),
    "ours": ("ours", "token_order"),
    "ours_any_order": ("ours", "any_order"),
}
"""Scheduler and mode by name; beside them there is `READY`."""

DRAMS: Mapping[str, Dram] = {
    "published": Dram(),
    "fast": Dram(gb_per_s=44.8, active_w=3.26, idle_w=0.625),
}
"""Memories: that of arXiv 2602.10254, and the other one that its code (github.com/superstarghy/MoEwithPIM) names."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A chip and how it is used, but for the schedule of the prompt.

    Attributes
    ----------
    grouping : str
        Such as S4.
    caches : str
        One of `CACHES`.
    kept : int or None
        Tokens that each expert keeps where experts choose; None for their even share of the prompt. Less work, and
        another model.
    digital_units, attention_units : int
    dram : str
        One of `DRAMS`.
    """

    grouping: str
    caches: Caches
    kept: int | None
    digital_units: int
    attention_units: int
    dram: str

    @property
    def group(self) -> int:
        """Experts at a shared periphery."""
        return parsed_name(self.grouping)[1]

    @property
    def kv_cache(self) -> bool:
        return self.caches in ("kv", "both")

    @property
    def go_cache(self) -> bool:
        return self.caches in ("go", "both")

    def row(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "group": self.group}


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """All values that each choice may take. Attributes are those of `Hardware`, and `schedules`.

    Raises
    ------
    AxhwError
        For a choice without values, and for values that there are not.
    """

    groupings: tuple[str, ...] = ("U1", "U2", "S2", "C2", "U4", "S4", "C4", "U8", "S8", "C8")
    schedules: tuple[str, ...] = (READY, *SCHEDULES)
    caches: tuple[Caches, ...] = ("none", "both")
    kept: tuple[int | None, ...] = (None,)
    digital_units: tuple[int, ...] = (1, 2, 5, 10, 20, 40, 80)
    attention_units: tuple[int, ...] = (1, 4)
    drams: tuple[str, ...] = tuple(DRAMS)

    def __post_init__(self) -> None:
        for what, known in (("schedules", (READY, *SCHEDULES)), ("caches", CACHES), ("drams", tuple(DRAMS))):
            _check_known(what, getattr(self, what), known)
        for what in ("digital_units", "attention_units", "kept"):
            if not getattr(self, what) or any(value is not None and value < 1 for value in getattr(self, what)):
                raise AxhwError(f"Expected values of {what} of at least 1, found {getattr(self, what)}.")
        if not self.groupings:
            raise AxhwError("Expected at least one grouping, found none.")
        for name in self.groupings:
            parsed_name(name)

    def hardware(self, model: DecoderModel) -> Iterator[Hardware]:
        """All that fits a model: where tokens choose experts there is no GO cache, and nothing is kept of choices."""
        fitting = [name for name in self.groupings if model.experts % parsed_name(name)[1] == 0]
        caches: tuple[Caches, ...] = self.caches
        kept = self.kept
        if not model.experts_choose:
            named: dict[Caches, Caches] = {"none": "none", "kv": "kv", "go": "none", "both": "kv"}
            caches, kept = tuple(dict.fromkeys(named[each] for each in caches)), (None,)
        for grouping, cache, each, digital, attention, dram in itertools.product(
            fitting, caches, kept, self.digital_units, self.attention_units, self.drams
        ):
            yield Hardware(
                grouping=grouping,
                caches=cache,
                kept=each,
                digital_units=digital,
                attention_units=attention,
                dram=dram,
            )

    def schedules_of(self, accounting: Accounting) -> tuple[str, ...]:
        """Those that an accounting can count: without a scheduler, groups take what is ready."""
        return self.schedules if accounting.scheduler else (READY,)


def _check_known(what: str, values: tuple[str, ...], known: tuple[str, ...]) -> None:
    unknown = [value for value in values if value not in known]
    if unknown or not values:
        raise AxhwError(f"Expected {what} out of {', '.join(known)}, found {', '.join(unknown) or 'none'}.")


FULL_SPACE = SearchSpace()
"""3,360 points of Llama-MoE-4/16."""

QUICK_SPACE = SearchSpace(
    groupings=("U1", "S2", "C2", "S4", "C4"),
    schedules=(READY, "ours_any_order"),
    caches=("both",),
    digital_units=(PUBLISHED.digital_units, 4 * PUBLISHED.digital_units),
    attention_units=(1,),
    drams=("published",),
)
"""A few of them, for tests."""
