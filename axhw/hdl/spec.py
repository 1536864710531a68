"""The base of every multiplier family: one frozen spec that owns name, golden model, component and factors."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Shape, Signal, Value, ValueLike, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.errors import AxhwError

MIN_WIDTH = 4
MAX_WIDTH = 16

IntegerArray = npt.NDArray[np.int64]


def parameter(default: Any, *, help: str) -> Any:
    """A spec field with the sentence that ``axhw families`` and ``axhw gen --help`` show for it."""
    return dataclasses.field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True, eq=False)
class Factors:
    """An exact integer factorisation of a product table.

    The product of codes a and b is ``left[i] @ right[j]``, where i and j are the codes counted from
    the lowest one.

    Attributes
    ----------
    left, right : (2**width, rank) int64 arrays
    """

    left: IntegerArray
    right: IntegerArray

    @property
    def rank(self) -> int:
        """Columns of the factorisation: an upper bound of the table's rank."""
        return int(self.left.shape[1])


@dataclass(frozen=True, kw_only=True)
class MultiplierSpec(ABC):
    """A multiplier: everything that is known about a design before synthesis.

    Operand a is the activation (multiplicand), operand b the weight (multiplier). A family
    is a subclass; its fields are its parameters, and it is the only place its formula exists.

    Attributes
    ----------
    width : int
        Bits of each operand, 4 to 16.
    signed : bool
        Two's complement operands and product when true, unsigned when false.
    """

    family: ClassVar[str]
    """Key in the registry and on the command line."""
    summary: ClassVar[str]
    """One sentence for ``axhw families``."""

    width: int = parameter(8, help="operand bits, 4 to 16")
    signed: bool = parameter(True, help="two's complement operands; false for unsigned")

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or isinstance(self.width, bool):
            raise AxhwError(f"Expected an integer width from {MIN_WIDTH} to {MAX_WIDTH}, found {self.width!r}.")
        if not MIN_WIDTH <= self.width <= MAX_WIDTH:
            raise AxhwError(
                f"Expected a width from {MIN_WIDTH} to {MAX_WIDTH} bits for {self.family}, found {self.width}."
            )
        if not isinstance(self.signed, bool):
            raise AxhwError(f"Expected true or false for signed of {self.family}, found {self.signed!r}.")
        self.validate()

    def validate(self) -> None:  # noqa: B027
        """Refuse impossible parameters with an `AxhwError`; families override it."""

    @abstractmethod
    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """The golden integer model.

        Parameters
        ----------
        a, b : array_like of integers within `operand_range`, broadcast together

        Returns
        -------
        int64 array of products, exactly as the hardware computes them
        """

    @abstractmethod
    def build(self, m: Module, a: Value, b: Value) -> ValueLike:
        """Add the circuit to `m` and return the product, `product_width` bits."""

    def factors(self) -> Factors | None:
        """The exact integer factorisation of the table, where the family has one."""
        return None

    def mean_error(self) -> float | None:
        """Mean of product minus exact product over all operand pairs in closed form, or None."""
        factors = self.factors()
        if factors is None:
            return None
        codes = self.operand_codes()
        product = sum(float(factors.left[:, k].mean()) * float(factors.right[:, k].mean()) for k in range(factors.rank))
        return product - float(codes.mean()) ** 2

    @property
    def product_width(self) -> int:
        """Bits of the product; 2 * width unless the family can exceed it."""
        return 2 * self.width

    @property
    def operand_range(self) -> tuple[int, int]:
        """Smallest and largest operand."""
        if self.signed:
            return -(1 << (self.width - 1)), (1 << (self.width - 1)) - 1
        return 0, (1 << self.width) - 1

    def operand_codes(self) -> IntegerArray:
        """All operand values in increasing order, shape (2**width,)."""
        low, high = self.operand_range
        return np.arange(low, high + 1, dtype=np.int64)

    def operands(self, a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[IntegerArray, IntegerArray]:
        """Both operands as int64 arrays, refused when not integers or out of range."""
        low, high = self.operand_range
        arrays = []
        for name, operand in (("a", a), ("b", b)):
            array = np.asarray(operand)
            if array.dtype.kind not in "iu":
                raise AxhwError(f"Expected integer operands for {self.name}, found {array.dtype} for {name}.")
            if array.size and (int(array.min()) < low or int(array.max()) > high):
                raise AxhwError(
                    f"Expected operands from {low} to {high} for {self.name}, "
                    f"found {int(array.min())} to {int(array.max())} for {name}."
                )
            arrays.append(array.astype(np.int64))
        return arrays[0], arrays[1]

    def parameters(self) -> dict[str, Any]:
        """The family's own parameters by name; width and signedness are not among them."""
        common = {field.name for field in dataclasses.fields(MultiplierSpec)}
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in common}

    def shown_parameters(self) -> dict[str, Any]:
        """The parameters as lists of designs show them."""
        return self.parameters()

    @property
    def name(self) -> str:
        """A stable name, valid as a file name and as a Verilog identifier, e.g. ``roup8s_p2_r3``.

        Numbers always appear; choices only where they differ from the default.
        """
        parts = [f"{self.family}{self.width}{'s' if self.signed else 'u'}"]
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for key, value in self.parameters().items():
            if isinstance(value, bool):
                if value != defaults[key]:
                    parts.append(key if value else f"no_{key}")
            elif isinstance(value, int):
                parts.append(f"{key}{value}")
            elif value != defaults[key]:
                parts.append(str(value))
        return "_".join(parts)

    def component(self) -> Multiplier:
        """The Amaranth component with ports a, b -> o."""
        return Multiplier(self)


def operand_shape(spec: MultiplierSpec) -> Shape:
    """The Amaranth shape of one operand."""
    return signed(spec.width) if spec.signed else unsigned(spec.width)


def product_shape(spec: MultiplierSpec) -> Shape:
    """The Amaranth shape of the product."""
    return signed(spec.product_width) if spec.signed else unsigned(spec.product_width)


class Multiplier(wiring.Component):
    """The combinational multiplier of a spec: o = M(a, b).

    Ports
    -----
    a, b : In, `width` bits
        Activation and weight.
    o : Out, `product_width` bits
    """

    a: Signal
    b: Signal
    o: Signal

    def __init__(self, spec: MultiplierSpec) -> None:
        self.spec = spec
        super().__init__({"a": In(operand_shape(spec)), "b": In(operand_shape(spec)), "o": Out(product_shape(spec))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(self.spec.build(m, self.a, self.b))
        return m
