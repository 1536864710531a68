"""What the crossbars of a group share: the scheduler, the input driver and the accumulate unit."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out


class Scheduler(wiring.Component):
    """A queue of requests, and which crossbar is read when.

    Time is cut into slots of `read_cycles` cycles: in each one crossbar is read, or none. The request at the head of
    the queue waits until the slots of the one before are over, lets its idle slots pass, takes its vector, and has its
    crossbars read one after the other, the lowest first.

    Ports
    -----
    request : In, a stream of token, crossbars, idle, load and keep
    vector_valid : In, a vector waits; vector_ready : Out, it is taken if so; vector_token : Out, whose it should be
    room : In, the accumulate unit can take sums
    enable : Out, the crossbar that is read, one bit each
    over : Out, this is the last cycle of the read
    token, keep : Out, those of the request that is read
    """

    request: wiring.PureInterface
    vector_valid: Signal
    vector_ready: Signal
    vector_token: Signal
    room: Signal
    enable: Signal
    over: Signal
    token: Signal
    keep: Signal

    def __init__(self, request: wiring.Signature, *, depth: int, read_cycles: int) -> None:
        self.depth, self.read_cycles = depth, read_cycles
        widths = {name: member.shape for name, member in request.members.items() if name not in ("valid", "ready")}
        self.entry = data.StructLayout(widths)
        super().__init__(
            {
                "request": In(request),
                "vector_valid": In(1),
                "vector_ready": Out(1),
                "vector_token": Out(widths["token"]),
                "room": In(1),
                "enable": Out(widths["crossbars"]),
                "over": Out(1),
                "token": Out(widths["token"]),
                "keep": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = SyncFIFO(width=self.entry.size, depth=self.depth)
        head = data.View(self.entry, queue.r_data)
        entry = data.View(self.entry, queue.w_data)
        m.d.comb += [entry[name].eq(getattr(self.request, name)) for name, _ in self.entry]
        m.d.comb += [queue.w_en.eq(self.request.valid), self.request.ready.eq(queue.w_rdy)]

        pending = Signal.like(self.enable)
        waited = Signal.like(self.request.idle)
        token = Signal.like(self.token, reset_less=True)
        keep = Signal(reset_less=True)
        enable = Signal.like(self.enable)
        # Cycles of the slot that are left after this one.
        left = Signal(range(self.read_cycles))
        free, due, take = Signal(), Signal(), Signal()
        m.d.comb += [
            self.over.eq((enable != 0) & (left == 0) & self.room),
            free.eq((left == 0) & ((enable == 0) | self.room) & (pending == 0)),
            due.eq(queue.r_rdy & (waited == head.idle)),
            self.vector_ready.eq(free & due & head.load),
            take.eq(free & due & (self.vector_valid | ~head.load)),
            queue.r_en.eq(take),
            self.vector_token.eq(head.token),
            self.enable.eq(enable),
            self.token.eq(token),
            self.keep.eq(keep),
        ]
        first = self.read_cycles - 1
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(self.over):
            m.d.sync += _pass_on(pending, enable, pending)
            with m.If(pending != 0):
                m.d.sync += left.eq(first)
        with m.If(take):
            m.d.sync += [*_pass_on(head.crossbars, enable, pending), token.eq(head.token), keep.eq(head.keep)]
            m.d.sync += [waited.eq(0), left.eq(first)]
        with m.Elif(free & queue.r_rdy & ~due):
            m.d.sync += [waited.eq(waited + 1), left.eq(first)]
        return m


def _pass_on(crossbars: Value, enable: Signal, pending: Signal) -> list[Value]:
    """The lowest of some crossbars is read next, and the others are pending."""
    lowest = crossbars & (-crossbars)[: len(crossbars)]
    return [enable.eq(lowest), pending.eq(crossbars & ~lowest)]


class InputDriver(wiring.Component):
    """The vector that all crossbars of a group see.

    Ports
    -----
    values : In, one a row; load : In, they are the vector from the next cycle on
    codes : Out
    """

    def __init__(self, *, operand: Shape, rows: int) -> None:
        super().__init__({"values": In(operand).array(rows), "load": In(1), "codes": Out(operand).array(rows)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for row, (value, code) in enumerate(zip(self.values, self.codes)):
            register = Signal.like(code, name=f"code_{row}", reset_less=True)
            with m.If(self.load):
                m.d.sync += register.eq(value)
            m.d.comb += code.eq(register)
        return m


class Accumulator(wiring.Component):
    """Takes the sums of the crossbar that is read, adds those up that belong together, and holds the result.

    Two registers a column, the sample, where an analog group has its converters, and the sum. Sums wrap around.

    Ports
    -----
    lines : In, the sums of each source, 0 but for one of them
    over : In, the lines are taken with this cycle's clock edge, if there is room; room : Out
    enable, token, keep : In, of the read
    result : Out, a stream of token, crossbar and sums
    """

    result: wiring.PureInterface
    over: Signal
    room: Signal
    enable: Signal
    token: Signal
    keep: Signal

    def __init__(self, result: wiring.Signature, *, line: Shape, sources: int, crossbars: int) -> None:
        self.line = line
        self.columns = result.members["sums"].dimensions[0]
        super().__init__(
            {
                "lines": In(line).array(sources, self.columns),
                "over": In(1),
                "room": Out(1),
                "enable": In(crossbars),
                "token": In(result.members["token"].shape),
                "keep": In(1),
                "result": Out(result),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sampled, kept = Signal(), Signal()
        keep = Signal(reset_less=True)
        valid, move = Signal(), Signal()
        m.d.comb += [
            move.eq(sampled & (~valid | self.result.ready)),
            self.room.eq(~sampled | move),
            self.result.valid.eq(valid),
        ]
        with m.If(self.room):
            m.d.sync += sampled.eq(self.over)
        with m.If(self.over):
            m.d.sync += keep.eq(self.keep)
        with m.If(move):
            m.d.sync += [kept.eq(keep), valid.eq(~keep)]
        with m.Elif(self.result.ready):
            m.d.sync += valid.eq(0)
        for name, value in (("token", self.token), ("crossbar", _number(self.enable))):
            port = getattr(self.result, name)
            sample = Signal.like(port, name=f"sample_{name}", reset_less=True)
            held = Signal.like(port, name=f"sum_{name}", reset_less=True)
            with m.If(self.over):
                m.d.sync += sample.eq(value)
            with m.If(move):
                m.d.sync += held.eq(sample)
            m.d.comb += port.eq(held)
        for column in range(self.columns):
            sample = Signal(self.line, name=f"sample_{column}", reset_less=True)
            total = Signal.like(self.result.sums[column], name=f"sum_{column}", reset_less=True)
            joined = Value.cast(0)
            for source in self.lines:
                joined = joined | source[column].as_unsigned()
            with m.If(self.over):
                m.d.sync += sample.eq(joined)
            with m.If(move):
                m.d.sync += total.eq(Mux(kept, total, 0) + sample)
            m.d.comb += self.result.sums[column].eq(total)
        return m


def _number(one_hot: Signal) -> Value:
    """The number of the only bit that is set."""
    count = len(one_hot)
    number = Value.cast(0)
    for bit in range(count):
        number = number | Mux(one_hot[bit], bit, 0)
    return number
