"""From a plan to a trained network: real values first, then codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axhw.data.dataset import Splits
from axhw.nn.assignment import Tables
from axhw.nn.calibrate import Calibration, measure_ranges
from axhw.nn.fold import fold_batch_norms
from axhw.nn.graph import Graph
from axhw.nn.network import Network
from axhw.nn.quantizer import range_sources, with_code_weights
from axhw.train.history import History
from axhw.train.quantization_aware import QuantizedModule
from axhw.train.recipe import Plan, Recipe
from axhw.train.stages import Images, arithmetic, placed, train_quantized, train_real
from axhw.train.table_maps import Approximation
from axhw.train.torch_model import GraphModule, initial_parameters, to_network, upcycled
from axhw.train.trainer import accuracy

_CALIBRATION = Calibration(method="percentile")
# Share of a time limit for each stage; what is left is for calibration and tests.
_REAL_SHARE, _QUANTIZED_SHARE = 0.75, 0.12
# Of the share in real values, that of the network without experts.
_DENSE_SHARE = 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class Retrained:
    """What a retraining made, and shares of the test images in the right class, with codes.

    Attributes
    ----------
    network : Network
    exact_accuracy : float
        Before retraining, with exact products.
    accuracy_before, accuracy_after : float
        With the approximate ones.
    """

    network: Network
    exact_accuracy: float
    accuracy_before: float
    accuracy_after: float


@dataclass(frozen=True, kw_only=True)
class Session:
    """Where and how a training takes place.

    Attributes
    ----------
    splits : Splits
    seed : int
    signed : bool
        Codes: int8, or uint8 when false.
    device : str
    log : callable
        Takes each line.
    checkpoint : Path or None
        File to save progress in and to go on from.
    run : mapping
        What a checkpoint must have in common with this training to be continued, as JSON values.
    time_limit_seconds : float or None
        For all epochs and what is between them; schedules are shortened to keep to it.
    compact : bool
        End with weights at the values of their int8 codes (`axhw.nn.quantizer.with_code_weights`).
    """

    splits: Splits
    seed: int
    signed: bool
    device: str
    log: Callable[[str], None]
    checkpoint: Path | None = None
    run: Mapping[str, Any] | None = None
    time_limit_seconds: float | None = None
    compact: bool = False

    def train(self, graph: Graph, plan: Plan, *, dense: Graph | None = None, start: Network | None = None) -> Network:
        """A network from random weights: batch norms folded, real weights, ranges of its codes.

        Parameters
        ----------
        graph : Graph
        plan : Plan
        dense : Graph, optional
            The network without experts, where the plan trains that first.
        start : Network, optional
            Trained weights of the network, or of the one without experts, to start from: without batch norms.

        Raises
        ------
        AxhwError
            If the loss diverges, or the checkpoint belongs to another training.
        """
        with arithmetic(self.device):
            history, images = self._history(), Images.placed(self.splits, self.device)
            parameters = initial_parameters(graph, seed=self.seed)
            if start is not None:
                parameters |= upcycled(graph, start)
            if history.reached("quantized"):
                folded = fold_batch_norms(Network(graph=graph, parameters=parameters))
                # The checkpoint has the ranges.
                network = replace(folded, ranges=dict.fromkeys(range_sources(folded.graph).values(), (-1.0, 1.0)))
            else:
                share = _REAL_SHARE
                if dense is not None and plan.dense is not None:
                    share *= 1 - _DENSE_SHARE
                    # A checkpoint of the stage in real values has all parameters.
                    if not history.reached("real"):
                        parameters |= upcycled(graph, self._dense(dense, plan.dense, images, history))
                model = placed(GraphModule(graph, parameters), self.device)
                seconds = self._share(share)
                train_real(model, images, plan.real, seed=self.seed, history=history, seconds=seconds)
                history.line(f"real values: test accuracy {accuracy(model, images.test):.4f}")
                network = self._calibrated(to_network(model), plan.calibration_images)
            module = placed(QuantizedModule(network, signed=self.signed), self.device)
            seconds = self._share(_QUANTIZED_SHARE)
            train_quantized(module, images, plan.quantized, seed=self.seed + 1, history=history, seconds=seconds)
            return self._reported(history, self._stored(module), images)

    def _stored(self, module: QuantizedModule) -> Network:
        network = module.network()
        return with_code_weights(network) if self.compact else network

    def _dense(self, graph: Graph, recipe: Recipe, images: Images, history: History) -> Network:
        """The network without experts, from random weights."""
        model = placed(GraphModule(graph, initial_parameters(graph, seed=self.seed)), self.device)
        seconds = self._share(_REAL_SHARE * _DENSE_SHARE)
        train_real(model, images, recipe, seed=self.seed, history=history, seconds=seconds, stage="dense")
        history.line(f"without experts: test accuracy {accuracy(model, images.test):.4f}")
        return to_network(model)

    def retrain(
        self,
        network: Network,
        recipe: Recipe,
        *,
        tables: Tables,
        approximation: Approximation = Approximation(),  # noqa: B008
        calibration_images: int = 256,
    ) -> Retrained:
        """A trained network, trained further with approximate products.

        Ranges that the network lacks are calibrated first.

        Raises
        ------
        AxhwError
            For tables that don't fit the network, if the loss diverges, or if the checkpoint belongs to another
            training.
        """
        with arithmetic(self.device):
            history, images = self._history(), Images.placed(self.splits, self.device)
            calibrated = self._calibrated(network, calibration_images)
            # Read before training, as a continued one reads them again from the same weights.
            multiplying = placed(QuantizedModule(calibrated, signed=self.signed), self.device)
            exact = accuracy(multiplying, images.test)
            # Memory of the device is for what training asks.
            teacher = multiplying if recipe.distillation else None
            del multiplying
            module = placed(
                QuantizedModule(calibrated, signed=self.signed, tables=tables, approximation=approximation), self.device
            )
            before = accuracy(module, images.test)
            if not history.reached("quantized"):
                history.line(f"exact products: test accuracy {exact:.4f}")
                history.line(f"approximate products, before training: test accuracy {before:.4f}")
            seconds = self._share(_REAL_SHARE + _QUANTIZED_SHARE)
            train_quantized(module, images, recipe, seed=self.seed, history=history, seconds=seconds, teacher=teacher)
            after = accuracy(module, images.test)
            history.line(f"approximate products, after training: test accuracy {after:.4f}")
            return Retrained(
                network=self._stored(module), exact_accuracy=exact, accuracy_before=before, accuracy_after=after
            )

    def _history(self) -> History:
        return History(self.log, checkpoint=self.checkpoint, run=self.run or {})

    def _share(self, share: float) -> float | None:
        return None if self.time_limit_seconds is None else share * self.time_limit_seconds

    def _calibrated(self, network: Network, images: int) -> Network:
        folded = fold_batch_norms(network)
        missing = sorted(set(range_sources(folded.graph).values()) - set(folded.ranges))
        if not missing:
            return folded
        batch, _ = self.splits.train.batch(0, images)
        measured = measure_ranges(
            folded, batch, tensors=missing, calibration=_CALIBRATION, signed=self.signed, symmetric=None
        )
        return replace(folded, ranges={**folded.ranges, **measured})

    def _reported(self, history: History, network: Network, images: Images) -> Network:
        """The network; how well it does on the test images goes to the log."""
        model = placed(GraphModule(network.graph, network.parameters), self.device)
        history.line(f"final weights in real values: test accuracy {accuracy(model, images.test):.4f}")
        for signed in (True, False):
            codes = "signed int8" if signed else "unsigned int8"
            right = accuracy(placed(QuantizedModule(network, signed=signed), self.device), images.test)
            history.line(f"final weights, {codes} codes, exact products: test accuracy {right:.4f}")
        return network
