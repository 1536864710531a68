"""Accuracy that compensation gives back to networks with the published circuits, without retraining.

Usage: python -m benchmarks.compensation [MODEL ...]    names of trained networks, or their .safetensors files
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from axhw.evaluation import Bench
from axhw.hdl.families.evoapprox import CIRCUITS, RELEASE, EvoApproxSpec
from axhw.hdl.registry import parse
from axhw.nn.compensation import COMPENSATIONS, compensated, predicted_corrections
from axhw.nn.error_theory import predict_errors
from axhw.nn.evaluate import evaluate
from axhw.nn.operand_statistics import operand_statistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.report.render import to_png
from axhw.report.style import MUTED, design_style, figure_style
from axhw.sim.product_table import ProductTable, golden_table
from axhw.sweep.local import processors
from axhw.synth.libraries import DEFAULT
from benchmarks.bulk import SHORT_NAMES, scratch_store, summaries
from benchmarks.markdown import table
from benchmarks.predicted_errors import (
    LEARNT_FROM,
    METRICS,
    RANKED_ON,
    REMOVED,
    Ranks,
    predicted_and_measured,
    rank,
)

MARKDOWN = True

MODELS, DATA = ("resnet8", "resnet20"), "cifar10_jpeg"
FIGURE = Path(__file__).resolve().parents[1] / "reports" / "compensation.png"
ONE_SHOT = "bias, predicted"
VARIANTS = ("none", ONE_SHOT, *COMPENSATIONS)
SAMPLES = (8, 32, LEARNT_FROM, 256)
SAMPLED = "mul8s_1L2L"
NOTICED = 0.02
"""Loss of accuracy from which on it is said how much of it comes back."""

_EXACT = next(iter(CIRCUITS))
_TOLD = {"1L2L": ("none", "affine"), "1KVA": ("none", "bias")}
_LABELS = {"none": "as it is", "bias": "biases compensated", "affine": "gains and biases compensated"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Accuracies:
    """Of one network with each of the circuits.

    Attributes
    ----------
    bench : Bench
    exact : float
        With exact products.
    float_accuracy : float or None
    by_circuit : mapping of str to mapping of str to float
        For each circuit and each of `VARIANTS`.
    by_sample : mapping of int to float
        With `SAMPLED` and affine compensation from so many images.
    ranks : Ranks
    """

    bench: Bench
    exact: float
    float_accuracy: float | None
    by_circuit: Mapping[str, Mapping[str, float]]
    by_sample: Mapping[int, float]
    ranks: Ranks

    @property
    def name(self) -> str:
        return self.bench.graph.name

    @property
    def multiplications(self) -> int:
        """For one image."""
        return sum(self.bench.quantized(signed=True).multiplications.values())

    @property
    def lossy(self) -> list[str]:
        """The circuits with which it loses more than `NOTICED`."""
        return [circuit for circuit, own in self.by_circuit.items() if self.exact - own["none"] > NOTICED]

    def regained(self, circuit: str, variant: str) -> float:
        """Share of the lost accuracy that a compensation gives back."""
        own = self.by_circuit[circuit]
        return (own[variant] - own["none"]) / (self.exact - own["none"])


def measure(model: str) -> Accuracies:
    """Run a network on all test images, with all circuits and compensations."""
    bench = Bench.load(model=model, data=DATA)
    network, data = bench.quantized(signed=True), bench.data.test
    learnt = bench.data.train.limited(LEARNT_FROM).images
    statistics = operand_statistics(network, learnt)
    reference = bench.reference(signed=True)

    def accuracy(chosen: QuantizedNetwork, product_table: ProductTable) -> float:
        return evaluate(chosen, data, product_table, compared_with=reference).approximate_accuracy

    by_circuit: dict[str, dict[str, float]] = {}
    for circuit in CIRCUITS:
        own = golden_table(parse(f"evoapprox:{circuit}"))
        predicted = predicted_corrections(predict_errors(network, statistics, own))
        networks = [network, network.with_bias_added(predicted)]
        networks += [compensated(network, learnt, own, method=method) for method in COMPENSATIONS]
        by_circuit[circuit] = {variant: accuracy(chosen, own) for variant, chosen in zip(VARIANTS, networks)}
        print(f"\r{len(by_circuit)} circuits on {network.graph.name}", end="", file=sys.stderr)
    print(file=sys.stderr)
    own = golden_table(parse(f"evoapprox:{SAMPLED}"))
    by_sample = {
        images: accuracy(compensated(network, bench.data.train.limited(images).images, own), own) for images in SAMPLES
    }
    floats = reference.float_classes
    return Accuracies(
        bench=bench,
        exact=float((reference.exact_classes == data.labels).mean()),
        float_accuracy=None if floats is None else float((floats == data.labels).mean()),
        by_circuit=by_circuit,
        by_sample=by_sample,
        ranks=rank(bench),
    )


def main() -> None:
    """Print the report and draw the figure."""
    runs = [measure(model) for model in sys.argv[1:] or MODELS]
    with scratch_store() as store:
        designs = summaries([EvoApproxSpec(circuit=circuit) for circuit in CIRCUITS], DEFAULT, store)
    designs.index = pd.Index(CIRCUITS)
    FIGURE.write_bytes(to_png(draw(runs, designs)))
    print(_introduction(runs, designs))
    print(f"\n![Accuracy over energy, and predictions against measurements]({FIGURE.name})\n")
    print(
        "*Above: each circuit as it is and compensated, all at the same energy; the dashed line is the network with "
        f"exact products. Below: {len(runs[0].ranks.figures)} tables, each predicted without a run.*\n"
    )
    print("## Answer\n")
    print(_answer(runs))
    for run in runs:
        print(f"\n## {run.name}: accuracy in %\n")
        print(_accuracies(run, designs))
        print(
            f"\nAffine compensation of {SAMPLED} learnt from "
            + ", ".join(f"{images} images: {_percent(value)} %" for images, value in run.by_sample.items())
            + "."
        )
    print("\n## Errors in output codes: predicted and measured\n")
    print(
        f"Predicted from {LEARNT_FROM} training images, measured on {LEARNT_FROM} test images in each layer with "
        "activations of the exact network; root mean squares over all outputs, a step of the output's code being 1. "
        "Independent: without covariances of activations. At the right how the measured noise to signal, added up over "
        "the layers, divides into what is compensated by biases, by gains and not at all.\n"
    )
    for run in runs:
        print(f"{run.name}:\n")
        print(_predictions(run))
        print()
    print("## Ranks of tables\n")
    print(
        f"Spearman correlation over {len(runs[0].ranks.figures)} tables with the loss of accuracy and the error of the "
        f"logits on {RANKED_ON} test images. Prediction: noise to signal, added up over the layers, less what is "
        "compensated.\n"
    )
    print(_ranks(runs))
    print(f"\n{_times(runs)}")


def _introduction(runs: Sequence[Accuracies], designs: pd.DataFrame) -> str:
    data, first = runs[0].bench.data, designs.iloc[0]
    library = SHORT_NAMES.get(str(first["library"]), str(first["library"]))
    networks = "; ".join(
        f"{run.name} ({run.bench.weights}"
        + (f", float {_percent(run.float_accuracy)} %" if run.float_accuracy is not None else "")
        + f", int8 {_percent(run.exact)} %, {run.multiplications:,} multiplications)"
        for run in runs
    )
    return (
        f"{data.test.name}, split seed {data.test.seed}, all {len(data.test):,} {data.test.split} images: {networks}. "
        f"All layers use the circuit, EvoApproxLib {RELEASE}. Compensations are learnt from {LEARNT_FROM} images of "
        "the train split, seed 0, without labels and without training; they cost no hardware "
        "([error-theory.md](../docs/error-theory.md)): *bias, predicted* in one shot from the theory, *bias* layer by "
        "layer, *affine* gains and biases layer by layer. A standard error of these accuracies is about "
        f"{100 * np.sqrt(runs[0].exact * (1 - runs[0].exact) / len(data.test)):.1f} %.\n\n"
        f"Energy: {library}, {first['stream']}, with glitches, {first['engine']}; times multiplications, nothing else."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _microjoules(run: Accuracies, designs: pd.DataFrame) -> dict[str, float]:
    return {circuit: 1e-9 * run.multiplications * float(designs["energy_fj"][circuit]) for circuit in CIRCUITS}


def _accuracies(run: Accuracies, designs: pd.DataFrame) -> str:
    energies = _microjoules(run, designs)
    rows = []
    for circuit, accuracies in run.by_circuit.items():
        saved = 1 - energies[circuit] / energies[_EXACT]
        bias, mae = float(designs["bias"][circuit]), float(designs["mae"][circuit])
        regained = "" if circuit not in run.lossy else f"{100 * run.regained(circuit, 'affine'):.0f}"
        shares = map(_percent, accuracies.values())
        rows.append(
            [circuit, f"{energies[circuit]:.2f}", _percent(saved), f"{bias:g}", f"{mae:.1f}", *shares, regained]
        )
    return table(["circuit", "µJ an inference", "saved %", "bias", "MAE", *VARIANTS, "regained by affine %"], rows)


def _predictions(run: Accuracies) -> str:
    circuits = [circuit for circuit in CIRCUITS if circuit != _EXACT]
    found = predicted_and_measured(run.bench, [golden_table(parse(f"evoapprox:{circuit}")) for circuit in circuits])
    rows = [
        [
            circuit,
            *(f"{error.bias:.2f}" for error in (predicted, measured)),
            *(f"{error.spread:.2f}" for error in (independent, predicted, measured)),
            *(f"{error.gain:.3f}" for error in (predicted, measured)),
            *map(_percent, measured.shares),
        ]
        for circuit, (independent, predicted, measured) in zip(circuits, found)
    ]
    heads = ["mean", "measured", "deviation, independent", "predicted", "measured", "gain", "measured"]
    return table(["circuit", *heads, "bias %", "gain %", "noise %"], rows)


def _ranks(runs: Sequence[Accuracies]) -> str:
    rows = []
    for run in runs:
        for removed in REMOVED:
            by = {f"score {removed}": "prediction"} | (METRICS if removed == "nothing" else {})
            for column, predictor in by.items():
                accuracy = run.ranks.spearman(column, f"accuracy {removed}", falls=True)
                logits = run.ranks.spearman(column, f"logit_error {removed}")
                rows.append([run.name, removed, predictor, f"{accuracy:.2f}", f"{logits:.2f}"])
    return table(["network", "compensated", "ranked by", "loss of accuracy", "error of logits"], rows)


def _times(runs: Sequence[Accuracies]) -> str:
    found = (
        f"{run.name}: statistics, once for the network, {run.ranks.statistics_s:.1f} s; prediction for one table "
        f"{1e3 * run.ranks.prediction_s:.0f} ms; a run with it {1e3 * run.ranks.run_s:.0f} ms"
        for run in runs
    )
    return (
        f"Statistics are of {LEARNT_FROM} images, a run is of {RANKED_ON}, its kernels' preparation included; "
        f"processors: {processors()}. "
        f"{'. '.join(found)}."
    )


def _answer(runs: Sequence[Accuracies]) -> str:
    """What the tables say, in words around their figures."""
    paragraphs = []
    for run in runs:
        lossy = run.lossy
        regained = {
            variant: ", ".join(f"{_short(c)} {100 * run.regained(c, variant):.0f} %" for c in lossy)
            for variant in COMPENSATIONS
        }
        paragraphs.append(
            f"**{run.name}** loses more than {100 * NOTICED:g} points with {len(lossy)} of the {len(CIRCUITS) - 1} "
            f"inexact circuits. Of these losses, compensated gains and biases give back {regained['affine']}; biases "
            f"alone {regained['bias']}."
        )
    half, biased = (_changes(runs, f"mul8s_{name}", *ends) for name, ends in _TOLD.items())
    paragraphs.append(
        f"**At no cost**: 1L2L, at about half the energy of the exact multiplier, goes from {half} without any "
        f"retraining. 1KVA, whose error is nearly all bias, goes from {biased} with compensated biases."
    )
    paragraphs.append(
        "**Bias or gain**: most of the error that a layer sees is bias (at the right of the tables of errors), in 1L2L "
        "as in 1KVA. That is not the bias of the table, but the mean error at the codes and weights that occur in the "
        "layer. Gains are a smaller part of it, but layers multiply them: where a circuit drops bits of the "
        "activation, every layer shrinks its sums, and biases taken back alone can do harm. What stays lost is noise."
    )
    scores = [run.ranks.spearman("score nothing", "accuracy nothing", falls=True) for run in runs]
    metrics = [max(run.ranks.spearman(m, "accuracy nothing", falls=True) for m in METRICS) for run in runs]
    after = [run.ranks.spearman("score affine", "logit_error affine") for run in runs]
    paragraphs.append(
        "**Without a run**: the predicted noise to signal ranks tables by their loss of accuracy with a Spearman "
        f"correlation of {_range(scores)}; the best of the tables' own metrics reaches {_range(metrics)}. Once gains "
        f"and biases are compensated, most tables lose less accuracy than {RANKED_ON} images can tell; by the error of "
        f"the logits the correlation is {_range(after)}."
    )
    return "\n\n".join(paragraphs)


def _changes(runs: Sequence[Accuracies], circuit: str, before: str, after: str) -> str:
    """``53.2 to 80.6 % (resnet8) and 60.1 to 85.0 % (resnet20)``."""
    own = [(run.name, run.by_circuit[circuit]) for run in runs]
    return " and ".join(f"{_percent(shares[before])} to {_percent(shares[after])} % ({name})" for name, shares in own)


def _short(circuit: str) -> str:
    return circuit.removeprefix("mul8s_")


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def draw(runs: Sequence[Accuracies], designs: pd.DataFrame) -> Figure:
    """A column for each network: accuracy over energy, and accuracy over predicted noise."""
    with figure_style():
        figure = Figure(figsize=(9.6, 6.4), layout="constrained")
        grid: Any = figure.subplots(2, len(runs), sharey="row", squeeze=False)
        for column, run in enumerate(runs):
            _energy_panel(grid[0][column], run, designs)
            _prediction_panel(grid[1][column], run)
            grid[0][column].set_title(f"{run.name} on {run.bench.data.test.name}")
        for row in grid:
            row[0].set_ylabel("accuracy (%)")
        handles = [
            Line2D([], [], linestyle="none", marker=_style(v)[1], color=_style(v)[0], markersize=5, label=label)
            for v, label in _LABELS.items()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _style(variant: str) -> tuple[str, str]:
    style = design_style(list(_LABELS).index(variant))
    return style.colour, style.marker


def _energy_panel(axes: Axes, run: Accuracies, designs: pd.DataFrame) -> None:
    energies = _microjoules(run, designs)
    axes.grid()
    axes.axhline(100 * run.exact, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    for circuit, accuracies in run.by_circuit.items():
        shown = {variant: 100 * accuracies[variant] for variant in _LABELS}
        axes.vlines(energies[circuit], min(shown.values()), max(shown.values()), color=MUTED, linewidth=0.7, zorder=1)
        for variant, accuracy in shown.items():
            colour, marker = _style(variant)
            axes.plot(energies[circuit], accuracy, marker=marker, color=colour, markersize=5)
        axes.annotate(
            _short(circuit),
            (energies[circuit], 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=6,
            color=MUTED,
        )
    axes.set(xlabel="energy of an inference (µJ)", ylim=(-12, 100))


def _prediction_panel(axes: Axes, run: Accuracies) -> None:
    figures = run.ranks.figures
    axes.grid()
    for variant, removed in zip(_LABELS, REMOVED):
        colour, marker = _style(variant)
        axes.plot(
            figures[f"score {removed}"],
            100 * figures[f"accuracy {removed}"],
            linestyle="none",
            marker=marker,
            markersize=4,
            markerfacecolor=colour,
            markeredgecolor="none",
            alpha=0.7,
        )
    axes.set(xscale="log", xlabel="predicted noise to signal, all layers", xlim=(1e-4, None))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


if __name__ == "__main__":
    main()
