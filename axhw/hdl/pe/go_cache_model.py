"""The golden models of a GO cache: what every expert keeps, on arrays, and the unit cycle by cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.pe.element import BoolArray
from axhw.hdl.spec import IntegerArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a GO cache answers to some requests.

    Attributes
    ----------
    hit, chosen : (requests,) bool
        The expert keeps the token; or takes it now.
    address : (requests,) int64
        The output of the token, expert x kept + place; 0 where neither hit nor chosen.
    replaced : (requests,) bool
    old : (requests,) int64
        The token that the expert gave up; 0 where it gave up none.
    """

    hit: BoolArray
    chosen: BoolArray
    address: IntegerArray
    replaced: BoolArray
    old: IntegerArray


@dataclass(kw_only=True, eq=False)
class GoStore:
    """What every expert keeps, at first nothing.

    An entry is one number, larger for what is better: 1, then the score from the lowest up, then the complement of the
    token; 0 where there is room.

    Attributes
    ----------
    experts, kept, score_bits, lowest_score, tokens : int
        Of the unit.
    entries : (experts, kept) int64 array
    """

    experts: int
    kept: int
    score_bits: int
    lowest_score: int
    tokens: int
    entries: IntegerArray = field(init=False)

    def __post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """A new sequence begins."""
        self.entries = np.zeros((self.experts, self.kept), np.int64)

    @property
    def kept_tokens(self) -> IntegerArray:
        """(experts, kept) tokens by place, -1 where there is room."""
        return np.where(self.entries == 0, -1, self._complement(self.entries))

    def ask(
        self, expert: npt.ArrayLike, token: npt.ArrayLike, score: npt.ArrayLike, insert: npt.ArrayLike = 1
    ) -> Answers:
        """Requests to different experts, all at once.

        Parameters
        ----------
        expert, token, score, insert : integers, broadcast together to one row
            Without `insert` it is only a question.

        Raises
        ------
        AxhwError
            For numbers out of range, and for two requests to one expert.
        """
        given = np.broadcast_arrays(*(np.atleast_1d(np.asarray(each)) for each in (expert, token, score, insert)))
        highest = self.lowest_score + (1 << self.score_bits) - 1
        limits = ((0, self.experts - 1), (0, self.tokens - 1), (self.lowest_score, highest), (0, 1))
        for name, array, (least, most) in zip(("expert", "token", "score", "insert"), given, limits):
            if array.ndim != 1 or array.dtype.kind not in "biu" or (array < least).any() or (array > most).any():
                raise AxhwError(f"Expected a row of {name} from {least} to {most} for a GO cache, found {array!r:.60}.")
        experts, tokens, scores, inserted = (array.astype(np.int64) for array in given)
        if len(np.unique(experts)) < len(experts):
            raise AxhwError(f"Expected requests to different experts of a GO cache, found {experts!r:.60}.")
        own = self.entries[experts]
        match = (own != 0) & (self._complement(own) == tokens[:, None])
        hit = match.any(axis=1)
        ranked = (1 << self.score_bits) + scores - self.lowest_score
        new = (ranked << self._token_bits) + self._complement(tokens)
        worst = own.argmin(axis=1)
        before = own[np.arange(len(own)), worst]
        chosen = (inserted == 1) & ~hit & (new > before)
        self.entries[experts[chosen], worst[chosen]] = new[chosen]
        replaced = chosen & (before != 0)
        place = np.where(hit, match.argmax(axis=1), worst)
        return Answers(
            hit=hit,
            chosen=chosen,
            address=np.where(hit | chosen, experts * self.kept + place, 0),
            replaced=replaced,
            old=np.where(replaced, self._complement(before), 0),
        )

    @property
    def _token_bits(self) -> int:
        return max(1, (self.tokens - 1).bit_length())

    def _complement(self, numbers: IntegerArray) -> IntegerArray:
        """The complement of a token, or the token of an entry."""
        mask = (1 << self._token_bits) - 1
        return mask - (numbers & mask)


_NOTHING = dict.fromkeys(
    (f"response__{name}" for name in ("expert", "token", "hit", "chosen", "address", "replaced", "old")), 0
)


@dataclass(kw_only=True, eq=False)
class GoControl:
    """The unit between two cycles, at first as after a reset.

    Attributes
    ----------
    store : GoStore
    """

    store: GoStore

    def __post_init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.store.clear()
        self._request: Mapping[str, int] | None = None
        self._response: Mapping[str, int] | None = None

    def step(self, inputs: Mapping[str, int]) -> dict[str, int]:
        """Outputs of this cycle from its inputs, both by port; then the clock edge. What isn't valid is 0."""
        moves = self._request is not None and (self._response is None or bool(inputs["response__ready"]))
        outputs = {
            "request__ready": int(self._request is None or moves),
            "response__valid": int(self._response is not None),
            **(_NOTHING if self._response is None else self._response),
        }
        if moves:
            self._response = self._answer()
        elif inputs["response__ready"]:
            self._response = None
        if outputs["request__ready"]:
            self._request = inputs if inputs["request__valid"] else None
        if inputs["rst"]:
            self._reset()
        return outputs

    def _answer(self) -> dict[str, int]:
        assert self._request is not None
        asked = {name: self._request[f"request__{name}"] for name in ("expert", "token", "score", "insert")}
        answers = self.store.ask(**asked)
        found = {f"response__{name}": int(values[0]) for name, values in vars(answers).items()}
        return {"response__expert": asked["expert"], "response__token": asked["token"], **found}
