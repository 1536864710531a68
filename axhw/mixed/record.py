"""A verified, costed design that multiplies in several ways, as the store keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axhw.breakdown import Breakdown
from axhw.errors import AxhwError
from axhw.hdl.mixed import MixedSpec, describe_mixed, restore_mixed, ways
from axhw.hdl.spec import MultiplierSpec
from axhw.record import Provenance
from axhw.sim.metrics import ErrorMetrics
from axhw.sim.product_table import ProductTable
from axhw.store import MIXED, Entry, Store
from axhw.stored_design import StoredDesign, reading
from axhw.synth.cost import Cost


@dataclass(frozen=True, kw_only=True)
class Way:
    """One of the multipliers that a design can be.

    Attributes
    ----------
    metrics : ErrorMetrics
    rank : int
    method : str
        How it was held against its golden model.
    pairs : int
        Operand pairs compared.
    table_sha256 : str
        Digest of its product table, which was extracted from the netlist.
    energy_fj : float
        A product in this way with its share of everything around it: the design's energy while the mode is held. In
        an array, what its columns' multipliers spend, and the mean over all columns of what is not multiplier.
    multiplier_fj : float
        The part of the multiplier alone, from a netlist that keeps it apart; all of it where there is nothing else.
    """

    metrics: ErrorMetrics
    rank: int
    method: str
    pairs: int
    table_sha256: str
    energy_fj: float
    multiplier_fj: float


@dataclass(frozen=True, kw_only=True, eq=False)
class MixedRecord(StoredDesign):
    """A design with several multipliers, and everything measured about it.

    Attributes
    ----------
    key : str
        Content address in the store.
    folder : Path
        design.v, netlist.v, netlist.json, cells.v, design.json and lut_0.npy, lut_1.npy, ...
    spec : ConfigurableRoupSpec, ConfigurableMacSpec or MixedSystolicSpec
    ways : tuple of Way
        In the order of `multipliers`.
    costs : tuple of Cost
        For each mode while it is held, with the same area and delay; one cost for an array.
    breakdowns : tuple of Breakdown
        As `costs`; none for a multiplier without an element.
    change_fj : tuple of tuple of float
        [i][j]: what a change from mode i to j costs beyond the products themselves, the mean of both directions;
        empty for an array, which never changes.
    netlist_sha256 : str
    provenance : Provenance
    document : mapping
        What design.json holds.
    """

    key: str
    folder: Path
    spec: MixedSpec
    ways: tuple[Way, ...]
    costs: tuple[Cost, ...]
    breakdowns: tuple[Breakdown, ...]
    change_fj: tuple[tuple[float, ...], ...]
    netlist_sha256: str
    provenance: Provenance
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def multipliers(self) -> tuple[MultiplierSpec, ...]:
        """What the design can be: its modes, or the different multipliers of its columns."""
        return ways(self.spec)

    def way(self, multiplier: MultiplierSpec) -> Way:
        """The design as this multiplier.

        Raises
        ------
        AxhwError
            If it cannot be that.
        """
        if multiplier not in self.multipliers:
            known = ", ".join(each.name for each in self.multipliers)
            raise AxhwError(f"Expected a multiplier of {self.name} ({known}), found {multiplier.name}.")
        return self.ways[self.multipliers.index(multiplier)]

    def table(self, number: int) -> ProductTable:
        """The product table of a way.

        Raises
        ------
        AxhwError
            If the stored table is not the one that was proved.
        """
        return self.proved_table(
            f"lut_{number}.npy",
            self.multipliers[number],
            sha256=self.ways[number].table_sha256,
            netlist_sha256=self.netlist_sha256,
        )

    def summary(self) -> dict[str, Any]:
        """The figures people ask for first: what ``axhw mixed --json`` prints."""
        cost = self.costs[0]
        return {
            "name": self.name,
            "area_um2": cost.area_um2,
            "delay_ns": cost.delay_ns,
            "cells": cost.cells,
            "ways": [
                {
                    "name": multiplier.name,
                    "energy_fj": way.energy_fj,
                    "multiplier_fj": way.multiplier_fj,
                    "mae": way.metrics.mae,
                    "mre_pct": way.metrics.mre_pct,
                    "wce": way.metrics.wce,
                    "rank": way.rank,
                    "verification": way.method,
                    "pairs": way.pairs,
                    "table_sha256": way.table_sha256,
                }
                for multiplier, way in zip(self.multipliers, self.ways)
            ],
            "energy_fj": [cost.energy_fj for cost in self.costs],
            "leakage_nw": [cost.leakage_nw for cost in self.costs],
            "change_fj": self.change_fj,
            "breakdowns": [dataclasses.asdict(breakdown) for breakdown in self.breakdowns],
            "library": cost.library,
            "corner": cost.corner,
            "engine": cost.engine,
            "stream": cost.stream,
            "key": self.key,
        }

    @classmethod
    def from_entry(cls, entry: Entry) -> MixedRecord:
        """Read a stored design.

        Raises
        ------
        AxhwError
            If its document holds other figures, as that of another version of axhw may.
        """
        document: Mapping[str, Any] = entry.document
        with reading(entry.folder):
            if not (document["ways"] and document["costs"]):
                raise KeyError("no ways or costs")
            return cls(
                key=entry.key,
                folder=entry.folder,
                spec=restore_mixed(document["spec"]),
                ways=tuple(Way(**{**way, "metrics": ErrorMetrics(**way["metrics"])}) for way in document["ways"]),
                costs=tuple(Cost(**cost) for cost in document["costs"]),
                breakdowns=tuple(Breakdown(**breakdown) for breakdown in document["breakdowns"]),
                change_fj=tuple(tuple(row) for row in document["change_fj"]),
                netlist_sha256=document["netlist_sha256"],
                provenance=Provenance(**document["provenance"]),
                document=document,
            )


def stored_mixed(store: Store) -> tuple[list[MixedRecord], list[str]]:
    """The designs of several multipliers in a store, oldest first, and a sentence on each that can't be read."""
    records, unreadable = [], []
    for key in store.keys(room=MIXED):
        try:
            entry = store.get(key, room=MIXED)
            if entry is not None:
                records.append(MixedRecord.from_entry(entry))
        except AxhwError as error:
            unreadable.append(str(error))
    return records, unreadable


def document_of(
    spec: MixedSpec,
    *,
    ways: tuple[Way, ...],
    costs: tuple[Cost, ...],
    breakdowns: tuple[Breakdown, ...],
    change_fj: tuple[tuple[float, ...], ...],
    netlist_sha256: str,
    provenance: Provenance,
) -> dict[str, Any]:
    """What design.json holds, and `MixedRecord.from_entry` reads."""
    return {
        "name": spec.name,
        "spec": describe_mixed(spec),
        "ways": [dataclasses.asdict(way) for way in ways],
        "costs": [dataclasses.asdict(cost) for cost in costs],
        "breakdowns": [dataclasses.asdict(breakdown) for breakdown in breakdowns],
        "change_fj": change_fj,
        "netlist_sha256": netlist_sha256,
        "provenance": dataclasses.asdict(provenance),
    }
