from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from axhw import __version__
from axhw import characterize as module
from axhw.characterize import characterize, code_digest
from axhw.errors import AxhwError, VerificationError
from axhw.flow import Flow
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.registry import create_element, parse
from axhw.hdl.spec import IntegerArray
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.store import Store
from axhw.synth import synthesis
from axhw.synth.engines import find_engine
from axhw.synth.libraries import DEFAULT, load_library

Characterized = Callable[..., DesignRecord]

# Multipliers without gates, tiny and wide ones, and elements.
DESIGNS: list[tuple[str, str | None, dict[str, object]]] = [
    ("roup:p=2,r=3", None, {}),
    ("exact:width=4", None, {}),
    ("exact:width=5,signed=false", None, {}),
    ("bam:ha=7,hb=7", None, {}),
    ("roup:p=4", None, {}),
    ("bam:v=15", None, {}),
    ("roup:p=2,r=3", "registered", {}),
    ("exact:width=4", "mac", {"terms": 4, "overflow": "saturate"}),
    ("roup:p=4", "mac", {"terms": 3}),
]


@pytest.fixture(params=DESIGNS, ids=lambda design: "-".join(str(part) for part in design[:2] if part))
def record(request: pytest.FixtureRequest, characterized: Characterized) -> DesignRecord:
    text, element, parameters = request.param
    return characterized(text, element, **parameters)


def no_synthesis(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_script(*arguments: Any, **options: Any) -> dict[str, str]:
        raise AssertionError("Yosys was called")

    monkeypatch.setattr(synthesis, "run_script", run_script)


def test_roup_on_the_embedded_library(characterized: Characterized) -> None:
    record = characterized("roup:p=2,r=3")
    assert record.name == "roup8s_p2_r3"
    assert record.metrics.mae == pytest.approx(266.1021, abs=5e-5)
    assert (record.metrics.wce, record.metrics.mse) == (1224, 122766.25)
    assert record.metrics.bias == -0.25
    assert record.metrics.ep_pct == pytest.approx(98.0713, abs=5e-5)
    assert record.metrics.mre_pct == pytest.approx(17.0939, abs=5e-5)
    assert record.rank is not None
    assert record.rank <= 4
    assert not record.metrics.sampled
    cost = record.cost
    assert (cost.library, cost.engine) == (load_library(DEFAULT).cells.name, str(find_engine()))
    assert 1000 < cost.area_um2 < 2000
    assert 1 < cost.delay_ns < 3
    assert 300 < cost.energy_fj < 1200
    assert (cost.clocked, cost.clock_fj) == (False, 0.0)
    assert cost.internal_fj + cost.switching_fj == pytest.approx(cost.energy_fj)
    assert cost.leakage_fj == pytest.approx(cost.leakage_nw / 100.0)
    assert record.verification.method == "exhaustive"
    assert record.verification.pairs == 65536
    assert record.provenance.axhw_version == __version__
    assert record.provenance.code_sha256 == code_digest()


def test_every_record_is_consistent(record: DesignRecord) -> None:
    table, cost = record.table, record.cost
    assert table is not None
    codes = record.multiplier.operand_codes()
    assert np.array_equal(table.values, record.multiplier.reference(codes[:, None], codes))
    assert table.sha256 == record.verification.table_sha256
    assert table.netlist_sha256 == record.verification.netlist_sha256 == record.netlist.sha256
    assert record.verification.pairs == table.values.size
    assert record.rank == np.linalg.matrix_rank(table.values.astype(np.float64))
    assert 0.0 <= cost.energy_zero_delay_fj <= cost.energy_fj <= cost.energy_transport_fj
    cells = load_library(DEFAULT).cells.cells
    assert cost.area_um2 == pytest.approx(sum(cells[instance.cell].area_um2 for instance in record.netlist.instances))
    assert cost.cells == len(record.netlist.instances)
    assert cost.clocked == (record.spec is not record.multiplier)
    json.dumps(record.document, allow_nan=False)
    json.dumps(record.summary(), allow_nan=False)
    assert {path.name for path in record.files} == {
        "cells.v", "design.json", "design.v", "lut.npy", "netlist.json", "netlist.v",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["roup:p=4", "bam:ha=7,hb=7,v=15"])
def test_a_multiplier_without_gates(characterized: Characterized, text: str) -> None:
    record = characterized(text)
    cost = record.cost
    assert record.table is not None
    assert not record.table.values.any()
    assert (record.rank, record.metrics.mae, record.metrics.wce) == (0, 4096.0, 16384)
    assert (cost.cells, cost.area_um2, cost.delay_ns, cost.leakage_nw, cost.toggles) == (0, 0.0, 0.0, 0.0, 0.0)
    assert (cost.energy_fj, cost.energy_zero_delay_fj, cost.energy_transport_fj) == (0.0, 0.0, 0.0)


def test_an_element_around_no_gates_spends_the_clock(characterized: Characterized) -> None:
    cost = characterized("roup:p=4", "mac", terms=3).cost
    assert cost.clocked
    assert 0 < cost.clock_fj == pytest.approx(cost.energy_fj), "nothing else switches"
    assert cost.delay_ns > 0


def test_registers_cost_more_than_the_multiplier(characterized: Characterized) -> None:
    plain, registered = characterized("roup:p=2,r=3"), characterized("roup:p=2,r=3", "registered")
    assert registered.metrics == plain.metrics
    assert registered.rank == plain.rank
    assert registered.verification.table_sha256 == plain.verification.table_sha256
    for figure in ("area_um2", "cells", "energy_fj", "leakage_nw"):
        assert getattr(registered.cost, figure) > getattr(plain.cost, figure)
    assert registered.cost.delay_ns > 0


def test_wide_operands_are_proved_formally(characterized: Characterized) -> None:
    record = characterized("roup:width=12,p=2,r=4,adder=ripple")
    assert record.table is None
    assert record.rank == 3
    assert not record.metrics.sampled
    assert record.metrics.pairs == 1 << 24
    assert record.metrics.bias == -0.25
    assert record.verification.method.startswith("RTL and netlist formally equivalent")
    assert record.verification.pairs > 1_000_000
    assert record.verification.table_sha256 is None
    assert not (record.folder / "lut.npy").exists()
    assert record.summary()["rank"] == 3


def test_the_second_call_reads_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, stages = parse("exact:width=4,tree=wallace"), list[str]()
    first = characterize(spec, flow=Flow.of(store=store), stage=stages.append)
    assert stages == ["elaborate", "synthesise", "prove", "cost", "store"]
    no_synthesis(monkeypatch)
    monkeypatch.setattr(module, "prove", None)
    monkeypatch.setattr(module, "measure_cost", None)
    stages.clear()
    second = characterize(spec, stage=stages.append)
    assert stages == ["elaborate"]
    assert (second.key, second.folder, second.document) == (first.key, first.folder, first.document)
    assert second.cost == first.cost
    assert second.spec == first.spec == spec


def test_everything_that_matters_is_in_the_key(
    characterized: Characterized, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, first = parse("exact:width=4"), characterized("exact:width=4")
    no_synthesis(monkeypatch)
    again = characterize(parse("exact:width=4,tree=dadda"), flow=Flow.of(store=store, conditions=Conditions()))
    assert again.key == first.key, "the default of a parameter, and default conditions, spelt out"
    others = [
        characterize(spec, flow=Flow.of(store=store, conditions=conditions))
        for conditions in (Conditions(seed=2), Conditions(pairs=64), Conditions(output_load_ff=1.0))
    ]
    monkeypatch.setattr(module, "code_digest", lambda: "other code")
    others.append(characterize(spec, flow=Flow.of(store=store)))
    assert others[-1].provenance.code_sha256 == "other code"
    assert others[-1].cost == first.cost
    assert len({first.key, *(record.key for record in others)}) == 5
    for record in others[:-1]:
        assert record.cost.energy_fj != first.cost.energy_fj
        assert record.cost.area_um2 == first.cost.area_um2


def test_the_library_is_in_the_key(characterized: Characterized, store: Store) -> None:
    library = load_library(DEFAULT)
    longer = dataclasses.replace(library, text=f"{library.text}\n/* the end */\n")
    record = characterize(parse("exact:width=4"), flow=Flow.of(library=longer, store=store))
    assert record.key != characterized("exact:width=4").key
    assert record.netlist.sha256 == characterized("exact:width=4").netlist.sha256


def test_the_digest_covers_circuits_and_measures() -> None:
    assert len(code_digest()) == 64
    assert code_digest.__wrapped__() == code_digest()


class WrongExact(ExactSpec):
    """A golden model that is not what the circuit computes, at one pair."""

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        first, second = self.operands(a, b)
        return first * second + ((first == 3) & (second == -7))


@pytest.mark.parametrize("element", [None, "registered", "mac"])
def test_a_wrong_design_is_no_record(tmp_path: Path, element: str | None) -> None:
    store, spec = Store(tmp_path), WrongExact(width=4)
    design = spec if element is None else create_element(element, spec, {})
    with pytest.raises(VerificationError, match=r"^Expected exact4s.* to (equal its golden|follow its cycle) model,"):
        characterize(design, flow=Flow.of(store=store))
    assert list(store.designs()) == []


def test_a_store_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AxhwError, match=r"^Expected to write into the store .*, found .*: set AXHW_STORE"):
        characterize(parse("exact:width=4"), flow=Flow.of(store=Store(tmp_path / "file" / "store")))
