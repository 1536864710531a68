"""Units of gates around crossbars, as they were measured: schedulers, GO caches, digital crossbars, multiply-add lanes.

All are of the embedded library (130 nm, 1.2 V, 25 C), made, proved and measured by the commands beside them; figures
are constants here because measuring them takes minutes. `python -m benchmarks pim_area` measures them again. A
scheduler is the same whatever crossbars its group has, so it is measured in the smallest group there is; its clock
period is taken to be that group's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from axhw.errors import AxhwError

_MM2_PER_UM2 = 1e-6
_NJ_PER_FJ = 1e-6
_W_PER_NW = 1e-9


class Scaling(Protocol):
    """Factors from the technology in which gates were measured to another one, as `axhw.analog.technology` has them."""

    @property
    def name(self) -> str: ...

    @property
    def energy(self) -> float: ...

    @property
    def delay(self) -> float: ...

    @property
    def area(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class GateUnit:
    """A unit as it was measured.

    Attributes
    ----------
    name : str
    area_um2 : float
    period_ns : float
        Of its clock.
    operation_fj : float
        Dynamic energy of what it does in a clock period: a read, a request, a product and its sum.
    leakage_nw : float
    """

    name: str
    area_um2: float
    period_ns: float
    operation_fj: float
    leakage_nw: float

    def area_mm2(self, scaling: Scaling) -> float:
        """In another technology."""
        return self.area_um2 * scaling.area * _MM2_PER_UM2

    def operation_ns(self, scaling: Scaling) -> float:
        """A clock period in another technology."""
        return self.period_ns * scaling.delay

    def operation_nj(self, scaling: Scaling) -> float:
        """Energy of an operation in another technology, without leakage."""
        return self.operation_fj * scaling.energy * _NJ_PER_FJ

    @property
    def leakage_w(self) -> float:
        """As it was measured, in any technology: the scaling has no factor for it."""
        return self.leakage_nw * _W_PER_NW


SCHEDULER_COMMAND = "axhw pim sharing -m exact:width=4 --rows 1 --columns 1 --multiply-in periphery --json"
SCHEDULERS: Mapping[int, GateUnit] = {
    1: GateUnit(name="scheduler", area_um2=6410.3, period_ns=2.415, operation_fj=5960.3, leakage_nw=73.48),
    2: GateUnit(name="scheduler", area_um2=6907.3, period_ns=2.444, operation_fj=6507.3, leakage_nw=78.90),
    4: GateUnit(name="scheduler", area_um2=7888.9, period_ns=2.791, operation_fj=7360.9, leakage_nw=89.47),
    8: GateUnit(name="scheduler", area_um2=9871.9, period_ns=2.984, operation_fj=8994.3, leakage_nw=110.40),
}
"""Part "scheduler" of a group of so many crossbars, a queue of 4 requests included: one at each shared periphery."""

GO_CACHE_COMMAND = "axhw pim go-cache --experts 16 --kept 8"
GO_CACHE = GateUnit(
    name="go_cache_e16_k8_8s_t1024", area_um2=206238.8, period_ns=14.460, operation_fj=176219.4, leakage_nw=2358.99
)
"""16 experts that keep 8 tokens each, 8-bit scores, 1024 tokens."""
GO_CACHE_BITS = 2432
"""That it stores."""
_SCORE_BITS = 8

GROUP_COMMAND = "axhw pim sharing --multiply-in periphery"
GROUP_SIDE = 4
"""Rows and columns of each crossbar of `GROUPS`."""
GROUP_CYCLES = 4
"""From a request to the first result."""
GROUPS: Mapping[int, GateUnit] = {
    1: GateUnit(name="exact8s_xg1_4x4_periphery", area_um2=84603, period_ns=9.07, operation_fj=63938, leakage_nw=1107),
    2: GateUnit(name="exact8s_xg2_4x4_periphery", area_um2=96069, period_ns=7.30, operation_fj=72547, leakage_nw=1248),
    4: GateUnit(name="exact8s_xg4_4x4_periphery", area_um2=116556, period_ns=5.73, operation_fj=87024, leakage_nw=1504),
    8: GateUnit(
        name="exact8s_xg8_4x4_periphery", area_um2=157008, period_ns=5.85, operation_fj=118875, leakage_nw=2031
    ),
}
"""Groups of digital crossbars 4 x 4 that are nothing but weights, behind one set of multipliers. The energy is that of
a read where reads of a crossbar follow each other; leakage is the sum of the parts."""

LANE_COMMAND = "axhw gen --multiplier exact --element mac"
LANE = GateUnit(name="exact8s_mac64", area_um2=6268, period_ns=3.98, operation_fj=6738, leakage_nw=79.1)
"""An 8-bit multiplication and an addition of its product, with registers (reports/element-share.md)."""


def scheduler_unit(group: int) -> GateUnit:
    """The scheduler of so many crossbars: those between the measured ones by straight lines, larger ones by the last.

    From 1 to 8 crossbars area follows a straight line to 0.1 %, the queue's width and the pending crossbars.

    Raises
    ------
    AxhwError
        For less than one crossbar.
    """
    if group < 1:
        raise AxhwError(f"Expected at least 1 crossbar at a shared periphery, found {group}.")
    sizes = sorted(SCHEDULERS)
    above = next((size for size in sizes[1:] if size >= group), sizes[-1])
    first = sizes[sizes.index(above) - 1]
    low, high = SCHEDULERS[first], SCHEDULERS[above]
    part = (group - first) / (above - first)

    def between(figure: str) -> float:
        start, end = float(getattr(low, figure)), float(getattr(high, figure))
        return start + part * (end - start)

    return GateUnit(
        name=f"scheduler of {group}",
        area_um2=between("area_um2"),
        period_ns=between("period_ns"),
        operation_fj=between("operation_fj"),
        leakage_nw=between("leakage_nw"),
    )


def digital_group(group: int) -> GateUnit:
    """The group of digital crossbars 4 x 4 that was measured.

    Raises
    ------
    AxhwError
        For numbers of crossbars that were not measured.
    """
    if group not in GROUPS:
        known = ", ".join(map(str, GROUPS))
        raise AxhwError(f"Expected a group of {known} digital crossbars, which were measured, found {group}.")
    return GROUPS[group]


def go_cache_bits(*, experts: int, kept: int, tokens: int) -> int:
    """What a GO-cache unit stores: a score, a token's number and whether there is one, for each token that is kept."""
    return experts * kept * (_SCORE_BITS + max(1, (tokens - 1).bit_length()) + 1)


def go_cache_unit(*, experts: int, kept: int, tokens: int = 1024) -> GateUnit:
    """A GO-cache unit: area, energy and leakage are those of `GO_CACHE` by stored bits, its clock period is the same.

    80 to 95 % of a unit are its store. Measured by itself, one of 16 experts and 4 tokens has 1.7 % more area and
    1.6 % more energy; small ones of 4 experts and 4 tokens have 41 % more area, where the update counts.

    Raises
    ------
    AxhwError
        For sizes below 1.
    """
    if min(experts, kept, tokens) < 1:
        raise AxhwError(
            f"Expected at least 1 expert, kept token and token of a GO cache, found {experts}, {kept} and {tokens}."
        )
    share = go_cache_bits(experts=experts, kept=kept, tokens=tokens) / GO_CACHE_BITS
    return GateUnit(
        name=f"go_cache_e{experts}_k{kept}_8s_t{tokens}",
        area_um2=GO_CACHE.area_um2 * share,
        period_ns=GO_CACHE.period_ns,
        operation_fj=GO_CACHE.operation_fj * share,
        leakage_nw=GO_CACHE.leakage_nw * share,
    )
