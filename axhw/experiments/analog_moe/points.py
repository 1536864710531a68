"""What is measured: a placement on a chip, and the row that it makes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from axhw.analog.evaluation import Case, Evaluator
from axhw.analog.operators import Programming
from axhw.analog.placement import Placement
from axhw.analog.programming_noise import MODELS
from axhw.analog.tasks import Progress
from axhw.experiments.analog_moe.subjects import Hardware, Subject
from axhw.experiments.parts import Parts

Row: TypeAlias = Mapping[str, Any]

ANY = "any"
"""Selector of points without analog or without digital experts, which are the same for all."""

SAME = (
    "model",
    "analog",
    "converters",
    "noise",
    "magnitude",
    "seconds",
    "compensated",
    "selector",
    "scope",
    "digital_pct",
    "multiplier",
    "policy",
)
"""Columns that tell points from each other; rows of one point differ in their chips."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A placement on a chip.

    Attributes
    ----------
    placement : Placement
    hardware : Hardware
    programming : Programming
    selector : str
    scope : str
    digital_pct : float
        Digital experts that were asked for.
    policy : str
        How their number was found: "fixed", or what a policy kept to.
    """

    placement: Placement
    hardware: Hardware = field(default_factory=Hardware)
    programming: Programming = field(default_factory=Programming)
    selector: str = ANY
    scope: str = "layer"
    digital_pct: float = 0.0
    policy: str = "fixed"

    def columns(self, model: str) -> dict[str, Any]:
        """Its place in the study."""
        programming = self.programming
        return {
            "model": model,
            "analog": self.hardware.analog,
            "converters": self.hardware.converters,
            **noise_columns(programming),
            "selector": self.selector,
            "scope": self.scope,
            "digital_pct": self.digital_pct,
            "multiplier": self.hardware.multiplier or "float32",
            "policy": self.policy,
            "seed": programming.seed,
            "mirrored": programming.mirrored,
            "digital_experts": len(self.placement.digital),
        }

    @property
    def digest(self) -> str:
        """Of its experts."""
        experts = [(site.layer, site.expert) for site in sorted(self.placement.digital)]
        return hashlib.sha256(repr(experts).encode()).hexdigest()[:16]


def noise_columns(programming: Programming) -> dict[str, Any]:
    """What chips are like."""
    noise = programming.noise
    names = {model: name for name, model in MODELS.items()}
    return {
        "noise": "none" if noise is None else names[type(noise)],
        "magnitude": 0.0 if noise is None else noise.magnitude,
        "seconds": 0.0 if programming.seconds is None else programming.seconds,
        "compensated": programming.compensated,
    }


def measured(
    subject: Subject,
    points: Sequence[Point],
    parts: Parts,
    *,
    name: str,
    progress: Progress,
    evaluator: Evaluator | None = None,
) -> list[Row]:
    """A row for each point, on the test text or what another evaluator has.

    Points of one chip, some hardware and one selector are kept as one part: more chips or selectors leave it valid.
    """
    used = subject.test if evaluator is None else evaluator
    where = "test" if evaluator is None else "selection"
    together: dict[tuple[Programming, Hardware, str], list[int]] = {}
    for index, point in enumerate(points):
        together.setdefault((point.programming, point.hardware, point.selector), []).append(index)
    rows: list[Row | None] = [None] * len(points)
    for done, indices in enumerate(together.values()):
        some = [points[index] for index in indices]
        told = [[_text(point, subject.name), point.digest] for point in some]
        multiplier = some[0].hardware.multiplier
        table = None if multiplier is None else subject.tables[multiplier].sha256
        settings = subject.settings | {"on": where, "points": told, "table": table}
        part = f"{name.replace(' ', '-')}-{subject.name}"
        tell = partial(progress, done, len(together), f"{subject.name}: {name}")
        found = parts.remember(part, settings, partial(_scored, subject, some, used, tell))
        for index, row in zip(indices, found):
            rows[index] = row
    return [row for row in rows if row is not None]


def _scored(subject: Subject, points: Sequence[Point], evaluator: Evaluator, tell: Callable[[], None]) -> list[Row]:
    tell()
    cases = [
        Case(hybrid=subject.hybrid(point.hardware), placement=point.placement, programming=point.programming)
        for point in points
    ]
    return [
        {
            **point.columns(subject.name),
            "tokens": score.tokens,
            "nats_per_token": score.nats_per_token,
            "perplexity": score.perplexity,
            "accuracy": score.accuracy,
        }
        for point, score in zip(points, evaluator.scores(cases))
    ]


def _text(point: Point, model: str) -> str:
    return repr((point.columns(model), point.programming))


def means(rows: Sequence[Row], references: Mapping[str, Row]) -> list[dict[str, Any]]:
    """A row for each point, over its chips.

    Parameters
    ----------
    rows : sequence of mapping
        From `measured`.
    references : mapping of str to mapping
        Rows of the models with digital experts in float32, by name.

    Returns
    -------
    list of dict
        With the rise of the loss against the reference; the share of it that digital experts take away, with its
        standard error over seeds, the two chips of a seed being one sample.
    """
    by_point: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        by_point.setdefault(tuple(row[name] for name in SAME), []).append(row)
    return [_mean(own, _without_digital(own[0], by_point), references[own[0]["model"]]) for own in by_point.values()]


def _without_digital(row: Row, by_point: Mapping[tuple[Any, ...], list[Row]]) -> list[Row]:
    """Rows of the same chips without digital experts."""
    base = {**row, "selector": ANY, "scope": "layer", "digital_pct": 0.0, "multiplier": "float32", "policy": "fixed"}
    return by_point.get(tuple(base[name] for name in SAME), [])


def _mean(rows: Sequence[Row], analog: Sequence[Row], reference: Row) -> dict[str, Any]:
    nats = np.array([row["nats_per_token"] for row in rows])
    accuracies = np.array([row["accuracy"] for row in rows])
    rise = float(nats.mean()) - float(reference["nats_per_token"])
    several = len(rows) > 1
    share, error = _recovered(rows, analog, float(reference["nats_per_token"]))
    return {
        **{name: rows[0][name] for name in SAME},
        "chips": len(rows),
        "digital_experts": float(np.mean([row["digital_experts"] for row in rows])),
        "nats_per_token": float(nats.mean()),
        "perplexity": math.exp(float(nats.mean())),
        "perplexity_deviation": float(np.exp(nats).std(ddof=1)) if several else 0.0,
        "accuracy": float(accuracies.mean()),
        "accuracy_deviation": float(accuracies.std(ddof=1)) if several else 0.0,
        "rise_nats": rise,
        "rise_pct": 100 * math.expm1(rise),
        "recovered_pct": share,
        "recovered_error": error,
    }


def _recovered(rows: Sequence[Row], analog: Sequence[Row], reference: float) -> tuple[float | None, float | None]:
    """Share of the loss in %, and its standard error; None where nothing is lost or nothing to compare with."""
    before = {(row["seed"], row["mirrored"]): float(row["nats_per_token"]) for row in analog}
    if not rows[0]["digital_experts"] or not all((row["seed"], row["mirrored"]) in before for row in rows):
        return None, None
    lost = float(np.mean(list(before.values()))) - reference
    if lost <= 0:
        return None, None
    gained: dict[int, list[float]] = {}
    for row in rows:
        gain = before[row["seed"], row["mirrored"]] - float(row["nats_per_token"])
        gained.setdefault(row["seed"], []).append(gain)
    by_seed = 100 * np.array([np.mean(values) for values in gained.values()]) / lost
    error = float(by_seed.std(ddof=1) / math.sqrt(len(by_seed))) if len(by_seed) > 1 else None
    return float(by_seed.mean()), error
