"""Simulation of language models on crossbars: published figures, what full accounting does to them, and speed.

Usage: python -m benchmarks.pim_simulation
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from axhw.pim.accounting import FULL_ACCOUNTING, PUBLISHED_ACCOUNTING, Accounting
from axhw.pim.engine import run_program
from axhw.pim.model import DEEPSEEKMOE, LLAMA_MOE_4_16, MIXTRAL, OLMOE, DecoderModel
from axhw.pim.parameters import PUBLISHED
from axhw.pim.program import build_program
from axhw.pim.simulator import simulate
from axhw.pim.workload import Workload, decode_passes, drawn_routing, prefill_passes
from benchmarks.markdown import table

MARKDOWN = True

WORKLOAD = Workload(model=LLAMA_MOE_4_16, prompt=32, new_tokens=8)
ROUNDS = 3

# Model, tokens of the prompt, and of the text before new tokens.
PROMPTS: tuple[tuple[DecoderModel, tuple[int, ...]], ...] = (
    (LLAMA_MOE_4_16, (32, 128, 512, 2048)),
    (OLMOE, (32, 64, 128, 256, 512)),
    (DEEPSEEKMOE, (32, 64, 128)),
    (MIXTRAL, (8, 16, 32)),
)
STEPS: tuple[tuple[DecoderModel, tuple[int, ...]], ...] = (
    (LLAMA_MOE_4_16, (64, 512)),
    (OLMOE, (32, 128, 512)),
    (MIXTRAL, (16, 64)),
)

PUBLISHED_FIGURES = """\
One layer of the size of Llama-MoE-4/16, prompt of 32 tokens, 8 new tokens, published parameters and accounting
(arXiv 2602.10254). Ratios: steps without caches, by those with KV and GO cache."""

LADDER = """\
The same workload; each line keeps what the lines above it corrected. Steps are with KV and GO cache; ratios are steps
without caches, by those with them, both counted in the same way. The last line is full accounting: the scheduler has
no published figures, and what else differs takes shared peripheries, or one cache without the other."""

SPEED = f"""\
Operations are MVMs, crossings, additions of partial sums, and all others, each with a time of its own. Building makes
the arrays out of the model's graph, running is the simulation; the best of {ROUNDS} on one thread, after compilation.
Published parameters, full accounting, one token after the other with a KV cache where steps are simulated."""

WORDS = {
    "experts_wait": "experts wait for the router",
    "combine_width": "outputs of experts are added at full width",
    "first_norm": "norm before the first attention",
    "whole_query": "attention of one query is not halved",
    "go_dram": "GO cache is read",
    "cache_writes": "caches are written",
    "dram_waits": "DRAM idles with and without caches",
    "every_step": "8 new tokens are 8 steps",
    "choices_vary": "experts choose as they like",
}


def published() -> Iterator[tuple[str, str, str, str]]:
    """Each figure, as published and ours."""
    cached = simulate(WORKLOAD, accounting=PUBLISHED_ACCOUNTING).decode
    bare = simulate(WORKLOAD.uncached(), accounting=PUBLISHED_ACCOUNTING)
    prefill, decode = bare.prefill, bare.decode
    figures = [
        ("prompt, MVMs", 48_080, prefill.mvms, 0),
        ("prompt, ns", 244_282.5, prefill.time_ns, 1),
        ("prompt, nJ", 609_730.25, prefill.energy_nj, 2),
    ]
    named = {"mvm": 601_000, "passive": 5_892.09, "communication": 1_236.74, "attention": 1_168.59, "add": 421.76}
    figures += [
        (f"prompt, nJ: {name}", value, prefill.energies_nj[name], 2)
        for name, value in (named | {"norm": 11.07}).items()
    ]
    figures += [
        ("7 steps with caches, MVMs", 24_080, cached.mvms, 0),
        ("7 steps with caches, ns", 493_518.83, cached.time_ns, 2),
        ("7 steps with caches, nJ", 473_555.43, cached.energy_nj, 2),
        ("7 steps without caches, MVMs", 376_880, decode.mvms, 0),
        ("ratio of energies", 10.10, decode.energy_nj / cached.energy_nj, 2),
        ("ratio of times", 4.17, decode.time_ns / cached.time_ns, 2),
    ]
    for name, value, ours, decimals in figures:
        difference = round(ours, decimals) - value
        yield (
            name,
            f"{value:,.{decimals}f}",
            f"{ours:,.{decimals}f}",
            f"{100 * difference / value:+.2f} %" if abs(difference) > 0.1**decimals / 2 else "0",
        )


def ladder() -> Iterator[tuple[str, ...]]:
    """From the published accounting to the full one."""
    accounting: Accounting = PUBLISHED_ACCOUNTING
    yield ("published", *ladder_figures(accounting))
    for name, words in WORDS.items():
        accounting = replace(accounting, **{name: getattr(FULL_ACCOUNTING, name)})
        figures = ladder_figures(accounting)
        yield (words, *figures)
    if figures != ladder_figures(FULL_ACCOUNTING):
        raise SystemExit("Full accounting has corrections that are not in the table.")


def ladder_figures(accounting: Accounting) -> tuple[str, ...]:
    """Times, energies and ratios of one accounting."""
    cached = simulate(WORKLOAD, accounting=accounting)
    bare = simulate(WORKLOAD.uncached(), accounting=accounting).decode
    decode = cached.decode
    return (
        f"{cached.prefill.time_ns / 1e3:.1f}",
        f"{cached.prefill.energy_nj / 1e3:.1f}",
        f"{decode.time_ns / 1e3:.1f}",
        f"{decode.energy_nj / 1e3:.1f}",
        f"{bare.time_ns / decode.time_ns:.2f}",
        f"{bare.energy_nj / decode.energy_nj:.2f}",
    )


def speeds(
    models: tuple[tuple[DecoderModel, tuple[int, ...]], ...], workload: Callable[[DecoderModel, int], Workload]
) -> Iterator[tuple[str, ...]]:
    """Operations and times of each size."""
    for model, counts in models:
        for tokens in counts:
            given = workload(model, tokens)
            passes = prefill_passes(given) if not given.new_tokens else decode_passes(given, FULL_ACCOUNTING)
            routing = drawn_routing(given, FULL_ACCOUNTING)
            best = np.full(2, np.inf)
            for _ in range(ROUNDS):
                begin = time.perf_counter()
                program = build_program(model, passes, routing, parameters=PUBLISHED, accounting=FULL_ACCOUNTING)
                built = time.perf_counter()
                times = run_program(program)
                best = np.minimum(best, (built - begin, time.perf_counter() - built))
            yield (
                f"{model.name}, {tokens} tokens",
                f"{program.simulated:,}",
                f"{times.total_ns / 1e6:,.2f}",
                *(f"{part * 1e3:.0f}" for part in best),
                f"{best.sum() / program.simulated * 1e9:.0f}",
                f"{program.simulated / best.sum() / 1e6:.1f}",
            )


def main() -> None:
    """Print the report."""
    print(f"## Published figures\n\n{PUBLISHED_FIGURES}\n")
    print(table(("figure", "published", "ours", "difference"), published()))
    print(f"\n## From published to full accounting\n\n{LADDER}\n")
    columns = ("also counted", "prompt, us", "prompt, uJ", "steps, us", "steps, uJ", "time ratio", "energy ratio")
    print(table(columns, ladder()))
    print(f"\n## Speed\n\n{SPEED}\n")
    # Compiled before it is timed.
    simulate(replace(WORKLOAD, prompt=1, new_tokens=1))
    columns = ("", "operations", "simulated, ms", "building, ms", "running, ms", "ns an operation", "10^6 operations/s")
    print(table(("prompt", *columns[1:]), speeds(PROMPTS, lambda model, tokens: Workload(model=model, prompt=tokens))))
    print()
    steps = speeds(STEPS, lambda model, tokens: Workload(model=model, prompt=32, new_tokens=tokens))
    print(table(("steps after 32 tokens", *columns[1:]), steps))


if __name__ == "__main__":
    main()
