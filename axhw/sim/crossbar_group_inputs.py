"""What a crossbar group is offered cycle by cycle: anything at random with back-pressure, or requests at full speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.crossbar_group_model import GroupControl
from axhw.hdl.pe.crossbar_requests import Requests
from axhw.hdl.pe.element import BoolArray
from axhw.hdl.spec import IntegerArray
from axhw.sim.systolic import with_corners
from axhw.sim.testbench import ElementStream

# How eager the partners of a group are, and how many requests keep their sums; drawn anew every so many cycles.
_EAGERNESS = (0.1, 0.5, 1.0)
_KEPT = (0.0, 0.2, 0.95)
_PHASE = 48
_MOST_IDLE = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What the partners of a group mean to do.

    Attributes
    ----------
    requests : Requests
        Offered one after the other.
    ask, vector : (cycles,) bool
        From this cycle on the next request, or the next vector, is offered until it is taken.
    ready, reset : (cycles,) bool
    write, crossbar, row : (cycles,) arrays
        Weights are offered in this cycle only.
    """

    requests: Requests
    ask: BoolArray
    vector: BoolArray
    ready: BoolArray
    reset: BoolArray
    write: BoolArray
    crossbar: IntegerArray
    row: IntegerArray

    def play(self, spec: CrossbarGroupSpec) -> Played:
        """The plan against the golden cycle model."""
        control = spec.control()
        fixed = {
            "rst": self.reset,
            "result__ready": self.ready,
            "write__valid": self.write,
            "write__crossbar": self.crossbar,
            "write__row": self.row,
        }
        rows = zip(*(np.asarray(each, np.int64).tolist() for each in (*fixed.values(), self.ask, self.vector)))
        members = ("token", "crossbars", "idle", "load", "keep")
        columns = [getattr(self.requests, name).tolist() for name in members]
        number, asking, offering = 0, 0, 0
        inputs: list[dict[str, int]] = []
        outputs: list[dict[str, int]] = []
        for *now, ask, vector in rows:
            asking = int((asking or ask) and number < len(self.requests))
            offering |= vector
            request = [column[min(number, len(column) - 1)] for column in columns]
            inputs.append(
                dict(zip(fixed, now))
                | {"request__valid": asking, "vector__valid": offering}
                | dict(zip((f"request__{name}" for name in members), request))
            )
            outputs.append(control.step(inputs[-1]))
            if asking and outputs[-1]["request__ready"]:
                number, asking = number + 1, 0
            if outputs[-1]["vector__ready"]:
                offering = 0
        return Played(
            control=control,
            inputs={name: np.array([each[name] for each in inputs]) for name in inputs[0]},
            outputs={name: np.array([each[name] for each in outputs]) for name in outputs[0]},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """A plan as it went, by port; values of vectors, weights and sums are not among them.

    Attributes
    ----------
    control : GroupControl
        After it.
    inputs, outputs : mapping of port to (cycles,) int64 array
    """

    control: GroupControl
    inputs: Mapping[str, IntegerArray]
    outputs: Mapping[str, IntegerArray]

    def passed(self, stream: str) -> BoolArray:
        """(cycles,) whether something passed through a stream."""
        sides = {**self.inputs, **self.outputs}
        passed: BoolArray = (sides[f"{stream}__valid"] & sides[f"{stream}__ready"]).astype(np.bool_)
        return passed


def group_stream(spec: CrossbarGroupSpec, *, cycles: int, rng: np.random.Generator) -> ElementStream:
    """Random requests, vectors and new weights with back-pressure from every side, and resets in the middle.

    It begins with a reset, weights for every cell, and requests through the whole queue, until gates without initial
    values are defined.

    Parameters
    ----------
    cycles : int
        Random cycles after that.
    """
    cells = spec.crossbars * spec.rows
    start = 2 + cells + (spec.depth + 1) * (spec.crossbars * spec.read_cycles + 1) + spec.latency
    total = start + cycles
    phases = -(-cycles // _PHASE)

    def eager() -> BoolArray:
        chance = np.repeat(rng.choice(_EAGERNESS, phases), _PHASE)[:cycles]
        return np.concatenate([np.arange(start) >= 2 + cells, rng.random(cycles) < chance])

    def early(values: IntegerArray, random: IntegerArray) -> IntegerArray:
        return np.concatenate([values, random])[:total]

    widths = spec.input_widths
    every = np.full(spec.depth, (1 << spec.crossbars) - 1)
    kept = np.repeat(rng.choice(_KEPT, phases), _PHASE)[:cycles]
    idle = rng.integers(0, min(_MOST_IDLE, (1 << spec.idle_bits) - 1), cycles, endpoint=True)
    cell = np.clip(np.arange(start) - 2, 0, cells - 1)
    plan = Plan(
        requests=Requests.of(
            token=rng.integers(0, 1 << spec.tag_bits, spec.depth + cycles),
            crossbars=np.concatenate([every, rng.integers(0, 1 << spec.crossbars, cycles)]),
            idle=np.concatenate([0 * every, idle * (rng.random(cycles) < 0.3)]),
            load=np.concatenate([0 * every + 1, rng.random(cycles) < 0.8]),
            keep=np.concatenate([0 * every, rng.random(cycles) < kept]),
        ),
        ask=eager(),
        vector=eager(),
        ready=eager(),
        reset=np.concatenate([np.arange(start) < 2, rng.random(cycles) < 0.01]),
        write=np.concatenate([np.arange(start) - 2 < cells, rng.random(cycles) < 0.2]),
        crossbar=early(cell // spec.rows, rng.integers(0, 1 << widths["write__crossbar"], cycles)),
        row=early(cell % spec.rows, rng.integers(0, 1 << widths["write__row"], cycles)),
    )
    played = plan.play(spec)
    low, high = spec.multiplier.operand_range
    values = {name: with_corners(rng, low, high, (total, 1))[:, 0] for name in widths if "__values__" in name}
    inputs = {**played.inputs, **values}
    sums = spec.sums(played.control, inputs)
    outputs = {**played.outputs, **{f"result__sums__{column}": sums[:, column] for column in range(spec.columns)}}
    started = np.arange(total) >= start
    valid = started & (outputs["result__valid"] == 1)
    checked = {name: valid if name.startswith("result__") else started for name in outputs}
    checked |= {"result__valid": started, "vector__token": started & (outputs["vector__ready"] == 1)}
    return ElementStream(
        inputs=inputs, outputs=outputs, checked=checked, widths={**widths, "rst": 1, **spec.output_widths}
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class FullSpeed:
    """A list of requests as fast as a group goes, after its weights were written; several runs side by side.

    Attributes
    ----------
    inputs : mapping of input port to (cycles, streams) int64 array
    results : (results,) int64 array
        The cycle in which each result is at the output.
    begin : int
        The cycle in which the first request enters.
    """

    inputs: Mapping[str, IntegerArray]
    results: IntegerArray
    begin: int

    @classmethod
    def of(
        cls, spec: CrossbarGroupSpec, requests: Requests, *, vectors: IntegerArray, weights: IntegerArray
    ) -> FullSpeed:
        """The run of some requests.

        Parameters
        ----------
        vectors : (requests, rows, streams) integers
            That of each request that loads one.
        weights : (crossbars, rows, columns, streams) integers
        """
        if not len(requests):
            raise AxhwError(f"Expected at least one request for {spec.name}, found none.")
        spec.check(requests)
        cells = spec.crossbars * spec.rows
        begin = 1 + cells
        slots = requests.reads(spec.crossbars).slots
        cycle = np.arange(begin + slots * spec.read_cycles + spec.latency + 1)
        always = np.ones(len(cycle), np.bool_)
        cell = np.clip(cycle - 1, 0, cells - 1)
        played = Plan(
            requests=requests,
            ask=cycle >= begin,
            vector=always,
            ready=always,
            reset=cycle == 0,
            write=(cycle >= 1) & (cycle <= cells),
            crossbar=cell // spec.rows,
            row=cell % spec.rows,
        ).play(spec)
        streams = vectors.shape[-1]
        # Each vector waits at the port until it is taken.
        taken = np.cumsum(played.passed("vector"))
        number = np.flatnonzero(requests.load)
        waiting = number[np.minimum(np.concatenate([[0], taken[:-1]]), len(number) - 1)] if len(number) else 0 * taken
        inputs = {name: np.repeat(values[:, None], streams, axis=1) for name, values in played.inputs.items()}
        inputs |= {f"vector__values__{row}": vectors[waiting, row] for row in range(spec.rows)}
        written = weights.reshape(cells, spec.columns, streams)[cell]
        inputs |= {f"write__values__{column}": written[:, column] for column in range(spec.columns)}
        return cls(inputs=inputs, results=np.flatnonzero(played.outputs["result__valid"]), begin=begin)
