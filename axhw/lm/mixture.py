"""What the chosen experts of each token make together.

Additions of float32 depend on their order, so there is one for all ways to compute a layer: experts of a token in
increasing order of their numbers, beginning with 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from axhw.lm.matrices import Float32Array
from axhw.lm.routing import Chosen, rows_by_expert

RunExpert: TypeAlias = Callable[[int, Float32Array], Float32Array]
"""From an expert and rows [n, hidden] to what it makes of them."""


class Mixture(Protocol):
    """A way to compute the experts of a layer."""

    def __call__(
        self, layer: int, rows: Float32Array, chosen: Chosen, weights: Float32Array, run: RunExpert
    ) -> Float32Array:
        """The weighed sums of what experts make, [n, hidden], of rows [n, hidden] with experts and weights [n, most] as
        an `axhw.lm.routing.Chooser` gives them."""
        ...


def by_expert(layer: int, rows: Float32Array, chosen: Chosen, weights: Float32Array, run: RunExpert) -> Float32Array:
    """One expert after the other, each with all of its rows at once: the plain `Mixture`."""
    result = np.zeros_like(rows)
    for expert, tokens, choices in rows_by_expert(chosen, int(chosen.max(initial=-1)) + 1):
        result[tokens] += run(expert, rows[tokens]) * weights[tokens, choices, None]
    return result
