"""Compensation of configurations one after the other: `axhw.nn.compensation.compensated`, from where they differ."""

from __future__ import annotations

import numpy as np

from axhw.emulate.codes import Accumulators
from axhw.errors import AxhwError
from axhw.nn.compensation import Batches, Compensation, batch_inputs, corrected
from axhw.nn.executor import channels_last
from axhw.nn.graph import INPUT, Node
from axhw.nn.layer_sums import SumExecutor, SumMoments
from axhw.nn.layers.base import WeightLayer
from axhw.nn.layers.routing import Gate
from axhw.nn.network import Images
from axhw.nn.quantized import QuantizedNetwork, QuantizedProduct
from axhw.search.configuration import Choice, Kernels, prefixes
from axhw.search.prefix_cache import PrefixCache

_IMAGES_AT_ONCE = 32


class Corrections:
    """The biases and scales of configurations, learnt from some images.

    Parameters
    ----------
    network : QuantizedNetwork
    kernels : Kernels
    images : float array, shape (B, *input_shape)
    method : {"bias", "affine"}
        ``affine`` compares sums with those of exact products row by row, so gates have to choose the same experts.
    memory_mb : float
        For activations.
    threads : int, optional
        All processors by default.
    """

    def __init__(
        self,
        network: QuantizedNetwork,
        kernels: Kernels,
        images: Images,
        *,
        method: Compensation,
        memory_mb: float,
        threads: int | None,
    ) -> None:
        self._network = network
        self._kernels = kernels
        self._method = method
        self._run = SumExecutor(network, threads=threads)
        self._exact = SumExecutor(network, threads=threads)
        self._nodes = network.graph.nodes
        self._places = {
            place: number
            for number, place in enumerate(
                place for place, node in enumerate(self._nodes) if node.name in kernels.layers
            )
        }
        network.graph.check_images(images)
        self._images = [
            channels_last(network.input.encode(images[start : start + _IMAGES_AT_ONCE]))
            for start in range(0, len(images), _IMAGES_AT_ONCE)
        ]
        # By layer and batch: sums, and weights of gates.
        self._references: dict[str, list[Accumulators]] = {}
        self._weights: Batches = {}
        if method == "affine":
            self._refer()
        self._found: dict[bytes, QuantizedProduct] = {}
        self._cache: PrefixCache[Batches] = PrefixCache(int(memory_mb * 1e6))

    def products(self, choice: Choice) -> dict[str, QuantizedProduct]:
        """The corrected layers with weights of a configuration."""
        names = self._kernels.layers
        chain = prefixes(choice, names)
        weighed = {name: chain[number + 1] for number, name in enumerate(names) if name in self._network.products}
        missing = [number for number, name in enumerate(names) if weighed.get(name, b"") not in {b"", *self._found}]
        if missing:
            self._learn(choice, chain, missing[0])
        return {name: self._found[key] for name, key in weighed.items()}

    def _learn(self, choice: Choice, chain: list[bytes], first: int) -> None:
        """Correct the layers from number `first` on."""
        start, values = 0, {INPUT: list(self._images)}
        for place, number in reversed(self._places.items()):
            if number <= first and (state := self._cache.get(chain[number])) is not None:
                start, values = place, dict(state)
                break
        for place in range(start, len(self._nodes)):
            node = self._nodes[place]
            if place not in self._places:
                self._advance(node, values)
                continue
            number = self._places[place]
            if place > start and self._cache.wants(chain[number]):
                size = sum(int(value.nbytes) for batches in values.values() for value in batches)
                self._cache.put(chain[number], dict(values), size=size)
            self._correct(node, values, choice, chain[number + 1])

    def _correct(self, node: Node, values: Batches, choice: Choice, key: bytes) -> None:
        """Run a product layer, corrected if it has weights."""
        product = self._network.products.get(node.name)
        if product is None:
            self._kernels.use(self._run, node.name, choice[node.name], None)
            self._advance(node, values)
            return
        self._kernels.use(self._run, node.name, choice[node.name], product)
        self._check_route(node, values)
        inputs = [x for (x,) in batch_inputs(self._run, node, values)]
        sums = [self._run.sums(node, x) for x in inputs]
        if key not in self._found:
            references = self._references.get(node.name) or [self._exact.sums(node, x) for x in inputs]
            first, *others = (SumMoments.of(*pair) for pair in zip(sums, references))
            self._found[key] = corrected(product, sum(others, first), method=self._method)
        self._run.correct(node.name, self._found[key])
        values[node.name] = [self._run.finish(node, x, found) for x, found in zip(inputs, sums)]
        self._forget(node, values)

    def _advance(self, node: Node, values: Batches) -> None:
        values[node.name] = [self._run.run(node, inputs) for inputs in batch_inputs(self._run, node, values)]
        self._forget(node, values)

    def _forget(self, node: Node, values: Batches) -> None:
        for name in self._network.graph.last_use[node.name]:
            del values[name]

    def _refer(self) -> None:
        """Note what exact products make of all images."""
        values: Batches = {INPUT: list(self._images)}
        for node in self._nodes:
            inputs = batch_inputs(self._exact, node, values)
            if isinstance(node.layer, WeightLayer):
                self._references[node.name] = [self._exact.sums(node, x) for (x,) in inputs]
            values[node.name] = [self._exact.run(node, tensors) for tensors in inputs]
            if isinstance(node.layer, Gate):
                self._weights[node.name] = values[node.name]
            self._forget(node, values)

    def _check_route(self, node: Node, values: Batches) -> None:
        """Refuse an expert that gets other rows than with exact products, where sums of both are compared."""
        if node.route is None or not self._weights:
            return
        gate = node.route.gate
        if not all(np.array_equal(*pair) for pair in zip(values[gate], self._weights[gate])):
            raise AxhwError(
                f"Expected gates that choose as with exact products for an affine compensation, found {gate} choose "
                "others: compensate biases, or keep exact what the gate sees."
            )
