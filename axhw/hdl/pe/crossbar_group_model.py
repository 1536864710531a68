"""The golden cycle model of a crossbar group: its control, one cycle after the other, without any data.

Control doesn't depend on activations and weights. So they are named by the cycle in which they came in, and the sums of
all reads are made at once in the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

NEVER = -1
"""In the place of a cycle: the register still holds 0."""


class Request(NamedTuple):
    """An entry of the queue."""

    token: int
    crossbars: int
    idle: int
    load: int
    keep: int


class Read(NamedTuple):
    """What a crossbar was read with: the cycle in which the vector came, and those of its weights, by row."""

    vector: int
    crossbar: int
    weights: tuple[int, ...]


class _Sample(NamedTuple):
    token: int
    crossbar: int
    keep: int
    read: int


class _Result(NamedTuple):
    token: int
    crossbar: int
    number: int


@dataclass(kw_only=True)
class GroupControl:
    """The state of a group between two cycles, as after a reset.

    Attributes
    ----------
    crossbars, rows, depth, read_cycles : int
        Of the group.
    reads : list of Read
        All so far whose sums were taken.
    spans : list of (int, int)
        The first and the last read of each result, in the order of the results.
    shown : list of int
        By cycle, the number of the result at the output, or the one before where there is none.
    """

    crossbars: int
    rows: int
    depth: int
    read_cycles: int
    reads: list[Read] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._vector = NEVER
        self._weights = [[NEVER] * self.rows for _ in range(self.crossbars)]
        self._reset()

    def _reset(self) -> None:
        self._queue: deque[Request] = deque()
        self._request = Request(0, 0, 0, 0, 0)
        self._waited = self._left = 0
        self._enabled: int | None = None
        self._pending: list[int] = []
        self._sample: _Sample | None = None
        self._kept_from: int | None = None
        self._result: _Result | None = None

    def step(self, inputs: Mapping[str, int]) -> dict[str, int]:
        """Outputs of this cycle but for the sums, from its inputs but for activations and weights; then the clock edge.

        Parameters
        ----------
        inputs : mapping of input port to int
            Names as in Verilog, such as ``request__valid``, and ``rst``.

        Returns
        -------
        mapping of output port to int
            What belongs to a stream that is not valid, or not ready, is 0.
        """
        head = self._queue[0] if self._queue else None
        moves = self._sample is not None and (self._result is None or bool(inputs["result__ready"]))
        room = self._sample is None or moves
        over = self._enabled is not None and self._left == 0 and room
        free = self._left == 0 and (self._enabled is None or room) and not self._pending
        due = head is not None and self._waited == head.idle
        wants = head is not None and free and due and bool(head.load)
        takes = free and due and (not wants or bool(inputs["vector__valid"]))
        outputs = {
            "request__ready": int(len(self._queue) < self.depth),
            "vector__ready": int(wants),
            "vector__token": head.token if head is not None and wants else 0,
            "write__ready": int(inputs["write__crossbar"] != self._enabled),
            "result__valid": int(self._result is not None),
            "result__token": 0 if self._result is None else self._result.token,
            "result__crossbar": 0 if self._result is None else self._result.crossbar,
        }
        cycle = len(self.shown)
        self.shown.append(len(self.spans) - 1)

        # From the output back to the input, so that nothing moves two steps.
        if moves:
            self._add()
        elif inputs["result__ready"]:
            self._result = None
        if room:
            self._sample = self._taken() if over else None
        self._schedule(over=over, waits=free and head is not None and not due)
        if takes and head is not None:
            self._queue.popleft()
            self._begin(head)
            if wants:
                self._vector = cycle
        if inputs["request__valid"] and outputs["request__ready"]:
            self._queue.append(Request(*(inputs[f"request__{name}"] for name in Request._fields)))
        if inputs["write__valid"] and outputs["write__ready"]:
            crossbar, row = inputs["write__crossbar"], inputs["write__row"]
            if crossbar < self.crossbars and row < self.rows:
                self._weights[crossbar][row] = cycle
        if inputs["rst"]:
            self._reset()
        return outputs

    def _add(self) -> None:
        """The sample goes into the sums."""
        assert self._sample is not None
        sample = self._sample
        first = sample.read if self._kept_from is None else self._kept_from
        if sample.keep:
            self._kept_from, self._result = first, None
        else:
            self._kept_from = None
            self._result = _Result(sample.token, sample.crossbar, len(self.spans))
            self.spans.append((first, sample.read))

    def _taken(self) -> _Sample:
        """The sums of the crossbar that is read."""
        assert self._enabled is not None
        crossbar = self._enabled
        self.reads.append(Read(self._vector, crossbar, tuple(self._weights[crossbar])))
        return _Sample(self._request.token, crossbar, self._request.keep, len(self.reads) - 1)

    def _schedule(self, *, over: bool, waits: bool) -> None:
        """What the next slot is, unless a request begins."""
        self._left = max(0, self._left - 1)
        if over:
            self._enabled = self._pending.pop(0) if self._pending else None
            if self._enabled is not None:
                self._left = self.read_cycles - 1
        if waits:
            self._waited += 1
            self._left = self.read_cycles - 1

    def _begin(self, request: Request) -> None:
        self._request = request
        chosen = [crossbar for crossbar in range(self.crossbars) if request.crossbars >> crossbar & 1]
        self._enabled, self._pending = (chosen[0] if chosen else None), chosen[1:]
        self._waited, self._left = 0, self.read_cycles - 1
