"""Parts of a GO cache: the store of its entries, and the update of an expert's best tokens."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.hdl.pe.crossbar import index_bits


class EntryStore(wiring.Component):
    """The entries of all experts, and a register for those of the one that is asked.

    An entry is its token's complement, its score from the lowest up, and a bit that says that there is one, from the
    lowest bit up; all 0 where there is room.

    Ports
    -----
    expert, load : In, whose entries are in the register from the next cycle on
    replace : In, one bit for each place that becomes `entry`, of the expert `owner`
    owner, entry : In
    entries : Out, the register
    """

    def __init__(self, *, experts: int, kept: int, entry_bits: int) -> None:
        self.experts = experts
        expert = index_bits(experts)
        super().__init__(
            {
                "expert": In(expert),
                "load": In(1),
                "replace": In(kept),
                "owner": In(expert),
                "entry": In(entry_bits),
                "entries": Out(entry_bits).array(kept),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for place, entry in enumerate(self.entries):
            stored: list[Value] = []
            for expert in range(self.experts):
                value = Signal(len(entry) - 1, name=f"entry_{expert}_{place}", reset_less=True)
                there = Signal(name=f"there_{expert}_{place}")
                with m.If(self.replace[place] & (self.owner == expert)):
                    m.d.sync += [value.eq(self.entry), there.eq(1)]
                stored.append(Cat(Mux(there, value, 0), there))
            # What is being written is not yet in the store.
            fresh = self.replace[place] & (self.owner == self.expert)
            found = Mux(fresh, self.entry, Array(stored)[self.expert])
            m.d.comb += entry.eq(register(m, found, self.load, f"asked_{place}"))
        return m


class TopK(wiring.Component):
    """Is the token among an expert's entries, which of these is the worst, and is the token better? Without registers.

    Ports
    -----
    entries : In, those of the expert
    token, score, insert : In
    entry : Out, what the token's would be
    hit, chosen : Out
    worst : Out, one bit for each place
    place : Out, that of the hit, or of the worst
    replaced, old : Out
    """

    def __init__(self, *, kept: int, token_bits: int, score_bits: int, signed: bool) -> None:
        self.sign = int(signed) << (score_bits - 1)
        entry_bits = token_bits + score_bits + 1
        super().__init__(
            {
                "entries": In(entry_bits).array(kept),
                "token": In(token_bits),
                "score": In(score_bits),
                "insert": In(1),
                "entry": Out(entry_bits),
                "hit": Out(1),
                "chosen": Out(1),
                "worst": Out(kept),
                "place": Out(index_bits(kept)),
                "replaced": Out(1),
                "old": Out(token_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        token_bits = len(self.token)
        m.d.comb += self.entry.eq(Cat(~self.token, self.score ^ self.sign, 1))
        match = Signal(len(self.worst))
        for place, entry in enumerate(self.entries):
            m.d.comb += match[place].eq(entry[-1] & (entry[:token_bits] == ~self.token))
        least, worst = _least(m, [(entry, Const(place, len(self.place))) for place, entry in enumerate(self.entries)])
        number = Value.cast(0)
        for place in range(len(match)):
            number = number | Mux(match[place], place, 0)
        m.d.comb += [
            self.hit.eq(match.any()),
            self.chosen.eq(self.insert & ~self.hit & (self.entry > least)),
            self.worst.eq(1 << worst),
            self.place.eq(Mux(self.hit, number, worst)),
            self.replaced.eq(self.chosen & least[-1]),
            self.old.eq(~least[:token_bits]),
        ]
        return m


def _least(m: Module, entries: list[tuple[Value, Value]]) -> tuple[Value, Value]:
    """The smallest entry and its place, the first of equal ones: a tree of comparisons."""
    if len(entries) == 1:
        return entries[0]
    half = (len(entries) + 1) // 2
    (left, left_place), (right, right_place) = _least(m, entries[:half]), _least(m, entries[half:])
    least, place = Signal(len(left)), Signal(len(left_place))
    m.d.comb += [least.eq(Mux(right < left, right, left)), place.eq(Mux(right < left, right_place, left_place))]
    return least, place


def register(m: Module, value: Value, load: Value, name: str, *, width: int | None = None) -> Signal:
    """A register that takes a value with `load` and is not reset."""
    held = Signal(len(value) if width is None else width, name=name, reset_less=True)
    with m.If(load):
        m.d.sync += held.eq(value)
    return held
