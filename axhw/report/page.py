"""The report: one self-contained HTML page, with its figures also as files."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from matplotlib.figure import Figure

from axhw.files import output_folder, replacing
from axhw.report import columns
from axhw.report.charts import accuracy_against_energy, energy_bars, error_against_energy
from axhw.report.comparison import Comparison, ReportedDesign
from axhw.report.heat_map import error_heat_map, error_heat_maps
from axhw.report.render import inline_svg, to_png, to_svg
from axhw.report.summary import conditions, conventions, summary

PAGE = "index.html"
FIGURES = "figures"


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """A drawn figure: file name without suffix, what it shows, and its files."""

    stem: str
    caption: str
    svg: str
    png: bytes

    @property
    def inline(self) -> Markup:
        # Matplotlib has escaped what comes from us.
        return Markup(inline_svg(self.svg, prefix=self.stem, label=self.caption))


def write_report(
    folder: Path,
    designs: Sequence[ReportedDesign],
    *,
    title: str,
    command: str,
    date: datetime.date,
    baseline: str | None = None,
    links: Sequence[tuple[str, str]] = (),
) -> list[Path]:
    """Write index.html, and its figures as SVG and PNG files in figures/; equal input gives equal files.

    Parameters
    ----------
    folder : Path
        Made where it is missing; files of the same names are replaced.
    designs : sequence of ReportedDesign
        In the order of the table.
    title : str
    command : str
        What reproduces the report.
    date : datetime.date
        Day of the run.
    baseline : str, optional
        Name of the design that ratios refer to; the first without error by default.
    links : sequence of (label, path)
        Other files of the run, relative to `folder`.

    Returns
    -------
    list of Path
        What was written, the page first.

    Raises
    ------
    AxhwError
        For designs that `Comparison` refuses, and for a folder that cannot be written to.
    """
    comparison = Comparison.of(designs, baseline=baseline)
    output_folder(output_folder(folder) / FIGURES)
    charts, maps = list(_charts(comparison)), list(_maps(comparison))
    page = _template().render(
        title=title,
        command=command,
        links=links,
        summary=summary(comparison, date=date),
        groups=columns.groups(),
        columns=columns.COLUMNS,
        rows=columns.rows(comparison),
        baseline=comparison.baseline.name,
        charts=charts,
        maps=maps,
        conditions=conditions(comparison, date=date),
        conventions=conventions(comparison),
    )
    files = {folder / PAGE: page.encode()}
    for picture in (*charts, *maps, *_small_multiples(comparison)):
        files[folder / FIGURES / f"{picture.stem}.svg"] = picture.svg.encode()
        files[folder / FIGURES / f"{picture.stem}.png"] = picture.png
    for file, content in files.items():
        with replacing(file) as draft:
            draft.write_bytes(content)
    return list(files)


def _charts(comparison: Comparison) -> Iterator[_Picture]:
    yield _picture(
        energy_bars(comparison),
        stem="energy",
        caption=f"Energy per operation, and its ratio to {comparison.baseline.name}. The diamond is the energy of "
        "the same gates without delays, when no glitches occur.",
    )
    yield _picture(
        accuracy_against_energy(comparison),
        stem="accuracy_energy",
        caption="Accuracy of the network over the energy of its multiplications per inference.",
    )
    if comparison.approximate:
        yield _picture(
            error_against_energy(comparison),
            stem="error_energy",
            caption="Mean absolute error over energy per operation.",
        )


def _maps(comparison: Comparison) -> Iterator[_Picture]:
    for number, design in enumerate(comparison.approximate, start=1):
        yield _picture(
            error_heat_map(design.table),
            stem=f"error_map_{number}_{re.sub('[^A-Za-z0-9_-]+', '_', design.name)}",
            caption=f"Error map of {design.name}.",
        )


def _small_multiples(comparison: Comparison) -> Iterator[_Picture]:
    if comparison.approximate:
        yield _picture(
            error_heat_maps([design.table for design in comparison.approximate]),
            stem="error_maps",
            caption="Error maps, each on its own colour scale.",
        )


def _picture(figure: Figure, *, stem: str, caption: str) -> _Picture:
    return _Picture(stem=stem, caption=caption, svg=to_svg(figure), png=to_png(figure))


def _template() -> Template:
    loader = PackageLoader("axhw.report", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")
