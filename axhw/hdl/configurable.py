"""ROUP whose perforation and rounding are chosen at run time: one circuit for several (p, r), selected by an input.

The modes are fixed when the circuit is generated; the input `mode` says which of them multiplies. What a mode leaves
out is gated where it enters, so that it stays at 0 and spends nothing while the mode is held:

    row j is perforated      the three bits of b that its digit is recoded from are 0
    row j keeps bits >= r    the digit is 0 for the row's bits below r

Rounding a half up at bit r takes no multiplexer on the bits that are kept. For a digit d of sign s that is not 0, the
row of round_half_up(a, r) has the very bits of the exact row from position r on, and only its correction bit, which
completes the ones' complement, becomes s XOR a_{r-1} and moves to position r:

    d =  1    (a >> r) + a_{r-1}
    d =  2    ((2 a) >> r) + a_{r-1} = 2 (a >> r) + 2 a_{r-1}
    d = -1    NOT(a >> r) + (1 - a_{r-1}) = -((a >> r) + a_{r-1})
    d = -2    NOT((2 a) >> r) + (1 - a_{r-1}) = -2 ((a >> r) + a_{r-1})

So a row has one correction bit for each rounding that its modes ask for, of which at most one is not gated.
Choosing p and r at run time: Leon et al., "Dynamically reconfigurable approximate arithmetic circuits" (DyFXU, DyPR).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.errors import AxhwError
from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.booth import Digit, recode_gated
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.spec import IntegerArray, operand_shape

MAX_MODES = 16


@dataclass(frozen=True, kw_only=True)
class ConfigurableRoupSpec:
    """A multiplier that is one of several ROUP multipliers at a time.

    Attributes
    ----------
    modes : tuple of RoupSpec
        2 to 16 different ones, mode 0 first, of equal width, signedness, tree and adder.
    """

    modes: tuple[RoupSpec, ...]

    def __post_init__(self) -> None:
        check_modes(self.modes)

    @property
    def multiplier(self) -> RoupSpec:
        """Mode 0, with the operands and the implementation of all."""
        return self.modes[0]

    @property
    def mode_bits(self) -> int:
        """Bits of the input `mode`: ceil(log2(modes))."""
        return (len(self.modes) - 1).bit_length()

    @property
    def product_width(self) -> int:
        """Bits of the widest product."""
        return max(mode.product_width for mode in self.modes)

    @property
    def name(self) -> str:
        """E.g. ``roup8s_modes_p0r0_p1r4_p2r3``."""
        first = self.multiplier
        modes = [f"p{mode.p}r{mode.r}{'' if mode.rule == 'aligned' else mode.rule}" for mode in self.modes]
        plain = RoupSpec(width=first.width, signed=first.signed)
        made = [getattr(first, part) for part in ("tree", "adder") if getattr(first, part) != getattr(plain, part)]
        return "_".join([f"roup{first.width}{'s' if first.signed else 'u'}_modes", *modes, *made])

    def component(self) -> ConfigurableMultiplier:
        """The Amaranth component with ports a, b, mode -> o."""
        return ConfigurableMultiplier(self)

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike, mode: npt.ArrayLike) -> IntegerArray:
        """The golden integer model.

        Parameters
        ----------
        a, b : array_like of integers within the modes' `operand_range`
        mode : array_like of integers from 0 to modes - 1
            All are broadcast together.
        """
        chosen = np.asarray(mode)
        if chosen.dtype.kind not in "iu" or (chosen.size and not 0 <= chosen.min() <= chosen.max() < len(self.modes)):
            raise AxhwError(
                f"Expected modes from 0 to {len(self.modes) - 1} for {self.name}, found {np.unique(chosen)!s:.60}."
            )
        return np.asarray(np.choose(chosen, [each.reference(a, b) for each in self.modes]), np.int64)

    def roundings(self, row: int) -> dict[int, int]:
        """The bits of the multiplicand that a row rounds away in each mode; modes without the row are left out."""
        # Rounding at the sign bit gives (a >> width) + sign, which is 0.
        limit = self.multiplier.width + (0 if self.multiplier.signed else 1)
        return {
            number: mode.rounding(row)
            for number, mode in enumerate(self.modes)
            if row >= mode.p and mode.rounding(row) < limit
        }

    def build(self, m: Module, a: Value, b: Value, mode: Value) -> Value:
        """The rows of all modes, gated by `mode`, and their sum."""
        heap = BitHeap(self.product_width)
        rows = [self.roundings(row) for row in range(self.multiplier.rows)]
        enables = [self.selects(mode, kept) for kept in rows]
        digits = recode_gated(m, b, enables, signed=self.multiplier.signed)
        # The rows that more modes keep meet first in the tree: that glitches less than the order of their weights.
        for row in reversed(range(len(rows))):
            if rows[row]:
                self._add_row(m, heap, a, digits[row], mode, roundings=rows[row], weight=2 * row)
        return heap.sum(m, tree=self.multiplier.tree, adder=self.multiplier.adder)

    def selects(self, mode: Value, numbers: Collection[int]) -> Value:
        """Whether `mode` is one of the numbers; what is no mode counts as the last one."""
        last = len(self.modes) - 1
        mask = sum(1 << code for code in range(1 << self.mode_bits) if min(code, last) in numbers)
        return Const(1, 1) if len(numbers) > last else Const(mask, 1 << self.mode_bits).bit_select(mode, 1)

    def _add_row(
        self,
        m: Module,
        heap: BitHeap,
        a: Value,
        digit: Digit,
        mode: Value,
        *,
        roundings: dict[int, int],
        weight: int,
    ) -> None:
        bits = [a[i] for i in range(len(a))] + ([] if self.multiplier.signed else [Const(0, 1)])
        lowest = min(roundings.values())
        gated: dict[frozenset[int], Digit] = {frozenset(roundings): digit}
        row = []
        for position in range(lowest, len(bits) + 1):
            keeping = frozenset(number for number, rounding in roundings.items() if rounding <= position)
            if keeping not in gated:
                gated[keeping] = _gated_digit(m, digit, self.selects(mode, keeping))
            own = gated[keeping]
            single = bits[min(position, len(bits) - 1)]
            shifted = bits[position - 1] if position else Const(0, 1)
            bit = Signal(name="row")
            m.d.comb += bit.eq(((single & own.one) | (shifted & own.two)) ^ own.negative)
            row.append(bit)
        heap.add_signed(row, weight + lowest)
        for rounding in sorted(set(roundings.values())):
            users = frozenset(number for number, own in roundings.items() if own == rounding)
            correction = digit.negative
            if rounding:
                correction = (digit.negative ^ a[rounding - 1]) & (digit.one | digit.two)
            if users != frozenset(roundings):
                correction &= self.selects(mode, users)
            bit = Signal(name="correction")
            m.d.comb += bit.eq(correction)
            heap.add_bit(bit, weight + rounding)


def check_modes(modes: object) -> None:
    """Refuse what cannot be the modes of one circuit.

    Raises
    ------
    AxhwError
        Unless they are 2 to 16 different ROUP multipliers with the same operands, tree and adder.
    """
    if not isinstance(modes, tuple) or not all(isinstance(mode, RoupSpec) for mode in modes):
        raise AxhwError(f"Expected ROUP multipliers as the modes of a configurable one, found {modes!r:.80}.")
    if not 2 <= len(modes) <= MAX_MODES:
        raise AxhwError(f"Expected 2 to {MAX_MODES} modes for a configurable multiplier, found {len(modes)}.")
    for mode in modes[1:]:
        for part in ("width", "signed", "tree", "adder"):
            first, own = getattr(modes[0], part), getattr(mode, part)
            if own != first:
                raise AxhwError(
                    f"Expected all modes of a configurable multiplier to have {part} {first} like {modes[0].name}, "
                    f"found {own} in {mode.name}."
                )
    if len(set(modes)) < len(modes):
        repeated = next(mode for number, mode in enumerate(modes) if mode in modes[:number])
        raise AxhwError(f"Expected different modes for a configurable multiplier, found {repeated.name} twice.")


def _gated_digit(m: Module, digit: Digit, enable: Value) -> Digit:
    own = Digit(*(Signal(name=f"gated_{part}") for part in ("one", "two", "neg")))
    m.d.comb += [
        own.one.eq(digit.one & enable),
        own.two.eq(digit.two & enable),
        own.negative.eq(digit.negative & enable),
    ]
    return own


class ConfigurableMultiplier(wiring.Component):
    """The combinational multiplier of a spec: o = M_mode(a, b).

    Ports
    -----
    a, b : In, operands; mode : In, `mode_bits` bits, codes behind the last mode select the last
    o : Out, `product_width` bits
    """

    a: Signal
    b: Signal
    mode: Signal
    o: Signal

    def __init__(self, spec: ConfigurableRoupSpec) -> None:
        self.spec = spec
        operand = operand_shape(spec.multiplier)
        product = type(operand)(spec.product_width, signed=spec.multiplier.signed)
        super().__init__({"a": In(operand), "b": In(operand), "mode": In(spec.mode_bits), "o": Out(product)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(self.spec.build(m, self.a, self.b, self.mode))
        return m
