"""How much the outputs of each layer matter to the network's logits: measured by disturbing one output at a time.

A layer's sums get an error of known power in one output, and the layers behind it run with exact products:

    noise   independent normal errors at every position, as those of a multiplier that follow nothing
    shift   the same error at every position, as a mean error

The importance is the mean squared change of the logits, less what all logits change together, per squared error. While
errors are small the changes of the logits are linear in them, so independent errors of different layers and outputs add
up: sum of importance times error power is what they do to the logits together. `axhw.nn.error_theory` predicts the
powers. Errors of an expert are those in the rows chosen for it: one that no image chooses doesn't matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Accumulators
from axhw.nn.executor import Value, channels_last
from axhw.nn.graph import INPUT, Node
from axhw.nn.layer_sums import SumExecutor
from axhw.nn.layers.base import WeightLayer
from axhw.nn.network import Images
from axhw.nn.operand_statistics import FloatArray, check_sample
from axhw.nn.quantized import QuantizedNetwork

MOST_OUTPUTS = 256
"""Neighbouring outputs of a layer with more than so many are disturbed together and get one importance."""

_NOISE_TO_SIGNAL = 0.1
_LEAST_CODES = 0.5
# Copies of the images that run together, so that kernels have enough to do.
_ROWS = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Importance:
    """Of a layer's outputs, in squared logits for a squared error of 1 in the sums; arrays of shape (outputs,).

    Attributes
    ----------
    noise : float64 array
        Of independent errors, per variance.
    shift : float64 array
        Of a constant error, per square.
    """

    noise: FloatArray
    shift: FloatArray


def output_importance(
    network: QuantizedNetwork,
    images: Images,
    *,
    most_outputs: int = MOST_OUTPUTS,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Importance]:
    """Importance of the outputs of all layers with weights.

    Parameters
    ----------
    network : QuantizedNetwork
    images : float array, shape (B, *input_shape)
        A few dozen; labels aren't needed.
    most_outputs : int
    seed : int
        Of the noise.
    threads : int, optional
        All processors by default.
    progress : callable, optional
        Called with the layers done and their number.

    Returns
    -------
    dict of node name to Importance

    Raises
    ------
    AxhwError
        Without images, or for images of another shape.
    """
    check_sample(images, 1)
    network.graph.check_images(images)
    run = SumExecutor(network, threads=threads)
    rng = np.random.default_rng(seed)
    logits = run(images)
    values: dict[str, Value] = {INPUT: channels_last(network.input.encode(images))}
    found: dict[str, Importance] = {}
    for place, node in enumerate(network.graph):
        inputs = run.inputs(node, values)
        if isinstance(node.layer, WeightLayer):
            disturbed = _Disturbed(run, place, dict(values), inputs[0], logits)
            found[node.name] = disturbed.importance(most_outputs=most_outputs, rng=rng)
            if progress is not None:
                progress(len(found), len(network.products))
        values[node.name] = run.run(node, inputs)
        for name in network.graph.last_use[node.name]:
            del values[name]
    return found


class _Disturbed:
    """A network that is run on from one of its layers with errors in the sums of that."""

    def __init__(self, run: SumExecutor, place: int, values: dict[str, Value], x: Value, logits: Value) -> None:
        self._run = run
        self._nodes: tuple[Node, ...] = run.network.graph.nodes[place:]
        self._values = values
        self._x = x
        self._logits = logits
        self._sums = run.sums(self._nodes[0], x)

    def importance(self, *, most_outputs: int, rng: np.random.Generator) -> Importance:
        """Of all outputs of the layer."""
        layer = self._nodes[0].layer
        assert isinstance(layer, WeightLayer)
        if not len(self._x):
            return Importance(noise=np.zeros(layer.outputs), shift=np.zeros(layer.outputs))
        deviations = self._deviations()
        groups = np.array_split(np.arange(layer.outputs), min(layer.outputs, most_outputs))
        together = max(1, _ROWS // len(self._x))
        noise, shift = np.zeros(layer.outputs), np.zeros(layer.outputs)
        for start in range(0, len(groups), together):
            some = groups[start : start + together]
            errors = [rng.normal(size=(len(self._sums), len(group))) * deviations[group] for group in some]
            constant = [np.broadcast_to(deviations[group], (len(self._sums), len(group))) for group in some]
            for target, added in ((noise, errors), (shift, constant)):
                for group, change in zip(some, self._changes(some, added)):
                    target[group] = change / float((deviations[group] ** 2).sum())
        return Importance(noise=noise, shift=shift)

    def _deviations(self) -> FloatArray:
        """Standard deviation of the error of each output: small beside its signal, but not lost in its codes."""
        network, name = self._run.network, self._nodes[0].name
        target = network.codings.get(name)
        unit = network.products[name].unit.astype(np.float64)
        least = np.zeros(len(unit)) + 1.0 if target is None else _LEAST_CODES * float(target.scale) / unit
        deviations: FloatArray = np.maximum(np.sqrt(_NOISE_TO_SIGNAL * self._sums.var(axis=0)), least)
        return deviations

    def _changes(self, groups: list[npt.NDArray[np.intp]], errors: list[FloatArray]) -> FloatArray:
        """Mean squared change of the logits for errors in each group of outputs, shape (groups,)."""
        copies = len(groups)
        sums: Accumulators = np.tile(self._sums, (copies, 1, 1))
        for copy, (group, error) in enumerate(zip(groups, errors)):
            sums[copy][:, group] += np.rint(error).astype(sums.dtype)
        first, *others = self._nodes
        values = {name: np.concatenate([value] * copies) for name, value in self._values.items()}
        graph = self._run.network.graph
        values[first.name] = self._run.finish(
            first, np.concatenate([self._x] * copies), sums.reshape(-1, sums.shape[-1])
        )
        for node in others:
            values[node.name] = self._run.run(node, self._run.inputs(node, values))
        change = values[graph.output].reshape(copies, *self._logits.shape) - self._logits
        change = change - change.mean(axis=-1, keepdims=True)
        squared: FloatArray = (change.astype(np.float64) ** 2).reshape(copies, -1).mean(axis=1)
        return squared
