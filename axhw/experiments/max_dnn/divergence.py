"""The divergence of the energy model from gates: savings by layer and in total, and the report's section on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from axhw.experiments.max_dnn.energy_model import EXACT, LOSS_PCT, PARTS_OF_ELEMENTS
from axhw.experiments.max_dnn.fronts import select
from axhw.experiments.max_dnn.plan import ElementName
from axhw.report.max_dnn import draw_divergence
from axhw.report.study import Block, Picture, Table
from axhw.search.space import LEAST_SHARE

Row = Mapping[str, Any]

ALL_LAYERS = "all"

_NJ_PER_FJ = 1e-6
_MEASURED = {
    "uniform": "uniform operands",
    "histogram": "own operands",
    "weight_stationary": "weight-stationary",
    "array_cell": "array cell",
    "output_stationary": "output-stationary",
    "mac": "MAC",
}
"""Heads of the columns, in the order of the argument: the model, and two ways from there to gates."""


def divergence(rows: Sequence[Row], *, elements: Sequence[ElementName]) -> list[Row]:
    """Energies and savings of each point by layer and in total.

    Parameters
    ----------
    rows : sequence of rows of `measured_points`
    elements : sequence of {"array_cell", "mac"}
        That were measured.

    Returns
    -------
    list of rows
        By point and layer, the total (`ALL_LAYERS`) last; exact products first, as the level `EXACT`. Savings are
        shares in % of what exact products take with the same model; a divergence is the saving of the model with
        uniform operands less that of an element, in points.
    """
    models = [model for model in _MEASURED if model not in get_args(ElementName) or model in elements]
    reference = {row["layer"]: [row] for row in select(rows, level=EXACT)}
    everything = [row for own in reference.values() for row in own]
    found: list[Row] = []
    for compensation, level in dict.fromkeys((row["compensation"], row["level"]) for row in rows):
        point = everything if level == EXACT else select(rows, compensation=compensation, level=level)
        groups = {name: (own if level == EXACT else select(point, layer=name), own) for name, own in reference.items()}
        for name, (mine, exact) in {**groups, ALL_LAYERS: (point, everything)}.items():
            row = {
                "compensation": compensation,
                "level": level,
                "layer": name,
                "multiplications": sum(each["multiplications"] for each in mine),
                "designs": ", ".join(dict.fromkeys(each["design"] for each in mine)) if name != ALL_LAYERS else "",
            }
            for model in models:
                row |= _saving(model, mine, exact)
            for element in elements:
                row[f"{element}_multiplier_share_pct"] = 100 * _multiplier_share(element, mine)
                row[f"{element}_divergence_points"] = row["uniform_saved_pct"] - row[f"{element}_saved_pct"]
            found.append(row)
    return found


def _saving(model: str, mine: Sequence[Row], exact: Sequence[Row]) -> dict[str, float]:
    """Energies for one image, what is saved, and its standard error from the samples."""
    (spent, spent_error), (base, base_error) = (_energy(model, rows) for rows in (mine, exact))
    ratio = spent / base
    error = 0.0 if mine is exact else float(np.hypot(spent_error, ratio * base_error)) / base
    return {
        f"{model}_nj": _NJ_PER_FJ * spent,
        f"{model}_saved_pct": 100 * (1 - ratio),
        f"{model}_saved_error_points": 100 * error,
    }


def _energy(model: str, rows: Sequence[Row]) -> tuple[float, float]:
    """Energy of all multiplications for one image in fJ, and its standard error; samples are independent."""
    counts = np.array([row["multiplications"] for row in rows], np.float64)
    energies, errors = (np.array([row[f"{model}{kind}_fj"] for row in rows]) for kind in ("", "_error"))
    return float(counts @ energies), float(np.linalg.norm(counts * errors))


def _multiplier_share(element: ElementName, rows: Sequence[Row]) -> float:
    counts = np.array([row["multiplications"] for row in rows], np.float64)
    parts = {part: np.array([row[f"{element}_{part}_fj"] for row in rows]) @ counts for part in PARTS_OF_ELEMENTS}
    return float(parts["multiplier"] / sum(parts.values()))


def divergence_blocks(document: Mapping[str, Any], *, name: str) -> list[Block]:
    """The section of the report, without blocks where nothing was measured; `name` is that of the report."""
    rows = [row for row in document["divergence"] if row["level"] != EXACT]
    if not rows:
        return []
    settings = document["settings"]
    elements = settings["traced_elements"]
    models = [model for model in _MEASURED if f"{model}_saved_pct" in rows[0]]
    heads = [_MEASURED[model] for model in models] + [f"{_MEASURED[each]}: multiplier" for each in elements]
    totals = select(rows, layer=ALL_LAYERS)
    alone = [model for model in models if model not in (*elements, "uniform")]

    def line(row: Row) -> list[str]:
        saved = [f"{row[f'{model}_saved_pct']:.1f}" for model in models]
        return saved + [f"{row[f'{element}_multiplier_share_pct']:.0f} %" for element in elements]

    blocks: list[Block] = [
        f"What the points that save most within {LOSS_PCT:g} points of validation loss save by the model of the "
        "searches, and in gates, in % of what exact products take when they are measured in the same way. **Uniform "
        "operands** is the model: multiplications times one energy a design. **Own operands** draws from what each "
        "layer multiplies. **Weight-stationary** and **output-stationary** are the multiplier alone with them, in "
        "the order of an array that keeps its weights, and of a MAC. **Array cell** is one cell of such an array, "
        "**MAC** a multiplier with its accumulator, both with registers and clock; the last columns say which share of "
        f"their energy is the multiplier's. Operands of {settings['traced_images']} train images as the assignment "
        f"runs the network, {settings['traced_pairs']:,} operations for each layer, design and order. The standard "
        f"error of a total is at most {_largest_error(totals, elements):.1f} points in an element and "
        f"{_largest_error(totals, alone):.1f} for the multiplier alone, from the sampling.",
        Table(
            heads=("level", "compensation", *heads),
            rows=[(row["level"], row["compensation"], *line(row)) for row in totals],
            left=2,
        ),
        _steps(totals, elements),
        "The same as energy of the multiplications of an inference in nJ, in an element with all that belongs to it:",
        Table(
            heads=("level", "compensation", *heads[: len(models)]),
            rows=[
                (row["level"], row["compensation"], *(f"{row[f'{model}_nj']:,.0f}" for model in models))
                for row in select(document["divergence"], layer=ALL_LAYERS)
            ],
            left=2,
        ),
    ]
    blocks.append(
        Picture(
            stem=f"{name}-divergence",
            caption="Savings by layer: predicted, and measured in gates",
            figure=draw_divergence(
                _drawn(rows),
                models={model: _MEASURED[model] for model in models if model in ("uniform", "histogram", *elements)},
                about=f"{settings['model']} on {settings['data']}: {settings['traced_images']} train images traced",
            ),
        )
    )
    lines = [
        (row["level"], row["compensation"], row["layer"], f"{row['multiplications']:,}", *line(row))
        for row in rows
        if row["layer"] != ALL_LAYERS
    ]
    blocks.append(Table(heads=("level", "compensation", "layer", "multiplications", *heads), rows=lines, left=3))
    return blocks


def _drawn(rows: Sequence[Row]) -> list[Row]:
    """Without layers that are too small to be searched."""
    (least,) = {LEAST_SHARE * row["multiplications"] for row in rows if row["layer"] == ALL_LAYERS}
    return [row for row in rows if row["multiplications"] >= least]


def _largest_error(totals: Sequence[Row], models: Sequence[str]) -> float:
    return max(float(row[f"{model}_saved_error_points"]) for row in totals for model in models)


def _steps(totals: Sequence[Row], elements: Sequence[str]) -> str:
    """The divergence in words, with where it comes from."""
    alone = {"array_cell": "weight_stationary", "mac": "output_stationary"}
    texts = []
    for element in elements:
        gaps = [row[f"{element}_divergence_points"] for row in totals]
        before = alone[element]
        steps = [
            sum(row[f"{first}_saved_pct"] - row[f"{second}_saved_pct"] for row in totals) / len(totals)
            for first, second in (("uniform", "histogram"), ("histogram", before), (before, element))
        ]
        texts.append(
            f"In the {_MEASURED[element]} the model promises {min(gaps):.1f} to {max(gaps):.1f} points more than is "
            f"saved: on average {steps[0]:.1f} points come from the operands, {steps[1]:.1f} from their order and "
            f"{steps[2]:.1f} from adder, registers and clock around the multiplier."
        )
    return " ".join(texts)
