"""Multiply and accumulate with a configurable multiplier: the mode is kept in a register between kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In

from axhw.errors import AxhwError
from axhw.hdl.configurable import ConfigurableMultiplier, ConfigurableRoupSpec, check_modes
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.pe.element import BoolArray
from axhw.hdl.pe.mac import Mac, MacSpec
from axhw.hdl.spec import IntegerArray


@dataclass(frozen=True, kw_only=True)
class ConfigurableMacSpec(MacSpec):
    """A MAC around a `ConfigurableRoupSpec`; accumulator and timing are those of `MacSpec`.

    Attributes
    ----------
    multiplier : RoupSpec
        Mode 0, which a reset selects.
    others : tuple of RoupSpec
        The modes behind it.
    """

    kind: ClassVar[str] = "configurable_mac"

    others: tuple[RoupSpec, ...] = ()

    def validate(self) -> None:
        super().validate()
        check_modes((self.multiplier, *self.others))

    @property
    def configurable(self) -> ConfigurableRoupSpec:
        """The multiplier inside."""
        assert isinstance(self.multiplier, RoupSpec)
        return ConfigurableRoupSpec(modes=(self.multiplier, *self.others))

    @property
    def modes(self) -> tuple[RoupSpec, ...]:
        """What the multiplier can be, mode 0 first."""
        return self.configurable.modes

    def parameters(self) -> dict[str, Any]:
        """The element's own parameters by name, without the modes."""
        return {name: value for name, value in super().parameters().items() if name != "others"}

    @property
    def name(self) -> str:
        """E.g. ``roup8s_modes_p0r0_p2r3_mac64``."""
        return self.configurable.name + super().name.removeprefix(self.multiplier.name)

    @property
    def accumulator_width(self) -> int:
        return self.configurable.product_width + (self.terms - 1).bit_length()

    def component(self) -> ConfigurableMac:
        """The Amaranth component with ports a, b, mode, load_mode, valid_i, clear -> acc, valid_o."""
        return ConfigurableMac(self)

    def simulate(
        self,
        a: npt.ArrayLike,
        b: npt.ArrayLike,
        *,
        valid: npt.ArrayLike,
        clear: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
        mode: npt.ArrayLike | None = None,
        load_mode: npt.ArrayLike | None = None,
    ) -> tuple[IntegerArray, BoolArray]:
        """The golden cycle model: `MacSpec.simulate` with a mode.

        Parameters
        ----------
        mode : (cycles,) integers from 0 to modes - 1
            Read where `load_mode` is set. Without them the element stays in mode 0.
        load_mode : (cycles,) of 0 and 1
            The mode of this cycle multiplies the pair of this cycle and those after it. A reset selects mode 0.
        """
        control = self.stream(valid=valid, clear=clear, reset=reset, load_mode=load_mode)
        cycles = len(control["valid"])
        wanted = np.zeros(cycles, np.int64) if mode is None else np.asarray(mode)
        if wanted.shape != (cycles,):
            raise AxhwError(
                f"Expected {cycles} modes for {self.name} like its control signals, found shape {wanted.shape}."
            )
        # The latest cycle that wrote the mode register: a load, or a reset, which wins.
        writes = control["load_mode"] | control["reset"]
        written = np.where(control["reset"], 0, wanted)
        latest = np.maximum.accumulate(np.where(writes, np.arange(cycles), -1)) if cycles else np.zeros(0, np.int64)
        held = np.where(latest >= 0, written[latest], 0)
        first, second = np.asarray(a), np.asarray(b)
        # Mode 0 says what is wrong with operands.
        self.products(first, second, cycles=cycles)
        return self.accumulate(self.configurable.reference(first, second, held), control)


class ConfigurableMac(Mac):
    """The element of a spec: the ports of a `Mac`, and

    Ports
    -----
    mode : In, `mode_bits` bits; load_mode : In, `mode` holds from this cycle's pair on
    """

    mode: Signal
    load_mode: Signal

    def __init__(self, spec: ConfigurableMacSpec) -> None:
        self.configurable = spec.configurable
        super().__init__(spec, mode=In(self.configurable.mode_bits), load_mode=In(1))

    def add_multiplier(self, m: Module) -> ConfigurableMultiplier:
        """The multiplier behind the mode register."""
        mode = Signal.like(self.mode, name="mode_r")
        with m.If(self.load_mode):
            m.d.sync += mode.eq(self.mode)
        m.submodules.multiplier = multiplier = self.configurable.component()
        m.d.comb += multiplier.mode.eq(mode)
        return multiplier
