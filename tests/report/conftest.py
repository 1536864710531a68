"""Records with the real tables and error metrics of specs, and made-up costs and accuracies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.hdl.registry import describe, parse
from axhw.nn.evaluate import EvaluationResult
from axhw.proof import Verification
from axhw.record import DesignRecord, Provenance
from axhw.report.comparison import Comparison, ReportedDesign
from axhw.sim.metrics import exact_metrics
from axhw.sim.product_table import ProductTable
from axhw.sim.rank import table_rank
from axhw.synth.cost import Cost

MULTIPLICATIONS = {"conv": 1000, "linear": 24}

MakeDesign = Callable[..., ReportedDesign]


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedRecord(DesignRecord):
    """A record with a name of its own choice."""

    label: str

    @property
    def name(self) -> str:
        return self.label


def table_of(text: str) -> ProductTable:
    spec = parse(text)
    codes = spec.operand_codes()
    values = spec.reference(codes[:, None], codes).astype(np.int32)
    return ProductTable(
        values=values,
        width=spec.width,
        signed=spec.signed,
        name=spec.name,
        source=describe(spec),
        netlist_sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def make_design(tmp_path_factory: pytest.TempPathFactory, seal: Callable[[Path], None]) -> MakeDesign:
    """``make_design("roup:p=1,r=4", energy_fj=260, accuracy=0.97)``."""

    store = tmp_path_factory.mktemp("store")

    def make(
        text: str,
        *,
        name: str | None = None,
        energy_fj: float = 400.0,
        accuracy: float = 0.99,
        cost: dict[str, Any] | None = None,
        evaluation: dict[str, Any] | None = None,
        with_table: bool = True,
    ) -> ReportedDesign:
        table = table_of(text)
        folder = store / table.name
        folder.mkdir(exist_ok=True)
        np.save(folder / "lut.npy", table.values)
        seal(folder)
        record = NamedRecord(
            label=table.name if name is None else name,
            key=table.name,
            folder=folder,
            spec=parse(text),
            metrics=exact_metrics(table),
            rank=table_rank(table.values),
            breakdown=None,
            cost=replace(_COST, **{**_energies(energy_fj), **(cost or {})}),
            verification=Verification(
                method="exhaustive",
                pairs=table.values.size,
                netlist_sha256="0" * 64,
                table_sha256=table.sha256 if with_table else None,
            ),
            provenance=Provenance(axhw_version="1.2.3", code_sha256="1" * 64, created="2026-01-02T03:04:05+00:00"),
            document={},
        )
        result = replace(
            _EVALUATION,
            approximate_accuracy=accuracy,
            energy_nj=sum(MULTIPLICATIONS.values()) * energy_fj * 1e-6,
        )
        return ReportedDesign(record=record, evaluation=replace(result, **(evaluation or {})))

    return make


@pytest.fixture(scope="session")
def designs(make_design: MakeDesign) -> list[ReportedDesign]:
    """The exact multiplier and two approximate ones."""
    return [
        make_design("exact", energy_fj=400.0, accuracy=0.99),
        make_design("roup:p=1,r=4", energy_fj=260.0, accuracy=0.992),
        make_design("roup:p=2,r=3", energy_fj=123.4, accuracy=0.97),
    ]


@pytest.fixture(scope="session")
def comparison(designs: list[ReportedDesign]) -> Comparison:
    return Comparison.of(designs)


def _energies(energy_fj: float) -> dict[str, float]:
    return {
        "energy_fj": energy_fj,
        "internal_fj": 0.6 * energy_fj,
        "switching_fj": 0.4 * energy_fj,
        "energy_zero_delay_fj": 0.55 * energy_fj,
        "energy_transport_fj": 2.5 * energy_fj,
    }


_COST = Cost(
    area_um2=1234.5,
    cells=100,
    delay_ns=2.345,
    clocked=False,
    energy_fj=0.0,
    energy_transport_fj=0.0,
    energy_zero_delay_fj=0.0,
    energy_exclusive_fj=0.0,
    internal_fj=0.0,
    switching_fj=0.0,
    clock_fj=0.0,
    toggles=90.0,
    leakage_nw=30.0,
    leakage_fj=0.3,
    clock_mhz=100.0,
    library="testlib",
    library_sha256="abcdef0123456789" * 4,
    corner="typical corner",
    engine="yosys 0.50",
    stream="8193 uniform pairs, seed 7",
    input_slew_ns=0.05,
    output_load_ff=1.5,
    wire_load="none",
    timing_model="NLDM",
)
_EVALUATION = EvaluationResult(
    network="testnet",
    dataset="test digits",
    split="test",
    seed=3,
    signed=True,
    images=500,
    float_accuracy=0.994,
    exact_accuracy=0.99,
    approximate_accuracy=0.0,
    agreement=0.988,
    layer_multiplications=MULTIPLICATIONS,
    energy_nj=None,
)
