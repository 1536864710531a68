"""Runs an integer network: kernels are planned once for its weights and tables, then used for many batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Accumulators
from axhw.emulate.conv import prepare_conv2d
from axhw.emulate.gemm import gemm, prepare_gemm
from axhw.emulate.prepared import Multiplication
from axhw.emulate.requantize import Epilogue, requantize
from axhw.emulate.tables import exact_products
from axhw.errors import AxhwError
from axhw.nn.assignment import LayerTables, Tables, assign
from axhw.nn.graph import INPUT, Node
from axhw.nn.layers.activations import Clip
from axhw.nn.layers.base import CodeLayer, RealLayer, Reals, WeightLayer
from axhw.nn.layers.products import Conv2d, MatMul
from axhw.nn.network import Images
from axhw.nn.quantize import Float32Array, IntArray, Quantization
from axhw.nn.quantized import ACCUMULATOR_BITS, QuantizedNetwork
from axhw.nn.routing import node_inputs

# Codes where a tensor has some, else float32: which of the two, only the names in `codings` say.
Value: TypeAlias = npt.NDArray[Any]
Observer: TypeAlias = Callable[[Node, tuple[Value, ...], Value], None]

_LIMIT = 1 << (ACCUMULATOR_BITS - 1)
# Of two 8-bit codes; and whole numbers up to this one are all float32 numbers.
_LARGEST_PRODUCT, _FLOAT32_WHOLE = 255 * 255, 1 << 24


class Executor:
    """An integer network with its tables, ready to run.

    Parameters
    ----------
    network : QuantizedNetwork
    tables : ProductTable, or mapping of layer name to ProductTable or LayerTables, optional
        One table for all product layers, or tables by layer; layers without one multiply exactly.
    threads : int, optional
        All processors by default.

    Raises
    ------
    AxhwError
        For tables that don't fit the network.
    """

    def __init__(self, network: QuantizedNetwork, tables: Tables | None = None, *, threads: int | None = None) -> None:
        self.network = network
        self._threads = threads
        self._assigned = assign(tables, graph=network.graph, signed=network.signed)
        self._clips = _clips_behind(network)
        self._multiplications = {
            name: self.prepared(name, self._assigned.get(name)) for name in network.graph.weight_layers
        }
        self._constants: dict[str, IntArray] = {}
        self._epilogues: dict[str, Epilogue] = {}
        self._fitting: dict[str, bool] = {}
        for name in network.products:
            self._fix(name)
        self._fused = frozenset(self._clips.values())
        # What layers are called with, gathered once: small batches take hardly longer than finding it.
        self._local = {
            node.name: self._parameters(node) for node in network.graph if not isinstance(node.layer, WeightLayer)
        }
        self._dead = network.graph.last_use
        gates = {node.route.gate for node in network.graph if node.route is not None}
        self._zeros = {name: int(network.codings[name].zero_point) for name in gates if name in network.codings}

    @property
    def plans(self) -> dict[str, str]:
        """The kernel of each layer with weights."""
        return {name: multiplication.plan.kernel for name, multiplication in self._multiplications.items()}

    def __call__(self, images: Images, *, observe: Observer | None = None, dense: bool = False) -> Float32Array:
        """The network's output for a batch, logits for a classifier.

        Parameters
        ----------
        images : float array, shape (B, *input_shape)
        observe : callable, optional
            Called behind each node with the node, its inputs and its output: codes where the tensor has some, else
            real values. What a clip cuts off is cut off in the output of the layer before it. Nodes of experts take
            and make the rows chosen for them; those without any are left out.
        dense : bool
            Let every expert compute all rows, so that observers see what it would do. The result is the same.

        Returns
        -------
        float32 array, shape (B, *output shape)
        """
        self.network.graph.check_images(images)
        codes = channels_last(self.network.input.encode(images))
        return self.on_codes(codes, observe=observe, dense=dense)

    def on_codes(self, codes: Value, *, observe: Observer | None = None, dense: bool = False) -> Float32Array:
        """The same from images in codes, with the channels of a pixel beside each other (`channels_last`)."""
        graph = self.network.graph
        values: dict[str, Value] = {INPUT: codes}
        for node in graph:
            inputs = self.inputs(node, values, dense=dense)
            values[node.name] = output = self._run(node, inputs)
            if observe is not None and not _idle(node, inputs):
                observe(node, inputs, output)
            for name in self._dead[node.name]:
                del values[name]
        result = values[graph.output]
        return result.astype(np.float32, copy=False)

    def inputs(self, node: Node, values: Mapping[str, Value], *, dense: bool = False) -> tuple[Value, ...]:
        """What a node takes of the tensors made so far: see `axhw.nn.routing.node_inputs`."""
        return node_inputs(self.network.graph, node, values, zeros=self._zeros, dense=dense)

    def _run(self, node: Node, inputs: tuple[Value, ...]) -> Value:
        layer, codings = node.layer, self.network.codings
        target = codings.get(node.name)
        if _idle(node, inputs):
            return np.empty((0, *self.network.graph.shapes[node.name]), np.float32 if target is None else target.dtype)
        if isinstance(layer, WeightLayer):
            return self._weigh(node, layer, inputs[0], target)
        if isinstance(layer, MatMul):
            return self._multiply(node, layer, inputs, target)
        if isinstance(layer, CodeLayer) and target is not None:
            # The layer before has cut off what this one would.
            return inputs[0] if node.name in self._fused else layer.on_codes(inputs[0], target)
        sources = tuple(codings.get(name) for name in node.inputs)
        if isinstance(layer, RealLayer) and target is not None and all(sources):
            known = tuple(source for source in sources if source is not None)
            codes = layer.on_codes(known, target, *inputs, parameters=self._local[node.name])
            if codes is not None:
                return codes
        reals = (_decoded(value, source) for value, source in zip(inputs, sources))
        result = layer.forward(*reals, parameters=self._local[node.name])
        return target.encode(result) if target is not None else result

    def _parameters(self, node: Node) -> dict[str, Reals]:
        return {local: self.network.parameters[f"{node.name}.{local}"] for local in node.layer.parameter_shapes}

    def prepared(self, name: str, given: LayerTables | None) -> Multiplication:
        """The kernel of a layer with weights for some tables, exact products by default; biases and scales don't
        matter to it."""
        layer, product = self.network.graph.weight_layers[name], self.network.products[name]
        tables = given.tables if given is not None else exact_products(product.source.dtype, product.weights.dtype)
        shape = product.codes.shape
        table_of = given.for_weights(shape) if given is not None else None
        weight_zero = product.zero_points.reshape(-1, *(1,) * (len(shape) - 1))
        if isinstance(layer, Conv2d):
            return prepare_conv2d(
                product.codes,
                tables,
                a_dtype=product.source.dtype,
                stride=layer.stride,
                padding=layer.padding,
                dilation=layer.dilation,
                groups=layer.groups,
                zero=int(product.source.zero_point),
                table_of=table_of,
                weight_zero=weight_zero,
                threads=self._threads,
            )
        return prepare_gemm(
            product.codes.T,
            tables,
            a_dtype=product.source.dtype,
            table_of=None if table_of is None else table_of.T,
            weight_zero=weight_zero.T,
            threads=self._threads,
        )

    def _fix(self, name: str) -> None:
        """Work out, once for all batches, what is added to the sums of a layer and how they become codes."""
        self._constants[name] = constant = self.network.products[name].constant
        largest = self._multiplications[name].largest_sum + int(np.abs(constant).max(initial=0))
        self._fitting[name] = largest < _LIMIT
        if name in self.network.codings:
            self._epilogues[name] = self._epilogue(name)

    def sums(self, node: Node, x: Value) -> Accumulators:
        """The sums of a layer with weights, without bias and other constants, shape (positions, outputs).

        Parameters
        ----------
        node : Node
        x : array of codes
            A batch of the layer's inputs.
        """
        multiplication = self._multiplications[node.name]
        if not isinstance(node.layer, Conv2d):
            return multiplication(x.reshape(-1, x.shape[-1]))
        sums = multiplication(x).transpose(0, 2, 3, 1)
        by_position: Accumulators = sums.reshape(-1, sums.shape[-1])
        return by_position

    def _weigh(self, node: Node, layer: WeightLayer, x: Value, target: Quantization | None) -> Value:
        if target is not None and self._fitting[node.name]:
            multiplication, epilogue = self._multiplications[node.name], self._epilogues[node.name]
            if isinstance(layer, Conv2d):
                return multiplication.codes(x, epilogue)
            return _shaped(multiplication.codes(x.reshape(-1, x.shape[-1]), epilogue), layer, x)
        return self._finished(node, layer, x, self.sums(node, x))

    def _finished(self, node: Node, layer: WeightLayer, x: Value, sums: Accumulators) -> Value:
        """The output of a layer for the input `x` from its sums."""
        target = self.network.codings.get(node.name)
        total = sums.astype(np.int64) + self._constants[node.name]
        self._check_accumulator(node.name, total, layer.terms)
        if target is None:
            return _shaped(total.astype(np.float32) * self.network.products[node.name].unit, layer, x)
        # The sums hold the constant already.
        epilogue = self._epilogues[node.name]
        bare = replace(epilogue, constant=np.zeros_like(epilogue.constant))
        return _shaped(requantize(total.astype(np.int32), bare), layer, x)

    def _multiply(self, node: Node, layer: MatMul, inputs: tuple[Value, ...], target: Quantization | None) -> Value:
        """A product of activations: each matrix of the stack has weights of its own, so nothing can be prepared."""
        first, second = (self.network.codings[name] for name in node.inputs)
        given = self._assigned.get(node.name)
        a, b = (value.reshape(-1, *value.shape[-2:]) for value in inputs)
        if given is None or given.tables[0].is_exact:
            # Whole numbers that fit the mantissa have no rounding, in whatever order they are added.
            dtype = np.float32 if a.shape[2] * _LARGEST_PRODUCT <= _FLOAT32_WHOLE else np.float64
            sums = np.matmul(a.astype(dtype), b.astype(dtype)).astype(np.int32 if dtype == np.float32 else np.int64)
        else:
            table = given.tables[0]
            sums = np.stack([gemm(x, y, table, threads=self._threads) for x, y in zip(a, b)]).astype(np.int64)
        zero_a, zero_b = int(first.zero_point), int(second.zero_point)
        if zero_a or zero_b:
            moved = zero_b * a.sum(axis=2, dtype=np.int64)[:, :, None] + zero_a * b.sum(axis=1, dtype=np.int64)[:, None]
            sums = sums - moved + a.shape[2] * zero_a * zero_b
        self._check_accumulator(node.name, sums, a.shape[2])
        unit = first.scale * second.scale * np.float32(layer.scale)
        shape = (*inputs[0].shape[:-1], inputs[1].shape[-1])
        if target is None:
            reals: Value = sums.astype(np.float32) * unit
            return reals.reshape(shape)
        columns = b.shape[2]
        low, high = target.code_range
        epilogue = Epilogue(
            constant=np.zeros(columns, np.int32),
            scale=np.full(columns, unit / target.scale, np.float32),
            zero_point=int(target.zero_point),
            low=low,
            high=high,
            dtype=target.dtype,
        )
        return requantize(sums.astype(np.int32, copy=False), epilogue).reshape(shape)

    def _check_accumulator(self, name: str, sums: IntArray, terms: int) -> None:
        if sums.size and not -_LIMIT <= int(sums.min()) <= int(sums.max()) < _LIMIT:
            raise AxhwError(
                f"Expected sums within {ACCUMULATOR_BITS} bits in {name}, found {int(sums.min())} to "
                f"{int(sums.max())}: the table's products are too large for its {terms} terms."
            )

    def _epilogue(self, name: str) -> Epilogue:
        product, target = self.network.products[name], self.network.codings[name]
        low, high = target.code_range
        clip = self._clips.get(name)
        if clip is not None:
            layer = self.network.graph[clip].layer
            assert isinstance(layer, Clip)
            low, high = layer.code_limits(target)
        return Epilogue(
            constant=self._constants[name].astype(np.int32),
            scale=(product.unit / target.scale).astype(np.float32),
            zero_point=int(target.zero_point),
            low=low,
            high=high,
            dtype=target.dtype,
        )


def channels_last(x: Value) -> Value:
    """Images [B, C, H, W] with the channels of a pixel beside each other in memory; anything else as it is."""
    if x.ndim != 4:
        return x
    moved: Value = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return moved


def _idle(node: Node, inputs: tuple[Value, ...]) -> bool:
    """Whether a node belongs to an expert that no row was given to."""
    return node.route is not None and not len(inputs[0])


def _clips_behind(network: QuantizedNetwork) -> dict[str, str]:
    """For each layer with weights the clip that is the only one to take its output: it cuts off in one go."""
    clips: dict[str, str] = {}
    for name in network.graph.weight_layers:
        consumers = network.graph.consumers[name]
        coded = name in network.codings and len(consumers) == 1 and consumers[0].name in network.codings
        if coded and isinstance(consumers[0].layer, Clip):
            clips[name] = consumers[0].name
    return clips


def _decoded(value: Value, coding: Quantization | None) -> Reals:
    return coding.decode(value) if coding is not None else value


def _shaped(rows: Value, layer: WeightLayer, x: Value) -> Value:
    """Outputs on the last axis as the layer's output for the input `x`."""
    shape = layer.output_shape(x.shape[1:])
    if isinstance(layer, Conv2d):
        images: Value = rows.reshape(len(x), *shape[1:], shape[0]).transpose(0, 3, 1, 2)
        return images
    return rows.reshape(len(x), *shape)
