"""A crossbar: weights that stay, inputs on all rows at once, a sum out of every column.

The ports are those of an analog macro as much as those of the digital stand-in:

    codes[r]    In    the activation of row r: what the converter of a word line gets
    enable      In    the word lines are driven, and the bit lines connected, in this cycle
    sums[c]     Out   M(codes[0], weight(0, c)) + ... + M(codes[rows - 1], weight(rows - 1, c)); 0 without `enable`
    write       In    the weights of row `row` become `values`, one a column, with this cycle's clock edge
    row         In
    values[c]   In

`codes` and `enable` rest for as many cycles as a read takes, and `sums` are taken with the last clock edge of these.
The bit lines of several crossbars come together in one OR, as only one of them is enabled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy.typing as npt
from amaranth.hdl import ClockSignal, Instance, Module, Mux, ResetSignal, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.errors import AxhwError
from axhw.hdl.ports import flat_name, input_widths, output_widths
from axhw.hdl.spec import IntegerArray, MultiplierSpec, operand_shape

MAX_SIDE = 32


@dataclass(frozen=True, kw_only=True)
class CrossbarSpec:
    """A crossbar of digital cells.

    Attributes
    ----------
    multiplier : MultiplierSpec
        Of every cell; operand a is the activation, operand b the weight.
    rows, columns : int
        1 to 32 each.

    Raises
    ------
    AxhwError
        For other sides.
    """

    multiplier: MultiplierSpec
    rows: int
    columns: int

    def __post_init__(self) -> None:
        if not isinstance(self.multiplier, MultiplierSpec):
            raise AxhwError(f"Expected a multiplier spec for the cells of a crossbar, found {self.multiplier!r}.")
        for name in ("rows", "columns"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_SIDE:
                raise AxhwError(f"Expected {name} from 1 to {MAX_SIDE} for a crossbar, found {value!r}.")

    @property
    def name(self) -> str:
        """E.g. ``roup8s_p2_r3_xb4x4``."""
        return f"{self.multiplier.name}_xb{self.rows}x{self.columns}"

    @property
    def operand_shape(self) -> Shape:
        return operand_shape(self.multiplier)

    @property
    def sum_shape(self) -> Shape:
        """Product bits + ceil(log2(rows)): no sum of a column overflows."""
        return Shape(self.multiplier.product_width + (self.rows - 1).bit_length(), signed=self.multiplier.signed)

    @property
    def row_bits(self) -> int:
        """Bits of a row's number."""
        return index_bits(self.rows)

    def reference(self, codes: npt.ArrayLike, weights: npt.ArrayLike) -> IntegerArray:
        """The golden model: the sums of all columns.

        Parameters
        ----------
        codes : (..., rows) integers
        weights : (..., rows, columns) integers, broadcast with `codes`

        Returns
        -------
        (..., columns) int64 array
        """
        a, b = self.multiplier.operands(codes, weights)
        if a.shape[-1:] != (self.rows,) or b.shape[-2:] != (self.rows, self.columns):
            raise AxhwError(
                f"Expected codes of shape (..., {self.rows}) and weights of shape (..., {self.rows}, {self.columns}) "
                f"for {self.name}, found {a.shape} and {b.shape}."
            )
        sums: IntegerArray = self.multiplier.reference(a[..., None], b).sum(axis=-2)
        return sums

    def ports(self) -> dict[str, wiring.Member]:
        """Members of the signature that the digital crossbar and analog macros share."""
        return {
            "codes": In(self.operand_shape).array(self.rows),
            **self.store_ports(),
            "sums": Out(self.sum_shape).array(self.columns),
        }

    def store_ports(self) -> dict[str, wiring.Member]:
        """The part that concerns the weights."""
        return {
            "enable": In(1),
            "write": In(1),
            "row": In(self.row_bits),
            "values": In(self.operand_shape).array(self.columns),
        }

    def component(self) -> DigitalCrossbar:
        """The Amaranth component with ports codes, enable, write, row, values -> sums."""
        return DigitalCrossbar(self)


def index_bits(count: int) -> int:
    """Bits of a number below `count`, at least one."""
    return max(1, (count - 1).bit_length())


class WeightStore(wiring.Component):
    """The weights of a crossbar in registers, without its multipliers.

    Ports
    -----
    enable, write, row, values : In, as those of a crossbar
    weights : Out, all of them, 0 without `enable` where the store is `gated`
    """

    def __init__(self, spec: CrossbarSpec, *, gated: bool) -> None:
        self.spec, self.gated = spec, gated
        weights = Out(spec.operand_shape).array(spec.rows, spec.columns)
        super().__init__({**spec.store_ports(), "weights": weights})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        for row in range(spec.rows):
            for column in range(spec.columns):
                weight = Signal(spec.operand_shape, name=f"weight_{row}_{column}", reset_less=True)
                with m.If(self.write & (self.row == row)):
                    m.d.sync += weight.eq(self.values[column])
                m.d.comb += self.weights[row][column].eq(Mux(self.enable, weight, 0) if self.gated else weight)
        return m


class ColumnSums(wiring.Component):
    """The multipliers of all cells and the additions along the columns, without registers.

    Ports
    -----
    codes, weights : In
    sums : Out
    """

    def __init__(self, spec: CrossbarSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "codes": In(spec.operand_shape).array(spec.rows),
                "weights": In(spec.operand_shape).array(spec.rows, spec.columns),
                "sums": Out(spec.sum_shape).array(spec.columns),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for column in range(self.spec.columns):
            products: list[Value] = []
            for row in range(self.spec.rows):
                # A module of its own, so that its gates can be told from the others'.
                cell = Module()
                cell.submodules.multiplier = multiplier = self.spec.multiplier.component()
                m.submodules[f"cell_{row}_{column}"] = cell
                m.d.comb += [multiplier.a.eq(self.codes[row]), multiplier.b.eq(self.weights[row][column])]
                products.append(multiplier.o)
            m.d.comb += self.sums[column].eq(sum(products[1:], products[0]))
        return m


class DigitalCrossbar(wiring.Component):
    """The stand-in for an analog macro: a weight register and a multiplier in every cell.

    Codes reach the multipliers of an enabled crossbar only, so that the others rest.
    """

    def __init__(self, spec: CrossbarSpec) -> None:
        self.spec = spec
        super().__init__(spec.ports())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.store = store = WeightStore(spec, gated=False)
        m.submodules.columns = columns = ColumnSums(spec)
        connect_writes(m, self, store)
        for row in range(spec.rows):
            m.d.comb += columns.codes[row].eq(Mux(self.enable, self.codes[row], 0))
            m.d.comb += [own.eq(weight) for own, weight in zip(columns.weights[row], store.weights[row])]
        # M(0, w) is not 0 for every multiplier.
        m.d.comb += [own.eq(Mux(self.enable, total, 0)) for own, total in zip(self.sums, columns.sums)]
        return m


class CrossbarMacro(wiring.Component):
    """A crossbar that is a module of its own, to be linked in later: an analog macro, or its model in Verilog.

    Ports of the module are those of a crossbar, with ``clk`` and ``rst``; a member of an array has its number behind
    two underscores, such as ``codes__0``.
    """

    def __init__(self, spec: CrossbarSpec, *, module: str) -> None:
        self.module = module
        super().__init__(spec.ports())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        flat = {flat_name(path): value for path, _, value in self.signature.flatten(self)}
        inputs: Mapping[str, Value] = {f"i_{name}": flat[name] for name in input_widths(self.signature)}
        outputs: Mapping[str, Value] = {f"o_{name}": flat[name] for name in output_widths(self.signature)}
        m.submodules.macro = Instance(self.module, i_clk=ClockSignal(), i_rst=ResetSignal(), **inputs, **outputs)
        return m


def connect_writes(m: Module, source: wiring.Component, target: wiring.Component) -> None:
    """Pass `enable` and the ports that write weights on."""
    m.d.comb += [
        target.enable.eq(source.enable),
        target.write.eq(source.write),
        target.row.eq(source.row),
        *(own.eq(value) for own, value in zip(target.values, source.values)),
    ]
