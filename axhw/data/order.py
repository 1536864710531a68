"""Random orders that stay the same for ever."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def seeded_order(count: int, *, seed: int) -> npt.NDArray[np.int64]:
    """The numbers below `count` in a random order.

    They are sorted by the raw output of a bit generator, which NumPy keeps the same in all versions; it promises that
    of no method of its `Generator`.
    """
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable").astype(np.int64)
