"""How well errors are predicted without a run: by layer, and as a rank of tables, with and without compensation."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from axhw.evaluation import Bench
from axhw.hdl.families.evoapprox import CIRCUITS
from axhw.hdl.registry import parse
from axhw.nn.compensation import COMPENSATIONS, compensated
from axhw.nn.error_theory import LayerError, Removed, measured_errors, noise_to_signal, predict_errors
from axhw.nn.executor import Executor
from axhw.nn.operand_statistics import operand_statistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.sim.metrics import exact_metrics
from axhw.sim.product_table import ProductTable, golden_table

FloatArray = npt.NDArray[np.float64]

LEARNT_FROM, RANKED_ON = 64, 1000
"""Images of the train split that statistics and compensations are taken from, and of the test split for ranks."""
REMOVED: tuple[Removed, ...] = ("nothing", *COMPENSATIONS)
METRICS = {"mae": "MAE", "mse": "MSE", "mre_pct": "MRE", "bias": "abs(bias)"}
"""Errors of tables by themselves, for comparison."""

_BATCH = 125


def tables() -> Iterator[ProductTable]:
    """The inexact published circuits, and ROUP designs, broken and truncated arrays, DRUM and Mitchell: each once."""
    cuts = [(0, 0, v) for v in range(5, 8)] + [(0, hb, 0) for hb in range(1, 5)]
    cuts += [(1, 2, 0), (2, 0, 0), (2, 1, 4), (3, 1, 5), (4, 0, 0)]
    texts = [
        *(f"evoapprox:{name}" for name in CIRCUITS),
        *(f"roup:p={p},r={r}" for p, r in itertools.product(range(3), range(9))),
        *(f"bam:ha={ha},hb={hb},v={v}" for ha, hb, v in cuts),
        *(f"truncated:k={k}" for k in range(1, 8)),
        *(f"truncated:k={k},correction=constant" for k in range(3, 8)),
        *(f"drum:k={k}" for k in range(3, 7)),
        "mitchell",
    ]
    codes = np.arange(-128, 128)
    seen = {np.multiply.outer(codes, codes).astype(np.int32).tobytes()}
    for text in texts:
        table = golden_table(parse(text))
        if table.values.tobytes() not in seen:
            seen.add(table.values.tobytes())
            yield table


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranks:
    """Many tables on one network: predictions, and what runs say.

    Attributes
    ----------
    figures : DataFrame
        A row for each table: its metrics, and for each of `REMOVED` the columns ``score``, ``accuracy`` and
        ``logit_error`` before a space and its name; logit errors are mean squares over the variance of logits.
    statistics_s, prediction_s, run_s : float
        Seconds for the statistics of the network, for a prediction of all layers and for a run on the images, medians.
    """

    figures: pd.DataFrame
    statistics_s: float
    prediction_s: float
    run_s: float

    def spearman(self, predictor: str, outcome: str, *, falls: bool = False) -> float:
        """Correlation of the ranks by two columns, the second one negative if it falls."""
        first, second = (self.figures[column].rank() for column in (predictor, outcome))
        return (-1 if falls else 1) * float(np.corrcoef(first, second)[0, 1])


def rank(bench: Bench) -> Ranks:
    """Predict and run all tables."""
    network, data = bench.quantized(signed=True), bench.data.test.limited(RANKED_ON)
    images, labels = data.batch(0, len(data))
    learnt = bench.data.train.limited(LEARNT_FROM).images
    start = time.perf_counter()
    statistics = operand_statistics(network, learnt)
    taken = time.perf_counter() - start
    exact = _logits(network, None, images)
    rows: list[dict[str, object]] = []
    predictions, runs = [], []
    for table in tables():
        start = time.perf_counter()
        errors = predict_errors(network, statistics, table)
        predictions.append(time.perf_counter() - start)
        metrics = exact_metrics(table)
        row: dict[str, object] = {name: abs(getattr(metrics, name)) for name in METRICS}
        for removed in REMOVED:
            chosen = network if removed == "nothing" else compensated(network, learnt, table, method=removed)
            start = time.perf_counter()
            logits = _logits(chosen, table, images)
            runs.append(time.perf_counter() - start)
            row[f"score {removed}"] = noise_to_signal(errors, removed=removed)
            row[f"accuracy {removed}"] = float((logits.argmax(axis=1) == labels).mean())
            row[f"logit_error {removed}"] = float(np.square(logits - exact).mean() / exact.var(axis=0).mean())
        rows.append(row | {"name": table.name})
        print(f"\r{len(rows)} tables on {network.graph.name}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return Ranks(
        figures=pd.DataFrame(rows),
        statistics_s=taken,
        prediction_s=float(np.median(predictions)),
        run_s=float(np.median(runs)),
    )


def _logits(network: QuantizedNetwork, table: ProductTable | None, images: npt.NDArray[np.float32]) -> FloatArray:
    run = Executor(network, table)
    return np.concatenate([run(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)]).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class TypicalError:
    """Errors of one table in all layers of a network that give codes, root mean squares over their outputs.

    Attributes
    ----------
    bias, spread : float
        Mean error and standard deviation in steps of the layers' output codes.
    gain : float
        Mean, weighted by the variance of the signals in output codes.
    shares : three float
        Of bias, gain and noise in the ratios of noise to signal of all layers, added up.
    """

    bias: float
    spread: float
    gain: float
    shares: tuple[float, float, float]

    @classmethod
    def of(cls, errors: Mapping[str, LayerError], network: QuantizedNetwork) -> TypicalError:
        coded = [error for name, error in errors.items() if name in network.codings]
        step = np.concatenate([error.step for error in coded])
        mean, variance, signal, gain = (
            np.concatenate([getattr(error, name) for error in coded])
            for name in ("mean", "variance", "signal_variance", "gain")
        )
        total, unbiased, rest = (noise_to_signal(errors, removed=removed) for removed in REMOVED)
        return cls(
            bias=float(np.sqrt(np.mean((step * mean) ** 2))),
            spread=float(np.sqrt(np.mean(step**2 * variance))),
            gain=float(np.average(gain, weights=step**2 * signal)),
            shares=((total - unbiased) / total, (unbiased - rest) / total, rest / total),
        )


def predicted_and_measured(bench: Bench, tables: Sequence[ProductTable]) -> Iterator[tuple[TypicalError, ...]]:
    """For each table: predicted as for independent activations, predicted, and measured on other images.

    Predictions are from `LEARNT_FROM` images of the train split, measurements on as many of the test split.
    """
    network = bench.quantized(signed=True)
    statistics = operand_statistics(network, bench.data.train.limited(LEARNT_FROM).images)
    independent = {name: layer.without_products() for name, layer in statistics.items()}
    images = bench.data.test.limited(LEARNT_FROM).images
    for table in tables:
        errors = (
            predict_errors(network, independent, table),
            predict_errors(network, statistics, table),
            measured_errors(network, images, table),
        )
        yield tuple(TypicalError.of(found, network) for found in errors)
