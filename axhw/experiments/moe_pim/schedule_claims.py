"""Claims about groups and schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from axhw.experiments.claims import Claim, Missing
from axhw.experiments.moe_pim import published
from axhw.experiments.moe_pim.measured import NOT_PUBLISHED, Measured, Row, has, listed, some
from axhw.experiments.moe_pim.schedules import TARGET_SHARE
from axhw.pim.schedulers import OURS

SORTED = "Experts sorted by load take fewer cycles a token than neighbours, in groups of two and of four."
COACTIVE = "Groups of experts with few conflicts take no more cycles and no more transfers than those sorted by load."
RESCHEDULED = "Rescheduling saves transfers at the length of the compact schedule."
EXAMPLE = "The worked example takes 7 cycles and 12 transfers in token order, and 7 and 10 in any."
ANY_ORDER = "In any order, ours save at least 10 % of the transfers of the published heuristic at equal length."
TOKEN_ORDER = "In token order, ours save at least 10 % of them at equal length, or no schedule can."
OPTIMAL = "Ours have the fewest transfers in all small cases, and in any order in all large ones."


def _sorted(measured: Measured) -> Claim:
    pairs = (("U2", "S2"), ("U4", "S4"))
    traces = _traces(measured)
    met, words = True, []
    for kind in dict.fromkeys(row["kind"] for row in measured.counts):
        mean = {name: _mean_cycles(measured, kind, name) for pair in pairs for name in pair}
        met = met and all(mean[high] < mean[low] for low, high in pairs)
        figures = "; ".join(f"{low} {mean[low]:.4f}, {high} {mean[high]:.4f}" for low, high in pairs)
        words.append(f"{kind}: {figures}")
    paper = published.CYCLES_PER_TOKEN
    return Claim(
        claim=SORTED,
        paper="; ".join(f"{low} {paper[low]}, {high} {paper[high]}" for low, high in pairs),
        ours=". ".join(words),
        met=met,
        basis=f"compact schedules, groups made on the trace itself; {traces}, and the layers of a trained model; the "
        "paper: choices of Llama-MoE-4/16 on C4; met if means over traces and over layers are less",
    )


def _coactive(measured: Measured) -> Claim:
    met, words = True, []
    for size in (2, 4):
        groups = {
            letter: measured.synthetic(grouping=f"{letter}{size}", scheduler=OURS, mode="any_order") for letter in "SC"
        }
        keys = ("cycles", "transfers")
        met = met and all(other[key] <= own[key] for own, other in zip(groups["S"], groups["C"]) for key in keys)
        total = {letter: [sum(row[key] for row in groups[letter]) for key in keys] for letter in "SC"}
        less = [100 * (1 - other / own) for own, other in zip(total["S"], total["C"])]
        words.append(f"groups of {size}: {less[0]:.1f} % fewer cycles and {less[1]:.1f} % fewer transfers")
    return Claim(
        claim=COACTIVE,
        paper=NOT_PUBLISHED,
        ours="; ".join(words),
        met=met,
        basis=f"groups made on the trace itself, our schedules in any order; {_traces(measured)}; met if neither is "
        "more on any trace",
    )


def _rescheduled(measured: Measured) -> Claim:
    pairs = _against(measured, "compact", "rescheduled", "token_order")
    saved = [1 - other["transfers"] / own["transfers"] for own, other in pairs]
    return Claim(
        claim=RESCHEDULED,
        paper="16 transfers of the worked example become 13, in 7 cycles both",
        ours=_span(saved),
        met=min(saved) > 0 and all(own["cycles"] == other["cycles"] for own, other in pairs),
        basis=f"groupings U1, U2, S2, U4, S4; {_traces(measured)}; met if every schedule is as long as the compact one "
        "and has fewer transfers",
    )


def _example(measured: Measured) -> Claim:
    rows = {row["mode"]: row for row in some(measured.example, "the worked example") if row["scheduler"] == OURS}
    heuristic = next(row for row in measured.example if row["scheduler"] == "rescheduled")
    words = [f"{row['cycles']} and {row['transfers']} in {mode.replace('_', ' ')}" for mode, row in rows.items()]
    return Claim(
        claim=EXAMPLE,
        paper=f"{heuristic['cycles']} and {heuristic['transfers']} by its heuristic",
        ours=", ".join(words),
        met=_lengths(rows["token_order"]) == (7, 12) and _lengths(rows["any_order"]) == (7, 10),
        basis="six tokens, four of eight experts each, in pairs; met if cycles and transfers are these",
    )


def _any_order(measured: Measured) -> Claim:
    pairs = _against(measured, "rescheduled", OURS, "any_order")
    saved = [1 - other["transfers"] / own["transfers"] for own, other in pairs]
    return Claim(
        claim=ANY_ORDER,
        paper=NOT_PUBLISHED,
        ours=_span(saved),
        met=all(
            other["transfers"] <= TARGET_SHARE * own["transfers"] and other["cycles"] == own["cycles"]
            for own, other in pairs
        ),
        basis=f"groupings U1, U2, S2, U4, S4; {_traces(measured)}; queues may be reordered, as in a prompt; met if "
        "every schedule is as long and saves 10 %",
    )


def _token_order(measured: Measured) -> Claim:
    pairs = _against(measured, "rescheduled", OURS, "token_order")
    saved = [1 - other["transfers"] / own["transfers"] for own, other in pairs]
    bounds = {(row["grouping"], row["trace"]): row for row in measured.bounds}
    open_cases, proved = 0, list[str]()
    for own, other in pairs:
        most = TARGET_SHARE * own["transfers"]
        if other["transfers"] <= most:
            continue
        bound = bounds.get((own["grouping"], own["trace"]))
        if bound is None or bound["least"] <= most:
            open_cases += 1
        else:
            could = 100 * (1 - bound["least"] / own["transfers"])
            proved.append(f"{own['grouping']}, trace {own['trace']}: {could:.2f} %")
    words = [_span(saved)]
    if proved:
        words.append(f"no schedule saves more on {'; '.join(proved)}")
    if open_cases:
        words.append(f"{open_cases} without proof")
    return Claim(
        claim=TOKEN_ORDER,
        paper=NOT_PUBLISHED,
        ours="; ".join(words),
        met=not open_cases and all(own["cycles"] == other["cycles"] for own, other in pairs),
        basis=f"groupings U1, U2, S2, U4, S4; {_traces(measured)}; met if every schedule is as long and saves 10 %, or "
        "a lower bound or the optimum says that none does",
    )


def _optimal(measured: Measured) -> Claim:
    small = some(measured.small_cases, "small cases")
    large = measured.synthetic(scheduler=OURS, mode="any_order")
    reached = sum(row["transfers"] == row["least_in_any_order"] for row in large)
    words = [f"{row['optimal']} of {row['cases']} in {row['mode'].replace('_', ' ')}" for row in small]
    gaps = [100 * row["above"] for row in measured.bounds]
    ordered = f"; large ones in token order {min(gaps):.1f} to {max(gaps):.1f} % above a bound" if gaps else ""
    return Claim(
        claim=OPTIMAL,
        paper=NOT_PUBLISHED,
        ours=f"small cases: {', '.join(words)}; large ones in any order: {reached} of {len(large)}{ordered}",
        met=all(row["optimal"] == row["cases"] for row in small) and reached == len(large),
        basis="small: 3 to 7 tokens, shortest ways and an integer program; large: all groupings, "
        f"{_traces(measured)}, the sum of largest loads; met if all are optimal",
    )


def _mean_cycles(measured: Measured, kind: str, grouping: str) -> float:
    wanted = {"kind": kind, "grouping": grouping, "scheduler": "compact"}
    cycles = [float(row["cycles_per_token"]) for row in measured.counts if has(row, wanted)]
    if not cycles:
        raise Missing(f"{grouping} on {kind} traces")
    return sum(cycles) / len(cycles)


def _against(measured: Measured, first: str, second: str, mode: str) -> list[tuple[Row, Row]]:
    """Schedules of two schedulers of the same trace and published grouping."""
    others = {(row["grouping"], row["trace"]): row for row in measured.synthetic(scheduler=second, mode=mode)}
    rows = measured.synthetic(scheduler=first)
    return [
        (row, others[row["grouping"], row["trace"]]) for row in rows if row["grouping"] in published.CYCLES_PER_TOKEN
    ]


def _traces(measured: Measured) -> str:
    rows = measured.synthetic()
    seeds = sorted({row["trace"] for row in rows})
    return f"synthetic traces of {rows[0]['tokens']} tokens, 4 of 16 experts, {listed('seed', seeds)}"


def _span(saved: Sequence[float]) -> str:
    return f"{100 * min(saved):.1f} to {100 * max(saved):.1f} % fewer, {100 * sum(saved) / len(saved):.1f} % on average"


def _lengths(row: Row) -> tuple[int, int]:
    return row["cycles"], row["transfers"]


SCHEDULES: Mapping[str, Callable[[Measured], Claim]] = {
    SORTED: _sorted,
    COACTIVE: _coactive,
    RESCHEDULED: _rescheduled,
    EXAMPLE: _example,
    ANY_ORDER: _any_order,
    TOKEN_ORDER: _token_order,
    OPTIMAL: _optimal,
}
"""By their words."""
