"""The best design for each layer by the operands that it sees, beside the choice by errors over all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.evolve.histogram import weighted_error
from axhw.search.palette import Palette

PAIRS_PCT = 100 / 4.0**8
"""Errors in per cent are of ``2**16``, as MAE is."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a design may have at most; the other of the two is made small.

    Attributes
    ----------
    energy_fj : float, optional
        Of a multiplication of uniform operands.
    error_pct : float, optional
        WMED for the choice by operands, MAE for the one without, in per cent of ``2**16``.

    Raises
    ------
    AxhwError
        Unless it is one of them, above 0.
    """

    energy_fj: float | None = None
    error_pct: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.energy_fj, self.error_pct) if value is not None]
        if len(given) != 1 or not given[0] > 0:
            raise AxhwError(f"Expected a largest energy or a largest error above 0, found {given or 'neither'}.")


@dataclass(frozen=True, kw_only=True)
class LayerChoice:
    """Designs for one layer, by number in the palette.

    Attributes
    ----------
    layer : str
    multiplications : int
        For one image.
    by_operands, by_uniform : int
        The best for the operands of the layer, and for uniform ones.
    wmed_pct, uniform_wmed_pct : float
        Of the two, with the operands of the layer.
    """

    layer: str
    multiplications: int
    by_operands: int
    by_uniform: int
    wmed_pct: float
    uniform_wmed_pct: float


def choose_by_operands(
    palette: Palette,
    histograms: Mapping[str, npt.NDArray[np.integer]],
    multiplications: Mapping[str, int],
    budget: Budget,
) -> list[LayerChoice]:
    """The best designs of each layer within a budget, with the error weighted by its operands and without.

    Parameters
    ----------
    palette : Palette
    histograms : mapping of layer to array, shape (256, 256)
        How often each pair of codes occurs, as `axhw.nn.histograms.operand_histograms` counts.
    multiplications : mapping of layer to int
        For one image.
    budget : Budget

    Raises
    ------
    AxhwError
        If no design is within the budget.
    """
    uniform = np.array([record.metrics.mae_pct for record in palette.records])
    choices = []
    for layer, counts in histograms.items():
        weights = counts.astype(np.float64)
        weighted = np.array(
            [weighted_error(table.values, table.exact(), weights) * PAIRS_PCT for table in palette.tables]
        )
        chosen = _best(weighted, palette, budget)
        plain = _best(uniform, palette, budget)
        choices.append(
            LayerChoice(
                layer=layer,
                multiplications=multiplications[layer],
                by_operands=chosen,
                by_uniform=plain,
                wmed_pct=float(weighted[chosen]),
                uniform_wmed_pct=float(weighted[plain]),
            )
        )
    return choices


def mean_energy_fj(palette: Palette, choices: Sequence[LayerChoice], *, by_operands: bool) -> float:
    """Energy of a multiplication, over those of all layers."""
    numbers = [choice.by_operands if by_operands else choice.by_uniform for choice in choices]
    counts = np.array([choice.multiplications for choice in choices], np.float64)
    return float(palette.energies_fj[numbers] @ counts / counts.sum())


def _best(errors_pct: npt.NDArray[np.float64], palette: Palette, budget: Budget) -> int:
    energies = palette.energies_fj
    if budget.energy_fj is not None:
        inside, order = energies <= budget.energy_fj, (energies, errors_pct)
    else:
        assert budget.error_pct is not None
        inside, order = errors_pct <= budget.error_pct, (errors_pct, energies)
    for place in np.lexsort(order):
        if inside[place]:
            return int(place)
    raise AxhwError(
        f"Expected a design within the budget among {len(palette)}, found none: the least energy is "
        f"{energies.min():.4g} fJ, the least error {errors_pct.min():.3g} %."
    )
