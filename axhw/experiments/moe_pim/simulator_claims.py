"""Claims about the simulator and what caches are worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from axhw.experiments.claims import Claim
from axhw.experiments.moe_pim import published
from axhw.experiments.moe_pim.measured import NOT_PUBLISHED, WORKLOAD, Measured, some
from axhw.experiments.moe_pim.simulations import NEITHER, agrees
from axhw.pim.accounting import FULL_ACCOUNTING, PUBLISHED_ACCOUNTING

LEAST_OPERATIONS_PER_S = 1e6

FIGURES = "The published simulator's figures are reproduced to the last digit."
TIME = "KV and GO cache make 8 new tokens 4.2 times as fast, by the published accounting."
ENERGY = "KV and GO cache make 8 new tokens take 10.1 times less energy, by the published accounting."
FULL_TIME = "They are 4.2 times as fast with everything counted, too."
FULL_ENERGY = "They take 10.1 times less energy with everything counted, too."
SPEED = "Larger models are simulated with at least 10^6 operations a second."


def _figures(measured: Measured) -> Claim:
    rows = some(measured.checks, "published figures")
    good = sum(map(agrees, rows))
    wrong = [f"{row['figure']}, {row['unit']}: {row['ours']:,.{row['decimals']}f}" for row in rows if not agrees(row)]
    return Claim(
        claim=FIGURES,
        paper=f"prompt {published.PREFILL_MVMS:,} MVMs, {published.PREFILL_NS:,} ns, {published.PREFILL_NJ:,} nJ; 7 "
        f"steps with caches {published.DECODE_MVMS:,} MVMs, {published.DECODE_NS:,} ns, {published.DECODE_NJ:,} nJ",
        ours=f"{good} of {len(rows)} figures are equal{''.join(f'; {text}' for text in wrong)}",
        met=good == len(rows),
        basis=f"{WORKLOAD} and accounting; parts of the energy and MVMs without caches, too; met if all figures are "
        "equal when rounded to the published digits",
    )


def _time(measured: Measured) -> Claim:
    return _ratio(measured, TIME, PUBLISHED_ACCOUNTING.name, "time_ratio", published.TIME_RATIO)


def _energy(measured: Measured) -> Claim:
    return _ratio(measured, ENERGY, PUBLISHED_ACCOUNTING.name, "energy_ratio", published.ENERGY_RATIO)


def _full_time(measured: Measured) -> Claim:
    return _ratio(measured, FULL_TIME, FULL_ACCOUNTING.name, "time_ratio", published.TIME_RATIO)


def _full_energy(measured: Measured) -> Claim:
    return _ratio(measured, FULL_ENERGY, FULL_ACCOUNTING.name, "energy_ratio", published.ENERGY_RATIO)


def _ratio(measured: Measured, text: str, accounting: str, column: str, paper: float) -> Claim:
    row = measured.steps(accounting)
    ours = float(row[column])
    exact = accounting == PUBLISHED_ACCOUNTING.name
    rule = "is the published one, rounded to its digits" if exact else "rounds to the published one or to more"
    rounded = round(ours, 1)
    last = [each for each in measured.caches if each["accounting"] == accounting and each["caches"] == NEITHER]
    longest = max(last, key=lambda each: int(each["new_tokens"]))
    more = f", {longest[column]:.2f} times for {longest['new_tokens']} new tokens" if longest is not row else ""
    return Claim(
        claim=text,
        paper=f"{paper} times" if exact else f"{paper} times; GO cache in DRAM, all steps and more not counted",
        ours=f"{ours:.3f} times{more}",
        met=rounded == paper if exact else rounded >= paper,
        basis=f"{WORKLOAD}, {accounting} accounting; {row['steps']} steps without caches by those with both; met if "
        f"the ratio {rule}",
    )


def _speed(measured: Measured) -> Claim:
    rows = some(measured.models, "larger models")
    names = list(dict.fromkeys(row["model"] for row in rows))
    slowest = {name: min(row["operations_per_s"] for row in rows if row["model"] == name) for name in names}
    return Claim(
        claim=SPEED,
        paper=NOT_PUBLISHED,
        ours="; ".join(f"{name} {1e-6 * rate:.1f} million a second" for name, rate in slowest.items()),
        met=min(slowest.values()) >= LEAST_OPERATIONS_PER_S,
        basis="all layers, prompt and steps, everything counted, building included, of processor time; met if no run "
        "is slower",
    )


SIMULATOR: Mapping[str, Callable[[Measured], Claim]] = {
    FIGURES: _figures,
    TIME: _time,
    ENERGY: _energy,
    FULL_TIME: _full_time,
    FULL_ENERGY: _full_energy,
    SPEED: _speed,
}
"""By their words."""
