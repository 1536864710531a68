"""Designs side by side: what every figure and the page are made from, checked to be comparable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from axhw.errors import AxhwError
from axhw.nn.evaluate import EvaluationResult
from axhw.record import DesignRecord
from axhw.report.style import BASELINE_STYLE, DesignStyle, design_style
from axhw.sim.product_table import ProductTable
from axhw.synth.cost import Cost

_NJ_PER_FJ = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportedDesign:
    """A verified, costed design and what it does to a network."""

    record: DesignRecord
    evaluation: EvaluationResult

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def cost(self) -> Cost:
        return self.record.circuit_cost

    @property
    def table(self) -> ProductTable:
        """The product table.

        Raises
        ------
        AxhwError
            If the design is too wide for one.
        """
        if self.record.table is None:
            raise AxhwError(
                f"Expected a product table of {self.name} to report, found none: its operands of "
                f"{self.record.multiplier.width} bits are too wide for one."
            )
        return self.record.table

    @property
    def inference_nj(self) -> float:
        """Energy of the multiplications of one inference.

        Raises
        ------
        AxhwError
            If the network was evaluated without an energy.
        """
        if self.evaluation.energy_nj is None:
            raise AxhwError(
                f"Expected an evaluation of {self.name} with an energy per inference, found none: "
                "evaluate with energy_fj."
            )
        return self.evaluation.energy_nj


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Designs that were measured alike, one of which the others are related to.

    Attributes
    ----------
    designs : tuple of ReportedDesign
        In the order of rows and bars; colours follow it.
    baseline : ReportedDesign
        One of them.

    Raises
    ------
    AxhwError
        Without designs, for designs that share a name, for those without a table or an energy per inference that
        is their own, and for those measured in different libraries, under different conditions or in different
        networks.
    """

    designs: tuple[ReportedDesign, ...]
    baseline: ReportedDesign

    def __post_init__(self) -> None:
        _check_comparable(self.designs)

    @classmethod
    def of(cls, designs: Sequence[ReportedDesign], *, baseline: str | None = None) -> Comparison:
        """Compare `designs` with the one named `baseline`, by default the first that makes no error.

        Raises
        ------
        AxhwError
            As the class, and if there is no such design.
        """
        _check_some(designs)
        found = [
            design
            for design in designs
            if (design.name == baseline if baseline is not None else design.record.metrics.wce == 0)
        ]
        if not found:
            wanted = f"named {baseline}" if baseline is not None else "without error"
            raise AxhwError(
                f"Expected a design {wanted} to compare with, found {', '.join(design.name for design in designs)}."
            )
        return cls(designs=tuple(designs), baseline=found[0])

    @property
    def approximate(self) -> tuple[ReportedDesign, ...]:
        """The designs that make errors."""
        return tuple(design for design in self.designs if design.record.metrics.wce)

    def style(self, design: ReportedDesign) -> DesignStyle:
        """Colour and marker of one of the designs, the same in all figures."""
        if design is self.baseline:
            return BASELINE_STYLE
        return design_style([other for other in self.designs if other is not self.baseline].index(design))

    def ratio(self, design: ReportedDesign, figure: Callable[[ReportedDesign], float]) -> float:
        """A figure of a design over that of the baseline; NaN where that is 0."""
        base = figure(self.baseline)
        return figure(design) / base if base else math.nan


def _check_some(designs: Sequence[ReportedDesign]) -> None:
    if not designs:
        raise AxhwError("Expected at least one design to report, found none.")


def _check_comparable(designs: Sequence[ReportedDesign]) -> None:
    _check_some(designs)
    names = [design.name for design in designs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise AxhwError(f"Expected each design once in a report, found {repeated[0]} {names.count(repeated[0])} times.")
    for design in designs:
        _check_complete(design)
    costs, evaluations = [design.cost for design in designs], [design.evaluation for design in designs]
    _check_one("one cell library", [f"{cost.library} ({cost.library_sha256[:8]})" for cost in costs])
    _check_one("one corner", [cost.corner for cost in costs])
    _check_one("one engine", [cost.engine for cost in costs])
    _check_one("one operand stream", [cost.stream for cost in costs])
    _check_one("one timing model", [cost.timing_model for cost in costs])
    _check_one("one input slew", [f"{cost.input_slew_ns:g} ns" for cost in costs])
    _check_one("one output load", [f"{cost.output_load_ff:g} fF" for cost in costs])
    _check_one("one network", [result.network for result in evaluations])
    _check_one(
        "one data set",
        [f"{result.images} {result.split} images of {result.dataset}, seed {result.seed}" for result in evaluations],
    )


def _check_complete(design: ReportedDesign) -> None:
    # Both raise where they are missing.
    _, energy_nj = design.table, design.inference_nj
    expected = design.evaluation.multiplications * design.cost.energy_fj * _NJ_PER_FJ
    if not math.isclose(energy_nj, expected, rel_tol=1e-6):
        raise AxhwError(
            f"Expected an energy per inference of {expected:.6g} nJ for {design.name}, its "
            f"{design.evaluation.multiplications} multiplications at {design.cost.energy_fj:.6g} fJ, found "
            f"{energy_nj:.6g} nJ: evaluate with the energy of the same record."
        )


def _check_one(what: str, found: list[str]) -> None:
    if len(different := list(dict.fromkeys(found))) > 1:
        raise AxhwError(
            f"Expected {what} for all designs of a comparison, found {' and '.join(different)}: measure them alike."
        )
