"""Sensitivity of a network: what a multiplier does to its accuracy in one product layer at a time.

The figure of MAx-DNN: each layer is approximated alone, then all layers up to and including it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from axhw.evaluation import Bench
from axhw.nn.evaluate import EvaluationResult
from axhw.record import DesignRecord


@dataclass(frozen=True, kw_only=True)
class LayerSensitivity:
    """Accuracy with approximate products in one layer, and in all layers up to it.

    Attributes
    ----------
    number : int
        Of the product layer, from 1.
    layer : str
    multiplications : int
        For one image.
    alone : EvaluationResult
        Only this layer is approximate.
    cumulative : EvaluationResult
        This layer and all before it are.
    """

    number: int
    layer: str
    multiplications: int
    alone: EvaluationResult
    cumulative: EvaluationResult


def layer_sensitivities(
    bench: Bench,
    record: DesignRecord,
    *,
    exact_energy_fj: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[LayerSensitivity]:
    """Evaluate a design in each product layer.

    Parameters
    ----------
    bench : Bench
    record : DesignRecord
        An 8-bit multiplier.
    exact_energy_fj : float, optional
        Energy of one exact multiplication, for the layers that stay exact.
    progress : callable, optional
        Called with the evaluations done and their number.

    Raises
    ------
    AxhwError
        As `Bench.evaluate`.
    """
    network = bench.quantized(signed=record.multiplier.signed)
    names = [node.name for node in network.graph.product_nodes]
    found: list[LayerSensitivity] = []
    for place, name in enumerate(names):
        alone = bench.evaluate(record, layers=[name], exact_energy_fj=exact_energy_fj)
        up_to = names[: place + 1]
        cumulative = bench.evaluate(record, layers=up_to, exact_energy_fj=exact_energy_fj) if place else alone
        found.append(
            LayerSensitivity(
                number=place + 1,
                layer=name,
                multiplications=round(network.multiplications[name]),
                alone=alone,
                cumulative=cumulative,
            )
        )
        if progress is not None:
            progress(place + 1, len(names))
    return found


def sensitivity_row(record: DesignRecord, found: LayerSensitivity) -> dict[str, object]:
    """One layer, flat: what ``axhw eval --each-layer --json`` and sensitivity.csv hold."""
    return {
        "name": record.name,
        "network": found.alone.network,
        "dataset": found.alone.dataset,
        "split": found.alone.split,
        "images": found.alone.images,
        "number": found.number,
        "layer": found.layer,
        "multiplications": found.multiplications,
        "int8_accuracy": found.alone.exact_accuracy,
        "accuracy_alone": found.alone.approximate_accuracy,
        "agreement_alone": found.alone.agreement,
        "accuracy_up_to": found.cumulative.approximate_accuracy,
        "energy_nj_alone": found.alone.energy_nj,
        "energy_nj_up_to": found.cumulative.energy_nj,
    }
