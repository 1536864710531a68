"""The whole study: every finished part is kept, and a run that was stopped goes on behind the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from axhw.data.names import load_dataset
from axhw.errors import AxhwError
from axhw.evaluation import eight_bit_table
from axhw.experiments.axmoe.assignments import Searching, gains
from axhw.experiments.axmoe.cells import Table, retrained_column
from axhw.experiments.axmoe.claims import claims
from axhw.experiments.axmoe.experts import expert_rows, heterogeneity
from axhw.experiments.axmoe.gates import all_load_rows, routing_rows
from axhw.experiments.axmoe.hardware import arrays_of, hardware_rows
from axhw.experiments.axmoe.measured import Measured
from axhw.experiments.axmoe.plan import Plan
from axhw.experiments.axmoe.subjects import Subject
from axhw.experiments.setup import Setup
from axhw.hdl.families.evoapprox import EXACT_CIRCUIT, EvoApproxSpec
from axhw.lookup import NamedMultiplier
from axhw.moe.arrays import Array
from axhw.moe.cells import RECIPES
from axhw.moe.evaluation import Prices, circuit_name, error_columns
from axhw.moe.normalized_cost import measured_ratio, published_ratio
from axhw.record import DesignRecord
from axhw.search.palette import Palette

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Experiment(Setup):
    """A plan, with what it is carried out with.

    Attributes
    ----------
    plan : Plan
    weights : Path, optional
        Folder of trained networks, ``<model>-<data>.safetensors``; those that come with axhw are there anyway.
    """

    plan: Plan
    weights: Path | None = None

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """The networks of the plan that have weights.

        Raises
        ------
        AxhwError
            If none has.
        """
        plan = self.plan
        splits = load_dataset(plan.data, root=self.root)
        if plan.test_images is not None:
            splits = replace(splits, test=splits.test.limited(plan.test_images))
        found = [Subject.found(name, data=plan.data, splits=splits, weights=self.weights) for name in plan.networks]
        subjects = tuple(subject for subject in found if subject is not None)
        if not subjects:
            raise AxhwError(
                f"Expected weights of at least one network out of {', '.join(plan.networks)} for {plan.data}, found "
                "none: train some with axhw moe train."
            )
        return subjects

    @cached_property
    def records(self) -> tuple[DesignRecord, ...]:
        """The circuits, measured."""
        found = []
        for done, circuit in enumerate(self.plan.circuits):
            self.progress(done, len(self.plan.circuits), f"circuit {circuit}")
            found.append(self._measured(circuit))
        return tuple(found)

    def check_searched(self, names: Sequence[str]) -> None:
        """Refuse to search on what can't be.

        Raises
        ------
        AxhwError
            For names of other networks than those of the plan with experts and weights.
        """
        known = [subject.name for subject in self.subjects if subject.topology != "dense"]
        for name in names:
            if name not in known:
                raise AxhwError(
                    f"Expected a network with experts and weights to search on, out of {', '.join(known) or 'none'}, "
                    f"found {name!r}: choose one of these, or train it with axhw moe train and give --weights."
                )

    def run(self) -> dict[str, Any]:
        """Everything, as JSON values: ``claims`` first."""
        plan, subjects, records = self.plan, self.subjects, self.records
        self.folder.mkdir(parents=True, exist_ok=True)
        prices = Prices.measured(self.flow)
        table = Table(
            parts=self.parts,
            out=self.folder,
            data=plan.data,
            prices=prices,
            records=records,
            seeds=plan.seeds,
            progress=self.progress,
        )
        known = table.rows(subjects)
        lacking_weights = [name for name in plan.networks if name not in {subject.name for subject in subjects}]
        told = table.told_rows(lacking_weights, subjects[0].bench.data)
        cells = sorted([*known, *told], key=lambda row: plan.networks.index(row["network"]))
        approximate = [record for record in records if circuit_name(record.multiplier) != EXACT_CIRCUIT]
        routing = routing_rows(subjects, approximate, known, self.parts, progress=self.progress)
        experts = self._experts()
        searching = Searching(
            plan=plan.searches,
            palette=Palette.of(map(self._measured, plan.searches.circuits)),
            parts=self.parts,
            out=self.folder,
            seed=plan.seed,
            progress=self.progress,
        )
        points, volumes = searching.rows(self._named(plan.searches.networks))
        arrays = arrays_of(plan.arrays, flow=self.flow, progress=self.progress)
        hardware = self.parts.remember(
            "hardware",
            {
                "networks": {subject.name: subject.digest for subject in subjects},
                "arrays": {name: repr(array) for name, array in arrays.items()},
                "images": plan.arrays.images,
                "test_images": len(subjects[0].bench.data.test),
            },
            lambda: hardware_rows(subjects, arrays, images=plan.arrays.images, progress=self.progress),
        )
        gained = gains(points)
        test = subjects[0].bench.data.test
        measured = Measured(
            cells=cells,
            gains=gained,
            recovering=plan.recovering,
            circuits=plan.circuits,
            about=f"{test.name}, {len(test):,} test images",
        )
        found, lacking = claims(measured)
        return {
            "claims": [claim.row() for claim in found],
            "missing": {
                "claims": lacking,
                "networks": [name for name in lacking_weights if name not in {row["network"] for row in told}],
                "retrained": _not_retrained(plan, cells),
            },
            "settings": {
                "data": test.name,
                "test_split": test.split,
                "test_images": len(test),
                "sensitivity_images": min(plan.sensitivity_images, len(test)),
                "weights": {subject.name: subject.bench.weights for subject in subjects},
                "recipes": {name: str(recipe) for name, recipe in RECIPES.items()},
                "seeds": list(plan.seeds),
                "seed": plan.seed,
                "evaluations": plan.searches.evaluations,
                "searched_circuits": len(plan.searches.circuits),
                "population": plan.searches.population,
                "validation_images": min(plan.searches.images, len(subjects[0].bench.data.validation)),
                "array_side": plan.arrays.side,
                "array_images": min(plan.arrays.images, len(test)),
                "comparison_fj": prices.comparison_fj,
                "library": self.flow.library.cells.name,
                "engine": str(self.flow.engine),
                "seconds": sum(self.parts.seconds.values()),
            },
            "circuits": [_circuit_row(record, prices) for record in records],
            "cells": cells,
            "told": list(dict.fromkeys(row["network"] for row in told)),
            "loads": all_load_rows(subjects, self.parts),
            "routing": routing,
            "experts": experts,
            "heterogeneity": [
                _heterogeneity(experts, name) for name in dict.fromkeys(row["network"] for row in experts)
            ],
            "points": points,
            "hypervolumes": volumes,
            "gains": gained,
            "arrays": [_array_row(name, array) for name, array in arrays.items()],
            "hardware": hardware,
        }

    def _experts(self) -> list[Row]:
        exact, record = self._measured(EXACT_CIRCUIT), self._measured(self.plan.sensitivity_circuit)
        found: list[Row] = []
        for subject in self._named(self.plan.sensitivity_networks):

            def step(done: int, total: int, name: str = subject.name) -> None:
                self.progress(done, total, f"{name}: experts alone")

            found += expert_rows(subject, record, exact, self.parts, images=self.plan.sensitivity_images, progress=step)
        return found

    def _named(self, networks: Sequence[str]) -> list[Subject]:
        return [subject for subject in self.subjects if subject.name in networks]

    def _measured(self, circuit: str) -> DesignRecord:
        multiplier = NamedMultiplier(spec=EvoApproxSpec(circuit=circuit))
        return multiplier.measured(self.flow)


def _not_retrained(plan: Plan, cells: Sequence[Row]) -> list[dict[str, Any]]:
    """Circuits by network and recipe that there are no accuracies after retraining for."""
    found = []
    for network in dict.fromkeys(row["network"] for row in cells):
        for recipe in RECIPES:
            column = retrained_column(recipe)
            there = {row["circuit"] for row in cells if row["network"] == network and row[column] is not None}
            lacking = [circuit for circuit in plan.circuits if circuit not in there and circuit != EXACT_CIRCUIT]
            if lacking:
                found.append({"network": network, "recipe": recipe, "circuits": lacking})
    return found


def _circuit_row(record: DesignRecord, prices: Prices) -> Row:
    circuit = circuit_name(record.multiplier)
    return {
        "circuit": circuit,
        "published_saving_pct": 100 * (1 - published_ratio(circuit)),
        "energy_fj": record.circuit_cost.energy_fj,
        "saving_pct": 100 * (1 - measured_ratio(record, prices.exact)),
        **error_columns(eight_bit_table(record)),
        "mae": record.metrics.mae,
    }


def _array_row(circuit: str, array: Array) -> Row:
    (columns,) = array.columns
    return {
        "circuit": circuit,
        "name": array.name,
        "area_um2": array.area_um2,
        "period_ns": array.period_ns,
        "product_fj": columns.product_fj,
        "clock_fj": array.clock_fj,
        "clock_share": array.clock_fj / columns.product_fj,
        "leakage_nw": array.leakage_nw,
    }


def _heterogeneity(rows: Sequence[Row], network: str) -> Row:
    own = [row for row in rows if row["network"] == network and row["layer"] != "all"]
    return {"network": network, "circuit": own[0]["circuit"], **heterogeneity(own)}
