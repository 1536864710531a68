"""What each expert adds to the loss, from one measurement of each layer.

All experts of one layer are analog, all others digital. To second order in independent noise the loss at token t rises
by kappa_t times the power of the noise that its experts add, where kappa_t says how much this token minds. The power is
predicted (`axhw.analog.noise_power`), the rise is measured, and so each expert's part of it follows without knowing
kappa_t: the rise in proportion to powers. An expert's parts are added up over the tokens that take it.

Left out: that the noise of a token also reaches later ones by attention, which is right in the last layer; on one chip,
where the rise is mostly linear in the noise, parts of experts that share tokens mix, and average out over these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axhw.analog.converters import FloatArray
from axhw.analog.evaluation import Evaluator
from axhw.analog.noise_power import LayerNoise, RoutedRows
from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import ExpertSite, Placement
from axhw.analog.tasks import Batch, Chips, Progress, Steps, run_tasks
from axhw.lm.matrices import Float32Array
from axhw.lm.scoring import token_scores


def shared_rises(
    hybrid: HybridModel,
    evaluator: Evaluator,
    programmings: Sequence[Programming],
    *,
    progress: Progress | None = None,
) -> FloatArray:
    """Rise of the loss that each expert is for, on each chip and each batch of the text.

    Parameters
    ----------
    hybrid : HybridModel
    evaluator : Evaluator
    programmings : sequence of Programming
        The chips.
    progress : callable, optional

    Returns
    -------
    float64 array, shape (programmings, batches, layers, experts)
        Nats a token; those of a layer sum to its rise. 0 in layers without experts.
    """
    config = hybrid.config
    noises = {
        programming.noise: {layer: LayerNoise(hybrid, layer, programming.noise) for layer in config.expert_layers}
        for programming in programmings
    }
    tasks = [
        _Task(hybrid=hybrid, programming=programming, batch=batch)
        for programming in programmings
        for batch in evaluator.batches
    ]
    chips = Chips(most=evaluator.jobs + 1)
    steps = Steps(len(tasks) * len(config.expert_layers), progress, "one layer analog at a time")
    results = run_tasks(
        lambda task: task.run(chips, noises[task.programming.noise], steps), tasks, jobs=evaluator.jobs, steps=steps
    )
    tokens = np.array([batch.inputs.size for batch in evaluator.batches])
    sums = np.reshape(results, (len(programmings), len(tokens), config.layers, config.experts))
    rises: FloatArray = sums / tokens[:, None, None]
    return rises


@dataclass(frozen=True, kw_only=True, eq=False)
class _Task:
    """A chip and a batch of windows."""

    hybrid: HybridModel
    programming: Programming
    batch: Batch

    def run(self, chips: Chips, noises: dict[int, LayerNoise], steps: Steps) -> FloatArray:
        """Sum of the rises over the batch's tokens, shape (layers, experts)."""
        config = self.hybrid.config
        chip = chips.get((self.hybrid, self.programming.canonical))
        everything = Placement.all_digital(config).digital
        digital = chip.place(Placement(digital=everything))
        x = digital.embed(self.batch.inputs)
        attended: list[Float32Array] = []
        routing: dict[int, RoutedRows] = {}
        for layer in range(config.layers):
            attended.append(digital.attended(layer, x))
            if layer in noises:
                routing[layer] = RoutedRows()
                x = routing[layer].feed_forward(digital, layer, attended[layer])
            else:
                x = digital.feed_forward(layer, attended[layer])
        before, _ = token_scores(digital, x, self.batch.targets)
        rises = np.zeros((config.layers, config.experts))
        for layer, routed in routing.items():
            if steps.stopped:
                break
            own = {ExpertSite(layer, expert) for expert in range(config.experts)}
            model = chip.place(Placement(digital=everything - own))
            x = model.feed_forward(layer, attended[layer])
            for later in range(layer + 1, config.layers):
                x = model.layer(later, x)
            behind, _ = token_scores(model, x, self.batch.targets)
            powers = noises[layer].power(routed)
            total = powers.sum(axis=1, keepdims=True)
            shares = np.divide(powers, total, out=np.full_like(powers, 1 / powers.shape[1]), where=total > 0)
            rises[layer] = routed.by_expert((behind.astype(np.float64) - before)[:, None] * shares, config.experts)
            steps.count()
        return rises
