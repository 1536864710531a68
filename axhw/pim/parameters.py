"""What operations take on a chip of crossbars, digital units and DRAM: time and energy of each, as formulas of sizes.

The published figures (`PUBLISHED`) are those of arXiv 2602.10254 (Gao and Yang, 2026). Its crossbar core is HERMES
(Khaddam-Aljameh et al., IEEE J. Solid-State Circuits 57, 2022): 1.59 TOPS/mm2 and 10.5 TOPS/W at 130 ns for a matrix of
256 x 256 times a vector (MVM), which is 12.5 nJ and 0.634 mm2; attention and digital units are fits to figures of
Buechel et al. (Nature Computational Science 5, 2025), whose simulator it extends. V is the length of a vector, S the
number of tokens, d the width of queries:

    tiles of a matrix   ceil(inputs / 256) ceil(outputs / 256)
    crossing            12 (V/256) ns, 12.93 (V/256) pJ         a vector into a crossbar, or out of it
    addition            ceil(8 (V/256) + 4) ns, 9.43 (V/256) pJ
    norm                ceil(50 (V/256)) ns, 20.96 (V/256) pJ
    ReLU                1 ns, 0.02 (V/256) pJ
    GeLU                ceil(16 (V/256) + 6) ns, 9.63 (V/256) pJ
    attention           ceil(S^2 (1.064e-4 d + 1.521e-5 d^2)) ns, 0.022289 * 25 S^2 d pJ    all S tokens to all S
    sampling            10 ns, no energy
    DRAM                ceil(bytes / 5.332) ns, 0.2467 W meanwhile; 0.1297 W where it waits
    passive             0.02412 W, all the time: 5 digital and 4 attention units
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from axhw.analog.tile_cost import HERMES
from axhw.errors import AxhwError

FloatArray = npt.NDArray[np.float64]

VALUES = 256
"""V is counted in so many."""

_NJ_PER_PJ = 1e-3
_NJ_PER_FJ = 1e-6
_MM2_PER_UM2 = 1e-6


@dataclass(frozen=True, kw_only=True)
class CrossbarCore:
    """A crossbar with its periphery.

    Attributes
    ----------
    name : str
    rows, columns : int
        Inputs and outputs that it takes.
    mvm_ns, mvm_nj : float
        Of a vector times what it holds.
    area_mm2 : float
        With a periphery of its own.
    peripheral_share : float
        Part of energy and area that g crossbars share: each then has 1 - s + s / g of both, which is 1, 0.6 and 0.4
        for 1, 2 and 4 crossbars at the published 80 %.

    Raises
    ------
    AxhwError
        For figures that are not above 0, and a share outside 0 to 1.
    """

    name: str
    rows: int = HERMES.rows
    columns: int = HERMES.columns
    mvm_ns: float = HERMES.mvm_ns
    mvm_nj: float = HERMES.mvm_nj
    area_mm2: float = HERMES.area_mm2
    peripheral_share: float = HERMES.converter_share

    def __post_init__(self) -> None:
        for what in ("rows", "columns", "mvm_ns", "mvm_nj", "area_mm2"):
            value = getattr(self, what)
            if not (math.isfinite(value) and value > 0):
                raise AxhwError(f"Expected {what} of the crossbar core {self.name} above 0, found {value}.")
        if not 0 <= self.peripheral_share <= 1:
            raise AxhwError(
                f"Expected a share of the periphery of {self.name} from 0 to 1, found {self.peripheral_share}."
            )

    @classmethod
    def from_gates(
        cls,
        *,
        name: str,
        rows: int,
        columns: int,
        group: int,
        area_um2: float,
        period_ns: float,
        cycles: float,
        mvm_fj: float,
    ) -> CrossbarCore:
        """That of a group of crossbars measured in gates, whose figures hold for this number of crossbars alone.

        Parameters
        ----------
        name : str
        rows, columns : int
            Of each crossbar.
        group : int
            Crossbars behind the shared periphery.
        area_um2 : float
            Of the whole group.
        period_ns, cycles : float
            Clock period, and cycles until the next vector can come.
        mvm_fj : float
            Of a vector times one crossbar, clock and leakage of the group included.

        Raises
        ------
        AxhwError
            For figures that are not above 0.
        """
        if group < 1:
            raise AxhwError(f"Expected at least 1 crossbar in the group {name}, found {group}.")
        return cls(
            name=name,
            rows=rows,
            columns=columns,
            mvm_ns=period_ns * cycles,
            mvm_nj=mvm_fj * _NJ_PER_FJ,
            area_mm2=area_um2 * _MM2_PER_UM2 / group,
            peripheral_share=0.0,
        )

    def tiles(self, *, inputs: int, outputs: int) -> int:
        """Crossbars that a matrix takes."""
        return math.ceil(inputs / self.rows) * math.ceil(outputs / self.columns)

    def sharing_factor(self, group: int) -> float:
        """Energy and area of a crossbar whose periphery serves `group` of them, by those of one on its own.

        Raises
        ------
        AxhwError
            For less than one crossbar.
        """
        if group < 1:
            raise AxhwError(f"Expected at least 1 crossbar at a shared periphery, found {group}.")
        return 1 - self.peripheral_share + self.peripheral_share / group


@dataclass(frozen=True, kw_only=True)
class Dram:
    """The memory of results and caches, which does one transfer after the other.

    Attributes
    ----------
    gb_per_s : float
    active_w, idle_w : float
        While it transfers, and while it waits.
    """

    gb_per_s: float = 5.332
    active_w: float = 0.2467
    idle_w: float = 0.1297

    def transfer_ns(self, moved: FloatArray) -> FloatArray:
        """Time of so many bytes each, in whole ns."""
        return np.ceil(moved / self.gb_per_s)


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    """What decides which crossbar of a group computes when; the paper has no figures of it.

    Attributes
    ----------
    ns_per_choice : float
        Time, one choice after the other, before the experts of a pass begin.
    nj_per_choice : float
    """

    ns_per_choice: float = 0.0
    nj_per_choice: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """All that a simulation needs to know of the hardware. See the module for the formulas.

    Attributes
    ----------
    name : str
    core : CrossbarCore
    dram : Dram
    scheduler : Scheduler
    digital_units, attention_units : int
    passive_w : float
    crossing_ns, crossing_pj : float
        Of 256 values.
    add_ns, add_start_ns, add_pj : float
        Of 256 values, once, and of 256 values.
    norm_ns, norm_pj : float
    relu_ns, relu_pj : float
        The time is that of a vector of any length.
    gelu_ns, gelu_start_ns, gelu_pj : float
    attention_ns_d, attention_ns_d2, attention_pj : float
        Factors of S^2 d, S^2 d^2 and S^2 d.
    sampling_ns : float

    Raises
    ------
    AxhwError
        Without units, and for times and energies below 0.
    """

    name: str
    core: CrossbarCore = field(default_factory=lambda: CrossbarCore(name="HERMES"))
    dram: Dram = field(default_factory=Dram)
    scheduler: Scheduler = field(default_factory=Scheduler)
    digital_units: int = 5
    attention_units: int = 4
    passive_w: float = 0.02412
    crossing_ns: float = 12.0
    crossing_pj: float = 12.93
    add_ns: float = 8.0
    add_start_ns: float = 4.0
    add_pj: float = 9.43
    norm_ns: float = 50.0
    norm_pj: float = 20.96
    relu_ns: float = 1.0
    relu_pj: float = 0.02
    gelu_ns: float = 16.0
    gelu_start_ns: float = 6.0
    gelu_pj: float = 9.63
    attention_ns_d: float = 1.064e-4
    attention_ns_d2: float = 1.521e-5
    attention_pj: float = 0.022289 * 25
    sampling_ns: float = 10.0

    def __post_init__(self) -> None:
        for what in ("digital_units", "attention_units"):
            if getattr(self, what) < 1:
                raise AxhwError(f"Expected at least 1 of the {what} of {self.name}, found {getattr(self, what)}.")
        for what in self.__dataclass_fields__:
            value = getattr(self, what)
            if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
                raise AxhwError(f"Expected {what} of {self.name} of at least 0, found {value}.")

    def with_core(self, core: CrossbarCore, *, scheduler: Scheduler | None = None) -> Parameters:
        """The same with another crossbar core, say one of gates, and the scheduler of its groups."""
        chosen = self.scheduler if scheduler is None else scheduler
        return replace(self, name=f"{self.name}, {core.name}", core=core, scheduler=chosen)

    def add_time_ns(self, width: int) -> float:
        """Of two vectors."""
        return float(math.ceil(self.add_ns * width / VALUES + self.add_start_ns))

    def add_nj(self, width: int) -> float:
        return self.add_pj * _NJ_PER_PJ * width / VALUES

    def norm_time_ns(self, width: int) -> float:
        return float(math.ceil(self.norm_ns * width / VALUES))

    def norm_nj(self, width: int) -> float:
        return self.norm_pj * _NJ_PER_PJ * width / VALUES

    def activation_time_ns(self, width: int, *, smooth: bool) -> float:
        """ReLU, or GeLU and its kin."""
        return float(math.ceil(self.gelu_ns * width / VALUES + self.gelu_start_ns)) if smooth else self.relu_ns

    def activation_nj(self, width: int, *, smooth: bool) -> float:
        return (self.gelu_pj if smooth else self.relu_pj) * _NJ_PER_PJ * width / VALUES

    def crossing_time_ns(self, width: int) -> float:
        return float(math.ceil(self.crossing_ns * width / VALUES))

    def crossing_nj(self, width: int) -> float:
        return self.crossing_pj * _NJ_PER_PJ * width / VALUES

    def attention_time_ns(self, tokens: FloatArray, width: int) -> FloatArray:
        """All of so many tokens to all of them: halve it for causal attention, divide by `tokens` for one query."""
        square = self.attention_ns_d * width + self.attention_ns_d2 * width * width
        return np.ceil(tokens * tokens * square)

    def attention_nj(self, tokens: FloatArray, width: int) -> FloatArray:
        """Energy of the same."""
        return tokens * tokens * (self.attention_pj * _NJ_PER_PJ * width)


PUBLISHED = Parameters(name="published")
"""Those of arXiv 2602.10254."""
