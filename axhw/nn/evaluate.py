"""What a multiplier does to a network: accuracy in float, with exact products and with tables, and its energy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.assignment import Tables
from axhw.nn.dataset import Dataset
from axhw.nn.quantized import QuantizedNetwork

_NJ_PER_FJ = 1e-6


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """Accuracies are shares of `images`, 0 to 1.

    Attributes
    ----------
    network, dataset, split, seed
        What was evaluated on what; `seed` is that of the split.
    signed : bool
        Symmetric int8 codes when true, affine uint8 codes when false.
    images : int
    float_accuracy : float
        Of the float network.
    exact_accuracy : float
        Of the integer network with exact products.
    approximate_accuracy : float
        Of the integer network with the given tables.
    agreement : float
        Share of images that the tables put into the same class as exact products do.
    layer_multiplications : mapping of layer name to int
        For one image.
    energy_nj : float or None
        Energy of the multiplications for one image; no additions, memory or control. None without `energy_fj`.
    """

    network: str
    dataset: str
    split: str
    seed: int
    signed: bool
    images: int
    float_accuracy: float
    exact_accuracy: float
    approximate_accuracy: float
    agreement: float
    layer_multiplications: Mapping[str, int]
    energy_nj: float | None

    @property
    def multiplications(self) -> int:
        """For one image, all layers."""
        return sum(self.layer_multiplications.values())


def evaluate(
    network: QuantizedNetwork,
    data: Dataset,
    tables: Tables | None,
    *,
    energy_fj: float | Mapping[str, float] | None = None,
    batch: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> EvaluationResult:
    """Run a network in float, with exact products and with product tables.

    Parameters
    ----------
    network : QuantizedNetwork
        Of the tables' signedness.
    data : Dataset
    tables : ProductTable, or mapping of layer name to ProductTable, or None
        One table for all product layers, or one for each layer named; all others multiply exactly.
    energy_fj : float, or mapping of layer name to float, optional
        Energy of one multiplication, for all layers or for each product layer.
    batch : int
        Images at a time.
    progress : callable, optional
        Called with the images done and their total after each batch.

    Raises
    ------
    AxhwError
        For images of another shape, labels that are no class of the network, tables that do not fit it, or energies
        that are not finite, below 0 or missing for a layer.
    """
    if batch < 1:
        raise AxhwError(f"Expected a batch of at least 1 image, found {batch}.")
    energy_nj = _energy_nj(network.multiplications, energy_fj)
    classes = network.network.architecture.output_layer.outputs
    if int(data.labels.min()) < 0 or int(data.labels.max()) >= classes:
        raise AxhwError(
            f"Expected labels from 0 to {classes - 1}, found {int(data.labels.min())} to {int(data.labels.max())}."
        )
    right_float = right_exact = right_approximate = same = 0
    for start in range(0, len(data), batch):
        images, labels = data.images[start : start + batch], data.labels[start : start + batch]
        exact = network.forward(images).argmax(axis=1)
        approximate = network.forward(images, tables).argmax(axis=1)
        right_float += _count(network.network.forward(images).argmax(axis=1) == labels)
        right_exact += _count(exact == labels)
        right_approximate += _count(approximate == labels)
        same += _count(approximate == exact)
        if progress is not None:
            progress(start + len(images), len(data))
    return EvaluationResult(
        network=network.network.architecture.name,
        dataset=data.name,
        split=data.split,
        seed=data.seed,
        signed=network.signed,
        images=len(data),
        float_accuracy=right_float / len(data),
        exact_accuracy=right_exact / len(data),
        approximate_accuracy=right_approximate / len(data),
        agreement=same / len(data),
        layer_multiplications=network.multiplications,
        energy_nj=energy_nj,
    )


def _count(right: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(right))


def _energy_nj(multiplications: Mapping[str, int], energy_fj: float | Mapping[str, float] | None) -> float | None:
    if energy_fj is None:
        return None
    by_layer = energy_fj if isinstance(energy_fj, Mapping) else dict.fromkeys(multiplications, energy_fj)
    if set(by_layer) != set(multiplications):
        raise AxhwError(
            f"Expected an energy for each of the product layers {', '.join(multiplications)}, "
            f"found {', '.join(by_layer) or 'none'}."
        )
    for layer, energy in by_layer.items():
        if not (math.isfinite(energy) and energy >= 0):
            raise AxhwError(
                f"Expected a finite energy of at least 0 fJ per multiplication, found {energy} for {layer}."
            )
    return _NJ_PER_FJ * sum(count * by_layer[layer] for layer, count in multiplications.items())
