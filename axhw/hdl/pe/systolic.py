"""A weight-stationary systolic array: rows x columns multiply-add cells that keep their weights.

Activations enter at the left and pass to the right, partial sums enter at the top and pass down:

                 s_i[0], w[0]    s_i[1], w[1]
                      |               |
    load --.          v               v
    a[0] ----> | PE(0, 0) | --> | PE(0, 1) |
                      |               |
    a[1] ----> | PE(1, 0) | --> | PE(1, 1) |
                      v               v
                   s_o[0]          s_o[1], valid_o

    PE(r, c), every cycle:   a_r <- a from the left;   s <- s from above + M(a_r, weight)
              in its load cycle also:   weight <- w[c]

What enters in one cycle at the upper left corner is a wave: it reaches PE(r, c) r + c cycles later. Wave t may carry
a vector (``valid_i``), new weights (``load``), both or nothing, and everything that belongs to it is given skewed, as
staggered reads of one memory bank per row and column deliver it; the array has no skewing registers of its own:

    cycle           port                 what
    t               load, valid_i        the wave's bits
    t + r           a[r]                 its activation for row r
    t + r + c       w[c]                 with load: the new weight of PE(r, c), read from a bus along the column
    t + 1 + c       s_i[c]               what its sum in column c starts from
    t + rows+1 + c  s_o[c], valid_o[c]   s_i[c] + M(a[0], weight(0, c)) + ... + M(a[rows - 1], weight(rows - 1, c))

A wave's new weights count for its own vector and all later ones, while waves ahead of it still use the old ones:
changing tiles costs no cycle. The bus of a column serves one PE a cycle, so waves with `load` keep `rows` cycles apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Cat, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.errors import AxhwError
from axhw.hdl.pe.element import BoolArray, ProcessingElementSpec
from axhw.hdl.pe.mac import MAX_TERMS
from axhw.hdl.spec import IntegerArray, MultiplierSpec, operand_shape, parameter

Value = TypeVar("Value", bound=np.generic)

MAX_SIDE = 32
DEFAULT_TERMS = 64


@dataclass(frozen=True, kw_only=True)
class SystolicSpec(ProcessingElementSpec):
    """A weight-stationary array of multiply-add cells.

    Attributes
    ----------
    rows, columns : int
        1 to 32 each.
    terms : int
        Products that a sum holds without overflow, `rows` to 65536: more than `rows` where sums come back to the
        top for further products. Beyond them sums wrap around.
    """

    kind: ClassVar[str] = "systolic"

    rows: int = parameter(4, help="rows of cells: products that one pass adds up")
    columns: int = parameter(4, help="columns of cells: sums made side by side")
    terms: int = parameter(DEFAULT_TERMS, help="products that a sum holds without overflow")

    def validate(self) -> None:
        for name, low, high in (("rows", 1, MAX_SIDE), ("columns", 1, MAX_SIDE), ("terms", self.rows, MAX_TERMS)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise AxhwError(f"Expected {name} from {low} to {high} for the element systolic, found {value!r}.")

    @property
    def name(self) -> str:
        """E.g. ``roup8s_p2_r3_sa4x4``, with ``_t256`` behind it for other than 64 terms."""
        terms = "" if self.terms == DEFAULT_TERMS else f"_t{self.terms}"
        return f"{self.multiplier.name}_sa{self.rows}x{self.columns}{terms}"

    @property
    def latency(self) -> int:
        """Cycles from a wave to its sum in the first column; column c follows c cycles later."""
        return self.rows + 1

    @property
    def operations(self) -> int:
        return self.rows * self.columns

    @property
    def sum_width(self) -> int:
        """Bits of the widest product + ceil(log2(terms))."""
        widest = max(multiplier.product_width for multiplier in self.column_multipliers)
        return widest + (self.terms - 1).bit_length()

    @property
    def column_multipliers(self) -> tuple[MultiplierSpec, ...]:
        """The multiplier of each column, from the left."""
        return (self.multiplier,) * self.columns

    def column_products(self, a: npt.ArrayLike, w: npt.ArrayLike) -> IntegerArray:
        """Products of activations and weights, broadcast together, whose last axis is the array's columns."""
        if len(set(self.column_multipliers)) == 1:
            return self.multiplier.reference(a, w)
        first, second = np.broadcast_arrays(a, w)
        columns = enumerate(self.column_multipliers)
        return np.stack([each.reference(first[..., c], second[..., c]) for c, each in columns], axis=-1)

    def wrap(self, sums: IntegerArray) -> IntegerArray:
        """Sums as the array's registers hold them."""
        low = -(1 << (self.sum_width - 1)) if self.multiplier.signed else 0
        return (sums - low) % (1 << self.sum_width) + low

    def component(self) -> SystolicArray:
        """The Amaranth component with ports a, w, s_i, load, valid_i -> s_o, valid_o."""
        return SystolicArray(self)

    def simulate(
        self,
        a: npt.ArrayLike,
        w: npt.ArrayLike,
        s_i: npt.ArrayLike,
        *,
        valid: npt.ArrayLike,
        load: npt.ArrayLike,
        reset: npt.ArrayLike | None = None,
    ) -> tuple[IntegerArray, BoolArray]:
        """The golden cycle model, in ports as the module draws them: skewed.

        Parameters
        ----------
        a : (cycles, rows) integers
        w, s_i : (cycles, columns) integers
            `s_i` is taken modulo the width of the sums.
        valid, load : (cycles,) of 0 and 1
        reset : (cycles,) of 0 and 1
            Drops the bits of all waves on their way: their sums are not valid, and PEs that a load has not reached
            keep their weights. The wave of the reset cycle itself still loads PE(0, 0). Data registers run on.

        Returns
        -------
        s_o : (cycles, columns) int64
        valid_o : (cycles, columns) bool
        """
        control = self.stream(valid=valid, load=load, reset=reset)
        cycles = len(control["valid"])
        activations = self._port("a", a, (cycles, self.rows))
        bus = self._port("w", w, (cycles, self.columns))
        sums = self._port("s_i", s_i, (cycles, self.columns))
        weights = self._weights(bus, control["load"], control["reset"])
        passed = np.stack([_delayed(activations, 1 + column) for column in range(self.columns)], axis=2)
        products = self.column_products(passed, weights)
        total = _delayed(sums, self.rows)
        for row in range(self.rows):
            total = total + _delayed(products[:, row], self.rows - row)
        arrived = [
            self._arrival(control["valid"], control["reset"], self.latency + column) for column in range(self.columns)
        ]
        return self.wrap(total), np.stack(arrived, axis=1)

    def _port(self, name: str, values: npt.ArrayLike, shape: tuple[int, int]) -> IntegerArray:
        array = np.asarray(values)
        if array.shape != shape or array.dtype.kind not in "iu":
            raise AxhwError(
                f"Expected integers of shape {shape} for {name} of {self.name} like its control signals, "
                f"found {array.dtype} of shape {array.shape}."
            )
        return array.astype(np.int64)

    def _arrival(self, bit: BoolArray, reset: BoolArray, delay: int) -> BoolArray:
        """A wave's bit `delay` registers later."""
        for _ in range(delay):
            bit = _delayed(bit & ~reset, 1)
        return bit

    def _weights(self, bus: IntegerArray, load: BoolArray, reset: BoolArray) -> IntegerArray:
        """(cycles, rows, columns) weights that the PEs hold in each cycle, 0 before the first load."""
        cycles = len(bus)
        held = np.zeros((cycles, self.rows, self.columns), np.int64)
        for distance in range(self.rows + self.columns - 1):
            reached = _delayed(self._arrival(load, reset, distance), 1)
            # The cycle of the latest load edge before each cycle; -1 before the first.
            latest = np.maximum.accumulate(np.where(reached, np.arange(cycles) - 1, -1)) if cycles else reached
            for row in range(max(0, distance - self.columns + 1), min(self.rows, distance + 1)):
                column = distance - row
                held[:, row, column] = np.where(latest >= 0, bus[latest, column], 0)
        return held


def _delayed(values: npt.NDArray[Value], cycles: int) -> npt.NDArray[Value]:
    """A signal behind so many registers that start at 0; axis 0 is time."""
    result = np.zeros_like(values)
    result[cycles:] = values[: max(0, len(values) - cycles)]
    return result


class SystolicArray(wiring.Component):
    """The array of a spec; the module's drawing says in which cycle each port is read.

    Ports
    -----
    a : In, one activation a row; w : In, one weight a column; s_i : In, one sum a column
    load, valid_i : In, what the wave carries
    s_o : Out, one sum a column; valid_o : Out, one bit a column, the lowest for column 0
    """

    def __init__(self, spec: SystolicSpec) -> None:
        self.spec = spec
        operand, total = operand_shape(spec.multiplier), _sum_shape(spec)
        super().__init__(
            {
                "a": In(operand).array(spec.rows),
                "w": In(operand).array(spec.columns),
                "s_i": In(total).array(spec.columns),
                "load": In(1),
                "valid_i": In(1),
                "s_o": Out(total).array(spec.columns),
                "valid_o": Out(spec.columns),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows, columns = self.spec.rows, self.spec.columns
        # All PEs of a diagonal see a wave in the same cycle, so one chain of registers serves them all.
        loads = _chain(m, self.load, rows + columns - 2, "load")
        valids = _chain(m, self.valid_i, rows + columns, "valid")
        left, above = list(self.a), list(self.s_i)
        for row in range(rows):
            for column in range(columns):
                cell = MultiplyAdd(self.spec, self.spec.column_multipliers[column])
                m.submodules[f"pe_{row}_{column}"] = cell
                m.d.comb += [
                    cell.a_i.eq(left[row]),
                    cell.s_i.eq(above[column]),
                    cell.w.eq(self.w[column]),
                    cell.load.eq(loads[row + column]),
                ]
                left[row], above[column] = cell.a_o, cell.s_o
        m.d.comb += [port.eq(total) for port, total in zip(self.s_o, above)]
        m.d.comb += self.valid_o.eq(Cat(valids[rows + 1 :]))
        return m


class MultiplyAdd(wiring.Component):
    """One PE: activation, weight and sum registers around a multiplier and an adder."""

    a_i: Signal
    w: Signal
    s_i: Signal
    load: Signal
    a_o: Signal
    s_o: Signal

    def __init__(self, spec: SystolicSpec, multiplier: MultiplierSpec) -> None:
        self.multiplier = multiplier
        operand, total = operand_shape(multiplier), _sum_shape(spec)
        super().__init__(
            {
                "a_i": In(operand),
                "w": In(operand),
                "s_i": In(total),
                "load": In(1),
                "a_o": Out(operand),
                "s_o": Out(total),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a = Signal.like(self.a_i, name="a_r", reset_less=True)
        weight = Signal.like(self.w, name="weight_r", reset_less=True)
        total = Signal.like(self.s_o, name="s_r", reset_less=True)
        m.submodules.multiplier = multiplier = self.multiplier.component()
        m.d.comb += [multiplier.a.eq(a), multiplier.b.eq(weight), self.a_o.eq(a), self.s_o.eq(total)]
        m.d.sync += [a.eq(self.a_i), total.eq(self.s_i + multiplier.o)]
        with m.If(self.load):
            m.d.sync += weight.eq(self.w)
        return m


def _sum_shape(spec: SystolicSpec) -> Shape:
    return Shape(spec.sum_width, signed=spec.multiplier.signed)


def _chain(m: Module, bit: Signal, length: int, name: str) -> list[Signal]:
    """The bit, and the bit behind 1 to `length` registers that a reset clears."""
    stages = [bit]
    for number in range(1, length + 1):
        stage = Signal(name=f"{name}_{number}")
        m.d.sync += stage.eq(stages[-1])
        stages.append(stage)
    return stages
