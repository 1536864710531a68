"""What a simulation counts: as the published simulator does, or everything.

The published figures leave out, or treat in a simpler way, what `FULL` charges:

    experts_wait        experts begin when the router has chosen them, not beside it
    combine_width       outputs of experts are added at the width of the model, not of an expert
    first_norm          the first layer has a norm before its attention like all others
    whole_query         attention of one new token to S keys is not halved: nothing of it is masked
    go_dram             the GO cache is read before experts are chosen
    cache_writes        new keys, values, scores and outputs are written to DRAM
    dram_waits          DRAM takes idle power while it waits, caches or not; published: with a GO cache, all the time
    every_step          N new tokens are N steps after the prompt; published: N - 1, the first of which starts by itself
    choices_vary        where experts choose tokens, some tokens have more experts than others; published: as many
    scheduler           its time and energy
    experts_share       a shared periphery saves energy in experts alone; published: in all crossbars
    keys_kept           where experts choose tokens, a step leaves earlier tokens out if keys and values are kept and
                        outputs of experts too; published: if outputs are, whatever is known of keys
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from axhw.errors import AxhwError

Name: TypeAlias = Literal["published", "full"]


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """One way to count. See the module for what each attribute means: true is what full accounting does."""

    name: str
    experts_wait: bool
    combine_width: Literal["expert", "model"]
    first_norm: bool
    whole_query: bool
    go_dram: bool
    cache_writes: bool
    dram_waits: bool
    every_step: bool
    choices_vary: bool
    scheduler: bool
    experts_share: bool
    keys_kept: bool

    def steps(self, new_tokens: int) -> int:
        """Decode steps for so many new tokens."""
        return new_tokens if self.every_step else max(new_tokens - 1, 0)

    def one_token(self, *, kv_cache: bool, go_cache: bool, experts_choose: bool) -> bool:
        """Whether a decode step computes the new token alone, or all tokens again."""
        if not experts_choose:
            return kv_cache
        return go_cache and (kv_cache or not self.keys_kept)


PUBLISHED_ACCOUNTING = Accounting(
    name="published",
    experts_wait=False,
    combine_width="expert",
    first_norm=False,
    whole_query=False,
    go_dram=False,
    cache_writes=False,
    dram_waits=False,
    every_step=False,
    choices_vary=False,
    scheduler=False,
    experts_share=False,
    keys_kept=False,
)
"""As the published simulator counts."""

FULL_ACCOUNTING = Accounting(
    name="full",
    experts_wait=True,
    combine_width="model",
    first_norm=True,
    whole_query=True,
    go_dram=True,
    cache_writes=True,
    dram_waits=True,
    every_step=True,
    choices_vary=True,
    scheduler=True,
    experts_share=True,
    keys_kept=True,
)
"""Everything."""

ACCOUNTINGS = {each.name: each for each in (PUBLISHED_ACCOUNTING, FULL_ACCOUNTING)}


def accounting_of(name: str) -> Accounting:
    """That of a name.

    Raises
    ------
    AxhwError
        For other names than "published" and "full".
    """
    if name not in ACCOUNTINGS:
        raise AxhwError(f"Expected an accounting out of {', '.join(ACCOUNTINGS)}, found {name!r}.")
    return ACCOUNTINGS[name]
