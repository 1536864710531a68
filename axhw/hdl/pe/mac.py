"""Multiply and accumulate: the sum of many products, one a cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.errors import AxhwError
from axhw.hdl.configurable import ConfigurableMultiplier
from axhw.hdl.families.tree import require_choice
from axhw.hdl.pe.element import BoolArray, ProcessingElementSpec
from axhw.hdl.spec import IntegerArray, Multiplier, operand_shape, parameter

Overflow = Literal["wrap", "saturate"]

MAX_TERMS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class MacSpec(ProcessingElementSpec):
    """Input registers, a multiplier and an accumulator wide enough for a number of products.

    Attributes
    ----------
    terms : int
        Products that fit without overflow, 1 to 65536.
    overflow : {"wrap", "saturate"}
        What happens beyond them: two's complement wrap-around, or a clamp at every step.
    """

    kind: ClassVar[str] = "mac"

    terms: int = parameter(64, help="products that the accumulator holds without overflow")
    overflow: Overflow = parameter("wrap", help="beyond them: wrap or saturate")

    def validate(self) -> None:
        if not isinstance(self.terms, int) or isinstance(self.terms, bool) or not 1 <= self.terms <= MAX_TERMS:
            raise AxhwError(f"Expected terms from 1 to {MAX_TERMS} for the element mac, found {self.terms!r}.")
        require_choice("overflow", self.overflow, get_args(Overflow))

    @property
    def latency(self) -> int:
        return 2

    @property
    def name(self) -> str:
        """E.g. ``roup8s_p2_r3_mac64``, with ``_saturate`` behind it where it does."""
        return f"{self.multiplier.name}_mac{self.terms}{'_saturate' if self.overflow == 'saturate' else ''}"

    @property
    def accumulator_width(self) -> int:
        """Product bits + ceil(log2(terms))."""
        return self.multiplier.product_width + (self.terms - 1).bit_length()

    @property
    def accumulator_range(self) -> tuple[int, int]:
        """Smallest and largest sum."""
        if self.multiplier.signed:
            return -(1 << (self.accumulator_width - 1)), (1 << (self.accumulator_width - 1)) - 1
        return 0, (1 << self.accumulator_width) - 1

    def component(self) -> Mac:
        """The Amaranth component with ports a, b, valid_i, clear -> acc, valid_o."""
        return Mac(self)

    def simulate(
        self,
        a: npt.ArrayLike,
        b: npt.ArrayLike,
        *,
        valid: npt.ArrayLike,
        clear: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
    ) -> tuple[IntegerArray, BoolArray]:
        """The golden cycle model.

        Parameters
        ----------
        a, b : (cycles,) integers
        valid : (cycles,) of 0 and 1
            The pair of this cycle is added; without it the sum stays.
        clear : (cycles,) of 0 and 1
            The pair of this cycle starts a new sum: its product replaces the sum. Ignored without `valid`.
        reset : (cycles,) of 0 and 1
            Drops the pair of this cycle and of the one before, and sets the sum to 0.

        Returns
        -------
        acc : (cycles,) int64
            The sum of everything accepted until two cycles before.
        valid_o : (cycles,) bool
            A pair was accepted exactly two cycles before, and `acc` is the sum that includes it.
        """
        control = self.stream(valid=valid, clear=clear, reset=reset)
        return self.accumulate(self.products(a, b, cycles=len(control["valid"])), control)

    def accumulate(self, products: IntegerArray, control: Mapping[str, BoolArray]) -> tuple[IntegerArray, BoolArray]:
        """`simulate` from the products of the pairs of each cycle, and its control signals by name."""
        cycles = len(products)
        sums, pulses = np.zeros(cycles, np.int64), np.zeros(cycles, np.bool_)
        total, pulse, waiting = 0, False, -1
        for t in range(cycles):
            sums[t], pulses[t] = total, pulse
            if control["reset"][t]:
                total, pulse, waiting = 0, False, -1
                continue
            pulse = waiting >= 0
            if pulse:
                total = self._limit((0 if control["clear"][waiting] else total) + int(products[waiting]))
            waiting = t if control["valid"][t] else -1
        return sums, pulses

    def _limit(self, total: int) -> int:
        """A sum brought into the range of the accumulator."""
        low, high = self.accumulator_range
        if self.overflow == "saturate":
            return min(max(total, low), high)
        return (total - low) % (high - low + 1) + low


class Mac(wiring.Component):
    """The multiply-accumulate element of a spec.

    Ports
    -----
    a, b : In, operands; valid_i : In, add their product; clear : In, start a new sum with it
    acc : Out, `accumulator_width` bits; valid_o : Out, `acc` has taken a product in the cycle before
    """

    a: Signal
    b: Signal
    valid_i: Signal
    clear: Signal
    acc: Signal
    valid_o: Signal

    def __init__(self, spec: MacSpec, **further: wiring.Member) -> None:
        self.spec = spec
        operand = operand_shape(spec.multiplier)
        accumulator = Shape(spec.accumulator_width, signed=spec.multiplier.signed)
        super().__init__(
            {
                "a": In(operand),
                "b": In(operand),
                "valid_i": In(1),
                "clear": In(1),
                "acc": Out(accumulator),
                "valid_o": Out(1),
                **further,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a = Signal.like(self.a, name="a_r", reset_less=True)
        b = Signal.like(self.b, name="b_r", reset_less=True)
        clear = Signal(name="clear_r", reset_less=True)
        valid = Signal(name="valid_r")
        acc = Signal.like(self.acc, name="acc_r")
        m.d.sync += [a.eq(self.a), b.eq(self.b), clear.eq(self.clear), valid.eq(self.valid_i), self.valid_o.eq(valid)]
        multiplier = self.add_multiplier(m)
        total = Signal(Shape(self.spec.accumulator_width + 1, signed=self.spec.multiplier.signed))
        m.d.comb += [
            multiplier.a.eq(a),
            multiplier.b.eq(b),
            total.eq(Mux(clear, 0, acc) + multiplier.o),
            self.acc.eq(acc),
        ]
        with m.If(valid):
            m.d.sync += acc.eq(self._limit(total))
        return m

    def add_multiplier(self, m: Module) -> Multiplier | ConfigurableMultiplier:
        """The multiplier, a module of its own so that its gates can be told from the others'."""
        m.submodules.multiplier = multiplier = self.spec.multiplier.component()
        return multiplier

    def _limit(self, total: Signal) -> Value:
        """The accumulator's next value: the low bits of `total`, clamped where it saturates."""
        width = self.spec.accumulator_width
        if self.spec.overflow == "wrap":
            return total[:width]
        if not self.spec.multiplier.signed:
            return total[:width] | total[width].replicate(width)
        negative = total[width]
        return Mux(negative ^ total[width - 1], Cat((~negative).replicate(width - 1), negative), total[:width])
