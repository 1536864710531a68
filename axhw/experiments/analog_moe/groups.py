"""The points of the study: conditions, selectors, other noise, and drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from axhw.analog.drift import PcmDrift, PcmReadNoise
from axhw.analog.operators import DENSE, Programming
from axhw.analog.placement import Placement, Scope
from axhw.analog.programming_noise import Pcm, programming_noise
from axhw.analog.sensitivity import mirrored_pairs
from axhw.experiments.analog_moe.plan import FIXED_PCT, MAIN_MAGNITUDE, MAXNN, OURS, Depth
from axhw.experiments.analog_moe.points import ANY, Point
from axhw.experiments.analog_moe.rankings import Rankings
from axhw.experiments.analog_moe.subjects import Analog, Converters, Hardware
from axhw.lm.layout import all_matrices

IDEAL = Hardware(converters="ideal")


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Points of a model.

    Attributes
    ----------
    rankings : Rankings
    """

    rankings: Rankings

    @property
    def depth(self) -> Depth:
        """How many there are."""
        return self.rankings.subject.depth

    def all(self) -> Iterator[tuple[str, list[Point]]]:
        """Points by the name of their group; each group is a part of the experiment."""
        yield "digital", [self._digital()]
        yield "conditions", list(self.conditions())
        if self.depth.modules:
            yield "modules", list(self.modules())
        for magnitude in self.depth.magnitudes:
            yield f"selectors at {magnitude:g}", list(self.selectors(magnitude))
        yield "selectors of all layers", list(self.globally())
        yield "programming noise alone", list(self.without_converters())
        yield "other noise", list(self.noises())
        yield "drift", list(self.drift())
        yield "multipliers", list(self.front())

    def chips(self, programming: Programming, *, few: bool = False) -> list[Programming]:
        """All chips that are reported, or one where they can't differ; as few at the main magnitude as elsewhere."""
        main = not few and programming == at_magnitude(MAIN_MAGNITUDE)
        seeds = range(self.depth.main_seeds if main else self.depth.seeds)
        return mirrored_pairs(programming, seeds=seeds) if programming.random else [programming]

    def conditions(self) -> Iterator[Point]:
        """All experts analog, alone and with all other modules: converters, programming noise, and both."""
        kinds: list[tuple[Analog, Converters]] = [
            (analog, converters) for analog in ("experts", "all") for converters in ("chosen", "published", "ideal")
        ]
        for analog, converters in kinds:
            hardware = Hardware(analog=analog, converters=converters)
            if hardware == Hardware():
                continue  # part of what selectors are held against
            for magnitude in self.depth.magnitudes:
                if (converters == "ideal" and not magnitude) or (converters == "published" and magnitude):
                    continue
                for chip in self.chips(at_magnitude(magnitude), few=True):
                    yield Point(placement=Placement(), hardware=hardware, programming=chip)

    def modules(self) -> Iterator[Point]:
        """Each dense module alone, with digital experts: converters, and noise of the main magnitude, too."""
        config = self.rankings.subject.config
        found = dict.fromkeys(key.module for key in all_matrices(config) if key.module in DENSE)
        for module in found:
            for magnitude in (0.0, MAIN_MAGNITUDE):
                for chip in self.chips(at_magnitude(magnitude), few=True):
                    yield Point(
                        placement=Placement.all_digital(config),
                        hardware=Hardware(analog=module),
                        programming=chip,
                        digital_pct=100.0,
                    )

    def selectors(self, magnitude: float) -> Iterator[Point]:
        """Selectors in each layer, and none, at a magnitude."""
        more = self.depth.main_selectors if magnitude == MAIN_MAGNITUDE else ()
        yield from self._compared((*self.depth.selectors, *more), magnitude, Hardware(), scope="layer")

    def globally(self) -> Iterator[Point]:
        """Selectors over all layers together, at the main magnitude."""
        yield from self._compared(self.depth.global_selectors, MAIN_MAGNITUDE, Hardware(), scope="global")

    def without_converters(self) -> Iterator[Point]:
        """Programming noise alone, at the main magnitude."""
        yield from self._compared(self.depth.noise_selectors, MAIN_MAGNITUDE, IDEAL, scope="layer")

    def noises(self) -> Iterator[Point]:
        """Other models of programming noise, without digital experts and with the paper's share of them."""
        for name, magnitude in self.depth.noises:
            yield from self._few(Programming(noise=programming_noise(name, magnitude=magnitude)))

    def drift(self) -> Iterator[Point]:
        """Crossbars that are read later, at magnitude 1, as they are and compensated."""
        fresh = Programming(noise=Pcm(magnitude=1.0))
        if self.depth.times_s:
            yield from self._few(fresh)
        for seconds in self.depth.times_s:
            for compensated in (False, True):
                yield from self._few(
                    replace(
                        fresh,
                        drift=PcmDrift(),
                        read_noise=PcmReadNoise(),
                        seconds=seconds,
                        compensated=compensated,
                    )
                )

    def front(self) -> Iterator[Point]:
        """Digital experts in int8 with each multiplier, by our scores, at the main magnitude; and all of them."""
        plan = self.rankings.subject.plan
        for name in plan.multipliers if self.depth.front_shares_pct else ():
            hardware = Hardware(multiplier=name)
            for chip in self.chips(at_magnitude(MAIN_MAGNITUDE)):
                for share_pct in self.depth.front_shares_pct:
                    if share_pct < 100:
                        yield self.chosen(OURS, chip, share_pct, hardware=hardware, scope="global")
                if name == plan.exact:
                    yield Point(placement=Placement(), hardware=hardware, programming=chip)
            everything = Placement.all_digital(self.rankings.subject.config)
            yield Point(placement=everything, hardware=hardware, digital_pct=100.0)

    def chosen(
        self, name: str, chip: Programming, share_pct: float, *, hardware: Hardware, scope: Scope = "layer"
    ) -> Point:
        """The digital experts that a selector chooses."""
        return Point(
            placement=self.rankings.place(name, chip, share_pct=share_pct, scope=scope),
            hardware=hardware,
            programming=chip,
            selector=name,
            scope=scope,
            digital_pct=share_pct,
        )

    def _compared(self, names: Sequence[str], magnitude: float, hardware: Hardware, *, scope: Scope) -> Iterator[Point]:
        """None digital, and all shares by each selector."""
        for chip in self.chips(at_magnitude(magnitude)):
            if names:
                yield Point(placement=Placement(), hardware=hardware, programming=chip)
            for name in names:
                for share_pct in self.depth.shares_pct:
                    yield self.chosen(name, chip, share_pct, hardware=hardware, scope=scope)

    def _digital(self) -> Point:
        everything = Placement.all_digital(self.rankings.subject.config)
        return Point(placement=everything, selector=ANY, digital_pct=100.0)

    def _few(self, programming: Programming) -> Iterator[Point]:
        for chip in self.chips(programming):
            yield Point(placement=Placement(), programming=chip)
            for name in (MAXNN, OURS):
                yield self.chosen(name, chip, FIXED_PCT, hardware=Hardware())


def at_magnitude(magnitude: float) -> Programming:
    """Freshly programmed, with pcm noise."""
    return Programming(noise=Pcm(magnitude=magnitude)) if magnitude else Programming()
