"""Scores of experts by all selectors of the study, kept as they are found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from axhw.analog.converters import FloatArray
from axhw.analog.operators import Programming
from axhw.analog.placement import Placement, Scope, place
from axhw.analog.programming_noise import Pcm
from axhw.analog.selectors import selector
from axhw.experiments.analog_moe.plan import MAIN_MAGNITUDE, ORACLE
from axhw.experiments.analog_moe.subjects import Subject
from axhw.experiments.parts import Parts

MAIN_NOISE = Programming(noise=Pcm(magnitude=MAIN_MAGNITUDE))
"""What scores that depend on the noise are for: rises grow with its square, so that their order is that of all."""


@dataclass(frozen=True, kw_only=True)
class Rankings:
    """Of a model, from its validation text.

    Attributes
    ----------
    subject : Subject
    parts : Parts
    """

    subject: Subject
    parts: Parts

    def scores(self, name: str, programming: Programming) -> FloatArray:
        """Scores of shape (layers, experts) by a selector; those by the seed are for this chip."""
        chosen = selector(name)
        noise = MAIN_NOISE
        if chosen.by_seed:
            noise = Programming(noise=MAIN_NOISE.noise, seed=programming.seed, mirrored=programming.mirrored)
        settings = self.subject.settings | {"selector": repr(chosen), "noise": repr(noise)}
        settings["seeds"] = self.subject.plan.selector_seeds
        if name == ORACLE:
            settings["most_bytes"] = self.subject.depth.oracle_bytes

        def make() -> list[list[float]]:
            selection = self.subject.oracle_selection if name == ORACLE else self.subject.selection
            found: list[list[float]] = chosen.scores(selection, noise).tolist()
            return found

        return np.array(self.parts.remember(f"scores-{self.subject.name}-{name}", settings, make))

    def place(self, name: str, programming: Programming, *, share_pct: float, scope: Scope = "layer") -> Placement:
        """The digital experts by a selector."""
        scores = self.scores(name, programming)
        return place(scores, self.subject.config, share=share_pct / 100, scope=scope)
