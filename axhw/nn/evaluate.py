"""What a multiplier does to a network: accuracy in float, with exact products and with tables, and its energy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.data.dataset import Dataset
from axhw.errors import AxhwError
from axhw.nn.assignment import Tables
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Graph, Node
from axhw.nn.layers.base import WeightLayer
from axhw.nn.network import Images
from axhw.nn.quantized import QuantizedNetwork

Classes: TypeAlias = npt.NDArray[np.int64]
Progress: TypeAlias = Callable[[int, int], None]

_NJ_PER_FJ = 1e-6
_MOST_IMAGES = 256
_LARGEST_TENSOR = 1 << 24


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
    float_accuracy : float or None
        Of the float network, where there is one.
    exact_accuracy : float
        Of the integer network with exact products.
    approximate_accuracy : float
        Of the integer network with the given tables.
    agreement : float
        Share of images that the tables put into the same class as exact products do.
    layer_multiplications : mapping of layer name to float
        For one image; of experts those done, on average over the images. Whole numbers elsewhere.
    energy_nj : float or None
        Energy of the multiplications for one image; no additions, memory or control. None without `energy_fj`.
    """

    network: str
    dataset: str
    split: str
    seed: int
    signed: bool
    images: int
    float_accuracy: float | None
    exact_accuracy: float
    approximate_accuracy: float
    agreement: float
    layer_multiplications: Mapping[str, float]
    energy_nj: float | None

    @property
    def multiplications(self) -> float:
        """For one image, all layers."""
        return sum(self.layer_multiplications.values())


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """What the float network and the integer network with exact products say to each image of a data set.

    Attributes
    ----------
    float_classes : int64 array, shape (images,), or None
        None where there is no float network, as for an imported integer one.
    exact_classes : int64 array, shape (images,)
    """

    float_classes: Classes | None
    exact_classes: Classes


def reference(network: QuantizedNetwork, data: Dataset, *, progress: Progress | None = None) -> Reference:
    """The classes that approximate ones are compared with: the same for all tables, so found once."""
    total = len(data) * (1 if network.network is None else 2)

    def step(offset: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(offset + done, total)

    exact = classify(Executor(network), data, batch=batch_size(network.graph), progress=step(0))
    if network.network is None:
        return Reference(float_classes=None, exact_classes=exact)
    floats = classify(network.network.forward, data, batch=batch_size(network.graph), progress=step(len(data)))
    return Reference(float_classes=floats, exact_classes=exact)


def classify(
    run: Callable[[Images], npt.NDArray[np.floating]], data: Dataset, *, batch: int, progress: Progress | None = None
) -> Classes:
    """The class of the largest logit for each image, int64 [images], `batch` images at a time.

    Raises
    ------
    AxhwError
        For images that `run` can't take, and a batch below 1.
    """
    classes: list[Classes] = []
    done = 0
    for images, _ in data.batches(batch):
        classes.append(run(images).argmax(axis=1).astype(np.int64))
        done += len(images)
        if progress is not None:
            progress(done, len(data))
    return np.concatenate(classes)


def batch_size(graph: Graph) -> int:
    """Images at a time so that the largest tensor, patches of a convolution included, takes at most 64 MB in float32.

    Accuracy does not depend on it.
    """
    largest = math.prod(graph.input_shape)
    for node in graph:
        size = math.prod(graph.shapes[node.name])
        if isinstance(node.layer, WeightLayer):
            size = max(size, graph.multiplications[node.name] // (node.layer.outputs // node.layer.groups))
        largest = max(largest, graph.most_rows(node.name) * size)
    return max(1, min(_MOST_IMAGES, _LARGEST_TENSOR // largest))


def evaluate(
    network: QuantizedNetwork,
    data: Dataset,
    tables: Tables | None,
    *,
    energy_fj: float | Mapping[str, float] | None = None,
    batch: int | None = None,
    compared_with: Reference | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Run a network with product tables, and compare with what it says with exact products and in float.

    Parameters
    ----------
    network : QuantizedNetwork
        Of the tables' signedness.
    data : Dataset
    tables : ProductTable, or mapping of layer name to ProductTable or LayerTables, or None
        One table for all product layers, or tables for each layer named; all others multiply exactly.
    energy_fj : float, or mapping of layer name to float, optional
        Mean energy of one multiplication, for all layers or for each product layer. Those of experts are counted as
        they are done.
    batch : int, optional
        Images at a time, by default few enough for the memory of any machine.
    compared_with : Reference, optional
        Of this network and data, where it is known already.
    threads : int, optional
        All processors by default.
    progress : callable, optional
        Called with the images done and their total after each batch.

    Raises
    ------
    AxhwError
        For images of another shape, labels that are no class of the network, tables that do not fit it, or energies
        that are not finite, below 0 or missing for a layer.
    """
    by_layer_fj = _by_layer_fj(network.multiplications, energy_fj)
    classes = network.graph.classes
    if int(data.labels.max()) >= classes:
        raise AxhwError(
            f"Expected labels from 0 to {classes - 1}, found {int(data.labels.min())} to {int(data.labels.max())}."
        )
    size = batch_size(network.graph) if batch is None else batch
    run = Executor(network, tables, threads=threads)
    rows = dict.fromkeys(network.multiplications, 0)

    def count(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        if node.name in rows:
            rows[node.name] += len(output)

    found = classify(partial(run, observe=count), data, batch=size, progress=progress)
    multiplications = _per_image(network.graph, rows, len(data))
    known = compared_with if compared_with is not None else reference(network, data)
    return EvaluationResult(
        network=network.graph.name,
        dataset=data.name,
        split=data.split,
        seed=data.seed,
        signed=network.signed,
        images=len(data),
        float_accuracy=None if known.float_classes is None else _share(known.float_classes == data.labels),
        exact_accuracy=_share(known.exact_classes == data.labels),
        approximate_accuracy=_share(found == data.labels),
        agreement=_share(found == known.exact_classes),
        layer_multiplications=multiplications,
        energy_nj=_energy_nj(multiplications, by_layer_fj),
    )


def _share(right: npt.NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(right)) / len(right)


def _per_image(graph: Graph, rows: Mapping[str, int], images: int) -> dict[str, float]:
    """Multiplications done for one image, from the rows that each layer computed for some images."""
    found: dict[str, float] = {}
    for name, count in rows.items():
        total = graph.multiplications[name] * count
        found[name] = total / images if total % images else total // images
    return found


def _by_layer_fj(
    multiplications: Mapping[str, float], energy_fj: float | Mapping[str, float] | None
) -> Mapping[str, float] | None:
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
    return by_layer


def _energy_nj(multiplications: Mapping[str, float], by_layer_fj: Mapping[str, float] | None) -> float | None:
    if by_layer_fj is None:
        return None
    return _NJ_PER_FJ * sum(count * by_layer_fj[layer] for layer, count in multiplications.items())
