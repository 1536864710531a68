"""What a GO cache's gates answer: streams with back-pressure and resets, and whole sequences of tokens."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from axhw.errors import VerificationError
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.hdl.spec import IntegerArray
from axhw.sim.clocked import ClockedRun, run_clocked
from axhw.sim.simulators import Replay
from axhw.sim.testbench import ElementStream, check_streams, side_by_side, stream_replay
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph, Netlist

# A cycle costs a numpy call per gate, however few streams there are: many short ones are cheaper than few long ones.
_STREAMS = 256
_REPLAY_CYCLES = 4096
_EAGERNESS = (0.1, 0.5, 1.0)
_PHASE = 48


def go_cache_stream(spec: GoCacheSpec, *, cycles: int, rng: np.random.Generator) -> ElementStream:
    """Requests about new, kept and forgotten tokens, with back-pressure and resets in the middle.

    The first two cycles hold the reset. A request stays until it is taken.
    """
    phases = -(-cycles // _PHASE)
    ask, take = (rng.random(cycles) < np.repeat(rng.choice(_EAGERNESS, phases), _PHASE)[:cycles] for _ in range(2))
    reset = (rng.random(cycles) < 0.005) | (np.arange(cycles) < 2)
    low, high = spec.score_range
    # Few different scores make equal ones; few recent tokens and experts make hits, and requests behind each other.
    scores = rng.integers(low, high, cycles, endpoint=True)
    few = rng.random(cycles) < 0.5
    scores[few] = rng.choice([low, -1 if spec.signed else 1, 0, high], int(few.sum()))
    recent = np.arange(cycles) // (2 * spec.experts) - rng.integers(0, 2 * spec.kept + 2, cycles)
    requests = {
        "request__expert": rng.integers(0, spec.experts, cycles),
        "request__token": recent % spec.tokens,
        "request__score": scores,
        "request__insert": (rng.random(cycles) < 0.8).astype(np.int64),
    }
    again = rng.random(cycles) < 0.3
    requests["request__expert"][1:][again[1:]] = requests["request__expert"][:-1][again[1:]]
    rows = np.stack(list(requests.values()), axis=1).tolist()
    control = spec.control()
    number, asking = 0, False
    inputs: list[dict[str, int]] = []
    outputs: list[dict[str, int]] = []
    for cycle in range(cycles):
        asking = asking or bool(ask[cycle])
        now = {"rst": int(reset[cycle]), "request__valid": int(asking), "response__ready": int(take[cycle])}
        inputs.append(now | dict(zip(requests, rows[number])))
        outputs.append(control.step(inputs[-1]))
        if asking and outputs[-1]["request__ready"]:
            number, asking = number + 1, False
    found = {name: np.array([each[name] for each in outputs]) for name in outputs[0]}
    started = np.arange(cycles) >= 2
    valid = started & (found["response__valid"] == 1)
    checked = {name: valid if name.startswith("response__") else started for name in found}
    somewhere = (found["response__hit"] | found["response__chosen"]) == 1
    checked |= {
        "response__valid": started,
        "response__address": valid & somewhere,
        "response__old": valid & (found["response__replaced"] == 1),
    }
    return ElementStream(
        inputs={name: np.array([each[name] for each in inputs]) for name in inputs[0]},
        outputs=found,
        checked=checked,
        widths={**spec.input_widths, **spec.output_widths, "rst": 1},
    )


class MappedGoCache:
    """The gates of a GO cache."""

    def __init__(self, netlist: Netlist, graph: GateGraph, library: CellLibrary, spec: GoCacheSpec) -> None:
        self.netlist, self.graph, self.library, self.spec = netlist, graph, library, spec

    def run(self, inputs: Mapping[str, IntegerArray]) -> ClockedRun:
        """The gates on (cycles, streams) inputs by port."""
        return run_clocked(self.netlist, self.graph, self.library, inputs)

    def decode(self, scores: IntegerArray) -> tuple[ClockedRun, Mapping[str, IntegerArray]]:
        """A request of every expert for every token, one a cycle, after a reset.

        Parameters
        ----------
        scores : (tokens, experts, streams) integers

        Returns
        -------
        run : ClockedRun
        answers : mapping of member of the response to (tokens, experts, streams) int64 array
        """
        tokens, experts, streams = scores.shape
        count = tokens * experts
        cycles = np.arange(1 + count + self.spec.latency)[:, None] + np.zeros((1, streams), np.int64)
        request = np.clip(cycles - 1, 0, count - 1)
        run = self.run(
            {
                "rst": (cycles == 0).astype(np.int64),
                "request__valid": ((cycles >= 1) & (cycles <= count)).astype(np.int64),
                "request__expert": request % experts,
                "request__token": request // experts,
                "request__score": scores.reshape(count, streams)[request[:, 0]],
                "request__insert": np.ones_like(cycles),
                "response__ready": np.ones_like(cycles),
            }
        )
        first = 1 + self.spec.latency
        answers = {
            name.removeprefix("response__"): values[first : first + count].reshape(scores.shape)
            for name, values in run.outputs.items()
        }
        return run, answers


def verify_go_cache(cache: MappedGoCache, *, seed: int, cycles: int = 96) -> int:
    """Hold mapped gates against the cycle model, and sequences of tokens against a stable sort of their scores.

    Returns
    -------
    int
        Cycles compared, over all streams.

    Raises
    ------
    VerificationError
        Naming what differs.
    """
    spec, rng = cache.spec, np.random.default_rng(seed)
    streams = [go_cache_stream(spec, cycles=cycles, rng=rng) for _ in range(_STREAMS)]
    check_streams(spec.name, cache.run(side_by_side(streams)).outputs, streams)
    tokens = min(spec.tokens, 2 * spec.kept + 2)
    low, high = spec.score_range
    # A score in eight is that of another token too.
    scores = rng.integers(low, min(high, low + 8 * tokens), (tokens, spec.experts, _STREAMS), endpoint=True)
    _, answers = cache.decode(scores)
    expected = among_the_best(scores, kept=spec.kept)
    if not np.array_equal(answers["chosen"] == 1, expected):
        token, expert, _ = np.argwhere((answers["chosen"] == 1) != expected)[0]
        raise VerificationError(
            f"Expected every expert of {spec.name} to choose the {spec.kept} best of all tokens so far, found another "
            f"choice of token {token} by expert {expert}."
        )
    return cycles * _STREAMS


def among_the_best(scores: npt.NDArray[np.integer], *, kept: int) -> npt.NDArray[np.bool_]:
    """Whether a token, when it comes, is among the best so far, the earlier of equal ones.

    Parameters
    ----------
    scores : (tokens, ...) integers
    """
    better = np.stack([(scores[:token] >= own).sum(axis=0) for token, own in enumerate(scores)])
    found: npt.NDArray[np.bool_] = better < kept
    return found


def go_cache_replay(spec: GoCacheSpec, *, module: str, sources: Mapping[str, str], seed: int) -> tuple[Replay, int]:
    """A replay of a GO cache: random cycles with back-pressure and resets.

    Returns
    -------
    replay, number of cycles
    """
    stream = go_cache_stream(spec, cycles=_REPLAY_CYCLES, rng=np.random.default_rng(seed))
    return stream_replay(stream, module=module, sources=sources), len(stream.inputs["rst"])


def decoding_values(
    cache: MappedGoCache, *, tokens: int, streams: int, rng: np.random.Generator
) -> tuple[list[npt.NDArray[np.uint8]], float]:
    """Settled values of the gates' sources while tokens are decoded, for `axhw.sim.timed`.

    Every expert is asked about every token, a request a cycle; scores are independent and uniform. The cache has first
    taken twice as many tokens as an expert keeps.

    Parameters
    ----------
    tokens : int
        After these.

    Returns
    -------
    values : list of (cycles, sources) uint8 arrays
        Of parallel runs.
    chosen : float
        Share of requests whose expert took the token.
    """
    spec = cache.spec
    before = 2 * spec.kept
    low, high = spec.score_range
    scores = rng.integers(low, high, (before + tokens, spec.experts, streams), endpoint=True)
    run, answers = cache.decode(scores)
    # From the cycle before the first of these requests to that of the last one.
    busy = slice(before * spec.experts, (before + tokens) * spec.experts + 1)
    return [run.source_values(number)[busy] for number in range(streams)], float(answers["chosen"][before:].mean())
