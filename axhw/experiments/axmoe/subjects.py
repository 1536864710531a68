"""The networks of the experiment, with their weights and images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from axhw.data.dataset import Splits
from axhw.evaluation import Bench
from axhw.moe.cells import RETRAINED, Cell, trained_network
from axhw.moe.choices import RoutedRun, routed_run
from axhw.nn.assignment import Tables, approximated_layers
from axhw.nn.graph import Graph
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.weights_file import load_shipped, read_weights
from axhw.nn.zoo.moe import dense_name, topology
from axhw.sim.product_table import ProductTable


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A network with weights.

    Attributes
    ----------
    name : str
        In the zoo.
    bench : Bench
    """

    name: str
    bench: Bench

    @classmethod
    def found(cls, name: str, *, data: str, splits: Splits, weights: Path | None) -> Subject | None:
        """With the weights of a folder or those that come with axhw; None without any."""
        trained = trained_network(name, data, weights)
        if trained is None:
            return None
        return cls(name=name, bench=Bench(network=trained.network, data=splits, weights=f"{name} on {trained.data}"))

    @property
    def base(self) -> str:
        """The dense network it was made of."""
        return dense_name(self.name)

    @property
    def topology(self) -> str:
        """``dense``, ``hard``, ``soft`` or ``cluster``."""
        return topology(self.name)

    @property
    def network(self) -> QuantizedNetwork:
        """With signed codes."""
        return self.bench.quantized(signed=True)

    @property
    def graph(self) -> Graph:
        return self.network.graph

    @cached_property
    def digest(self) -> str:
        """Of the weights."""
        network = self.bench.network
        assert isinstance(network, Network)
        return network.digest

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Those that multiply approximately."""
        return approximated_layers(self.graph)

    def tables(self, table: ProductTable) -> dict[str, ProductTable]:
        """A table for all of these."""
        return dict.fromkeys(self.layers, table)

    @cached_property
    def exact(self) -> RoutedRun:
        """The test images with exact products."""
        return self.run(None)

    def run(self, tables: Tables | None, network: QuantizedNetwork | None = None) -> RoutedRun:
        """The test images with some tables, and with other weights where these are given."""
        return routed_run(self.network if network is None else network, self.bench.data.test, tables)

    def accuracy(self, run: RoutedRun) -> float:
        """Share of the test images in the right class."""
        return float((run.classes == self.bench.data.test.labels).mean())


def retrained_network(cell: Cell, subject: Subject, *, out: Path, data: str) -> Network | None:
    """What a retraining made, from the folder of the results or as it comes with axhw; None without it.

    What comes with axhw was made of the networks that do, and is for these alone.
    """
    path = cell.weights(out / RETRAINED)
    if path.exists():
        return read_weights(path).network
    shipped = resources.files("axhw.experiments.axmoe") / "weights" / cell.recipe / cell.network / path.name
    if data != SHIPPED_DATA or not shipped.is_file():
        return None
    if subject.digest != load_shipped(cell.network, data).network.digest:
        return None
    with resources.as_file(shipped) as file:
        return read_weights(file).network


SHIPPED_DATA = "digits"
"""Data set of the retrained weights that come with axhw."""
