"""What is computed: a prompt and new tokens of a model, and the passes that this takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.pim.accounting import Accounting
from axhw.pim.model import DecoderModel
from axhw.pim.operations import IntArray
from axhw.pim.routing import LayerRouting, even_routing, random_routing

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is computed.

    Attributes
    ----------
    model : DecoderModel
    prompt, new_tokens : int
        Tokens read, and generated after them.
    kv_cache, go_cache : bool
        Whether keys and values, and choices and outputs of experts are kept. Where tokens choose experts, there is
        nothing for a GO cache to keep, and `go_cache` changes nothing.
    group : int
        Experts that share a periphery, where `routing` does not say which: neighbours.
    routing : tuple of LayerRouting or None
        One for each layer with experts, for prompt + new tokens. None draws choices at random.
    seed : int
        Of these.

    Raises
    ------
    AxhwError
        Without a prompt, and for less than 0 new tokens.
    """

    model: DecoderModel
    prompt: int
    new_tokens: int = 0
    kv_cache: bool = True
    go_cache: bool = True
    group: int = 1
    routing: tuple[LayerRouting, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.prompt < 1:
            raise AxhwError(f"Expected a prompt of at least 1 token, found {self.prompt}.")
        if self.new_tokens < 0:
            raise AxhwError(f"Expected at least 0 new tokens, found {self.new_tokens}.")

    @property
    def keeps_choices(self) -> bool:
        """Whether there is a GO cache and something for it to keep."""
        return self.go_cache and self.model.experts_choose

    def computes_one_token(self, accounting: Accounting) -> bool:
        """Whether a step computes the new token alone."""
        return accounting.one_token(
            kv_cache=self.kv_cache, go_cache=self.go_cache, experts_choose=self.model.experts_choose
        )

    def uncached(self) -> Workload:
        """The same without caches."""
        return replace(self, kv_cache=False, go_cache=False)


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Passes through a model, each of which ends with a new token that the next one begins with.

    Attributes
    ----------
    first, tokens : (passes,) int arrays
        Place in the text of the first token that a pass computes, and how many it computes.
    length : (passes,) int array
        Tokens that the last of them attends to, itself included.
    sampled : (passes,) bool array
        Whether a token comes from digital units, and has to cross into the crossbars of the embedding.
    reads_kv, reads_go : (passes,) bool arrays
        Whether caches are read.
    one_query : (passes,) bool array
        Whether the attention is that of the last token alone.
    writes_kv, writes_go : bool
        Whether caches are there.
    """

    first: IntArray
    tokens: IntArray
    length: IntArray
    sampled: BoolArray
    reads_kv: BoolArray
    reads_go: BoolArray
    one_query: BoolArray
    writes_kv: bool
    writes_go: bool

    def __len__(self) -> int:
        return len(self.tokens)


def prefill_passes(workload: Workload) -> Passes:
    """The prompt in one pass."""
    one = np.ones(1, np.int64)
    return Passes(
        first=0 * one,
        tokens=workload.prompt * one,
        length=workload.prompt * one,
        sampled=np.zeros(1, np.bool_),
        reads_kv=np.zeros(1, np.bool_),
        reads_go=np.zeros(1, np.bool_),
        one_query=np.zeros(1, np.bool_),
        writes_kv=workload.kv_cache,
        writes_go=workload.keeps_choices,
    )


def decode_passes(workload: Workload, accounting: Accounting) -> Passes:
    """A pass for each step, over the new token or over all tokens again."""
    steps = accounting.steps(workload.new_tokens)
    length = workload.prompt + 1 + np.arange(steps, dtype=np.int64)
    alone = workload.computes_one_token(accounting)
    # Published: a query by itself wherever keys are kept, even if all tokens are computed.
    keys = workload.kv_cache and (alone or not accounting.keys_kept)
    sampled = np.ones(steps, np.bool_)
    sampled[:1] = accounting.every_step
    return Passes(
        first=length - 1 if alone else np.zeros(steps, np.int64),
        tokens=np.ones(steps, np.int64) if alone else length,
        length=length,
        sampled=sampled,
        reads_kv=np.full(steps, keys),
        reads_go=np.full(steps, alone and workload.keeps_choices),
        one_query=np.full(steps, keys),
        writes_kv=workload.kv_cache,
        writes_go=workload.keeps_choices,
    )


def drawn_routing(workload: Workload, accounting: Accounting) -> Sequence[LayerRouting]:
    """Choices at random, by scores or, in the published way, as many for each token."""
    model, tokens = workload.model, workload.prompt + workload.new_tokens
    if not accounting.choices_vary:
        return even_routing(model, tokens=tokens, group=workload.group, seed=workload.seed)
    return random_routing(
        model, prompt=workload.prompt, new_tokens=workload.new_tokens, group=workload.group, seed=workload.seed
    )
