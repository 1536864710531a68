"""Quantisation-aware training: the integer network, computed in PyTorch, with gradients.

The forward pass gives the integers of `axhw.nn.executor` for the network that `axhw.nn.quantizer` makes of the same
weights and ranges, on a CPU and on a GPU; how layers that compute in real values do that, see `axhw.train.real_layers`.
While ranges still follow the activations, such layers are left to PyTorch.
Backwards, rounding counts as the identity and saturation as a wall (straight-through estimator, Bengio et al. 2013).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import torch
from torch import nn

from axhw.errors import VerificationError
from axhw.nn.assignment import Tables, assign
from axhw.nn.graph import INPUT, Graph, Node
from axhw.nn.layers.activations import Clip
from axhw.nn.layers.base import CodeLayer, ProductLayer, RealLayer, WeightLayer
from axhw.nn.layers.pooling import GlobalAvgPool
from axhw.nn.layers.products import Conv2d, MatMul
from axhw.nn.layers.routing import Gate
from axhw.nn.network import Network, Range
from axhw.train.approximate import approximate_sums, reference_sums
from axhw.train.branches import Branches
from axhw.train.coding import AddCodes, Coding, Decided, Encode, Requantize
from axhw.train.codings import CodePlan, Codings
from axhw.train.layers import forward
from axhw.train.moving_ranges import MovingRanges
from axhw.train.products import exact_sums, product_sums
from axhw.train.real_layers import CodeFunction, device_codes, numpy_codes
from axhw.train.routing import Capacity, ChosenRows, combined
from axhw.train.table_maps import Approximation, TableMaps, table_maps
from axhw.train.torch_model import GraphModule, to_network
from axhw.train.weight_codes import WeightCodes, WeightQuantizer

_PLAIN = Approximation()
_CHECKED_ROWS = 8


class QuantizedModule(nn.Module):
    """A network with codes for activations and weights.

    Parameters
    ----------
    network : Network
        Without batch norms, with the ranges of all tensors that decide a coding (`axhw.nn.quantizer.range_sources`).
    signed, symmetric, per_channel
        As in `axhw.nn.quantizer.quantize_network`.
    tables : ProductTable, or mapping of layer name to ProductTable or LayerTables, optional
        Of the products, as for `axhw.nn.executor.Executor`; layers without one multiply exactly.
    approximation : Approximation
        How products of tables are computed and differentiated.

    Attributes
    ----------
    model : GraphModule
        The real weights.
    limits : float64 tensor
        The ranges; after a change, `refresh`.

    Raises
    ------
    AxhwError
        For tables that don't fit the network, and ranges that are missing.
    """

    def __init__(
        self,
        network: Network,
        *,
        signed: bool,
        symmetric: bool | None = None,
        per_channel: bool = True,
        tables: Tables | None = None,
        approximation: Approximation = _PLAIN,
    ) -> None:
        super().__init__()
        self.model = GraphModule(network.graph, network.parameters)
        self._signed, self._symmetric = signed, symmetric
        self._weights = WeightQuantizer(self.model, signed=signed, per_channel=per_channel)
        self._plan = CodePlan(network.graph, signed=signed, symmetric=symmetric)
        self.register_buffer("limits", self._plan.limits_of(network))
        assigned = assign(tables, graph=network.graph, signed=signed)
        maps = table_maps(network.graph, assigned, signed=signed, approximation=approximation)
        self._maps_of = {name: place for place, name in enumerate(maps)}
        self._maps = nn.ModuleList(maps.values())
        self._checks = False
        self._follows = False
        self._moving: MovingRanges | None = None
        self._codings: Codings | None = None
        self._exact: dict[str, CodeFunction] = {}
        self._units: dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}
        self._capacities: dict[str, Capacity] = {}

    @property
    def graph(self) -> Graph:
        """Without batch norms."""
        return self.model.graph

    @property
    def ranges(self) -> dict[str, Range]:
        """What codes can hold, by tensor."""
        return {name: (low, high) for name, (low, high) in zip(self._plan.ranged, self.limits.tolist())}

    @property
    def terms(self) -> int | None:
        """The most integer factors of a layer's tables; None where all multiply exactly, or products are looked up."""
        counts = [maps.terms or 0 for maps in self._maps]
        return max(counts) if all(counts) and counts else None

    def network(self) -> Network:
        """The weights, copied, with the ranges: `axhw.nn.quantizer` makes of it the integer network computed here."""
        return to_network(self.model, ranges=self.ranges)

    def refresh(self) -> None:
        """Take the ranges as they are now; a recorded step goes on with those before, so it must be recorded anew."""
        self._codings = None

    def follow_ranges(self, follow: bool) -> bool:
        """Whether ranges follow the activations in training mode, as moving averages; returns whether that is new."""
        changed, self._follows = follow != self._follows, follow
        if changed:
            self.refresh()
        return changed

    def check_sums(self, images: torch.Tensor) -> None:
        """Compare sums of products for the first of some images with slow ones that are exact beyond doubt.

        Which kernel a GPU library chooses, and how that one rounds, depends on library, device and shapes.

        Raises
        ------
        VerificationError
            If any differs.
        """
        self._checks = True
        try:
            # With gradients, as experts compute other rows without.
            with torch.enable_grad():
                self(images)
        finally:
            self._checks = False

    def forward(
        self,
        images: torch.Tensor,
        observe: Callable[[Node, torch.Tensor], None] | None = None,
        decided: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """The output for normalised images; `observe` gets each node's output, codes where the tensor has some.

        `decided` are the `choices` of gates for these images: what leads to them alone is not computed again.

        Experts compute the chosen rows where no gradient asks for the others; in training on a GPU all rows, or as
        many as `make_room` was told.
        """
        codings = self._current()
        weights = self._weights(self.model, codings)
        images = _in_memory_order(images)
        self._moving = MovingRanges(self.graph, self._plan, self.limits) if self._follows and self.training else None
        self._follow(INPUT, images)
        values = {INPUT: codings.tensors[INPUT].encode(images)}
        # How many rows an expert gets differs from step to step, and a recorded step does not.
        training = torch.is_grad_enabled()
        capacities = self._capacities if training and self._moving is None else {}
        rows = ChosenRows(self.graph, capacities)
        # What moves rows to the slots of all experts and back is in one place.
        branches = Branches(self.graph, images.device, fork=not capacities)
        given = dict(decided or {})
        values |= given
        rows.decide_all({gate: self._chosen(gate, codes, codings) for gate, codes in given.items()})
        known = self.graph.leading_to(given)
        skipped = {node.name for node in self.graph.gate_nodes if node in known}
        for node in self.graph:
            if node.name in skipped:
                continue
            with branches.at(node, values):
                picked = rows.picked(node, values) if node.name in self._plan.choices else None
                if picked is None:
                    value = self._run(node, rows.inputs(node, values), codings, weights)
                else:
                    value = torch.clamp(picked, *codings.limits[node.name][1:])
            values[node.name] = value
            decides = isinstance(node.layer, Gate) and node.layer.k < value.shape[-1]
            fixed = images.is_cuda and training and node.name not in capacities
            if decides and not (value.requires_grad or self._moving or fixed):
                rows.decide(node.name, self._chosen(node.name, value, codings))
            if observe is not None:
                observe(node, values[node.name])
            for name in self.graph.last_use[node.name]:
                values.pop(name, None)
        return values[self.graph.output]

    @staticmethod
    def _chosen(gate: str, codes: torch.Tensor, codings: Codings) -> torch.Tensor:
        """Whether a gate gives rows to experts, from its codes."""
        return codes != codings.tensors[gate].zero_point

    @property
    def early_gates(self) -> tuple[str, ...]:
        """Frozen gates that see images alone and give each to one expert: what they choose doesn't change in training.

        There are none while ranges follow the activations.
        """
        if self._follows:
            return ()
        frozen = {INPUT}
        for node in self.graph:
            if node.name in self.model.frozen and frozen.issuperset(node.inputs):
                frozen.add(node.name)
        gates = (node for node in self.graph if isinstance(node.layer, Gate) and node.layer.k == 1)
        return tuple(node.name for node in gates if node.name in frozen)

    def choices(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Codes of the `early_gates`, [B, experts]; those of experts that don't get an image are the zero point."""
        gates = self.early_gates
        asked = self.graph.leading_to(gates)
        with torch.no_grad():
            codings = self._current()
            weights = self._weights(self.model, codings)
            values = {INPUT: codings.tensors[INPUT].encode(_in_memory_order(images))}
            for node in asked:
                inputs = tuple(values[name] for name in node.inputs)
                values[node.name] = self._run(node, inputs, codings, weights)
        return {gate: values[gate] for gate in gates}

    def make_room(self, choices: Mapping[str, torch.Tensor], *, batch: int) -> bool:
        """From now on experts compute as many rows in training as the fullest batch has for them, and no more.

        Parameters
        ----------
        choices : mapping of str to tensor, shape (steps * batch, experts)
            Those of the `early_gates`, of one batch behind the other.
        batch : int

        Returns
        -------
        bool
            Whether that is more than before: a recorded step must be recorded anew.
        """
        grown, codings = {}, self._current()
        for gate, codes in choices.items():
            chosen = self._chosen(gate, codes, codings)
            counts = chosen.unflatten(0, (-1, batch)).sum(dim=1).amax(dim=0).tolist()
            known = self._capacities.get(gate)
            if known is None or not known.holds(counts):
                before = (0,) * len(counts) if known is None else known.slots
                grown[gate] = Capacity.of([max(pair) for pair in zip(counts, before)], self.limits.device)
        self._capacities |= grown
        return bool(grown)

    def _current(self) -> Codings:
        if self._follows and self.training:
            self._exact, self._units = {}, {}
            return self._plan.codings(self.limits)
        if self._codings is None or self._codings.tensors[INPUT].scale.device != self.limits.device:
            self._codings = self._plan.codings(self.limits)
            self._exact = {node.name: codes for node in self.graph if (codes := self._exact_codes(node)) is not None}
            matmuls = ((node, node.layer) for node in self.graph if isinstance(node.layer, MatMul))
            self._units = {node.name: self._unit(node, layer, self._codings) for node, layer in matmuls}
        return self._codings

    def _exact_codes(self, node: Node) -> CodeFunction | None:
        assert self._codings is not None
        codings = self._codings.tensors
        exact = (
            isinstance(node.layer, GlobalAvgPool) or node.name in self._codings.sums or node.name in self._plan.choices
        )
        if not isinstance(node.layer, RealLayer) or exact:
            return None
        if not all(name in codings for name in (*node.inputs, node.name)):
            return None
        sources = tuple(codings[name].quantization() for name in node.inputs)
        target = codings[node.name].quantization()
        if self.limits.device.type == "cpu":
            return numpy_codes(node, sources, target)
        return device_codes(node, sources, target, self.limits.device)

    def _run(
        self, node: Node, inputs: tuple[torch.Tensor, ...], codings: Codings, weights: Mapping[str, WeightCodes]
    ) -> torch.Tensor:
        if not len(inputs[0]):
            return inputs[0].new_zeros((0, *self.graph.shapes[node.name]))
        # No gradients for frozen nodes that none leads through, such as gates that see images alone.
        ends = node.name in self.model.frozen and not any(x.requires_grad for x in inputs)
        with torch.no_grad() if ends else nullcontext():
            return self._computed(node, inputs, codings, weights)

    def _computed(
        self, node: Node, inputs: tuple[torch.Tensor, ...], codings: Codings, weights: Mapping[str, WeightCodes]
    ) -> torch.Tensor:
        layer, target = node.layer, codings.tensors.get(node.name)
        if isinstance(layer, WeightLayer):
            return self._weigh(node, layer, inputs[0], codings, weights[node.name])
        if isinstance(layer, MatMul):
            return self._matmul(node, layer, inputs, codings)
        if isinstance(layer, CodeLayer) and target is not None:
            return self._move(node, layer, inputs[0], target, codings)
        if isinstance(layer, GlobalAvgPool) and target is not None:
            return self._average(node, inputs[0], codings)
        if node.name in self._plan.choices:
            return self._pick(node, inputs, codings)
        if node.name in codings.sums and self._moving is None:
            added: torch.Tensor = AddCodes.apply(*inputs, codings.sums[node.name])
            return added
        return self._real(node, inputs, codings, target)

    def _weigh(
        self, node: Node, layer: WeightLayer, x: torch.Tensor, codings: Codings, weights: WeightCodes
    ) -> torch.Tensor:
        source = codings.tensors[node.inputs[0]]
        sums = self._sums(node, layer, (source.centred(x), weights.codes), (source.zero, weights.zero_point))
        return self._finish(node, sums, weights.bias, weights.unit, weights.ratio, codings)

    def _matmul(self, node: Node, layer: MatMul, inputs: tuple[torch.Tensor, ...], codings: Codings) -> torch.Tensor:
        first, second = (codings.tensors[name] for name in node.inputs)
        operands = (first.centred(inputs[0]), second.centred(inputs[1]))
        sums = self._sums(node, layer, operands, (first.zero, second.zero))
        known = self._units.get(node.name) or self._unit(node, layer, codings)
        return self._finish(node, sums, *known, codings)

    @staticmethod
    def _unit(node: Node, layer: MatMul, codings: Codings) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Constant, unit and ratio of a product of activations, as `WeightCodes` has them."""
        first, second = (codings.tensors[name] for name in node.inputs)
        unit = (first.scale * second.scale * layer.scale).reshape(1)
        target = codings.tensors.get(node.name)
        return torch.zeros_like(unit, dtype=torch.float64), unit, unit if target is None else unit / target.scale

    def _sums(
        self,
        node: Node,
        layer: ProductLayer,
        operands: tuple[torch.Tensor, torch.Tensor],
        zeros: tuple[torch.Tensor | None, torch.Tensor | None],
    ) -> torch.Tensor:
        """Sums of products of operands less their zero points."""
        maps = self._maps[self._maps_of[node.name]] if node.name in self._maps_of else None
        if maps is not None:
            sums = approximate_sums(maps, *operands, a_zero=zeros[0], w_zero=zeros[1])
        else:
            activation = 127 if self._signed and self._symmetric is not False else 255
            other = activation if isinstance(layer, MatMul) else (127 if self._signed else 255)
            if operands[1].is_cuda and isinstance(layer, Conv2d):
                # In another memory order cuDNN may multiply by Fourier transforms: slow here, and not exact.
                operands = (operands[0], operands[1].contiguous(memory_format=torch.channels_last))
            sums = exact_sums(layer, *operands, largest_product=activation * other)
        if self._checks:
            _check(node, layer, maps, sums, operands, zeros)
        return sums

    def _finish(
        self,
        node: Node,
        sums: torch.Tensor,
        bias: torch.Tensor,
        unit: torch.Tensor,
        ratio: torch.Tensor,
        codings: Codings,
    ) -> torch.Tensor:
        """From sums to codes, or to real values where the output has no coding."""
        target = codings.tensors.get(node.name)
        if target is None or self._moving is not None:
            sides = (-1, 1, 1) if sums.ndim == 4 else (-1,)
            real = (sums.to(torch.float64) + bias.reshape(sides)).to(torch.float32) * unit.reshape(sides)
            if target is None:
                return real
            self._follow(node.name, real)
        codes: torch.Tensor = Requantize.apply(sums, bias, ratio, codings.limits[node.name])
        return codes

    def _move(self, node: Node, layer: CodeLayer, x: torch.Tensor, coding: Coding, codings: Codings) -> torch.Tensor:
        if node.name in self._plan.clips.values():
            return x
        if isinstance(layer, Clip):
            _, low, high = codings.limits[node.name]
            return torch.minimum(torch.maximum(x, low), high)
        # Zeros that it brings in are codes of 0.
        moved = forward(layer, coding.centred(x), parameters={})
        return moved if coding.narrow else moved + coding.zero_point

    def _pick(self, node: Node, inputs: tuple[torch.Tensor, ...], codings: Codings) -> torch.Tensor:
        """Codes of the chosen expert, which mean the same behind the choice."""
        weights, *experts = inputs
        real = codings.tensors[node.inputs[0]].decode(weights)
        # The code of 1 stands for about 1.
        exact = real + (torch.round(real) - real).detach()
        if self._moving is not None:
            self._moving.see_choice(node.name)
        _, low, high = codings.limits[node.name]
        return torch.clamp(combined(exact, experts), low, high)

    def _average(self, node: Node, x: torch.Tensor, codings: Codings) -> torch.Tensor:
        source = codings.tensors[node.inputs[0]]
        centred = source.centred(x)
        total = centred.sum(dim=(2, 3), keepdim=True) if x.ndim == 4 else centred.sum(dim=1)
        count = math.prod(x.shape[2:]) if x.ndim == 4 else x.shape[1]
        unit = source.scale.reshape(1)
        self._follow(node.name, total * (unit / count))
        ratio = unit / (codings.tensors[node.name].scale * count)
        nothing = torch.zeros_like(ratio, dtype=torch.float64)
        codes: torch.Tensor = Requantize.apply(total, nothing, ratio, codings.limits[node.name])
        return codes

    def _real(
        self, node: Node, inputs: tuple[torch.Tensor, ...], codings: Codings, target: Coding | None
    ) -> torch.Tensor:
        """Decoded, computed, and encoded where the output has a coding."""
        sources = [codings.tensors.get(name) for name in node.inputs]
        reals = (value if source is None else source.decode(value) for source, value in zip(sources, inputs))
        local = {name: self.model.tensor(f"{node.name}.{name}") for name in node.layer.parameter_shapes}
        result = forward(node.layer, *reals, parameters=local)
        if target is None:
            return result
        self._follow(node.name, result)
        limits = codings.limits[node.name]
        if node.name in self._exact:
            decided: torch.Tensor = Decided.apply(
                result, self._exact[node.name](inputs, local), target.scale, *limits[1:]
            )
            return decided
        codes: torch.Tensor = Encode.apply(result, target.scale, *limits)
        if self._moving is not None and isinstance(node.layer, Gate):
            self._moving.choose(node.name, codes != limits[0])
        return codes

    def _follow(self, tensor: str, real: torch.Tensor) -> None:
        if self._moving is not None:
            self._moving.see(tensor, real)


def _in_memory_order(images: torch.Tensor) -> torch.Tensor:
    """On a GPU with the channels of a pixel side by side: the order that cuDNN's and our own kernels are fastest in.

    Every tensor behind takes it on.
    """
    if images.is_cuda and images.ndim == 4:
        return images.contiguous(memory_format=torch.channels_last)
    return images


def _check(
    node: Node,
    layer: ProductLayer,
    maps: TableMaps | None,
    sums: torch.Tensor,
    operands: tuple[torch.Tensor, torch.Tensor],
    zeros: tuple[torch.Tensor | None, torch.Tensor | None],
) -> None:
    """Compare the sums of the first rows: a kernel treats all rows alike, and exact sums take long."""
    if not len(sums):
        return
    with torch.no_grad():
        first = operands[0][:_CHECKED_ROWS]
        second = operands[1][:_CHECKED_ROWS] if isinstance(layer, MatMul) else operands[1]
        if maps is not None:
            expected = reference_sums(maps, first, second, a_zero=zeros[0], w_zero=zeros[1])
        else:
            expected = product_sums(layer, first.to(torch.float64), second.to(torch.float64))
        off = float((sums[:_CHECKED_ROWS].to(torch.float64) - expected).abs().max())
    if off:
        raise VerificationError(
            f"Expected exact sums of products in {node.name} on {sums.device}, found some off by {off:g}."
        )
