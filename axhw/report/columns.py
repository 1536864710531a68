"""The columns of the comparison table: what each number is, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from axhw.report.comparison import Comparison, ReportedDesign
from axhw.report.numbers import accuracy_decimals, decimals_for, fixed, ratio

_ERROR_DIGITS = 4  # errors are exact, costs come from a model


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of numbers.

    Attributes
    ----------
    group, heading, unit, meaning : str
    value : callable
        The number of a design, NaN where it has none.
    related : bool
        Whether the ratio to the baseline belongs to it.
    signed : bool
        Whether positive numbers carry a plus.
    digits : int
        Significant digits of the smallest number, which set the decimals of the column.
    decimals : callable, optional
        Decimals for all designs together, in place of those.
    """

    group: str
    heading: str
    unit: str
    meaning: str
    value: Callable[[ReportedDesign], float]
    related: bool = False
    signed: bool = False
    digits: int = 3
    decimals: Callable[[Sequence[ReportedDesign]], int] | None = None

    @property
    def leads(self) -> bool:
        """Whether it is the first of its group."""
        return self is next(column for column in COLUMNS if column.group == self.group)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number as text, and its ratio to the baseline, empty where the column has none."""

    text: str
    ratio: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A design's cells, in the order of `COLUMNS`."""

    name: str
    baseline: bool
    cells: tuple[Cell, ...]


def _percent(designs: Sequence[ReportedDesign]) -> int:
    return max(accuracy_decimals(design.evaluation.images) for design in designs)


COLUMNS = (
    Column(
        group="Cost",
        heading="area",
        unit="µm²",
        meaning="sum of the areas of the mapped cells, without wiring",
        value=lambda design: design.cost.area_um2,
        related=True,
    ),
    Column(
        group="Cost",
        heading="delay",
        unit="ns",
        meaning="longest path from an input to an output, with slews (shortest clock period if there are registers)",
        value=lambda design: design.cost.delay_ns,
        related=True,
    ),
    Column(
        group="Cost",
        heading="energy",
        unit="fJ",
        meaning="dynamic energy per operation, timed, glitches included, leakage left out",
        value=lambda design: design.cost.energy_fj,
        related=True,
    ),
    Column(
        group="Error over all operand pairs",
        heading="MAE",
        unit="LSB",
        meaning="mean absolute error of the product",
        value=lambda design: design.record.metrics.mae,
        digits=_ERROR_DIGITS,
    ),
    Column(
        group="Error over all operand pairs",
        heading="MAE",
        unit="%",
        meaning="mean absolute error in per cent of 2²ⁿ for n-bit operands",
        value=lambda design: design.record.metrics.mae_pct,
        digits=_ERROR_DIGITS,
    ),
    Column(
        group="Error over all operand pairs",
        heading="WCE",
        unit="LSB",
        meaning="worst-case absolute error of the product",
        value=lambda design: design.record.metrics.wce,
    ),
    Column(
        group="Error over all operand pairs",
        heading="MRE",
        unit="%",
        meaning="mean of absolute error over absolute exact product, where that is not 0",
        value=lambda design: design.record.metrics.mre_pct,
        digits=_ERROR_DIGITS,
    ),
    Column(
        group="Error over all operand pairs",
        heading="bias",
        unit="LSB",
        meaning="mean signed error, product minus exact product",
        value=lambda design: design.record.metrics.bias,
        digits=_ERROR_DIGITS,
        signed=True,
    ),
    Column(
        group="Error over all operand pairs",
        heading="rank",
        unit="",
        meaning="exact rank of the product table; 1 for the exact product",
        value=lambda design: math.nan if design.record.rank is None else design.record.rank,
    ),
    Column(
        group="Proof",
        heading="verified",
        unit="pairs",
        meaning="operand pairs for which the mapped gates were compared with the golden model and agreed",
        value=lambda design: design.record.verification.pairs,
    ),
    Column(
        group="Network",
        heading="exact",
        unit="%",
        meaning="accuracy of the integer network with exact products",
        value=lambda design: 100 * design.evaluation.exact_accuracy,
        decimals=_percent,
    ),
    Column(
        group="Network",
        heading="with design",
        unit="%",
        meaning="accuracy of the integer network with the products of this design in every layer",
        value=lambda design: 100 * design.evaluation.approximate_accuracy,
        decimals=_percent,
    ),
    Column(
        group="Network",
        heading="agreement",
        unit="%",
        meaning="images put into the same class as with exact products",
        value=lambda design: 100 * design.evaluation.agreement,
        decimals=_percent,
    ),
    Column(
        group="Network",
        heading="energy",
        unit="nJ",
        meaning="energy of the multiplications of one inference: their number times the energy per operation",
        value=lambda design: design.inference_nj,
        related=True,
    ),
)


def groups() -> list[tuple[str, int]]:
    """Heading and number of columns of each group."""
    return [(group, len(list(columns))) for group, columns in groupby(COLUMNS, key=lambda column: column.group)]


def rows(comparison: Comparison) -> list[Row]:
    """The table, a row per design."""
    written = [_cells(column, comparison) for column in COLUMNS]
    return [
        Row(name=design.name, baseline=design is comparison.baseline, cells=cells)
        for design, cells in zip(comparison.designs, zip(*written))
    ]


def _cells(column: Column, comparison: Comparison) -> list[Cell]:
    """A column from top to bottom."""
    values = [column.value(design) for design in comparison.designs]
    decimals = (
        decimals_for(values, digits=column.digits) if column.decimals is None else column.decimals(comparison.designs)
    )
    return [
        Cell(
            text=fixed(value, decimals, signed=column.signed),
            ratio=ratio(comparison.ratio(design, column.value)) if column.related else "",
        )
        for design, value in zip(comparison.designs, values)
    ]
