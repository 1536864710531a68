"""The claims of arXiv 2603.02633 and our targets beside what was measured; whether they are met follows from the rows.

A claim is met if it is on every model that has the rows for it; claims that no model has the rows for are left out, and
told as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from axhw.experiments.analog_moe.costs import ALL, ARITHMETIC
from axhw.experiments.analog_moe.plan import (
    FIXED_PCT,
    LARGE_WEIGHTS,
    MAIN_MAGNITUDE,
    MAXNN,
    ORACLE,
    OUR_CHIP,
    OURS,
    RIVALS,
    SELECTORS,
)
from axhw.experiments.analog_moe.points import ANY, Row
from axhw.experiments.analog_moe.policies import ADAPTED, BUDGET
from axhw.experiments.claims import Claim, Missing, computed

DENSE_MAGNITUDE = 1.5
"""At which the paper compares keeping dense modules and keeping experts digital."""

MOST_RISE_PCT = 1.0
LEAST_RECOVERED_PCT = 100 / 3
TARGET_RECOVERED_PCT = 50.0
LEAST_ERRORS = 2
"""By how many standard errors something has to be better."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What claims are computed from.

    Attributes
    ----------
    means : sequence of rows of `axhw.experiments.analog_moe.points.means`
    costs, volumes : sequence of rows of `axhw.experiments.analog_moe.costs`
    policies : sequence of rows of `axhw.experiments.analog_moe.policies.policy_means`
    about : str
        Text and models.
    large : collection of str
        Models of `LARGE_WEIGHTS` or more.
    """

    means: Sequence[Row]
    costs: Sequence[Row]
    volumes: Sequence[Row]
    policies: Sequence[Row]
    about: str
    large: Collection[str] = ()

    @property
    def models(self) -> list[str]:
        """Their names."""
        return list(dict.fromkeys(str(row["model"]) for row in self.means))

    def magnitudes(self, model: str) -> list[float]:
        """Of pcm noise that selectors were held against each other at, 0 included."""
        found = {row["magnitude"] for row in self.means if row["model"] == model and row["selector"] == MAXNN}
        return sorted(
            magnitude
            for magnitude in found
            if self.find(model, selector=MAXNN, magnitude=magnitude, digital_pct=FIXED_PCT) is not None
        )

    def find(self, model: str, **columns: Any) -> Row | None:
        """The row with these values, of freshly programmed experts without policy unless told otherwise."""
        wanted = {**_USUAL, "model": model, **columns}
        wanted.setdefault("noise", "pcm" if wanted["magnitude"] else "none")
        found = (row for row in self.means if all(row[name] == value for name, value in wanted.items()))
        return next(found, None)

    def get(self, model: str, **columns: Any) -> Row:
        """As `find`.

        Raises
        ------
        Missing
            Without such a row.
        """
        row = self.find(model, **columns)
        if row is None:
            words = ", ".join(f"{name} {value}" for name, value in columns.items())
            raise Missing(f"{model} with {words}")
        return row


_USUAL: dict[str, Any] = {
    "analog": "experts",
    "converters": "chosen",
    "seconds": 0.0,
    "compensated": False,
    "selector": ANY,
    "scope": "layer",
    "digital_pct": 0.0,
    "multiplier": "float32",
    "policy": "fixed",
    "magnitude": 0.0,
}


def on_each(measured: Measured, judge: Callable[[str], tuple[bool, str]]) -> tuple[bool, str]:
    """Whether a claim is met on all models that have the rows for it, and what is to be said of them.

    Raises
    ------
    Missing
        If none has.
    """
    found, lacks = list[tuple[bool, str]](), list[Missing]()
    for model in measured.models:
        try:
            found.append(judge(model))
        except Missing as lack:
            lacks.append(lack)
    if not found:
        raise lacks[0] if lacks else Missing("a model")
    return all(met for met, _ in found), "; ".join(text for _, text in found)


def claims(measured: Measured) -> tuple[list[Claim], list[dict[str, str]]]:
    """All claims, and those that could not be computed with what they lack."""
    makers: dict[str, Callable[[Measured], Claim]] = {
        CONVERTERS: _converters,
        AT_MOST: _at_most,
        DENSE: _dense,
        BEATS: _beats,
        THIRD: _third,
        HALF: _half,
        HALF_OF_LARGE: _half_of_large,
        THROUGHPUT: _throughput,
        APPROXIMATE: _approximate,
        BUDGETS: _budgets,
        ADAPTS: _adapts,
    }
    return computed(makers, measured)


CONVERTERS = "DACs and ADCs alone cost little with experts analog, and more with all other modules analog, too."
AT_MOST = "With experts analog, DACs and ADCs alone cost at most 1 % of the perplexity."
DENSE = "At c = 1.5, keeping the dense modules digital recovers more than keeping 25 % of the experts digital, too."
BEATS = "MaxNNScore beats the other selectors at every magnitude of the noise."
THIRD = "At c = 2.5, MaxNNScore recovers a third to a half of the loss with 25 % of the experts digital."
HALF = "At c = 2.5, 25 % of the experts digital recover at least half of the loss, by MaxNNScore or a better selector."
HALF_OF_LARGE = "They recover at least half of it in models of 10 million weights or more."
THROUGHPUT = "Throughput grows from all experts digital over 25 % digital to all experts analog."
APPROXIMATE = "Approximate digital experts lower the front of perplexity and energy."
BUDGETS = "Experts chosen within an energy budget are better than 25 % of each layer, at the same energy."
ADAPTS = "The set that adapts to the noise keeps the perplexity within its limit at every magnitude."


def _converters(measured: Measured) -> Claim:
    def judge(model: str) -> tuple[bool, str]:
        few, many = (measured.get(model, magnitude=0.0, analog=analog)["rise_pct"] for analog in ("experts", "all"))
        published = [
            row["rise_pct"]
            for analog in ("experts", "all")
            if (row := measured.find(model, magnitude=0.0, analog=analog, converters="published")) is not None
        ]
        words = f"{model} {few:+.2f} and {many:+.2f} %"
        if len(published) == 2:
            words += f" ({published[0]:+.2f} and {published[1]:+.2f} % with K = 18, lambda = 14)"
        return few < many, words

    met, words = on_each(measured, judge)
    return Claim(
        claim=CONVERTERS,
        paper="accuracy DeepSeekMoE 61.28 digital, 61.03 experts, 55.04 all; OLMoE 63.17, 62.46, 61.54",
        ours=f"perplexity with experts and with all analog: {words}",
        met=met,
        basis=f"{measured.about}; 8-bit converters, ranges of least error on validation text; met if the perplexity "
        "rises less with experts analog than with all",
    )


def _at_most(measured: Measured) -> Claim:
    def judge(model: str) -> tuple[bool, str]:
        rise = float(measured.get(model, magnitude=0.0)["rise_pct"])
        return rise <= MOST_RISE_PCT, f"{model} {rise:+.2f} %"

    met, words = on_each(measured, judge)
    return Claim(
        claim=AT_MOST,
        paper="not in the paper (our target)",
        ours=words,
        met=met,
        basis=f"{measured.about}; 8-bit converters, ranges of least error on validation text, no other noise; met if "
        f"the perplexity rises by at most {MOST_RISE_PCT:g} %",
    )


def _dense(measured: Measured) -> Claim:
    def judge(model: str) -> tuple[bool, str]:
        everything = measured.get(model, magnitude=DENSE_MAGNITUDE, analog="all")
        experts = measured.get(model, magnitude=DENSE_MAGNITUDE)
        some = measured.get(model, magnitude=DENSE_MAGNITUDE, selector=MAXNN, digital_pct=FIXED_PCT)
        met = everything["rise_nats"] - experts["rise_nats"] > experts["rise_nats"] - some["rise_nats"]
        return met, (
            f"{model} {everything['rise_pct']:+.2f} % all analog, {experts['rise_pct']:+.2f} % dense digital, "
            f"{some['rise_pct']:+.2f} % with {FIXED_PCT:g} % of the experts"
        )

    met, words = on_each(measured, judge)
    return Claim(
        claim=DENSE,
        paper="accuracy of OLMoE 58.45 all analog, 60.73 dense digital, 61.82 with 25 % of the experts",
        ours=f"perplexity: {words}",
        met=met,
        basis=f"{measured.about}; pcm noise and converters, experts by MaxNNScore in each layer; met if the first step "
        "takes more nats away than the second one",
    )


def _beats(measured: Measured) -> Claim:
    wins = list[bool]()

    def judge(model: str) -> tuple[bool, str]:
        magnitudes = measured.magnitudes(model)
        if not magnitudes:
            raise Missing(f"{model} by MaxNNScore")
        lost = []
        for magnitude in magnitudes:
            own, *others = (
                measured.get(model, magnitude=magnitude, selector=name, digital_pct=FIXED_PCT)
                for name in (MAXNN, *RIVALS)
            )
            best = min(others, key=lambda row: float(row["nats_per_token"]))
            wins.append(bool(own["nats_per_token"] < best["nats_per_token"]))
            if not wins[-1]:
                lost.append(f"to {SELECTORS[best['selector']]} at {magnitude:g}")
        return not lost, f"{model} loses {', '.join(lost)}" if lost else f"{model} best everywhere"

    met, words = on_each(measured, judge)
    return Claim(
        claim=BEATS,
        paper="MaxNNScore is the best selector at every magnitude",
        ours=f"best at {sum(wins)} of {len(wins)}: {words}",
        met=met,
        basis=f"{measured.about}; {FIXED_PCT:g} % of each layer digital, pcm noise and converters, magnitude 0 for "
        f"converters alone; against {', '.join(SELECTORS[name] for name in RIVALS)}; met if the mean loss is the least "
        "at every magnitude",
    )


def _third(measured: Measured) -> Claim:
    def judge(model: str) -> tuple[bool, str]:
        row = measured.get(model, magnitude=MAIN_MAGNITUDE, selector=MAXNN, digital_pct=FIXED_PCT)
        return _recovered(row) >= LEAST_RECOVERED_PCT, f"{model} {_share(row)}"

    met, words = on_each(measured, judge)
    return Claim(
        claim=THIRD,
        paper="a third to a half of the loss",
        ours=words,
        met=met,
        basis=f"{measured.about}; {FIXED_PCT:g} % of each layer digital, pcm noise and converters; share of the rise "
        "of the loss in nats, and its standard error over seeds; met if it is at least a third",
    )


def _half(measured: Measured) -> Claim:
    return _recovering(measured, HALF, judged=measured.models, which="every model")


def _half_of_large(measured: Measured) -> Claim:
    large = [model for model in measured.models if model in measured.large]
    if not large:
        raise Missing(f"a model of {LARGE_WEIGHTS:,} weights or more")
    return _recovering(measured, HALF_OF_LARGE, judged=large, which=f"every model of {LARGE_WEIGHTS:,} weights or more")


def _recovering(measured: Measured, claim: str, *, judged: Sequence[str], which: str) -> Claim:
    recovered: dict[tuple[str, str], list[float]] = {key: [] for key in _CANDIDATES}
    texts = []
    for model in judged:
        rows = {
            (name, scope): measured.find(
                model, magnitude=MAIN_MAGNITUDE, selector=name, digital_pct=FIXED_PCT, scope=scope
            )
            for name, scope in (*_CANDIDATES, (ORACLE, "layer"), (ORACLE, "global"))
        }
        there = {key: row for key, row in rows.items() if row is not None}
        if not any(key in _CANDIDATES for key in there):
            continue
        for key, found in recovered.items():
            found.append(_recovered(there[key]) if key in there else 0.0)
        words = [f"{SELECTORS[name]}, {_SCOPES[scope]}: {_share(row)}" for (name, scope), row in there.items()]
        texts.append(f"{model}: {', '.join(words)}")
    if not texts:
        raise Missing(f"{judged[0] if judged else 'a model'} with {FIXED_PCT:g} % of the experts digital")
    worst = {key: min(found, default=0.0) for key, found in recovered.items()}
    best = max(worst, key=lambda key: worst[key])
    name, scope = best
    return Claim(
        claim=claim,
        paper="a third to a half of the loss, by MaxNNScore",
        ours=f"{SELECTORS[name]}, {_SCOPES[scope]}, at least {worst[best]:.0f} %; {'; '.join(texts)}",
        met=worst[best] >= TARGET_RECOVERED_PCT,
        basis=f"{measured.about}; {FIXED_PCT:g} % of the experts digital, pcm noise and converters; share of the rise "
        "of the loss in nats, and its standard error over seeds; met if one selector recovers at least "
        f"{TARGET_RECOVERED_PCT:g} % on {which}; oracles don't count",
    )


_SCOPES = {"layer": "each layer", "global": "all layers"}
_CANDIDATES = ((MAXNN, "layer"), (MAXNN, "global"), (OURS, "layer"), (OURS, "global"), (OUR_CHIP, "global"))


def _throughput(measured: Measured) -> Claim:
    met, texts = True, []
    keys = list(dict.fromkeys((str(row["model"]), str(row["view"])) for row in measured.costs))
    if not keys:
        raise Missing("costs")
    for model, view in keys:
        own = [row for row in measured.costs if (row["model"], row["view"]) == (model, view)]
        exact = own[0]["multiplier"]
        by_share = {
            row["digital_pct"]: float(row["tokens_per_s"])
            for row in own
            if row["analog"] == "experts" and row["multiplier"] == exact
        }
        digital, some, analog = by_share[100.0], by_share[FIXED_PCT], by_share[0.0]
        met = met and digital < some < analog
        if view != ARITHMETIC.name:
            texts.append(f"{model} {digital:,.0f}, {some:,.0f}, {analog:,.0f}")
    return Claim(
        claim=THROUGHPUT,
        paper="OLMoE: 4,220 tokens/s all digital, 14,513 with 25 % of the experts digital, 49,781 experts analog",
        ours=f"tokens/s: {'; '.join(texts)}",
        met=met,
        basis="bound by the busiest resource, batch 64, exact arrays of a given number for all that is digital, the "
        "most used experts digital; gates scaled to 14 nm; met if both steps gain on every model, with gates as "
        "measured, too",
    )


def _approximate(measured: Measured) -> Claim:
    rows = [row for row in measured.volumes if row["view"] == ARITHMETIC.name]
    if not any(row["gain_error"] is not None for row in rows):
        raise Missing("fronts on several seeds")

    def judge(model: str) -> tuple[bool, str]:
        own = {row["multiplier"]: row for row in rows if row["model"] == model}
        if not own:
            raise Missing(f"a front of {model}")
        exact, *_ = own.values()
        others = [row for row in own.values() if row["gain_error"] is not None and row is not exact]
        best = max(others, key=lambda row: float(row["gain"]))
        gain, error = 100 * float(best["gain"]), 100 * float(best["gain_error"])
        return gain > LEAST_ERRORS * error, (
            f"{model} {100 * exact['hypervolume']:.1f} % with exact ones, {100 * best['hypervolume']:.1f} % with "
            f"{best['multiplier']} ({gain:+.1f} ± {error:.1f} %), {100 * own[ALL]['hypervolume']:.1f} % with all"
        )

    met, words = on_each(measured, judge)
    return Claim(
        claim=APPROXIMATE,
        paper="not in the paper (our target)",
        ours=f"dominated share: {words}",
        met=met,
        basis=f"{measured.about}; pcm noise of {MAIN_MAGNITUDE:g} and converters, digital experts in int8 by our "
        f"selector over all layers, {ARITHMETIC.name}; share of the rectangle from all experts analog to all digital "
        "and exact, in perplexity and energy; met if digital experts with one approximate multiplier alone dominate "
        f"more than as many points with exact ones, by more than {LEAST_ERRORS} standard errors over seeds",
    )


def _budgets(measured: Measured) -> Claim:
    wins, total, texts = {MAXNN: 0, OURS: 0}, 0, []
    for row in measured.policies:
        if row["policy"] != BUDGET or row["digital_pct"] != FIXED_PCT or not row["magnitude"]:
            continue
        fixed = {
            name: measured.get(row["model"], magnitude=row["magnitude"], selector=name, digital_pct=FIXED_PCT)
            for name in (MAXNN, OURS)
        }
        total += 1
        for name, other in fixed.items():
            wins[name] += bool(row["nats_per_token"] < other["nats_per_token"])
        if row["magnitude"] == MAIN_MAGNITUDE:
            texts.append(
                f"{row['model']} {row['rise_pct']:+.2f} % within the budget, {fixed[MAXNN]['rise_pct']:+.2f} % by "
                f"MaxNNScore, {fixed[OURS]['rise_pct']:+.2f} % with as many by our scores"
            )
    if not total:
        raise Missing("experts chosen within a budget")
    return Claim(
        claim=BUDGETS,
        paper="not in the paper (left open there)",
        ours=f"better than MaxNNScore at {wins[MAXNN]} of {total} models and magnitudes, than our scores in each layer "
        f"at {wins[OURS]}; at c = {MAIN_MAGNITUDE:g}: {'; '.join(texts)}",
        met=wins[MAXNN] == total,
        basis=f"{measured.about}; budget: the energy of a token with {FIXED_PCT:g} % of each layer digital by "
        "MaxNNScore, gates scaled to 14 nm, weights from SRAM; gains are our scores; met if the mean loss is less than "
        "that of MaxNNScore's experts at every magnitude above 0",
    )


def _adapts(measured: Measured) -> Claim:
    rows = [row for row in measured.policies if row["policy"] == ADAPTED]
    if not rows:
        raise Missing("experts that adapt to the noise")
    texts = []
    for model in dict.fromkeys(row["model"] for row in rows):
        words = [
            f"{row['rise_pct']:+.2f} % with {row['digital_pct']:.0f} % digital at {row['magnitude']:g}"
            for row in rows
            if row["model"] == model
        ]
        texts.append(f"{model} {', '.join(words)}")
    return Claim(
        claim=ADAPTS,
        paper="not in the paper (left open there)",
        ours="; ".join(texts),
        met=all(row["rise_pct"] <= row["limit_pct"] for row in rows),
        basis=f"{measured.about}; limit {rows[0]['limit_pct']:g} % more perplexity, rises predicted from validation "
        "text and other chips; met if the mean rise is within the limit at every magnitude",
    )


def _recovered(row: Row) -> float:
    """Share of the loss in %.

    Raises
    ------
    Missing
        Where nothing is lost.
    """
    if row["recovered_pct"] is None:
        raise Missing(f"a loss of {row['model']} to recover")
    return float(row["recovered_pct"])


def _share(row: Row) -> str:
    """Share of the loss with its error."""
    error = row["recovered_error"]
    return f"{_recovered(row):.0f} %" if error is None else f"{_recovered(row):.0f} ± {error:.0f} %"
