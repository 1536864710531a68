"""The GO-cache unit: which outputs of experts are kept where experts choose tokens, and where they are.

Every expert keeps its best tokens (expert-choice routing). A request asks about one token and one expert:

    answer            what it means
    hit               the expert keeps the token: its output is at `address`, and is used again
    chosen            the token is among the best now: the expert has to run, and its output goes to `address`;
                      where `replaced` is set, what `old` had left there is lost
    neither           the token is not among the best, or only a question (`insert` not set)

    port       member                           what
    request    expert, token, score, insert
    response   expert, token                    those of the request
               hit, chosen, address             expert x kept + place: the number of an output in memory
               replaced, old

    request --> [ read: the entries of the expert ] --> [ match, find the worst, replace ] --> response
                             ^                                        |
                             +------ store: experts x kept ----------+

A token goes where there is room, or in the place of the worst one if it is better. Of equal scores the earlier token,
the one with the lower number, is better: after any tokens an expert keeps what a stable sort of its scores by falling
value has in front. A token that has left never returns, as the others only get better: the scores of the best tokens
have to be kept, not those of all.

Both streams have valid and ready. A request every cycle, its response two cycles later:

    cycle      t             t + 1             t + 2
    request    read
    store                    replace
    response                                   answer

A reset begins a new sequence: it empties the store and drops what is on the way.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.errors import AxhwError
from axhw.hdl.pe.crossbar import index_bits
from axhw.hdl.pe.go_cache_model import GoControl, GoStore
from axhw.hdl.pe.go_cache_units import EntryStore, TopK, register
from axhw.hdl.ports import input_widths, output_widths
from axhw.hdl.spec import IntegerArray, parameter

_LIMITS: Mapping[str, tuple[int, int]] = {
    "experts": (1, 64),
    "kept": (1, 64),
    "score_bits": (2, 16),
    "tokens": (2, 1 << 20),
}


@dataclass(frozen=True, kw_only=True)
class GoCacheSpec:
    """A GO-cache unit.

    Attributes
    ----------
    experts : int
        1 to 64.
    kept : int
        Tokens that each expert keeps, 1 to 64.
    score_bits : int
        2 to 16.
    tokens : int
        Longest sequence, 2 to 1,048,576: tokens have the numbers below.
    signed : bool
        Two's complement scores when true.

    Raises
    ------
    AxhwError
        For other values.
    """

    experts: int = parameter(16, help="experts")
    kept: int = parameter(8, help="tokens that each expert keeps")
    score_bits: int = parameter(8, help="bits of a score")
    tokens: int = parameter(1024, help="longest sequence")
    signed: bool = parameter(True, help="two's complement scores; false for unsigned")

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise AxhwError(f"Expected {name} from {low} to {high} for a GO cache, found {value!r}.")
        if not isinstance(self.signed, bool):
            raise AxhwError(f"Expected true or false for signed of a GO cache, found {self.signed!r}.")

    @property
    def name(self) -> str:
        """E.g. ``go_cache_e16_k8_8s_t1024``."""
        return f"go_cache_e{self.experts}_k{self.kept}_{self.score_bits}{'s' if self.signed else 'u'}_t{self.tokens}"

    @property
    def latency(self) -> int:
        """Cycles from a request to its response."""
        return 2

    @property
    def token_bits(self) -> int:
        return index_bits(self.tokens)

    @property
    def entry_bits(self) -> int:
        """A score, a token, and whether there is one."""
        return self.score_bits + self.token_bits + 1

    @property
    def stored_bits(self) -> int:
        """Of all entries."""
        return self.experts * self.kept * self.entry_bits

    @property
    def score_range(self) -> tuple[int, int]:
        """Smallest and largest score."""
        low = -(1 << (self.score_bits - 1)) if self.signed else 0
        return low, low + (1 << self.score_bits) - 1

    @functools.cached_property
    def streams(self) -> Mapping[str, wiring.Signature]:
        """The ports, each as seen from where it comes."""
        asked = {"expert": Out(index_bits(self.experts)), "token": Out(self.token_bits)}
        both = {"valid": Out(1), "ready": In(1)}
        return {
            "request": wiring.Signature({**both, **asked, "score": Out(self.score_bits), "insert": Out(1)}),
            "response": wiring.Signature(
                {
                    **both,
                    **asked,
                    "hit": Out(1),
                    "chosen": Out(1),
                    "address": Out(index_bits(self.experts * self.kept)),
                    "replaced": Out(1),
                    "old": Out(self.token_bits),
                }
            ),
        }

    @property
    def signature(self) -> wiring.Signature:
        """That of the component."""
        return wiring.Signature({"request": In(self.streams["request"]), "response": Out(self.streams["response"])})

    @functools.cached_property
    def input_widths(self) -> Mapping[str, int]:
        """Bits of the input ports by their names in Verilog, clock and reset left out."""
        return input_widths(self.signature)

    @functools.cached_property
    def output_widths(self) -> Mapping[str, int]:
        """Bits of the output ports."""
        return output_widths(self.signature)

    def component(self) -> GoCache:
        """The Amaranth component with the streams request -> response."""
        return GoCache(self)

    def store(self) -> GoStore:
        """The golden model on arrays, with nothing kept."""
        return GoStore(
            experts=self.experts,
            kept=self.kept,
            score_bits=self.score_bits,
            lowest_score=self.score_range[0],
            tokens=self.tokens,
        )

    def control(self) -> GoControl:
        """The golden cycle model, to be stepped."""
        return GoControl(store=self.store())

    def simulate(self, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, IntegerArray]:
        """The golden cycle model.

        Parameters
        ----------
        inputs : mapping of input port to (cycles,) integers
            Names as in Verilog, such as ``request__valid``; ``rst`` may be left out.

        Returns
        -------
        mapping of output port to (cycles,) int64 array
            Members of the response mean something where it is valid; `address` where it is a hit or chosen, `old` where
            a token was replaced.
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
        steps = [control.step(dict(zip(arrays, now))) for now in zip(*(array.tolist() for array in arrays.values()))]
        names = steps[0] if steps else ()
        return {name: np.array([step[name] for step in steps], np.int64) for name in names}


class GoCache(wiring.Component):
    """The circuit of a spec; the module's drawing says what its streams carry.

    Ports
    -----
    request : In, response : Out, streams
    """

    request: wiring.PureInterface
    response: wiring.PureInterface

    def __init__(self, spec: GoCacheSpec) -> None:
        self.spec = spec
        super().__init__(spec.signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, request, response = self.spec, self.request, self.response
        busy, valid, moves = Signal(), Signal(), Signal()
        m.d.comb += [
            moves.eq(busy & (~valid | response.ready)),
            request.ready.eq(~busy | moves),
            response.valid.eq(valid),
        ]
        with m.If(request.ready):
            m.d.sync += busy.eq(request.valid)
        with m.If(moves):
            m.d.sync += valid.eq(1)
        with m.Elif(response.ready):
            m.d.sync += valid.eq(0)

        m.submodules.update = update = TopK(
            kept=spec.kept, token_bits=spec.token_bits, score_bits=spec.score_bits, signed=spec.signed
        )
        expert = register(m, request.expert, request.ready, "expert")
        token = register(m, request.token, request.ready, "token")
        insert = register(m, request.insert, request.ready, "insert")
        score = register(m, request.score, request.ready, "score")
        m.d.comb += [update.token.eq(token), update.score.eq(score), update.insert.eq(insert)]

        m.submodules.store = store = EntryStore(experts=spec.experts, kept=spec.kept, entry_bits=spec.entry_bits)
        replace = Signal()
        m.d.comb += [
            replace.eq(moves & update.chosen),
            store.expert.eq(request.expert),
            store.load.eq(request.ready),
            store.replace.eq(Mux(replace, update.worst, 0)),
            store.owner.eq(expert),
            store.entry.eq(update.entry),
            *(own.eq(entry) for own, entry in zip(update.entries, store.entries)),
        ]
        answers = {
            "expert": expert,
            "token": token,
            "hit": update.hit,
            "chosen": update.chosen,
            "address": expert * spec.kept + update.place,
            "replaced": update.replaced,
            "old": update.old,
        }
        for name, value in answers.items():
            port = getattr(response, name)
            m.d.comb += port.eq(register(m, value, moves, f"response_{name}", width=len(port)))
        return m
