"""How much of the plane of loss and energy a set of configurations covers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pymoo.indicators.hv import HV

WORST_LOSS = 0.10
"""Loss of accuracy, as a share of the images, up to which configurations are of interest."""


def hypervolume(points: Iterable[tuple[float, float]], *, worst_loss: float = WORST_LOSS) -> float:
    """Share, 0 to 1, of the rectangle from no loss and no energy to `worst_loss` and exact products that is dominated.

    Parameters
    ----------
    points : iterable of (float, float)
        Loss of accuracy, and energy relative to exact products. A negative loss, chance on few images, counts as 0.
    worst_loss : float
    """
    inside = [(max(loss, 0.0) / worst_loss, energy) for loss, energy in points if loss < worst_loss and energy < 1]
    return float(HV(ref_point=np.ones(2))(np.array(inside))) if inside else 0.0


def front(points: list[tuple[float, float]]) -> list[int]:
    """Places of the points that no other beats, from the highest second value down; of equal ones the first."""
    order = sorted(range(len(points)), key=lambda place: (points[place], place))
    kept: list[int] = []
    for place in order:
        if not kept or points[place][1] < points[kept[-1]][1]:
            kept.append(place)
    return kept
