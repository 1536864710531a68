"""The words of the report: what was done, under which conditions, and what the figures mean."""

from __future__ import annotations

import datetime
import math
from statistics import NormalDist

from axhw.nn.evaluate import EvaluationResult
from axhw.report.comparison import Comparison
from axhw.report.numbers import accuracy_decimals, fixed, ratio

_CONFIDENCE = 0.95


def summary(comparison: Comparison, *, date: datetime.date) -> list[str]:
    """What was done and what came out, in two short paragraphs."""
    designs, baseline = comparison.designs, comparison.baseline
    cost, result = baseline.cost, baseline.evaluation
    least = min(designs, key=lambda design: design.inference_nj)
    share = ratio(comparison.ratio(least, lambda design: design.inference_nj))
    count = f"{len(designs)} multipliers were" if len(designs) > 1 else "One multiplier was"
    done = (
        f"{count} generated, mapped to {cost.library} ({cost.corner}) with Yosys ({cost.engine}), compared with "
        f"the golden model over all operand pairs, costed over {cost.stream}, and put into every layer of "
        f"{result.network}, which classified {result.images:,} {result.split} images of {result.dataset}, "
        f"split seed {result.seed}. Run of {date:%Y-%m-%d} with axhw {_versions(comparison)}."
    )
    found = (
        f"The least energy is that of {least.name}: {share} the energy per inference of {baseline.name}, with "
        f"{_percent(least.evaluation.approximate_accuracy, result)} of the images right, "
        f"{_percent(least.evaluation.exact_accuracy, result)} with exact products."
    )
    return [done, found]


def conditions(comparison: Comparison, *, date: datetime.date) -> list[tuple[str, str]]:
    """What the figures depend on, as pairs of name and value."""
    cost, result = comparison.baseline.cost, comparison.baseline.evaluation
    floating = result.float_accuracy
    return [
        ("Cell library", f"{cost.library}, {cost.corner} (SHA-256 {cost.library_sha256[:16]}…)"),
        ("Synthesis", f"Yosys ({cost.engine})"),
        ("Timing model", cost.timing_model),
        ("Input slew, output load", f"{cost.input_slew_ns:.3g} ns, {cost.output_load_ff:.3g} fF"),
        ("Operand stream", cost.stream),
        ("Verification", "; ".join(dict.fromkeys(d.record.verification.method for d in comparison.designs))),
        ("Network", f"{result.network}, {result.multiplications:,.0f} multiplications per inference"),
        ("Data", f"{result.images:,} {result.split} images of {result.dataset}, split seed {result.seed}"),
        ("Accuracy in float", "no float network" if floating is None else _percent(floating, result)),
        ("axhw", _versions(comparison)),
        ("Date of the run", f"{date:%Y-%m-%d}"),
    ]


def conventions(comparison: Comparison) -> list[str]:
    """How area, delay, energy, error and accuracy are defined, a sentence or two each."""
    baseline = comparison.baseline
    cost, result = baseline.cost, baseline.evaluation
    low, high = wilson_interval(result.exact_accuracy, result.images)
    return [
        "Every figure is of the mapped gates. Wires have neither delay nor capacitance.",
        "An operation is the change from one operand pair of the stream to the next. Its energy is that inside the "
        "cells, by slew and load, and C·V²/2 for every transition of a net, with the transitions of a timed "
        "simulation: each gate has its delay, and pulses shorter than that vanish.",
        f"Without delays there are no glitches, which bounds the energy from below; if no pulse vanished, it would be "
        f"{ratio(cost.energy_transport_fj / cost.energy_fj)} as high for {baseline.name}. Leakage is left out: "
        f"for {baseline.name} it is {cost.leakage_fj:.2g} fJ per operation at {cost.clock_mhz:g} MHz.",
        "An error is the product minus the exact product, in units of the product's last bit (LSB), and every mean "
        "is over all operand pairs, each counted once.",
        "The network multiplies 8-bit codes with the product table extracted from the gates, padding included. "
        "Additions, biases and rescaling are exact.",
        "The energy of an inference counts its multiplications only, no additions, memory or control, each at the "
        "energy per operation over the stream above, not over the operands of the network.",
        f"One image is {100 / result.images:.2g} percentage points. An accuracy of "
        f"{_percent(result.exact_accuracy, result)} on {result.images:,} images has a 95 % confidence interval "
        f"(Wilson) from {_percent(low, result)} to {_percent(high, result)}.",
    ]


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95 % score interval of a probability that was estimated by `share` of `count` trials (Wilson, 1927)."""
    z2 = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2) ** 2 / count
    centre = (share + z2 / 2) / (1 + z2)
    spread = math.sqrt(share * (1 - share) * z2 + z2**2 / 4) / (1 + z2)
    return centre - spread, centre + spread


def _percent(share: float, result: EvaluationResult) -> str:
    return f"{fixed(100 * share, accuracy_decimals(result.images))} %"


def _versions(comparison: Comparison) -> str:
    return ", ".join(sorted({design.record.provenance.axhw_version for design in comparison.designs}))
