"""How much noise an analog expert adds to the residual stream, in closed form: from weights, activations and sigma.

An expert makes y = D h with h = silu(g) u, g = G x, u = U x for a token's x, and adds r y to the stream, r being the
token's routing weight. To first order in the variances, which are independent from weight to weight,

    var g_i = sum_j var G_ij x_j^2 + c_G,   var u_i the same with U
    var h_i = (silu'(g_i) u_i)^2 var g_i + silu(g_i)^2 var u_i + c_D
    E |dy|^2 = sum_i var h_i |D_i|^2 + sum_i (h_i^2 + var h_i) sum_o var D_oi + c_y

with |D_i|^2 the sum of squares of what neuron i adds to the outputs. Variances of weights are those of the programming
noise, (c sigma(|t|) scale)^2 added up over the conductances of a weight with targets t. The c's are those of converters
with steps d that round evenly: d^2 / 12 of each ADC, added up over the tiles below one another, and d^2 / 12 of each
DAC times the squares of the weights it drives. Left out: saturation; that gate and up may share the errors of their
DACs; that conductances are cut at 0 (which makes `DifferentialPairs` less noisy than this); drift.

What a layer adds runs along the stream to the last norm, which divides by the stream's power: that is what powers are
relative to, whatever the layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from axhw.analog.converters import Float32Array, FloatArray
from axhw.analog.evaluation import Evaluator
from axhw.analog.mapping import MappedWeight
from axhw.analog.operators import HybridModel, expert_matrices
from axhw.analog.placement import ExpertSite
from axhw.analog.programming_noise import ProgrammingNoise
from axhw.analog.tasks import Batch, Progress, Steps, run_tasks
from axhw.lm.blocks import sigmoid
from axhw.lm.matrices import MatrixKey
from axhw.lm.model import LanguageModel
from axhw.lm.routing import Chosen, rows_by_expert

_ROUNDING = 1 / 12
"""Variance of an even distribution over a step of 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MatrixNoise:
    """Variances that a matrix on tiles comes with.

    Attributes
    ----------
    weight : float32 array, shape (outputs, inputs)
        As it should be.
    variance : float32 array, shape (outputs, inputs)
        Of the programmed weight.
    dac_variance : float32 array, shape (inputs,)
        Of the activations.
    adc_variance : float32 array, shape (outputs,)
        Of the outputs.
    """

    weight: Float32Array
    variance: Float32Array
    dac_variance: Float32Array
    adc_variance: Float32Array

    @classmethod
    def of(cls, weight: Float32Array, mapped: MappedWeight, noise: ProgrammingNoise | None) -> MatrixNoise:
        """Those of a weight, its tiles and a noise model."""
        variance = np.zeros_like(weight)
        if noise is not None:
            relative = noise.sigma(np.abs(mapped.cell_targets)) ** 2
            for part, by_span in zip(relative.sum(axis=0), mapped.scales):
                for (start, stop), scale in zip(mapped.input_spans, by_span):
                    variance[:, start:stop] += part[:, start:stop] * (noise.magnitude * scale[:, None]) ** 2
        dac = np.zeros(mapped.inputs, np.float32) if mapped.tiles.dac.ideal else _ROUNDING * mapped.dac_step**2
        adc = np.zeros(mapped.outputs, np.float32)
        if not mapped.tiles.adc.ideal:
            adc = _ROUNDING * (mapped.adc_step**2).sum(axis=(0, 1))
        return cls(weight=weight, variance=variance, dac_variance=dac, adc_variance=adc)

    @cached_property
    def outputs_constant(self) -> Float32Array:
        """What converters add to the variance of each output, shape (outputs,)."""
        constant: Float32Array = self.weight**2 @ self.dac_variance + self.adc_variance
        return constant

    def of_outputs(self, rows: Float32Array) -> Float32Array:
        """Variances of the products with rows [n, inputs] that are exact, shape (n, outputs)."""
        variances: Float32Array = rows**2 @ self.variance.T
        variances += self.outputs_constant
        return variances

    def power(self, rows: Float32Array, variances: Float32Array) -> Float32Array:
        """Sum of the outputs' variances, shape (n,), for rows with variances of their own, both [n, inputs]."""
        from_inputs = variances @ (self.weight**2).sum(axis=0)
        from_weights = (rows**2 + variances) @ self.variance.sum(axis=0)
        total: Float32Array = from_inputs + from_weights + self.outputs_constant.sum()
        return total


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpertNoise:
    """Variances of the three matrices of an expert."""

    gate: MatrixNoise
    up: MatrixNoise
    down: MatrixNoise

    @classmethod
    def of(cls, hybrid: HybridModel, site: ExpertSite, noise: ProgrammingNoise | None) -> ExpertNoise:
        """Those of an expert of a model."""
        gate, up, down = (
            MatrixNoise.of(hybrid.model.weight(key), hybrid.mapped(key), noise) for key in expert_matrices(site)
        )
        return cls(gate=gate, up=up, down=down)

    def power(self, rows: Float32Array) -> Float32Array:
        """E |dy|^2 for each row [n, hidden], shape (n,)."""
        gates, ups = rows @ self.gate.weight.T, rows @ self.up.weight.T
        logistic = sigmoid(gates)
        slopes = logistic * (1 + gates * (1 - logistic))
        activated = logistic * gates
        variances = (slopes * ups) ** 2 * self.gate.of_outputs(rows)
        variances += activated**2 * self.up.of_outputs(rows)
        return self.down.power(activated * ups, variances)


class LayerNoise:
    """Variances of all experts of a layer.

    Parameters
    ----------
    hybrid : HybridModel
    layer : int
    noise : ProgrammingNoise or None
    """

    def __init__(self, hybrid: HybridModel, layer: int, noise: ProgrammingNoise | None) -> None:
        self._experts = [
            ExpertNoise.of(hybrid, ExpertSite(layer, expert), noise) for expert in range(hybrid.config.experts)
        ]

    def power(self, routed: RoutedRows) -> FloatArray:
        """r^2 E |dy|^2 of each expert that a token takes, shape (n, active experts)."""
        powers = np.empty(routed.weights.shape)
        for expert, tokens, choices in rows_by_expert(routed.chosen, len(self._experts)):
            weights = routed.weights[tokens, choices].astype(np.float64)
            powers[tokens, choices] = weights**2 * self._experts[expert].power(routed.rows[tokens])
        return powers


class RoutedRows:
    """What the experts of a layer are given, and how tokens are routed to them: told by a model on its way.

    Attributes
    ----------
    rows : float32 array, shape (n, hidden)
    chosen : integer array, shape (n, active experts)
    weights : float32 array, shape (n, active experts)
    """

    rows: Float32Array
    chosen: Chosen
    weights: Float32Array

    def feed_forward(self, model: LanguageModel, layer: int, x: Float32Array) -> Float32Array:
        """The states behind a layer that has experts, from those behind its attention."""
        return model.observed(self._see).feed_forward(layer, x, observer=self._routing)

    def by_expert(self, values: FloatArray, experts: int) -> FloatArray:
        """Values [n, active experts] added up for each expert, shape (experts,)."""
        sums: FloatArray = np.bincount(self.chosen.ravel(), values.ravel(), minlength=experts).astype(np.float64)
        return sums

    def _see(self, key: MatrixKey, rows: Float32Array) -> None:
        if key.module == "router":
            self.rows = rows

    def _routing(self, layer: int, logits: Float32Array, chosen: Chosen, weights: Float32Array) -> None:
        self.chosen, self.weights = chosen, weights


def noise_power(
    hybrid: HybridModel,
    evaluator: Evaluator,
    noise: ProgrammingNoise | None,
    *,
    progress: Progress | None = None,
) -> FloatArray:
    """Power of the noise that each expert adds, relative to the stream behind the last layer.

    Parameters
    ----------
    hybrid : HybridModel
    evaluator : Evaluator
        On a text that nothing is reported on.
    noise : ProgrammingNoise or None
        None for converters alone.
    progress : callable, optional

    Returns
    -------
    float64 array, shape (layers, experts)
        Mean over all tokens of r^2 E |dy|^2 / |x|^2, 0 for those that do not take the expert; 0 in layers without
        experts.
    """
    noises = {layer: LayerNoise(hybrid, layer, noise) for layer in hybrid.config.expert_layers}
    steps = Steps(len(evaluator.batches), progress, "predicting noise")

    def run(batch: Batch) -> FloatArray:
        powers = _powers(hybrid, noises, batch)
        steps.count()
        return powers

    sums = run_tasks(run, evaluator.batches, jobs=evaluator.jobs, steps=steps)
    powers: FloatArray = np.sum(sums, axis=0) / sum(batch.inputs.size for batch in evaluator.batches)
    return powers


def _powers(hybrid: HybridModel, noises: Mapping[int, LayerNoise], batch: Batch) -> FloatArray:
    """Sums over the tokens of a batch."""
    config, model = hybrid.config, hybrid.model
    x = model.embed(batch.inputs)
    found: dict[int, tuple[RoutedRows, FloatArray]] = {}
    for layer in range(config.layers):
        if layer not in noises:
            x = model.layer(layer, x)
            continue
        routed = RoutedRows()
        x = routed.feed_forward(model, layer, model.attended(layer, x))
        found[layer] = routed, noises[layer].power(routed)
    stream = (x.reshape(-1, config.hidden).astype(np.float64) ** 2).sum(axis=1)
    powers = np.zeros((config.layers, config.experts))
    for layer, (routed, power) in found.items():
        powers[layer] = routed.by_expert(power / stream[:, None], config.experts)
    return powers
