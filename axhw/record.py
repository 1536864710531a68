"""A verified, costed design: what `characterize` returns and the store keeps."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from axhw.breakdown import Breakdown
from axhw.errors import AxhwError
from axhw.hdl.registry import DesignSpec, describe, restore
from axhw.hdl.spec import MultiplierSpec
from axhw.proof import Proof, Verification
from axhw.sim.metrics import ErrorMetrics
from axhw.sim.product_table import ProductTable
from axhw.store import Entry
from axhw.stored_design import StoredDesign, reading
from axhw.synth.cost import Cost
from axhw.synth.netlist import Netlist

_COST_FIGURES = (
    "library",
    "engine",
    "area_um2",
    "delay_ns",
    "energy_fj",
    "energy_zero_delay_fj",
    "energy_exclusive_fj",
    "leakage_nw",
    "cells",
)
COST_CONDITIONS = ("library_sha256", "stream", "corner", "input_slew_ns", "output_load_ff", "wire_load")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made the record: version of axhw, digest of its circuit and measuring code, day.

    `imported` says of an imported design which file it was, how that was read, and whether its own cells were kept.
    """

    axhw_version: str
    code_sha256: str
    created: str
    imported: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class DesignRecord(StoredDesign):
    """A design with everything measured about it.

    Attributes
    ----------
    key : str
        Content address in the store.
    folder : Path
        Where its files are: design.v, netlist.v, netlist.json, design.json and, up to 10 bits, lut.npy; an imported
        table has the last two only.
    spec : MultiplierSpec or ProcessingElementSpec
    metrics : ErrorMetrics
    rank : int or None
        Exact rank of the product table; None where it is not known.
    cost : Cost or None
        None for an imported table, which has no circuit.
    breakdown : Breakdown or None
        A processing element by parts; None for a multiplier.
    verification : Verification
    provenance : Provenance
    document : mapping
        What design.json holds: all of the above as JSON values.
    """

    key: str
    folder: Path
    spec: DesignSpec
    metrics: ErrorMetrics
    rank: int | None
    cost: Cost | None
    breakdown: Breakdown | None
    verification: Verification
    provenance: Provenance
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def multiplier(self) -> MultiplierSpec:
        """The multiplier: the design itself, or the one inside a processing element."""
        return self.spec if isinstance(self.spec, MultiplierSpec) else self.spec.multiplier

    @property
    def circuit_cost(self) -> Cost:
        """The cost, for those who need a circuit.

        Raises
        ------
        AxhwError
            If the design is a table without one.
        """
        if self.cost is None:
            raise AxhwError(
                f"Expected a design with a circuit, found {self.name}, of which only the table of products is known: "
                "import its Verilog, BLIF or chromosome instead."
            )
        return self.cost

    @cached_property
    def table(self) -> ProductTable | None:
        """The product table that was extracted from the mapped netlist, or imported; None for wide operands.

        Raises
        ------
        AxhwError
            If the stored table is not the one that was proved.
        """
        if self.verification.table_sha256 is None:
            return None
        return self.proved_table(
            "lut.npy",
            self.multiplier,
            sha256=self.verification.table_sha256,
            netlist_sha256=self.verification.netlist_sha256,
        )

    @cached_property
    def netlist(self) -> Netlist:
        """The mapped netlist.

        Raises
        ------
        AxhwError
            If there is no circuit, or if the stored netlist is not the one that was proved.
        """
        _ = self.circuit_cost
        try:
            document = json.loads(self.read("netlist.json"))
        except ValueError as error:
            raise self.damaged("netlist.json", "no JSON document") from error
        netlist = Netlist.from_yosys(document, top=self.name)
        if netlist.sha256 != self.verification.netlist_sha256:
            raise self.damaged("netlist.json", "gates that were not proved")
        return netlist

    def summary(self) -> dict[str, Any]:
        """The figures people ask for first, flat: what ``axhw gen --json`` and multipliers.csv hold."""
        cost, metrics = self.cost, self.metrics
        return {
            "name": self.name,
            "family": self.multiplier.family,
            "width": self.multiplier.width,
            "signed": self.multiplier.signed,
            "params": self.multiplier.shown_parameters(),
            "element": None if isinstance(self.spec, MultiplierSpec) else self.spec.kind,
            **{figure: getattr(cost, figure, None) for figure in _COST_FIGURES},
            **self._shares(),
            "mae": metrics.mae,
            "mae_pct": metrics.mae_pct,
            "wce": metrics.wce,
            "wce_pct": metrics.wce_pct,
            "mre_pct": metrics.mre_pct,
            "ep_pct": metrics.ep_pct,
            "mse": metrics.mse,
            "bias": metrics.bias,
            "variance": metrics.variance,
            "rank": self.rank,
            # A record of a circuit exists only when its netlist was proved equal to the golden model.
            "verified": cost is not None,
            "verification": dataclasses.asdict(self.verification),
            "sampled": metrics.sampled,
            "wce_upper": metrics.wce_upper,
            **{condition: getattr(cost, condition, None) for condition in COST_CONDITIONS},
            "key": self.key,
        }

    def _shares(self) -> dict[str, Any]:
        if self.breakdown is None:
            return {"multiplier_area_share": None, "multiplier_energy_share": None, "breakdown": None}
        return {
            "multiplier_area_share": self.breakdown.area_share("multiplier"),
            "multiplier_energy_share": self.breakdown.energy_share("multiplier"),
            "breakdown": dataclasses.asdict(self.breakdown),
        }

    @classmethod
    def from_entry(cls, entry: Entry) -> DesignRecord:
        """Read a stored design.

        Raises
        ------
        AxhwError
            If its document holds other figures, as that of another version of axhw may.
        """
        document: Mapping[str, Any] = entry.document
        with reading(entry.folder):
            return cls(
                key=entry.key,
                folder=entry.folder,
                spec=restore(document["spec"]),
                metrics=ErrorMetrics(**document["metrics"]),
                rank=document["rank"],
                cost=Cost(**document["cost"]) if document["cost"] is not None else None,
                breakdown=Breakdown(**document["breakdown"]) if document["breakdown"] is not None else None,
                verification=Verification(**document["verification"]),
                provenance=Provenance(**document["provenance"]),
                document=document,
            )


def document_of(
    spec: DesignSpec, *, proof: Proof, cost: Cost | None, breakdown: Breakdown | None, provenance: Provenance
) -> dict[str, Any]:
    """What design.json holds, and `DesignRecord.from_entry` reads."""
    return {
        "name": spec.name,
        "spec": describe(spec),
        "metrics": dataclasses.asdict(proof.metrics),
        "rank": proof.rank,
        "cost": None if cost is None else dataclasses.asdict(cost),
        "breakdown": None if breakdown is None else dataclasses.asdict(breakdown),
        "verification": dataclasses.asdict(proof.verification),
        "provenance": dataclasses.asdict(provenance),
    }
