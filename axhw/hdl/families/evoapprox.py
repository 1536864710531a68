"""The signed 8-bit circuits of EvoApproxLib v2022, by name.

They are broken Baugh-Wooley arrays and are generated from that closed form. Other releases use the same
names for other functions, so the release belongs to the spec. Published figures: Mrazek et al.,
EvoApproxLib release v2022, 45 nm, power in mW, area in um2, delay in ns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy.typing as npt
from amaranth.hdl import Module, Value

from axhw.errors import AxhwError
from axhw.hdl.families.broken_array import BrokenArraySpec
from axhw.hdl.families.tree import TreeMultiplierSpec
from axhw.hdl.spec import Factors, IntegerArray, parameter

RELEASE = "v2022"


@dataclass(frozen=True)
class PublishedCircuit:
    """A circuit of the library: its cuts (ha, hb, v) and its published figures on 45 nm."""

    ha: int
    hb: int
    v: int
    power_mw: float
    area_um2: float
    delay_ns: float


CIRCUITS: dict[str, PublishedCircuit] = {
    "mul8s_1KV6": PublishedCircuit(0, 0, 0, 0.425, 729.8, 1.48),
    "mul8s_1KV8": PublishedCircuit(0, 0, 2, 0.422, 711.0, 1.48),
    "mul8s_1KV9": PublishedCircuit(0, 0, 3, 0.410, 685.2, 1.47),
    "mul8s_1KVA": PublishedCircuit(0, 0, 4, 0.391, 641.1, 1.51),
    "mul8s_1KVM": PublishedCircuit(1, 0, 0, 0.369, 652.8, 1.37),
    "mul8s_1KVP": PublishedCircuit(1, 0, 3, 0.363, 635.0, 1.37),
    "mul8s_1KVQ": PublishedCircuit(1, 0, 4, 0.351, 599.8, 1.36),
    "mul8s_1L2J": PublishedCircuit(1, 1, 0, 0.301, 558.9, 1.36),
    "mul8s_1KX5": PublishedCircuit(2, 0, 5, 0.289, 543.0, 1.33),
    "mul8s_1KXF": PublishedCircuit(3, 0, 0, 0.237, 482.4, 1.19),
    "mul8s_1L2L": PublishedCircuit(2, 2, 0, 0.200, 411.6, 1.14),
    "mul8s_1L2N": PublishedCircuit(3, 3, 0, 0.126, 284.9, 0.94),
    "mul8s_1L12": PublishedCircuit(6, 0, 0, 0.052, 172.2, 0.89),
}

EXACT_CIRCUIT = "mul8s_1KV6"
"""The exact circuit among them, which published powers are relative to."""


@dataclass(frozen=True, kw_only=True)
class EvoApproxSpec(TreeMultiplierSpec):
    """A published signed 8-bit circuit, generated.

    Attributes
    ----------
    circuit : str
        Name in EvoApproxLib, e.g. ``mul8s_1L2L``.
    """

    family: ClassVar[str] = "evoapprox"
    summary: ClassVar[str] = "a published signed 8-bit circuit of EvoApproxLib v2022, by name (evoapprox:mul8s_1L2L)"

    circuit: str = parameter("mul8s_1KV6", help="name of the circuit, e.g. mul8s_1L2L")

    def validate(self) -> None:
        super().validate()
        if self.circuit not in CIRCUITS:
            raise AxhwError(
                f"Expected a circuit of EvoApproxLib {RELEASE} ({', '.join(CIRCUITS)}), found {self.circuit!r}."
            )
        if self.width != 8 or not self.signed:
            raise AxhwError(
                f"Expected signed 8-bit operands for {self.circuit}, found width {self.width} and "
                f"{'signed' if self.signed else 'unsigned'}: use the family bam for other operands."
            )

    @property
    def published(self) -> PublishedCircuit:
        """The figures of the library's authors."""
        return CIRCUITS[self.circuit]

    @property
    def array(self) -> BrokenArraySpec:
        """The same circuit as a broken array."""
        cuts = self.published
        return BrokenArraySpec(ha=cuts.ha, hb=cuts.hb, v=cuts.v, tree=self.tree, adder=self.adder)

    @property
    def name(self) -> str:
        """The published name behind its release, e.g. ``evoapprox_v2022_mul8s_1L2L``."""
        suffix = self.array.name.removeprefix(BrokenArraySpec(ha=self.array.ha, hb=self.array.hb, v=self.array.v).name)
        return f"{self.family}_{RELEASE}_{self.circuit}{suffix}"

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """That of the broken array."""
        return self.array.reference(*self.operands(a, b))

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """That of the broken array."""
        return self.array.build(m, a, b)

    def factors(self) -> Factors:
        """Those of the broken array."""
        return self.array.factors()
