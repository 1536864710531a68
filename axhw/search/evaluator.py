"""Configurations evaluated one after the other, each only from the layer on where it differs from those before.

The integer network is held once, tables once, kernels of a layer as long as its choice comes again, and activations in
front of a layer as long as other configurations begin alike and memory lasts. Results are those of
`axhw.nn.evaluate.evaluate`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from axhw.data.dataset import Dataset
from axhw.errors import AxhwError
from axhw.nn.compensation import Compensation
from axhw.nn.evaluate import Classes, batch_size
from axhw.nn.executor import Value, channels_last
from axhw.nn.graph import INPUT
from axhw.nn.layer_sums import SumExecutor
from axhw.nn.network import Images
from axhw.nn.quantized import QuantizedNetwork, QuantizedProduct
from axhw.search.configuration import Choice, Kernels, prefixes
from axhw.search.corrections import Corrections
from axhw.search.prefix_cache import PrefixCache
from axhw.sim.product_table import ProductTable

_Tensors: TypeAlias = dict[str, Value]

MEMORY_MB = 1024.0

_CORRECTIONS_SHARE = 0.25


class Evaluator:
    """What configurations make of some images.

    Parameters
    ----------
    network : QuantizedNetwork
    data : Dataset
        Of the validation split: the test split is for what was chosen.
    tables : mapping of str to sequence of ProductTable
        For each product layer the tables of all designs; with tuned weights they differ from layer to layer.
    compensation : {"bias", "affine"}, optional
        Learnt anew for each configuration, from `learnt_from`.
    learnt_from : float array, shape (B, *input_shape), optional
        Images of the train split; their labels aren't needed.
    memory_mb : float
        For activations.
    threads : int, optional
        All processors by default.

    Raises
    ------
    AxhwError
        For layers without tables, and a compensation without images.
    """

    def __init__(
        self,
        network: QuantizedNetwork,
        data: Dataset,
        tables: Mapping[str, Sequence[ProductTable]],
        *,
        compensation: Compensation | None = None,
        learnt_from: Images | None = None,
        memory_mb: float = MEMORY_MB,
        threads: int | None = None,
    ) -> None:
        self.network = network
        self.data = data
        self._kernels = Kernels(network, tables)
        self._nodes = network.graph.nodes
        self._places = [place for place, node in enumerate(self._nodes) if node.name in self._kernels.layers]
        self._number = {place: number for number, place in enumerate(self._places)}
        self._run = SumExecutor(network, threads=threads)
        self._batch = batch_size(network.graph)
        self._classes: dict[tuple[bytes, int], Classes] = {}
        self._corrections: Corrections | None = None
        if compensation is not None:
            if learnt_from is None or not len(learnt_from):
                raise AxhwError("Expected images of the train split to learn compensations from, found none.")
            for_corrections, memory_mb = _CORRECTIONS_SHARE * memory_mb, (1 - _CORRECTIONS_SHARE) * memory_mb
            self._corrections = Corrections(
                network, self._kernels, learnt_from, method=compensation, memory_mb=for_corrections, threads=threads
            )
        self._cache: PrefixCache[_Tensors] = PrefixCache(int(memory_mb * 1e6))
        self.layers_run = 0
        self.layers_reused = 0

    def evaluate(
        self,
        choices: Sequence[Choice],
        *,
        images: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[float]:
        """Accuracy of each configuration; those that begin alike are run one after the other.

        Parameters
        ----------
        choices : sequence of mapping of str to int64 array
        images : int, optional
            On the first so many images only; all by default.
        progress : callable, optional
            Called with the configurations done and their number.
        """
        chains = [prefixes(choice, self._kernels.layers) for choice in choices]
        self._cache.expect(prefix for chain in chains for prefix in chain)
        found = [0.0] * len(choices)
        for done, place in enumerate(sorted(range(len(choices)), key=chains.__getitem__)):
            found[place] = self.accuracy(choices[place], images=images)
            if progress is not None:
                progress(done + 1, len(choices))
        return found

    def accuracy(self, choice: Choice, *, images: int | None = None) -> float:
        """Share of the images, or of the first so many, that a configuration puts into the right class."""
        classes = self.classes(choice, images=images)
        return int(np.count_nonzero(classes == self.data.labels[: len(classes)])) / len(classes)

    def classes(self, choice: Choice, *, images: int | None = None) -> Classes:
        """The class of each image, or of the first so many, int64."""
        count = len(self.data) if images is None else min(images, len(self.data))
        chain = prefixes(choice, self._kernels.layers)
        wanted = range(-(-count // self._batch))
        missing = [number for number in wanted if (chain[-1], number) not in self._classes]
        for number, logits in zip(missing, self._run_batches(choice, chain, missing)):
            self._classes[chain[-1], number] = logits.argmax(axis=1).astype(np.int64)
        return np.concatenate([self._classes[chain[-1], number] for number in wanted])[:count]

    def logits(self, choice: Choice) -> Value:
        """Those of all images, shape (images, classes); unlike classes they are not kept."""
        chain = prefixes(choice, self._kernels.layers)
        batches = range(-(-len(self.data) // self._batch))
        return np.concatenate(list(self._run_batches(choice, chain, batches)))

    def _run_batches(self, choice: Choice, chain: Sequence[bytes], numbers: Sequence[int]) -> Iterator[Value]:
        """Logits of some batches."""
        if numbers:
            self._use(choice)
            kept = [self._cache.wants(prefix) for prefix in chain]
            yield from (self._forward(number, chain, kept) for number in numbers)

    def _use(self, choice: Choice) -> None:
        """Make the executor that of a configuration."""
        products: Mapping[str, QuantizedProduct] = self.network.products
        if self._corrections is not None:
            products = self._corrections.products(choice)
        for name in self._kernels.layers:
            self._kernels.use(self._run, name, choice[name], products.get(name))

    def _forward(self, number: int, chain: Sequence[bytes], kept: Sequence[bool]) -> Value:
        """Logits of a batch."""
        begun, values = self._begun(number, chain)
        graph = self.network.graph
        first = self._places[begun] if begun else 0
        for place in range(first, len(self._nodes)):
            node, layer = self._nodes[place], self._number.get(place, 0)
            if layer > begun and kept[layer]:
                size = sum(int(value.nbytes) for value in values.values())
                self._cache.put((chain[layer], number), dict(values), size=size)
            values[node.name] = self._run.run(node, self._run.inputs(node, values))
            for name in graph.last_use[node.name]:
                del values[name]
        return values[graph.output]

    def _begun(self, number: int, chain: Sequence[bytes]) -> tuple[int, _Tensors]:
        """How many layers of a batch need not be run, and the tensors behind them."""
        for layer in range(len(self._places) - 1, 0, -1):
            if (state := self._cache.get((chain[layer], number))) is not None:
                self.layers_reused += layer
                self.layers_run += len(self._places) - layer
                return layer, dict(state)
        self.layers_run += len(self._places)
        images, _ = self.data.batch(number * self._batch, (number + 1) * self._batch)
        self.network.graph.check_images(images)
        return 0, {INPUT: channels_last(self.network.input.encode(images))}
