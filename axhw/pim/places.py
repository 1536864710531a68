"""Which operations a node of a model's graph stands for: those of passes, tokens, choices or cycles, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axhw.pim.model import DecoderModel
from axhw.pim.operations import IntArray
from axhw.pim.routing import LayerRouting
from axhw.pim.workload import BoolArray, Passes


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Choices of one layer in all passes, in the order of tokens.

    Attributes
    ----------
    token, pass_index, expert, group, cycle : (choices,) int arrays
        Place of the token among those of all passes, its pass, and the expert with its group and its cycle, which is -1
        without a schedule.
    """

    token: IntArray
    pass_index: IntArray
    expert: IntArray
    group: IntArray
    cycle: IntArray

    @property
    def first_of_token(self) -> BoolArray:
        """Whether a choice is the first of its token."""
        first: BoolArray = np.diff(self.token, prepend=-1) != 0
        return first

    @property
    def last_of_token(self) -> BoolArray:
        """Whether a choice is the last of its token."""
        last: BoolArray = np.diff(self.token, append=-1) != 0
        return last


class Places:
    """Passes, tokens, choices and cycles of a run.

    Parameters
    ----------
    model : DecoderModel
    passes : Passes
    routing : sequence of LayerRouting
        One for each layer with experts.

    Attributes
    ----------
    passes : Passes
    routing : dict of int to LayerRouting
        By layer.
    pass_of_token : (tokens,) int array
        Tokens of all passes are behind each other.
    last_token : (passes,) int array
        Place of the last token of each pass among them.
    choices : dict of int to Choices
        By layer.
    """

    def __init__(self, model: DecoderModel, passes: Passes, routing: Sequence[LayerRouting]) -> None:
        self.passes = passes
        self.routing = dict(zip(model.expert_layers, routing))
        self.pass_of_token = np.repeat(np.arange(len(passes)), passes.tokens)
        begin = np.cumsum(passes.tokens) - passes.tokens
        self.last_token = begin + passes.tokens - 1
        self._place_in_pass = np.arange(len(self.pass_of_token)) - begin[self.pass_of_token]
        self.choices = {layer: self._choices(own) for layer, own in self.routing.items()}

    def cycles(self, layer: int) -> int:
        """Cycles of a layer's schedule, which is for the first pass; 0 without one."""
        schedule = self.routing[layer].schedule
        return 0 if schedule is None else schedule.cycles

    def of(self, scope: str, layer: int | None) -> tuple[IntArray, IntArray]:
        """Pass of each operation of a node, and its place among the tokens of the pass."""
        if scope == "token":
            return self.pass_of_token, self._place_in_pass
        if scope == "pass" or layer is None:
            return np.arange(len(self.passes)), self.passes.tokens - 1
        if scope == "choice":
            choices = self.choices[layer]
            return choices.pass_index, self._place_in_pass[choices.token]
        none = np.zeros(self.cycles(layer), np.int64)
        return none, none

    def joined(
        self, source: IntArray, target: IntArray, scopes: tuple[str, str], layer: int | None, *, last: bool
    ) -> tuple[IntArray, IntArray]:
        """Operations of two nodes that belong together.

        Parameters
        ----------
        source, target : int arrays
            Numbers of the operations of both.
        scopes : two of str
            Of both.
        layer : int or None
            Of the target.
        last : bool
            Whether only the last of many counts.
        """
        if scopes == ("token", "pass"):
            return (source[self.last_token], target) if last else (source, target[self.pass_of_token])
        if scopes == ("pass", "token"):
            return source[self.pass_of_token], target
        if scopes == ("pass", "cycle"):
            return source[: min(1, len(target))], target[:1]
        if scopes[0] == scopes[1] or layer is None:
            return source, target
        choices = self.choices[layer]
        if scopes == ("token", "choice"):
            return source[choices.token], target
        if scopes == ("pass", "choice"):
            return source[choices.pass_index], target
        if scopes == ("choice", "token"):
            ends = choices.last_of_token if last else np.ones(len(source), np.bool_)
            return source[ends], target[choices.token[ends]]
        if scopes == ("choice", "pass"):
            return source, target[choices.pass_index]
        # A cycle and its choices.
        planned = choices.cycle >= 0
        return source[choices.cycle[planned]], target[planned]

    def _choices(self, routing: LayerRouting) -> Choices:
        token, expert = routing.of_tokens(self.passes.first, self.passes.tokens)
        cycle = np.full(len(token), -1, np.int64)
        if routing.schedule is not None:
            prompt = routing.cycle_of_choices(int(self.passes.tokens[0]))
            cycle[: len(prompt)] = prompt
        return Choices(
            token=token,
            pass_index=self.pass_of_token[token],
            expert=expert,
            group=routing.grouping.group_of[expert],
            cycle=cycle,
        )
