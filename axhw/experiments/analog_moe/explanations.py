"""The sections of the report: conditions, selectors, noise, time, costs, fronts and policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from axhw.experiments.analog_moe.costs import ARITHMETIC
from axhw.experiments.analog_moe.plan import FIXED_PCT, MAIN_MAGNITUDE, MAXNN, OUR_CHIP, OURS, SELECTORS
from axhw.experiments.analog_moe.points import ANY, Row
from axhw.experiments.analog_moe.policies import ADAPTED, BUDGET
from axhw.report.analog_front import draw_energy_front
from axhw.report.analog_moe import draw_conditions, draw_drift, draw_policies, draw_recovered, draw_selectors
from axhw.report.study import Block, Picture, Table

NAME = "analog-moe"

_DRAWN = (MAXNN, "frequency", "weight", "router", "random", OURS, OUR_CHIP, "oracle")
_BANDED = (MAXNN, "random", OURS)
_FRESH: Mapping[str, Any] = {"seconds": 0.0, "compensated": False, "policy": "fixed", "multiplier": "float32"}
_EXPERTS: Mapping[str, Any] = {**_FRESH, "analog": "experts", "converters": "chosen"}


def condition_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Experts or all modules, converters or programming noise, or both."""
    rows = [row for row in _freshly(document, digital_pct=0.0, **_FRESH) if row["selector"] == ANY]
    lines = [
        (
            row["model"],
            "all modules" if row["analog"] == "all" else "experts",
            _CONVERTERS[row["converters"]],
            f"{row['magnitude']:g}" if row["magnitude"] else "none",
            row["chips"],
            *_figures(row),
        )
        for row in sorted(rows, key=lambda row: (_place(document, row), row["analog"] != "all", row["converters"]))
    ]
    drawn = [row for row in rows if row["converters"] != "published"]
    return [
        "No expert is digital. Converters with published ranges are those of a language model with 1e9 weights: "
        f"K = {document['settings']['published_ranges'][0]:g}, "
        f"lambda = {document['settings']['published_ranges'][1]:g}.",
        Picture(
            stem=f"{NAME}-conditions",
            caption="Rise of the perplexity by what is analog",
            figure=draw_conditions(drawn, about=_about(document)),
        ),
        Table(heads=("model", "analog", "converters", "c", "chips", *_HEADS), rows=lines, left=3),
        "One kind of module alone, with digital experts, to see where that comes from:",
        Table(heads=("model", "analog", "c", "chips", *_HEADS[:-1]), rows=_module_lines(document), left=2),
    ]


def _module_lines(document: Mapping[str, Any]) -> list[tuple[object, ...]]:
    rows = _freshly(document, digital_pct=100.0, converters="chosen", **_FRESH)
    return [
        (
            row["model"],
            row["analog"],
            f"{row['magnitude']:g}" if row["magnitude"] else "none",
            row["chips"],
            *_figures(row)[:-1],
        )
        for row in rows
        if row["analog"] != "experts"
    ]


def selector_blocks(document: Mapping[str, Any]) -> list[Block]:
    """The paper's figure, and what selectors recover."""
    rows = _freshly(document, scope="layer", **_EXPERTS)
    references = {row["model"]: float(row["perplexity"]) for row in document["models"]}
    # All digital is the same at every magnitude.
    ends = [
        {**row, "magnitude": magnitude}
        for row in rows
        if row["digital_pct"] == 100
        for magnitude in {each["magnitude"] for each in rows if each["model"] == row["model"]}
    ]
    compared = {
        (row["model"], row["magnitude"]) for row in rows if row["selector"] == MAXNN and row["digital_pct"] < FIXED_PCT
    }
    drawn = [
        row
        for row in [*(row for row in rows if row["digital_pct"] < 100), *ends]
        if (row["model"], row["magnitude"]) in compared and row["selector"] in (ANY, *_DRAWN)
    ]
    selectors = {name: SELECTORS[name] for name in _DRAWN}
    settings = {**_EXPERTS, "magnitude": MAIN_MAGNITUDE, "digital_pct": FIXED_PCT}
    at_main = [row for row in _freshly(document, **settings) if row["recovered_pct"] is not None]
    blocks: list[Block] = [
        "The share of digital experts is that of each layer. Bands are a standard deviation over chips either way, of "
        f"{', '.join(SELECTORS[name] for name in _BANDED)}; most of it is what chips differ by whatever is digital.",
        Picture(
            stem=f"{NAME}-selectors",
            caption="Perplexity against the share of digital experts",
            figure=draw_selectors(
                drawn, selectors=selectors, banded=_BANDED, references=references, about=_about(document)
            ),
        ),
        Picture(
            stem=f"{NAME}-recovered",
            caption=f"Share of the loss recovered by {FIXED_PCT:g} % digital experts at c = {MAIN_MAGNITUDE:g}",
            figure=draw_recovered(at_main, selectors=SELECTORS, goal=50, about=_about(document)),
        ),
        "Share of the loss in % that digital experts in each layer take away, converters and pcm noise of c:",
        *_recovered_tables(document, {**_EXPERTS, "scope": "layer"}),
    ]
    others = _recovered_tables(document, {**_EXPERTS, "scope": "global"})
    if others:
        blocks += ["The same with as many experts, chosen over all layers together:", *others]
    ideal = _recovered_tables(document, {**_FRESH, "analog": "experts", "converters": "ideal", "scope": "layer"})
    if ideal:
        blocks += ["Programming noise alone, with ideal converters, in each layer:", *ideal]
    return blocks


def noise_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Other models of programming noise."""
    named = {row["noise"] for row in document["means"]} - {"none", "pcm"}
    rows = [row for row in document["means"] if row["noise"] in named and _is(row, _EXPERTS)]
    if not rows:
        return []
    lines = [
        (row["model"], row["noise"], f"{row['magnitude']:g}", _chosen(row), row["chips"], *_figures(row))
        for row in rows
    ]
    return [
        f"Without digital experts, and with {FIXED_PCT:g} % of each layer; scores are those for pcm noise.",
        Table(heads=("model", "noise", "magnitude", "digital", "chips", *_HEADS), rows=lines, left=4),
    ]


def drift_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Crossbars that are read later."""
    timed = {row["model"] for row in document["means"] if row["seconds"]}
    usual = {name: value for name, value in _EXPERTS.items() if name not in ("seconds", "compensated")}
    rows = [
        row
        for row in document["means"]
        if row["model"] in timed
        and row["noise"] == "pcm"
        and row["magnitude"] == 1.0
        and row["scope"] == "layer"
        and _is(row, usual)
        and (row["digital_pct"] == 0 or (row["digital_pct"] == FIXED_PCT and row["selector"] in (MAXNN, OURS)))
    ]
    if not rows:
        return []
    lines = [
        (
            row["model"],
            _duration(row["seconds"]),
            "yes" if row["compensated"] else "",
            _chosen(row),
            row["chips"],
            *_figures(row),
        )
        for row in sorted(rows, key=lambda row: (_place(document, row), row["seconds"], row["compensated"]))
    ]
    names = {ANY: "none digital"} | {name: f"{FIXED_PCT:g} % by {SELECTORS[name]}" for name in (MAXNN, OURS)}
    return [
        "pcm noise of c = 1, drift and read noise; compensated is by a factor for each tile.",
        Picture(
            stem=f"{NAME}-drift",
            caption="Rise of the perplexity with the time since programming",
            figure=draw_drift(rows, selectors=names, about=_about(document)),
        ),
        Table(heads=("model", "after", "compensated", "digital", "chips", *_HEADS), rows=lines, left=4),
    ]


def cost_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Energy, throughput and area by placement."""
    lines = [
        (
            row["model"],
            row["view"],
            "all modules" if row["analog"] == "all" else f"{100 - row['digital_pct']:g} % of the experts",
            row["multiplier"] if row["digital_pct"] else "",
            f"{1e-3 * row['energy_nj']:,.2f}",
            f"{1e-3 * row['experts_nj']:,.2f}",
            f"{row['tokens_per_s']:,.0f}",
            f"{row['tokens_per_j']:,.0f}",
            f"{row['area_mm2']:,.1f}",
        )
        for row in document["costs"]
    ]
    arrays = [
        (
            row["multiplier"],
            row["array"],
            row["arrays"],
            f"{row['product_pj']:.2f}",
            f"{row['idle_pj']:.2f}",
            f"{row['period_ns']:.2f}",
            f"{row['area_mm2']:.4f}",
        )
        for row in document["arrays"]
    ]
    heads = ("model", "view", "analog", "digital experts", "uJ", "uJ of experts")
    settings = document["settings"]
    return [
        f"A token of a batch of 64. Arrays are measured from gates ({settings['library']}, {settings['engine']}):",
        Table(
            heads=("multiplier", "array", "number", "pJ a product", "pJ idle", "ns", "mm2 each"), rows=arrays, left=2
        ),
        "All that is no expert uses exact arrays; approximate digital experts have as many of their own. Digital "
        "experts are those that are used most, which is the most that so many cost. Tiles are those of the models "
        "here, of 512 x 512 for published ones, which have 4,096 arrays and 16 channels of DRAM and are costed only. "
        "Area is that of arrays and tiles. See docs/analog.md for what is left out.",
        Table(heads=(*heads, "tokens/s", "tokens/(W s)", "mm2"), rows=lines, left=4),
    ]


def front_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Fronts of perplexity and energy over share and multiplier."""
    if not document["front"]:
        return []
    pictures: list[Block] = []
    reference = {
        row["model"]: row["perplexity"]
        for row in document["front"]
        if row["digital_pct"] == 100 and row["multiplier"] == document["settings"]["multipliers"][0]
    }
    for model in dict.fromkeys(row["model"] for row in document["front"]):
        rows = [row for row in document["front"] if (row["model"], row["view"]) == (model, ARITHMETIC.name)]
        pictures.append(
            Picture(
                stem=f"{NAME}-front-{str(model).replace('_', '-')}",
                caption=f"Perplexity against energy of {model}",
                figure=draw_energy_front(
                    rows,
                    about=f"{model}, pcm noise of c = {MAIN_MAGNITUDE:g} and converters; {ARITHMETIC.name}",
                    reference=float(reference[model]),
                ),
            )
        )
    lines = [
        (
            row["model"],
            row["view"],
            row["multiplier"] if row["digital_pct"] else "",
            f"{row['digital_pct']:g}",
            f"{row['energy_pct']:.2f}",
            f"{row['perplexity']:.4f}",
            f"{row['perplexity_deviation']:.4f}",
            f"{row['rise_pct']:+.2f}",
            "yes" if row["on_front"] else "",
        )
        for row in document["front"]
    ]
    volumes = [
        (
            row["model"],
            row["view"],
            row["multiplier"],
            f"{100 * row['hypervolume']:.1f}",
            "" if row["gain_error"] is None else f"{100 * row['gain']:+.1f} ± {100 * row['gain_error']:.1f}",
        )
        for row in document["hypervolumes"]
    ]
    heads = (
        "model",
        "view",
        "multiplier",
        "digital %",
        "energy %",
        "perplexity",
        "deviation",
        "rise %",
        "on the front",
    )
    return [
        "Digital experts in int8, over all layers by our scores; energy against all experts digital and exact, and so "
        "is the rise. Dominated is the share of the rectangle from all experts analog to all of them digital and exact "
        "that points with one multiplier dominate by themselves; its gain over the exact one is a mean over seeds.",
        *pictures,
        Table(heads=("model", "view", "multiplier", "dominated %", "gain %"), rows=volumes, left=3),
        Table(heads=heads, rows=lines, left=3),
    ]


def policy_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Budgets, and sets that adapt, against a fixed share."""
    if not document["policies"]:
        return []
    sites = {row["model"]: row["routed_experts"] for row in document["models"]}
    fixed = [
        row
        for row in _freshly(document, scope="layer", digital_pct=FIXED_PCT, **_EXPERTS)
        if row["selector"] in (MAXNN, OURS) and row["noise"] in ("none", "pcm")
    ]
    budget = [row for row in document["policies"] if row["policy"] == BUDGET and row["digital_pct"] == FIXED_PCT]
    adapted = [row for row in document["policies"] if row["policy"] == ADAPTED]
    studied = {(row["model"], row["magnitude"]) for row in document["policies"]}
    rows = [
        {**row, "digital_share_pct": 100 * row["digital_experts"] / sites[row["model"]]}
        for row in [*fixed, *budget, *adapted]
        if (row["model"], row["magnitude"]) in studied
    ]
    lines = [
        (
            row["model"],
            f"energy of {row['digital_pct']:g} % by MaxNNScore" if row["policy"] == BUDGET else row["policy"],
            f"{row['magnitude']:g}",
            f"{row['digital_experts']:g} of {sites[row['model']]}",
            "" if row["budget_nj"] is None else f"{1e-3 * row['budget_nj']:.3f}",
            f"{1e-3 * row['energy_nj']:.3f}",
            "" if row["predicted_pct"] is None else f"{row['predicted_pct']:+.2f}",
            *_figures(row),
        )
        for row in document["policies"]
    ]
    names = {
        (MAXNN, "fixed"): f"{FIXED_PCT:g} % by MaxNNScore",
        (OURS, "fixed"): f"{FIXED_PCT:g} % by our scores",
        (OURS, BUDGET): "energy of MaxNNScore's",
        (OURS, ADAPTED): "adapted to the noise",
    }
    limit = document["settings"]["rise_pct"]
    return [
        "Within a budget those experts are digital whose predicted rises add up to most, as a knapsack; the budget is "
        "the energy of a token with the fixed share that MaxNNScore chooses, gates scaled to 14 nm and weights from "
        f"SRAM. Adapted is the smallest set with which the perplexity is predicted to rise by at most {limit:g} %, by "
        "a model fitted on validation text and other chips: the rise of converters, and of noise by its square.",
        Picture(
            stem=f"{NAME}-policies",
            caption="Rise of the perplexity and digital experts by policy",
            figure=draw_policies(rows, lines=names, limit=limit, about=_about(document)),
        ),
        Table(heads=("model", "policy", "c", "digital", "budget uJ", "uJ", "predicted %", *_HEADS), rows=lines, left=2),
    ]


_CONVERTERS = {"chosen": "8 bits", "published": "8 bits, published ranges", "ideal": "ideal"}
_HEADS = ("perplexity", "deviation", "rise %", "accuracy %", "recovered %")


def _figures(row: Row) -> tuple[str, ...]:
    return (
        f"{row['perplexity']:.4f}",
        f"{row['perplexity_deviation']:.4f}",
        f"{row['rise_pct']:+.2f}",
        f"{100 * row['accuracy']:.2f}",
        _share(row),
    )


def _share(row: Row) -> str:
    if row["recovered_pct"] is None:
        return ""
    error = row["recovered_error"]
    return f"{row['recovered_pct']:.0f}" + ("" if error is None else f" ± {error:.0f}")


def _recovered_tables(document: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Table]:
    """A line for each model, magnitude and selector, a column for each share."""
    rows = [row for row in _freshly(document, **wanted) if row["recovered_pct"] is not None]
    rows = [row for row in rows if row["noise"] in ("none", "pcm") and row["digital_pct"] < 100]
    if not rows:
        return []
    shares = sorted({float(row["digital_pct"]) for row in rows})
    keys = dict.fromkeys((row["model"], row["magnitude"], row["selector"]) for row in rows)
    by_place = {(row["model"], row["magnitude"], row["selector"], row["digital_pct"]): row for row in rows}
    lines = [
        (
            model,
            SELECTORS[selector],
            f"{magnitude:g}",
            *(
                _share(row) if (row := by_place.get((model, magnitude, selector, share))) is not None else ""
                for share in shares
            ),
        )
        for model, magnitude, selector in keys
    ]
    heads = ("model", "selector", "c", *(f"{share:g} % digital" for share in shares))
    return [Table(heads=heads, rows=lines, left=2)]


def _freshly(document: Mapping[str, Any], **wanted: Any) -> list[Row]:
    """Means of pcm noise or none, with these values."""
    return [row for row in document["means"] if row["noise"] in ("none", "pcm") and _is(row, wanted)]


def _is(row: Row, wanted: Mapping[str, Any]) -> bool:
    return all(row[name] == value for name, value in wanted.items())


def _place(document: Mapping[str, Any], row: Row) -> int:
    names: Sequence[str] = [each["model"] for each in document["models"]]
    return names.index(row["model"])


def _chosen(row: Row) -> str:
    return "none" if not row["digital_pct"] else f"{row['digital_pct']:g} % by {SELECTORS[row['selector']]}"


def _duration(seconds: float) -> str:
    units: Iterable[tuple[float, str]] = ((86400.0, "days"), (3600.0, "hours"))
    for size, name in units:
        if seconds >= size:
            return f"{seconds / size:g} {name if seconds > size else name[:-1]}"
    return "at once"


def _about(document: Mapping[str, Any]) -> str:
    settings = document["settings"]
    return f"held-out text {settings['text']}; pcm noise; tiles of {settings['tile']}, 8-bit converters"
