"""What claims are computed from: rows by what they are of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from axhw.experiments.claims import Missing
from axhw.experiments.moe_pim import published
from axhw.experiments.moe_pim.schedules import SYNTHETIC
from axhw.experiments.moe_pim.simulations import NEITHER

Row: TypeAlias = Mapping[str, Any]

NOT_PUBLISHED = "not in the paper (our target)"

WORKLOAD = (
    f"one layer of the size of Llama-MoE-4/16, prompt of {published.PROMPT} tokens, {published.NEW_TOKENS} new ones, "
    "published parameters"
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What claims are computed from: rows of the modules of this package, by what they are of; and how gates
    were measured, and on which text values."""

    checks: Sequence[Row] = ()
    caches: Sequence[Row] = ()
    models: Sequence[Row] = ()
    counts: Sequence[Row] = ()
    bounds: Sequence[Row] = ()
    example: Sequence[Row] = ()
    small_cases: Sequence[Row] = ()
    gains: Sequence[Row] = ()
    trace_gains: Sequence[Row] = ()
    densities: Sequence[Row] = ()
    chips: Sequence[Row] = ()
    values: Sequence[Row] = ()
    schedule_values: Sequence[Row] = ()
    groups: Sequence[Row] = ()
    gates: str = ""
    text: str = ""

    def steps(self, accounting: str) -> Row:
        """The published workload without caches.

        Raises
        ------
        Missing
            If it was not simulated.
        """
        wanted = (published.NEW_TOKENS, accounting, NEITHER)
        for row in self.caches:
            if (row["new_tokens"], row["accounting"], row["caches"]) == wanted:
                return row
        raise Missing(f"{published.NEW_TOKENS} new tokens with {accounting} accounting")

    def synthetic(self, **columns: Any) -> list[Row]:
        """Counts of synthetic traces.

        Raises
        ------
        Missing
            Without any.
        """
        return some((row for row in self.counts if has(row, {"kind": SYNTHETIC, **columns})), "synthetic traces")


def has(row: Row, columns: Mapping[str, Any]) -> bool:
    """Whether a row has these values."""
    return all(row[name] == value for name, value in columns.items())


def some(rows: Iterable[Row], what: str) -> list[Row]:
    """The rows as a list.

    Raises
    ------
    Missing
        Without any.
    """
    found = list(rows)
    if not found:
        raise Missing(what)
    return found


def listed(what: str, numbers: Sequence[int]) -> str:
    """``seed 0``, or ``seeds 0 to 9`` where they follow each other."""
    if len(numbers) == 1:
        return f"{what} {numbers[0]}"
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{what}s {numbers[0]} to {numbers[-1]}"
    return f"{what}s {', '.join(map(str, numbers))}"
