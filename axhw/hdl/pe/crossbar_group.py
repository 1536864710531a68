"""Crossbars that share their periphery: one input driver, one accumulate unit and one scheduler for a group.

                       request                vector                       write
                          |                      |                           |
                    [ scheduler ]  -- load --> [ driver ]                    |
                     |    |  enable[0..g-1]      |  codes                    |
                     |    +-----+----------------+------+--------------------+
                     |          v                       v
                     |     [ crossbar 0 ]   ...    [ crossbar g - 1 ]
                     |          |  sums                 |
                     |          +-----------+-----------+
                     v                      v
                    [ accumulate: sample, then sum ] --> result

One crossbar is read at a time. A request names a token and the crossbars that it has chosen; the lowest is read first.
Requests are served in the order in which they come.

    port       member        what
    request    token         a tag that comes back with every result
               crossbars     one bit for each crossbar that is to be read
               idle          slots in which no crossbar is read, before the first one that is
               load          take a new vector; without it the one in the driver is used again
               keep          the sums stay and the next read adds to them; without it they go out as a result
    vector     token         (out) whose vector is wanted, while ready
               values[r]     the vector, an activation a row
    write      crossbar, row, values[c]   new weights; not ready while that crossbar is read
    result     token, crossbar, sums[c]

Each port is a stream with valid and ready: something passes in a cycle in which both are set. A slot takes
`read_cycles` cycles, 1 for digital crossbars. With everybody ready, a request in cycle t, and nothing before it:

    cycle      t          t + 1            t + 2 ...                          t + 3 ...        t + 4
    request    enters     is at the head
    vector                taken
    crossbar                               read, `read_cycles` cycles long
    accumulate                                                                sample -> sum    result

After that a result a slot, whatever crossbars are read. A result that nobody takes holds up the reads behind it;
none is lost. A request without crossbars is one more idle slot. A reset drops all requests and results, and what was
kept; weights and the vector in the driver stay.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.errors import AxhwError
from axhw.hdl.families.tree import require_choice
from axhw.hdl.pe.crossbar import MAX_SIDE, ColumnSums, CrossbarMacro, CrossbarSpec, WeightStore, index_bits
from axhw.hdl.pe.crossbar_group_model import GroupControl
from axhw.hdl.pe.crossbar_group_units import Accumulator, InputDriver, Scheduler
from axhw.hdl.pe.crossbar_requests import GroupResults, Requests
from axhw.hdl.pe.element import ProcessingElementSpec
from axhw.hdl.pe.mac import MAX_TERMS
from axhw.hdl.ports import input_widths, output_widths
from axhw.hdl.spec import IntegerArray, parameter

Place = Literal["cells", "periphery"]

_LIMITS: Mapping[str, tuple[int, int]] = {
    "crossbars": (1, 16),
    "rows": (1, MAX_SIDE),
    "columns": (1, MAX_SIDE),
    "depth": (2, 64),
    "tag_bits": (1, 32),
    "idle_bits": (1, 16),
    "read_cycles": (1, 4096),
}


@dataclass(frozen=True, kw_only=True)
class CrossbarGroupSpec(ProcessingElementSpec):
    """A group of crossbars behind one periphery.

    Attributes
    ----------
    crossbars : int
        1 to 16.
    rows, columns : int
        Of each crossbar, 1 to 32.
    terms : int
        Products that a sum holds without overflow, `rows` to 65536: more than `rows` where sums of several reads are
        kept. Beyond them sums wrap around.
    depth : int
        Requests in the queue, 2 to 64.
    tag_bits, idle_bits : int
        Of a token's tag, 1 to 32; of the number of idle slots in a request, 1 to 16.
    read_cycles : int
        Cycles of a slot, 1 to 4096: 1 for digital crossbars, more for an analog macro that takes its time.
    multiply_in : {"cells", "periphery"}
        In every cell of every crossbar, as those of an analog one multiply; or once, in the periphery, behind crossbars
        that are nothing but weights.
    """

    kind: ClassVar[str] = "crossbar_group"

    crossbars: int = parameter(4, help="crossbars that share a periphery")
    rows: int = parameter(4, help="rows of a crossbar: products that a read adds up")
    columns: int = parameter(4, help="columns of a crossbar: sums of a read")
    terms: int = parameter(64, help="products that a sum holds without overflow")
    depth: int = parameter(4, help="requests in the queue")
    tag_bits: int = parameter(8, help="bits of a token's tag")
    idle_bits: int = parameter(4, help="bits of the number of idle slots in a request")
    read_cycles: int = parameter(1, help="cycles of a read")
    multiply_in: Place = parameter("cells", help="a multiplier in every cell, or a set of them in the periphery")

    def validate(self) -> None:
        for name, (low, high) in {**_LIMITS, "terms": (self.rows, MAX_TERMS)}.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise AxhwError(f"Expected {name} from {low} to {high} for the element {self.kind}, found {value!r}.")
        require_choice("multiply_in", self.multiply_in, get_args(Place))

    @property
    def name(self) -> str:
        """E.g. ``roup8s_p2_r3_xg4_4x4``; what differs from the defaults stands behind: ``_periphery_t256_q8``."""
        parts = [f"{self.multiplier.name}_xg{self.crossbars}_{self.rows}x{self.columns}"]
        parts += ["periphery"] * (self.multiply_in == "periphery")
        for short, field in (("t", "terms"), ("q", "depth"), ("tag", "tag_bits"), ("idle", "idle_bits")):
            parts += [f"{short}{getattr(self, field)}"] * (getattr(self, field) != getattr(type(self), field))
        parts += [f"c{self.read_cycles}"] * (self.read_cycles != 1)
        return "_".join(parts)

    @property
    def latency(self) -> int:
        """Cycles from a request that has to wait for nobody to its first result."""
        return 3 + self.read_cycles

    @property
    def operations(self) -> int:
        """Products of a read; a cycle makes as many where it takes one cycle."""
        return self.rows * self.columns

    @functools.cached_property
    def crossbar(self) -> CrossbarSpec:
        """Each crossbar of the group."""
        return CrossbarSpec(multiplier=self.multiplier, rows=self.rows, columns=self.columns)

    @property
    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the component's modules by what they are; the crossbars are not shared, the others are."""
        shared = ("scheduler", "driver", "accumulator", *(("multipliers",) if self.multiply_in == "periphery" else ()))
        crossbars = tuple(f"crossbar_{number}" for number in range(self.crossbars))
        return {"crossbars": crossbars, **{name: (name,) for name in shared}}

    @property
    def sum_shape(self) -> Shape:
        """Product bits + ceil(log2(terms))."""
        width = self.multiplier.product_width + (self.terms - 1).bit_length()
        return Shape(width, signed=self.multiplier.signed)

    def wrap(self, sums: IntegerArray) -> IntegerArray:
        """Sums as the accumulate unit holds them."""
        width: int = self.sum_shape.width
        low = -(1 << (width - 1)) if self.multiplier.signed else 0
        return (sums - low) % (1 << width) + low

    @functools.cached_property
    def streams(self) -> Mapping[str, wiring.Signature]:
        """The ports, each as seen from where it comes."""
        operand, number = self.crossbar.operand_shape, index_bits(self.crossbars)
        return {
            "request": _stream(token=self.tag_bits, crossbars=self.crossbars, idle=self.idle_bits, load=1, keep=1),
            "vector": _stream(token=In(self.tag_bits), values=Out(operand).array(self.rows)),
            "write": _stream(crossbar=number, row=self.crossbar.row_bits, values=Out(operand).array(self.columns)),
            "result": _stream(token=self.tag_bits, crossbar=number, sums=Out(self.sum_shape).array(self.columns)),
        }

    @property
    def signature(self) -> wiring.Signature:
        """That of the component."""
        return wiring.Signature({name: (Out if name == "result" else In)(each) for name, each in self.streams.items()})

    @functools.cached_property
    def input_widths(self) -> Mapping[str, int]:
        """Bits of the input ports by their names in Verilog, clock and reset left out."""
        return input_widths(self.signature)

    @functools.cached_property
    def output_widths(self) -> Mapping[str, int]:
        """Bits of the output ports."""
        return output_widths(self.signature)

    def component(self) -> CrossbarGroup:
        """The Amaranth component with digital crossbars and the streams request, vector, write -> result."""
        return CrossbarGroup(self)

    def with_macros(self, module: str) -> CrossbarGroup:
        """The component around instances of a Verilog module with the ports of `axhw.hdl.pe.crossbar`.

        Raises
        ------
        AxhwError
            If the multipliers are in the periphery, as macros multiply in their cells.
        """
        if self.multiply_in == "periphery":
            raise AxhwError(
                f"Expected multipliers in the cells of a group of macros, found them in the periphery of {self.name}."
            )
        return CrossbarGroup(self, macro=module)

    def results(self, requests: Requests, *, vectors: npt.ArrayLike, weights: npt.ArrayLike) -> GroupResults:
        """The golden model of whole requests: what comes out, in which order and when.

        Parameters
        ----------
        vectors : (requests, rows) integers
            That of each request that loads one.
        weights : (crossbars, rows, columns) integers

        Raises
        ------
        AxhwError
            For arrays of other shapes, and for requests as `check` refuses them.
        """
        self.check(requests)
        held = np.asarray(weights)
        codes = np.asarray(vectors)
        shapes = (len(requests), self.rows), (self.crossbars, self.rows, self.columns)
        if (codes.shape, held.shape) != shapes:
            raise AxhwError(
                f"Expected vectors and weights of shapes {shapes[0]} and {shapes[1]} for {self.name}, found "
                f"{codes.shape} and {held.shape}."
            )
        reads = requests.reads(self.crossbars)
        # Before the first vector, number -1, the driver holds zeros.
        loaded = np.concatenate([codes, np.zeros((1, self.rows), np.int64)])[reads.vector]
        total = np.zeros((len(loaded) + 1, self.columns), np.int64)
        np.cumsum(self.crossbar.reference(loaded, held[reads.crossbar]), axis=0, out=total[1:])
        out = np.flatnonzero(requests.keep[reads.request] == 0)
        starts = np.concatenate([[0], out[:-1] + 1])[: len(out)]
        return GroupResults(
            token=requests.token[reads.request[out]],
            crossbar=reads.crossbar[out],
            sums=self.wrap(total[out + 1] - total[starts]),
            cycle=reads.slot[out] * self.read_cycles + self.latency,
        )

    def check(self, requests: Requests) -> None:
        """Refuse requests that do not fit the ports.

        Raises
        ------
        AxhwError
            Naming the member, its range and a value outside.
        """
        bits = {"token": self.tag_bits, "crossbars": self.crossbars, "idle": self.idle_bits, "load": 1, "keep": 1}
        for name, width in bits.items():
            values: IntegerArray = getattr(requests, name)
            wrong = values[(values < 0) | (values >= 1 << width)]
            if len(wrong):
                raise AxhwError(
                    f"Expected {name} from 0 to {(1 << width) - 1} in requests to {self.name}, found {wrong[0]}."
                )

    def control(self) -> GroupControl:
        """The golden cycle model without data, to be stepped."""
        return GroupControl(crossbars=self.crossbars, rows=self.rows, depth=self.depth, read_cycles=self.read_cycles)

    def simulate(self, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, IntegerArray]:
        """The golden cycle model.

        Parameters
        ----------
        inputs : mapping of input port to (cycles,) integers
            Names as in Verilog, such as ``request__valid`` and ``vector__values__0``; ``rst`` may be left out.

        Returns
        -------
        mapping of output port to (cycles,) int64 array
            Members of a stream other than `valid` and `ready` mean something where it is valid, or `token` of the
            vector where it is ready.
        """
        ports = self.input_widths
        arrays = {name: np.asarray(values) for name, values in inputs.items()}
        arrays.setdefault("rst", np.zeros_like(next(iter(arrays.values()))))
        lengths = {array.shape for array in arrays.values()}
        if set(arrays) != {*ports, "rst"} or len(lengths) != 1 or len(min(lengths)) != 1:
            raise AxhwError(
                f"Expected equally long rows of integers for the inputs of {self.name} ({', '.join(ports)}, rst), "
                f"found {', '.join(arrays)} of shapes {sorted(lengths)}."
            )
        control = self.control()
        steered = {name: array.tolist() for name, array in arrays.items() if "__values__" not in name}
        steps = [control.step(dict(zip(steered, now))) for now in zip(*steered.values())]
        names = steps[0] if steps else ()
        outputs = {name: np.array([step[name] for step in steps], np.int64) for name in names}
        sums = self.sums(control, arrays)
        return outputs | {f"result__sums__{column}": sums[:, column] for column in range(self.columns)}

    def sums(self, control: GroupControl, inputs: Mapping[str, npt.NDArray[np.integer]]) -> IntegerArray:
        """(cycles, columns) sums at the output, from what the control went through and the values at the inputs."""
        cycles = np.array(control.shown, np.int64)

        def values(port: str, count: int) -> IntegerArray:
            """By cycle, and 0 for no cycle, which is the last."""
            rows = np.stack([inputs[f"{port}__values__{number}"] for number in range(count)], axis=1).astype(np.int64)
            return np.concatenate([rows, np.zeros((1, count), np.int64)])

        codes, weights = values("vector", self.rows), values("write", self.columns)
        vector = np.array([read.vector for read in control.reads], np.int64)
        written = np.array([read.weights for read in control.reads], np.int64).reshape(-1, self.rows)
        total = np.zeros((len(control.reads) + 1, self.columns), np.int64)
        np.cumsum(self.crossbar.reference(codes[vector], weights[written]), axis=0, out=total[1:])
        first, last = np.array(control.spans, np.int64).reshape(-1, 2).T
        # Number -1, before the first result, is 0.
        results = np.concatenate([self.wrap(total[last + 1] - total[first]), np.zeros((1, self.columns), np.int64)])
        return results[cycles]


class CrossbarGroup(wiring.Component):
    """The circuit of a spec; the module's drawing says what its streams carry.

    Ports
    -----
    request, vector, write : In, streams
    result : Out, a stream
    """

    def __init__(self, spec: CrossbarGroupSpec, *, macro: str | None = None) -> None:
        self.spec, self.macro = spec, macro
        super().__init__(spec.signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        crossbar = spec.crossbar
        m.submodules.scheduler = scheduler = Scheduler(
            spec.streams["request"], depth=spec.depth, read_cycles=spec.read_cycles
        )
        m.submodules.driver = driver = InputDriver(operand=crossbar.operand_shape, rows=spec.rows)
        m.submodules.accumulator = accumulator = Accumulator(
            spec.streams["result"],
            line=crossbar.sum_shape,
            sources=1 if spec.multiply_in == "periphery" else spec.crossbars,
            crossbars=spec.crossbars,
        )
        wiring.connect(m, wiring.flipped(self.request), scheduler.request)
        wiring.connect(m, accumulator.result, wiring.flipped(self.result))
        busy = Signal()
        m.d.comb += [
            scheduler.vector_valid.eq(self.vector.valid),
            self.vector.ready.eq(scheduler.vector_ready),
            self.vector.token.eq(scheduler.vector_token),
            driver.load.eq(self.vector.valid & self.vector.ready),
            scheduler.room.eq(accumulator.room),
            *(getattr(accumulator, name).eq(getattr(scheduler, name)) for name in ("over", "enable", "token", "keep")),
            *(own.eq(value) for own, value in zip(driver.values, self.vector.values)),
            busy.eq(scheduler.enable.bit_select(self.write.crossbar, 1)),
            self.write.ready.eq(~busy),
        ]
        crossbars = [self._crossbar() for _ in range(spec.crossbars)]
        for number, own in enumerate(crossbars):
            m.submodules[f"crossbar_{number}"] = own
            m.d.comb += [
                own.enable.eq(scheduler.enable[number]),
                own.write.eq(self.write.valid & ~busy & (self.write.crossbar == number)),
                own.row.eq(self.write.row),
                *(value.eq(given) for value, given in zip(own.values, self.write.values)),
            ]
        sources = crossbars
        if spec.multiply_in == "periphery":
            m.submodules.multipliers = columns = ColumnSums(crossbar)
            sources = [columns]
            for row, weights in enumerate(columns.weights):
                for column, weight in enumerate(weights):
                    stored = (own.weights[row][column].as_unsigned() for own in crossbars)
                    m.d.comb += weight.eq(functools.reduce(operator.or_, stored))
        for lines, source in zip(accumulator.lines, sources):
            m.d.comb += [code.eq(driven) for code, driven in zip(source.codes, driver.codes)]
            m.d.comb += [line.eq(total) for line, total in zip(lines, source.sums)]
        return m

    def _crossbar(self) -> wiring.Component:
        crossbar = self.spec.crossbar
        if self.macro is not None:
            return CrossbarMacro(crossbar, module=self.macro)
        if self.spec.multiply_in == "periphery":
            return WeightStore(crossbar, gated=True)
        return crossbar.component()


def _stream(**members: int | wiring.Member) -> wiring.Signature:
    """Valid, ready and what they are about, from where it comes."""
    named = {name: Out(shape) if isinstance(shape, int) else shape for name, shape in members.items()}
    return wiring.Signature({"valid": Out(1), "ready": In(1), **named})
