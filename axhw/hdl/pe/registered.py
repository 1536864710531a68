"""A multiplier between registers: one product a cycle, two cycles later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.hdl.pe.element import BoolArray, ProcessingElementSpec
from axhw.hdl.spec import IntegerArray, operand_shape, product_shape


@dataclass(frozen=True, kw_only=True)
class RegisteredSpec(ProcessingElementSpec):
    """Input and output registers around a multiplier, with valid bits beside the data."""

    kind: ClassVar[str] = "registered"

    @property
    def latency(self) -> int:
        return 2

    @property
    def name(self) -> str:
        """E.g. ``roup8s_p2_r3_reg``."""
        return f"{self.multiplier.name}_reg"

    def component(self) -> Registered:
        """The Amaranth component with ports a, b, valid_i -> o, valid_o."""
        return Registered(self)

    def simulate(
        self, a: npt.ArrayLike, b: npt.ArrayLike, *, valid: npt.ArrayLike, reset: npt.ArrayLike | None = None
    ) -> tuple[IntegerArray, BoolArray]:
        """The golden cycle model.

        Parameters
        ----------
        a, b : (cycles,) integers
        valid, reset : (cycles,) of 0 and 1
            A reset in cycle t clears what was accepted in the cycles t and t - 1. No reset by default.

        Returns
        -------
        o : (cycles,) int64
            The product of two cycles before, meaningful where `valid_o` is set: data registers run free and are
            not reset.
        valid_o : (cycles,) bool
        """
        control = self.stream(valid=valid, reset=reset)
        cycles = len(control["valid"])
        # What the registers hold before the first cycle: operands 0 and the output 0.
        zero = int(self.multiplier.reference(0, 0))
        o = np.concatenate([[0, zero], self.products(a, b, cycles=cycles)])[:cycles].astype(np.int64)
        accepted = control["valid"] & ~control["reset"]
        surviving = accepted[:-1] & ~control["reset"][1:]
        return o, np.concatenate([np.zeros(2, np.bool_), surviving])[:cycles]


class Registered(wiring.Component):
    """The registered multiplier of a spec.

    Ports
    -----
    a, b : In, operands; valid_i : In, they are to be multiplied
    o : Out, product; valid_o : Out, `o` belongs to a pair accepted two cycles before
    """

    a: Signal
    b: Signal
    valid_i: Signal
    o: Signal
    valid_o: Signal

    def __init__(self, spec: RegisteredSpec) -> None:
        self.spec = spec
        operand = operand_shape(spec.multiplier)
        super().__init__(
            {
                "a": In(operand),
                "b": In(operand),
                "valid_i": In(1),
                "o": Out(product_shape(spec.multiplier)),
                "valid_o": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a = Signal.like(self.a, name="a_r", reset_less=True)
        b = Signal.like(self.b, name="b_r", reset_less=True)
        o = Signal.like(self.o, name="o_r", reset_less=True)
        valid = Signal(name="valid_r")
        # A module of its own, so that its gates can be told from the registers.
        m.submodules.multiplier = multiplier = self.spec.multiplier.component()
        m.d.sync += [a.eq(self.a), b.eq(self.b), valid.eq(self.valid_i), o.eq(multiplier.o), self.valid_o.eq(valid)]
        m.d.comb += [multiplier.a.eq(a), multiplier.b.eq(b), self.o.eq(o)]
        return m
