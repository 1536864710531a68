"""Multipliers chosen by the operands of each layer against those chosen by uniform errors.

Usage: python -m benchmarks.workload_choice
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from axhw.characterize import characterize
from axhw.evaluation import Bench
from axhw.evolve.gate_costs import GateCosts
from axhw.evolve.limits import Limits
from axhw.evolve.problem import Problem
from axhw.evolve.search import Search, Settings
from axhw.evolve.seeds import seed_circuit
from axhw.evolve.winners import measure_winners
from axhw.flow import Flow
from axhw.library.archive import Archive
from axhw.nn.histograms import operand_histograms
from axhw.record import DesignRecord
from axhw.search.assignment import Assignment
from axhw.search.choice import PAIRS_PCT, Budget, LayerChoice, choose_by_operands, mean_energy_fj
from axhw.search.evaluation import evaluate_assignment
from axhw.search.palette import Palette
from axhw.store import Store
from axhw.synth.libraries import DEFAULT, load_library
from benchmarks.markdown import table

MARKDOWN = True

MODEL, DATA = "resnet8", "cifar10_jpeg"
ENERGIES_FJ = (1000.0, 800.0, 600.0, 400.0)
TEST_IMAGES = 2000
IMAGES = 64
EVALUATIONS = 400_000
# Of the layers, by multiplications.
EVOLVED = 3


def main() -> None:
    """Print both comparisons."""
    archive = Archive()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        records = [
            DesignRecord.from_entry(archive.unpack(str(summary["key"]), store))
            for summary in archive.summaries
            if summary["signed"]
        ]
        palette = Palette.of(records)
        bench = Bench.load(model=MODEL, data=DATA, images=TEST_IMAGES)
        network = bench.quantized(signed=True)
        histograms = operand_histograms(network, bench.data.train.limited(IMAGES).images)
        print(
            f"{MODEL} on {bench.data.test.name}, {TEST_IMAGES:,} test images; operands of {IMAGES} training images; "
            f"{len(palette)} shipped signed designs, embedded SG13G2 figures. Errors are weighted by the operands of "
            "each layer (WMED) or by none (MAE). No tuning, compensation or retraining.\n"
        )
        exact = bench.reference(signed=True).exact_classes == bench.data.test.labels
        print(f"int8 with exact products: {100 * float(exact.mean()):.2f} %\n")
        rows = []
        for energy in ENERGIES_FJ:
            choices = choose_by_operands(palette, histograms, network.multiplications, Budget(energy_fj=energy))
            rows.append(
                (
                    f"{energy:,.0f}",
                    *(_accuracy(bench, palette, choices, by_operands=False)),
                    *(_accuracy(bench, palette, choices, by_operands=True)),
                    f"{np.mean([choice.wmed_pct / choice.uniform_wmed_pct for choice in choices]):.2f}",
                )
            )
        heads = ("fJ at most", "by MAE: fJ", "accuracy", "by WMED: fJ", "accuracy", "WMED ratio")
        print(table(heads, rows))
        print("\n## Evolved for a layer\n")
        _evolved(palette, histograms, network.multiplications, store)


def _accuracy(bench: Bench, palette: Palette, choices: Sequence[LayerChoice], *, by_operands: bool) -> tuple[str, str]:
    layers = {choice.layer: np.asarray(choice.by_operands if by_operands else choice.by_uniform) for choice in choices}
    assignment = Assignment(network=bench.graph.name, designs=palette.references, layers=layers)
    result = evaluate_assignment(bench, assignment, palette)
    energy = mean_energy_fj(palette, choices, by_operands=by_operands)
    return f"{energy:,.0f}", f"{100 * result.approximate_accuracy:.2f} %"


def _evolved(palette: Palette, histograms: dict, multiplications: dict, store: Store) -> None:
    """Circuits for the largest layers, whose WMED is that of the choice by MAE within 600 fJ."""
    library = load_library(DEFAULT)
    choices = choose_by_operands(palette, histograms, multiplications, Budget(energy_fj=600.0))
    largest = sorted(choices, key=lambda choice: -choice.multiplications)[:EVOLVED]
    print(
        f"For the layers with most multiplications: the WMED that the choice by MAE within 600 fJ has there, and what "
        f"keeps it with least energy: of the shipped designs, and after {EVALUATIONS:,} evaluations (seed 1) from "
        "that one.\n"
    )
    rows = []
    for choice in largest:
        plain = palette.records[choice.by_uniform]
        counts = histograms[choice.layer].astype(np.float64)
        budget = Budget(error_pct=choice.uniform_wmed_pct * (1 + 1e-9))
        (best,) = choose_by_operands(palette, {choice.layer: counts}, multiplications, budget)
        begin = characterize(palette.records[best.by_operands].multiplier, flow=Flow.of(store=store))
        limits = Limits(width=8, metric="wmed", ladder=(choice.uniform_wmed_pct / PAIRS_PCT,))
        problem = Problem(
            width=8,
            signed=True,
            costs=GateCosts.of(library.cells),
            objective="area",
            metrics=limits.limited,
            histogram=counts,
        )
        search = Search(problem, limits, seed_circuit(begin, library.cells), Settings(islands=2, seed=1))
        search.run(evaluations=EVALUATIONS, threads=2)
        flow = Flow.of(library=library, store=store)
        winners = measure_winners(search.found(), begin, limits=limits, objective="energy", flow=flow, histogram=counts)
        winner = winners[-1].record
        energies = [record.circuit_cost.energy_fj for record in (plain, begin, winner)]
        rows.append(
            (
                choice.layer,
                f"{choice.uniform_wmed_pct:.3g}",
                *(f"{energy:,.0f}" for energy in energies),
                f"{energies[2] / energies[0] - 1:+.0%}",
                f"{winner.metrics.mae_pct:.3g}",
                winner.rank,
            )
        )
    print(table(("layer", "WMED %", "by MAE: fJ", "shipped: fJ", "evolved: fJ", "energy", "its MAE %", "rank"), rows))


if __name__ == "__main__":
    main()
