"""How far the energy of uniform random operands is off in a network, by multiplier and order of the operands.

Usage: python -m benchmarks.workload_energy [LIBRARY.lib ...]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from axhw.characterize import characterize
from axhw.evaluation import Bench
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.hdl.spec import MultiplierSpec
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.sim.operands import OperandStream
from axhw.store import Store
from axhw.synth.libraries import DEFAULT, LibrarySource, load_library
from axhw.workload import ORDERS, LayerOperands, Order, WorkloadEnergy, layer_operands, workload_energy
from benchmarks.bulk import SHORT_NAMES, scratch_store
from benchmarks.designs import REAL_LIBRARIES
from benchmarks.markdown import table

MARKDOWN = True

MODEL, DATA, IMAGES = "digits_cnn", "digits", 100
CONDITIONS = Conditions()
BASELINE = "exact"
SWAPPED = "exact, operands swapped"
MULTIPLIERS = (
    BASELINE,
    "exact:encoding=baugh_wooley",
    "roup:p=1,r=4",
    "roup:p=2,r=3",
    "evoapprox:mul8s_1L2L",
    "evoapprox:mul8s_1KVA",
)

Results = Mapping[str, Mapping[Order, WorkloadEnergy]]


class SwappedOperands(LayerOperands):
    """The same multiplications with the weight as operand a and the activation, instead of the weight, recoded."""

    def runs(self, spec: MultiplierSpec, *, order: Order, pairs: int, seed: int) -> list[OperandStream]:
        """Those of the layer with their operands exchanged."""
        return [replace(run, a=run.b, b=run.a) for run in super().runs(spec, order=order, pairs=pairs, seed=seed)]


def main() -> None:
    """Print the report."""
    paths = sys.argv[1:] or [DEFAULT, *sorted(str(path) for path in REAL_LIBRARIES.glob("sky130*.lib*"))]
    bench = Bench.load(model=MODEL, data=DATA)
    print(
        f"{MODEL} on {IMAGES} test images of {DATA}: in each layer {CONDITIONS.pairs:,} multiplications are sampled "
        f"from each order, seed {CONDITIONS.seed}, and their energy measured with glitches. An inference is "
        f"{sum(bench.quantized(signed=True).multiplications.values()):,} multiplications, nothing else counted. The "
        "orders are "
        "those of [workloads.md](../docs/workloads.md); `uniform` is what `axhw gen` reports, "
        f"{CONDITIONS.pairs:,} uniform random pairs."
    )
    with scratch_store() as store:
        for number, path in enumerate(paths):
            library = load_library(path)
            results = {text: _orders(_record(text, library, store), bench, library) for text in MULTIPLIERS}
            record = results[BASELINE][ORDERS[0]].record
            results[SWAPPED] = _orders(record, bench, library, swapped=True)
            print(f"\n## {SHORT_NAMES.get(library.cells.name, library.cells.name)}\n")
            print("Energy of an inference in nJ, and how many times too high uniform operands put it:\n")
            print(_inferences(results))
            print(f"\nThe same over that of {BASELINE}, which is what a choice rests on:\n")
            print(_relative(results))
            print(f"\n{_at_zero(results, bench, library)}")
            if number == 0:
                print("\n## By layer, fJ a multiplication\n")
                print(_layers(results))


def _record(text: str, library: LibrarySource, store: Store) -> DesignRecord:
    return characterize(parse(text), flow=Flow.of(library=library, store=store, conditions=CONDITIONS))


def _orders(
    record: DesignRecord, bench: Bench, library: LibrarySource, *, swapped: bool = False
) -> dict[Order, WorkloadEnergy]:
    operands = layer_operands(bench.quantized(signed=True), bench.data.test.images[:IMAGES], record)
    if swapped:
        operands = {name: SwappedOperands(**vars(layer)) for name, layer in operands.items()}
    return {
        order: workload_energy(record, operands, library=library.cells, order=order, conditions=CONDITIONS)
        for order in ORDERS
    }


def _inferences(results: Results) -> str:
    rows = [
        [
            text,
            f"{orders[ORDERS[0]].uniform_nj:.0f}",
            *(f"{w.energy_nj:.0f} ({w.uniform_nj / w.energy_nj:.2f} x)" for w in orders.values()),
        ]
        for text, orders in results.items()
    ]
    return table(["multiplier", "uniform", *ORDERS], rows)


def _relative(results: Results) -> str:
    base = results[BASELINE]
    rows = [
        [
            text,
            f"{orders[ORDERS[0]].uniform_nj / base[ORDERS[0]].uniform_nj:.2f}",
            *(f"{w.energy_nj / base[order].energy_nj:.2f}" for order, w in orders.items()),
        ]
        for text, orders in results.items()
    ]
    return table(["multiplier", "uniform", *ORDERS], rows)


def _at_zero(results: Results, bench: Bench, library: LibrarySource) -> str:
    """What a multiplication by an activation of 0 costs in the largest layer."""
    order: Order = "output-stationary"
    layer = max(bench.quantized(signed=True).multiplications.items(), key=lambda item: item[1])[0]
    found = []
    for text in (BASELINE, "exact:encoding=baugh_wooley"):
        workload = results[text][order]
        operands = layer_operands(bench.quantized(signed=True), bench.data.test.images[:IMAGES], workload.record)[layer]
        still = {layer: replace(operands, activations=np.zeros_like(operands.activations))}
        zero = workload_energy(
            workload.record, still, library=library.cells, order=order, conditions=CONDITIONS
        ).layers[0]
        usual = next(energy for energy in workload.layers if energy.layer == layer)
        found.append(f"{zero.energy_fj:.0f} of {usual.energy_fj:.0f} fJ for {text}")
    share = 100 * usual.zero_share
    return (
        f"In {layer}, {share:.0f} % of the activations are 0. With all of them 0 and the weights in their order "
        f"({order}), a multiplication still takes {' and '.join(found)}: the rows of negative Booth digits turn to "
        "ones and are added up to 0, while the AND gates of an array stay silent. Recoding the activation instead of "
        "the weight avoids much of that where both change at every step, and costs more where the weight stays."
    )


def _layers(results: Results) -> str:
    rows = []
    for text, orders in results.items():
        first = orders[ORDERS[0]]
        for place, layer in enumerate(first.layers):
            energies = (workload.layers[place] for workload in orders.values())
            rows.append(
                [
                    text,
                    layer.layer,
                    f"{100 * layer.zero_share:.0f} %",
                    f"{first.record.cost.energy_fj:.0f}",
                    *(f"{energy.energy_fj:.0f} ± {energy.standard_error_fj:.0f}" for energy in energies),
                ]
            )
    return table(["multiplier", "layer", "activations 0", "uniform", *ORDERS], rows)


if __name__ == "__main__":
    main()
