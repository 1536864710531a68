"""The cells of the table: a network with one circuit, as it is, compensated, and retrained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.evaluation import COMPENSATION_IMAGES, eight_bit_table
from axhw.experiments.axmoe.gates import AGREEMENT, agreement_columns
from axhw.experiments.axmoe.subjects import Subject, retrained_network
from axhw.experiments.axmoe.told import shipped_accuracies
from axhw.experiments.parts import Parts
from axhw.hdl.families.evoapprox import EXACT_CIRCUIT
from axhw.moe.cells import RECIPES, RETRAINED, Cell
from axhw.moe.evaluation import Prices, circuit_name, cost_columns
from axhw.moe.rows import ExpertRows
from axhw.nn.compensation import COMPENSATIONS, compensated
from axhw.nn.network import Network
from axhw.nn.zoo.moe import dense_name, topology
from axhw.nn.zoo.names import build_graph
from axhw.record import DesignRecord
from axhw.retraining import Accuracies
from axhw.sim.product_table import ProductTable

Row = Mapping[str, Any]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Table:
    """What makes the cells.

    Attributes
    ----------
    parts : Parts
        Finished cells.
    out : Path
        Folder of the results, with retrained weights in it.
    data : str
        Name of the data set.
    prices : Prices
    records : tuple of DesignRecord
        Of the circuits, the exact one among them.
    seeds : tuple of int
        Of retrainings.
    progress : callable
    """

    parts: Parts
    out: Path
    data: str
    prices: Prices
    records: tuple[DesignRecord, ...]
    seeds: tuple[int, ...]
    progress: Progress

    def rows(self, subjects: Sequence[Subject]) -> list[Row]:
        """A row for each network, circuit and seed of a retraining; those of the first seed are there without any."""
        found: list[Row] = []
        total = len(subjects) * len(self.records)
        for subject in subjects:
            for record in self.records:
                circuit = circuit_name(record.multiplier)
                self.progress(
                    len({(row["network"], row["circuit"]) for row in found}), total, f"{subject.name}, {circuit}"
                )
                plain = self._plain(subject, record)
                for seed in self.seeds:
                    accuracies = self._retrained(subject, record, seed)
                    if seed == self.seeds[0] or any(accuracy is not None for accuracy in accuracies.values()):
                        found.append({**plain, "seed": seed, **accuracies})
        return found

    def told_rows(self, networks: Sequence[str], splits: Splits) -> list[Row]:
        """Rows of networks without weights, made of what their retrainings told.

        Integers are the same in training and here, so accuracies are, too. What a gate chooses was not told: costs
        are those of evenly used experts, which for experts of one size are those of any use.

        Parameters
        ----------
        networks : sequence of str
        splits : Splits
            Only accuracies on all images of its test split are taken.
        """
        found: list[Row] = []
        circuits = {circuit_name(record.multiplier): record for record in self.records}
        for network in networks:
            told = {circuit: self._told_accuracies(network, circuit, splits) for circuit in circuits}
            if not any(told.values()):
                # It may not fit the images at all.
                continue
            graph = build_graph(network, input_shape=splits.test.image_shape, classes=len(splits.test.classes))
            balanced = ExpertRows.balanced(graph)
            named = {"network": network, "base": dense_name(network), "topology": topology(network)}
            for circuit, record in circuits.items():
                costs = cost_columns(balanced, record, self.prices)
                for seed, accuracies in told[circuit].items():
                    found.append(
                        {
                            **named,
                            "circuit": circuit,
                            "images": len(splits.test),
                            **dict.fromkeys(map(compensated_column, COMPENSATIONS)),
                            **dict.fromkeys(AGREEMENT),
                            **costs,
                            "seed": seed,
                            **accuracies,
                        }
                    )
        return found

    def _told_accuracies(self, network: str, circuit: str, splits: Splits) -> dict[int, dict[str, float | None]]:
        """Columns of accuracies by seed; with the exact circuit, they are of any retraining's start."""
        exact = circuit == EXACT_CIRCUIT
        circuits = [circuit_name(record.multiplier) for record in self.records] if exact else [circuit]
        found: dict[int, dict[str, float | None]] = {}
        for seed in self.seeds[:1] if exact else self.seeds:
            told = {
                (recipe, name): self._told(Cell(network=network, circuit=name, recipe=recipe, seed=seed), splits)
                for recipe in RECIPES
                for name in circuits
            }
            known = [accuracies for accuracies in told.values() if accuracies is not None]
            if known:
                first = known[0]
                by_recipe = {recipe: None if exact else told[recipe, circuit] for recipe in RECIPES}
                before = first.exact_accuracy if exact else first.accuracy_before
                found[seed] = {
                    "int8_accuracy": first.exact_accuracy,
                    "accuracy": before,
                    **_retrained_columns(by_recipe),
                }
        return found

    def _told(self, cell: Cell, splits: Splits) -> Accuracies | None:
        """Accuracies on the very images of the test split, None without them.

        Those that come with axhw are of other weights than the user's, so they are for networks of which there are no
        others.
        """
        own = any((self.out / RETRAINED).glob(f"*/{cell.network}/*.json"))
        told = cell.told(self.out / RETRAINED) if own else shipped_accuracies().get(cell)
        same = told is not None and (told.data, told.images) == (splits.test.name, len(splits.test))
        return told if same else None

    def _settings(self, subject: Subject, table: ProductTable) -> dict[str, Any]:
        return {
            "network": subject.name,
            "weights": subject.digest,
            "data": subject.bench.data.test.name,
            "images": len(subject.bench.data.test),
            "table": table.sha256,
        }

    def _plain(self, subject: Subject, record: DesignRecord) -> Row:
        """Without retraining."""
        circuit, table = circuit_name(record.multiplier), eight_bit_table(record)
        settings = self._settings(subject, table)
        priced = {
            "energy_fj": record.circuit_cost.energy_fj,
            "exact_fj": self.prices.exact_fj,
            "comparison_fj": self.prices.comparison_fj,
        }
        named = {
            "network": subject.name,
            "base": subject.base,
            "topology": subject.topology,
            "circuit": circuit,
            "images": len(subject.bench.data.test),
        }

        def make() -> Row:
            return self._measured(subject, record)

        return {**named, **self.parts.remember(f"cell-{subject.name}-{circuit}", settings | priced, make)}

    def _measured(self, subject: Subject, record: DesignRecord) -> Row:
        exact, table = subject.exact, eight_bit_table(record)
        if circuit_name(record.multiplier) == EXACT_CIRCUIT:
            names = ("int8_accuracy", "accuracy", *map(compensated_column, COMPENSATIONS))
            same = dict.fromkeys(names, subject.accuracy(exact))
            return {**same, **agreement_columns(exact, exact), **cost_columns(exact.rows, record, self.prices)}
        tables = subject.tables(table)
        run = subject.run(tables)
        learnt_from = subject.bench.calibration_images[:COMPENSATION_IMAGES]
        after = {
            compensated_column(method): subject.accuracy(
                subject.run(tables, compensated(subject.network, learnt_from, tables, method=method))
            )
            for method in COMPENSATIONS
        }
        return {
            "int8_accuracy": subject.accuracy(exact),
            "accuracy": subject.accuracy(run),
            **after,
            **agreement_columns(run, exact),
            **cost_columns(run.rows, record, self.prices),
        }

    def _retrained(self, subject: Subject, record: DesignRecord, seed: int) -> dict[str, float | None]:
        """Accuracy with the circuit by recipe, as told where there are no weights; None without both."""
        circuit, table = circuit_name(record.multiplier), eight_bit_table(record)
        found: dict[str, float | None] = {}
        for recipe in RECIPES:
            cell = Cell(network=subject.name, circuit=circuit, recipe=recipe, seed=seed)
            network = retrained_network(cell, subject, out=self.out, data=self.data)
            column = retrained_column(recipe)
            told = self._told(cell, subject.bench.data)
            if told is not None and told.exact_accuracy != subject.accuracy(subject.exact):
                if cell.told(self.out / RETRAINED) is not None:
                    raise AxhwError(
                        f"Expected accuracies of the weights of {subject.name} that are given in "
                        f"{cell.folder(self.out / RETRAINED)}, found those of others for {cell.stem}: retrain these."
                    )
                told = None
            found[column] = None if told is None else told.accuracy_after
            found[start_column(recipe)] = None if told is None else told.exact_accuracy
            if network is not None:
                settings = self._settings(subject, table) | {"retrained": network.digest}
                name = f"retrained-{recipe}-{subject.name}-{cell.stem}"

                def make(network: Network = network) -> float:
                    own = replace(subject.bench, network=network).quantized(signed=True)
                    return subject.accuracy(subject.run(subject.tables(table), own))

                found[column] = float(self.parts.remember(name, settings, make))
                found[start_column(recipe)] = subject.accuracy(subject.exact)
        return found


def compensated_column(method: str) -> str:
    """Of the accuracy with a compensation."""
    return f"{method}_accuracy"


def start_column(recipe: str) -> str:
    """Of the accuracy with exact products of the network that a retraining with a recipe began with.

    It is another training of the network than that of the other columns where it is not their exact accuracy: trainings
    on several machines tell of a network whose weights are too large to pass on.
    """
    return f"{recipe}_start_accuracy"


def retrained_column(recipe: str) -> str:
    """Of the accuracy after retraining with a recipe."""
    return f"{recipe}_accuracy"


def _retrained_columns(told: Mapping[str, Accuracies | None]) -> dict[str, float | None]:
    """What retrainings with each recipe told."""
    after = {retrained_column(recipe): each.accuracy_after if each else None for recipe, each in told.items()}
    return after | {start_column(recipe): each.exact_accuracy if each else None for recipe, each in told.items()}
