"""The base of every processing element: a frozen spec around a multiplier spec, with name, component and cycle model.

Time convention of all cycle models: cycle t ends with rising clock edge t. Inputs of cycle t are sampled by that edge,
outputs of cycle t are what is seen just before it. A latency of 2 means that the inputs of cycle t
show in the outputs of cycle t + 2. All registers start at 0, as after a reset.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.lib import wiring

from axhw.errors import AxhwError
from axhw.hdl.spec import IntegerArray, MultiplierSpec

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ProcessingElementSpec(ABC):
    """A clocked design around one multiplier, in the clock domain ``sync`` with its synchronous reset.

    Attributes
    ----------
    multiplier : MultiplierSpec
    """

    kind: ClassVar[str]
    """Key in the registry."""

    multiplier: MultiplierSpec

    def __post_init__(self) -> None:
        if not isinstance(self.multiplier, MultiplierSpec):
            raise AxhwError(f"Expected a multiplier spec inside the element {self.kind}, found {self.multiplier!r}.")
        self.validate()

    def validate(self) -> None:  # noqa: B027
        """Refuse impossible parameters with an `AxhwError`; elements override it."""

    def parameters(self) -> dict[str, Any]:
        """The element's own parameters by name, without the multiplier."""
        return {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "multiplier"
        }

    @property
    @abstractmethod
    def latency(self) -> int:
        """Cycles from the inputs to the outputs they decide."""

    @property
    def operations(self) -> int:
        """Products a cycle at full throughput."""
        return 1

    @property
    @abstractmethod
    def name(self) -> str:
        """The multiplier's name and a suffix: stable, and valid as a Verilog identifier."""

    @abstractmethod
    def component(self) -> wiring.Component:
        """The Amaranth component."""

    def stream(self, **signals: npt.ArrayLike | None) -> dict[str, BoolArray]:
        """Control signals of a cycle model as arrays; None stands for a signal that is never set.

        Raises
        ------
        AxhwError
            Unless all have the same one dimension and hold only 0 and 1.
        """
        arrays = {name: np.asarray(values) for name, values in signals.items() if values is not None}
        for name, array in arrays.items():
            if array.ndim != 1 or array.dtype.kind not in "biu" or not np.isin(array, (0, 1)).all():
                raise AxhwError(f"Expected a row of zeros and ones for {name} of {self.name}, found {array!r:.60}.")
        lengths = {len(array) for array in arrays.values()}
        if len(lengths) != 1:
            raise AxhwError(f"Expected signals of one length for {self.name}, found {sorted(lengths)} cycles.")
        (cycles,) = lengths
        return {name: arrays[name].astype(bool) if name in arrays else np.zeros(cycles, np.bool_) for name in signals}

    def products(self, a: npt.ArrayLike, b: npt.ArrayLike, *, cycles: int) -> IntegerArray:
        """The multiplier's product in each of `cycles` cycles."""
        first, second = np.asarray(a), np.asarray(b)
        if first.shape != (cycles,) or second.shape != (cycles,):
            raise AxhwError(
                f"Expected {cycles} operands for {self.name} like its control signals, "
                f"found shapes {first.shape} and {second.shape}."
            )
        return self.multiplier.reference(first, second)
