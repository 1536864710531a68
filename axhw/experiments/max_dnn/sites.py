"""How much single filters and kernels cost: filters measured, kernels predicted and some of them measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from axhw.data.dataset import Dataset
from axhw.evaluation import Bench
from axhw.experiments.max_dnn.designs import ClassName, Progress
from axhw.experiments.max_dnn.sensitivity import searched_layers
from axhw.experiments.parts import Parts
from axhw.nn.importance import Importance, output_importance
from axhw.nn.operand_statistics import FloatArray, OperandStatistics
from axhw.nn.quantized import QuantizedNetwork, QuantizedProduct
from axhw.search.noise import kernel_noise, noise_model
from axhw.search.sites import Site, draw_kernels, filters, layer_number, site_changes, site_row
from axhw.search.workbench import IMPORTANCE_IMAGES
from axhw.sim.product_table import ProductTable

Row = Mapping[str, Any]

CLASSES: tuple[ClassName, ...] = ("H", "M")
"""That filters run; kernels run the first."""


def measured_sites(
    sites: Sites, tables: Mapping[ClassName, tuple[str, ProductTable]], parts: Parts, *, kernels: int, seed: int
) -> dict[str, Any]:
    """Sensitivities of all filters and kernels, from the folder or measured.

    Parameters
    ----------
    sites : Sites
    tables : mapping of class to name and table of a design
        Of `CLASSES`.
    parts : Parts
    kernels : int
        So many of each layer are measured at most, drawn at random.
    seed : int
        Of that.

    Returns
    -------
    dict
        ``filters``: rows of `Sites.filters` for each class; ``kernels`` and ``measured_kernels`` of `Sites.kernels`.
    """
    about = {
        "network": sites.network.graph.name,
        "weights": sites.bench.weights,
        "data": sites.data.name,
        "split": sites.data.split,
        "images": len(sites.data),
    }
    rows: list[Row] = []
    for name in CLASSES:
        design, table = tables[name]

        def by_filter(name: ClassName = name, design: str = design, table: ProductTable = table) -> list[Row]:
            return [{"class": name, **row} for row in sites.filters(design, table)]

        rows += parts.remember("filters", {**about, "class": name, "table": table.sha256}, by_filter)
    design, table = tables[CLASSES[0]]

    def by_kernel(design: str = design, table: ProductTable = table) -> dict[str, Any]:
        return sites.kernels(design, table, most=kernels, seed=seed)

    settings = {**about, "table": table.sha256, "kernels": kernels, "seed": seed}
    return {"filters": rows, **parts.remember("kernels", settings, by_kernel)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Sites:
    """The filters and kernels of a network, in the layers that a search changes; it prepares itself when asked.

    Attributes
    ----------
    bench : Bench
    images : int
        Of the test split, to measure on.
    progress : callable
        Called with steps done, their total and what comes next.
    """

    bench: Bench
    images: int
    progress: Progress = lambda done, total, what: None

    @cached_property
    def network(self) -> QuantizedNetwork:
        """For signed multipliers."""
        return self.bench.quantized(signed=True)

    @cached_property
    def data(self) -> Dataset:
        """The images to measure on."""
        return self.bench.data.test.limited(self.images)

    @cached_property
    def importance(self) -> Mapping[str, Importance]:
        """What errors of each filter do to the logits."""
        self.progress(0, 1, "importance of the outputs")
        return output_importance(self.network, self.bench.calibration_images[:IMPORTANCE_IMAGES])

    @property
    def statistics(self) -> Mapping[str, OperandStatistics]:
        """What the layers multiply."""
        return self.bench.operand_statistics(signed=True)

    def filters(self, name: str, table: ProductTable) -> list[Row]:
        """Each filter alone with the table of a design: rows of `axhw.search.sites.site_row`, the norm of its weights,
        and its predicted noise."""
        products = self.network.products
        norms = {layer: np.linalg.norm(weight_norms(product), axis=1) for layer, product in products.items()}
        tables = dict.fromkeys(products, (table,))
        predicted = noise_model(self.network, self.statistics, self.importance, tables).filters
        every = filters(self.network.graph, searched_layers(self.network))
        return [
            {
                **row,
                "weight_norm": float(norms[site.layer][site.filter]),
                "predicted_noise": float(predicted[site.layer][0, site.filter]),
            }
            for site, row in self._measured(name, table, every, what=f"filters with {name}")
        ]

    def kernels(self, name: str, table: ProductTable, *, most: int, seed: int) -> dict[str, Any]:
        """Each kernel alone with the table of a design, predicted, and some measured.

        Returns
        -------
        dict
            ``kernels``: by layer its number, the multiplications of a kernel, and of all kernels, shape (outputs,
            channels), the norms of their weights and their predicted noise. ``measured_kernels``: rows of
            `axhw.search.sites.site_row` with the predicted noise.
        """
        layers = searched_layers(self.network)
        noise = {
            layer: kernel_noise(self.network, layer, self.statistics[layer], self.importance[layer], table)
            for layer in layers
        }
        drawn = draw_kernels(self.network.graph, layers, most=most, rng=np.random.default_rng(seed))
        return {
            "kernels": {
                layer: {
                    "number": layer_number(self.network.graph, layer),
                    "multiplications": round(self.network.multiplications[layer] / noise[layer].size),
                    "weight_norm": _short(weight_norms(self.network.products[layer])),
                    "predicted_noise": _short(noise[layer]),
                }
                for layer in layers
            },
            "measured_kernels": [
                {**row, "predicted_noise": float(noise[site.layer][site.filter, site.channel])}
                for site, row in self._measured(name, table, drawn, what=f"kernels with {name}")
            ],
        }

    def _measured(
        self, name: str, table: ProductTable, every: Sequence[Site], *, what: str
    ) -> list[tuple[Site, dict[str, object]]]:
        def step(done: int, total: int) -> None:
            self.progress(done, total, what)

        changes = site_changes(self.network, self.data, table, every, progress=step)
        return [(site, site_row(name, self.network, self.data, site, change)) for site, change in zip(every, changes)]


def weight_norms(product: QuantizedProduct) -> FloatArray:
    """Euclidean norm of the real weights of each kernel, shape (outputs, channels)."""
    outputs, channels = product.codes.shape[:2]
    codes = product.codes.reshape(outputs, channels, -1).astype(np.float64) - product.zero_points[:, None, None]
    scales = np.broadcast_to(product.weights.scale, (outputs,)).astype(np.float64)
    norms: FloatArray = scales[:, None] * np.linalg.norm(codes, axis=2)
    return norms


def _short(array: FloatArray) -> list[list[float]]:
    """As JSON values of six digits: there are thousands of them."""
    return [[float(f"{value:.6g}") for value in row] for row in array.tolist()]
