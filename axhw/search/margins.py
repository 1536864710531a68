"""From noise at the logits to a loss of accuracy, without a run.

Noise of variance s^2 at each logit, independent of the others, makes the difference of two of them vary by 2 s^2. An
image that the exact network puts into the right class with a margin m over the next one is then lost with probability
P(sqrt(2) s z > m) for standard normal z. Classes behind the second, and images that noise puts right, are left out: the
two go against each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.data.dataset import Dataset
from axhw.nn.evaluate import batch_size
from axhw.nn.executor import Executor
from axhw.nn.operand_statistics import FloatArray
from axhw.nn.quantized import QuantizedNetwork


@dataclass(frozen=True, kw_only=True, eq=False)
class Margins:
    """How surely a network with exact products is right.

    Attributes
    ----------
    right : float64 array
        Differences of the two largest logits, of the images in the right class.
    images : int
        All of them.
    """

    right: FloatArray
    images: int

    def loss(self, noise: float) -> float:
        """Loss of accuracy, as a share of the images.

        Parameters
        ----------
        noise : float
            Mean squared error of a logit.
        """
        if noise <= 0:
            return 0.0
        # P(z > x) = erfc(x / sqrt(2)) / 2, for x = m / sqrt(2 noise).
        scaled = (self.right / (2 * math.sqrt(noise))).tolist()
        return sum(math.erfc(value) for value in scaled) / 2 / self.images

    def losses(self, noises: npt.ArrayLike) -> FloatArray:
        """The same for many, by interpolation between noises a factor of 1.2 apart."""
        values = np.asarray(noises, np.float64)
        positive = values[values > 0]
        if not len(positive):
            return np.zeros(len(values))
        low, high = math.log(positive.min()), math.log(positive.max())
        places = np.linspace(low, high, 2 + math.ceil((high - low) / math.log(1.2)))
        known = np.array([self.loss(math.exp(place)) for place in places])
        logs = np.log(np.where(values > 0, values, 1.0))
        return np.where(values > 0, np.interp(logs, places, known), 0.0)


def margins(network: QuantizedNetwork, data: Dataset, *, threads: int | None = None) -> Margins:
    """Those of a network on labelled images."""
    run = Executor(network, threads=threads)
    right: list[FloatArray] = []
    for images, labels in data.batches(batch_size(network.graph)):
        logits = run(images).astype(np.float64)
        two = np.sort(np.partition(logits, -2, axis=1)[:, -2:], axis=1)
        right.append((two[:, 1] - two[:, 0])[logits.argmax(axis=1) == labels])
    return Margins(right=np.concatenate(right), images=len(data))
