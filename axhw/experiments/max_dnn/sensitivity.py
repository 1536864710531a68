"""How much accuracy one approximate layer costs, by its depth, and whether that holds for other trainings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from axhw.data.dataset import Dataset
from axhw.evaluation import CALIBRATION_IMAGES, Bench
from axhw.experiments.max_dnn.designs import ClassName
from axhw.experiments.max_dnn.plan import Training
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.quantizer import quantize_network
from axhw.nn.weights_file import SUFFIX, read_weights
from axhw.search.evaluator import Evaluator
from axhw.search.space import LEAST_SHARE
from axhw.sim.product_table import ProductTable

Row = Mapping[str, Any]


def sensitivities(
    network: QuantizedNetwork,
    data: Dataset,
    exact: ProductTable,
    tables: Mapping[ClassName, tuple[str, ProductTable]],
    *,
    up_to: bool = True,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Accuracy with each class of designs in one layer alone, and in all layers up to it.

    Layers with less than `axhw.search.space.LEAST_SHARE` of the multiplications stay exact, as in the search.

    Parameters
    ----------
    network : QuantizedNetwork
    data : Dataset
    exact : ProductTable
        Of the other layers.
    tables : mapping of class to name and table of a design
    up_to : bool
        Without, layers alone only.
    threads : int, optional
        All processors by default.
    progress : callable, optional
        Called with the evaluations done and their number.

    Returns
    -------
    list of mapping
        With the columns of `axhw.sensitivity.sensitivity_row` that need no energy, and the class.
    """
    everything = [exact, *(table for _, table in tables.values())]
    names = [node.name for node in network.graph.product_nodes]
    evaluator = Evaluator(network, data, dict.fromkeys(names, everything), threads=threads)
    layers = searched_layers(network)

    def choice(design: int, some_layers: Sequence[str]) -> dict[str, Any]:
        return {name: np.asarray(design if name in some_layers else 0) for name in names}

    choices = [choice(0, [])]
    for design in range(1, len(everything)):
        for place, name in enumerate(layers):
            choices.append(choice(design, [name]))
            choices.append(choice(design, layers[: place + 1] if up_to else [name]))
    accuracies = evaluator.evaluate(choices, progress=progress)
    found: list[Row] = []
    pairs = iter(zip(accuracies[1::2], accuracies[2::2]))
    for name_of_class, (design_name, _) in tables.items():
        for number, name in enumerate(layers, 1):
            alone, cumulative = next(pairs)
            found.append(
                {
                    "class": name_of_class,
                    "name": design_name,
                    "network": network.graph.name,
                    "dataset": data.name,
                    "split": data.split,
                    "images": len(data),
                    "number": number,
                    "layer": name,
                    "multiplications": network.multiplications[name],
                    "int8_accuracy": accuracies[0],
                    "accuracy_alone": alone,
                    "accuracy_up_to": cumulative if up_to else None,
                }
            )
    return found


def searched_layers(network: QuantizedNetwork) -> list[str]:
    """The layers with weights that are large enough for a search to change them."""
    total = sum(network.multiplications.values())
    return [name for name in network.products if network.multiplications[name] >= LEAST_SHARE * total]


def trained(training: Training, *, root: Path | None, images: int) -> tuple[QuantizedNetwork, Dataset]:
    """The integer network of a training, and test images."""
    bench = Bench.load(model=training.model, data=training.data, root=root, images=images)
    network = bench.network if training.seed == 0 else _other_weights(training)
    assert isinstance(network, Network)
    calibration = bench.calibration_images
    if training.calibration_seed is not None:
        network = replace(network, ranges={})
        calibration = bench.data.train.limited(CALIBRATION_IMAGES, seed=training.calibration_seed).images
    return quantize_network(network, calibration, signed=True, per_channel=training.per_channel), bench.data.test


def _other_weights(training: Training) -> Network:
    """Those of a training with another seed."""
    name = f"{training.model}-{training.data}-seed{training.seed}{SUFFIX}"
    with resources.as_file(resources.files("axhw.experiments.max_dnn") / "weights" / name) as path:
        return read_weights(path).network


def thirds(training: Training, rows: Sequence[Row]) -> list[Row]:
    """Mean loss of the first and the last third of the layers, each alone, and Spearman's correlation of depth and
    loss; a row for each class."""
    found: list[Row] = []
    for name in dict.fromkeys(row["class"] for row in rows):
        own = [row for row in rows if row["class"] == name]
        losses = np.array([100 * (row["int8_accuracy"] - row["accuracy_alone"]) for row in own])
        third = max(1, round(len(losses) / 3))
        correlation = float(spearmanr(range(len(losses)), losses).statistic) if np.ptp(losses) else 0.0
        found.append(
            {
                **asdict(training),
                "class": name,
                "name": own[0]["name"],
                "images": own[0]["images"],
                "int8_accuracy": own[0]["int8_accuracy"],
                "layers": len(losses),
                "first_third_loss_pct": float(losses[:third].mean()),
                "last_third_loss_pct": float(losses[-third:].mean()),
                "largest_loss_pct": float(losses.max()),
                "most_sensitive_layer": int(losses.argmax()) + 1,
                "spearman_depth_loss": correlation,
            }
        )
    return found
