"""Claims about values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from axhw.experiments.claims import Claim
from axhw.experiments.moe_pim.measured import Measured, Row, has, some
from axhw.pim.machines import FLOAT32

ANALOG = "analog"
"""The multiplier of `axhw.pim.machines.Machine` with analog crossbars."""

MOST_RISE_PCT = 1.0

EQUAL = "Through groups, schedules and the GO cache, digital experts give the plain model's values bit for bit."
PUBLISHED_CACHE = "Through the GO cache as published, perplexity is within 1 % of choosing over the whole text."
GROWING_CACHE = "Through a GO cache that grows with the text, it is."
INEXACT = "Noise and approximate multipliers cost at most 1 % more through the growing cache than without a cache."


def _equal(measured: Measured) -> Claim:
    rows = some(measured.schedule_values, "values through schedules")
    digital = some((row for row in rows if row["multiplier"] not in (FLOAT32, ANALOG)), "digital experts in int8")
    words = [f"{sum(row['equal'] for row in digital)} of {len(digital)} in int8, with exact and approximate products"]
    analog = [row for row in rows if row["multiplier"] == ANALOG]
    if analog:
        words.append(f"{sum(row['equal'] for row in analog)} of {len(analog)} on analog crossbars")
    floating = [row for row in rows if row["multiplier"] == FLOAT32]
    if floating:
        most = max(row["difference"] for row in floating)
        words.append(
            f"logits in float32 differ by at most {most:.1g}, as libraries add up single rows in another order"
        )
    return Claim(
        claim=EQUAL,
        paper="no values are computed",
        ours="; ".join(words),
        met=all(row["equal"] for row in digital),
        basis=f"logits of {_models(rows)}, {rows[0]['tokens']} bytes of text, all groupings, schedulers and orders of "
        "the study, token choice and expert choice with both kinds of caches; met if all in int8 are equal",
    )


def _published_cache(measured: Measured) -> Claim:
    return _cache(measured, PUBLISHED_CACHE, "fixed", "each expert keeps as many tokens as it had of the prompt")


def _growing_cache(measured: Measured) -> Claim:
    return _cache(measured, GROWING_CACHE, "growing", "experts keep their share of all tokens so far")


def _cache(measured: Measured, text: str, size: str, how: str) -> Claim:
    wanted = {"multiplier": FLOAT32, "size": size, "score_bits": None}
    rows = some((row for row in measured.values if has(row, wanted)), "values")
    words = []
    for model in dict.fromkeys(row["model"] for row in rows):
        rises = [
            f"{row['prompt']} + {row['new']} bytes {row['rise_pct']:+.2f} %" for row in rows if row["model"] == model
        ]
        words.append(f"{model}: {', '.join(rises)}")
    return Claim(
        claim=text,
        paper="no values are computed",
        ours="; ".join(words),
        met=all(row["rise_pct"] <= MOST_RISE_PCT for row in rows),
        basis=f"{measured.text}; perplexity of tokens behind the prompt, against experts that choose over prompt and "
        f"new bytes, later ones included; {how}; exact float32; met if it rises by at most {MOST_RISE_PCT:g} %",
    )


def _inexact(measured: Measured) -> Claim:
    rows = some((row for row in measured.values if row["multiplier"] != FLOAT32), "inexact hardware")
    keys = list(dict.fromkeys((row["model"], row["hardware"]) for row in rows))
    met, words = True, []
    for model, hardware in keys:
        own = [row for row in rows if (row["model"], row["hardware"]) == (model, hardware)]
        plain = next(row["rise_pct"] for row in own if row["routing"] == "token_choice")
        cached = max(row["rise_pct"] for row in own if row["size"] == "growing")
        met = met and cached <= plain + MOST_RISE_PCT
        words.append(f"{hardware} {plain:+.2f} and {cached:+.2f} %")
    return Claim(
        claim=INEXACT,
        paper="no values are computed",
        ours=f"rise of the perplexity without cache and with it: {'; '.join(words)}",
        met=met,
        basis=f"{measured.text}; tokens choose, or experts through a cache that grows, each against exact float32 in "
        f"the same routing; met if no rise is more than {MOST_RISE_PCT:g} percentage points above the other",
    )


def _models(rows: Sequence[Row]) -> str:
    return ", ".join(dict.fromkeys(str(row["model"]) for row in rows))


VALUES: Mapping[str, Callable[[Measured], Claim]] = {
    EQUAL: _equal,
    PUBLISHED_CACHE: _published_cache,
    GROWING_CACHE: _growing_cache,
    INEXACT: _inexact,
}
"""By their words."""
