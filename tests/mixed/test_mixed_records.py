"""Records of designs with several multipliers: figures, tables, store, overheads, and what is refused."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable

import numpy as np
import pytest

from axhw.characterize import characterize
from axhw.errors import AxhwError, VerificationError
from axhw.flow import Flow
from axhw.hdl.configurable import ConfigurableMultiplier, ConfigurableRoupSpec
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.mixed import MixedSpec
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.measure import Conditions
from axhw.mixed.characterize import characterize_mixed
from axhw.mixed.overhead import Overhead, overhead
from axhw.mixed.record import MixedRecord
from axhw.store import MIXED, Store
from axhw.synth import synthesis

MODES = (RoupSpec(width=5), RoupSpec(width=5, p=1, r=2), RoupSpec(width=5, p=2))
MULTIPLIER = ConfigurableRoupSpec(modes=MODES)
MAC = ConfigurableMacSpec(multiplier=MODES[0], others=MODES[1:], terms=4)
ARRAY = MixedSystolicSpec.of((MODES[2], MODES[0], MODES[2]), rows=2, terms=4)
CONDITIONS = Conditions(pairs=512)

Measured = Callable[[MixedSpec], MixedRecord]


@pytest.fixture(scope="module")
def measured(store: Store) -> Measured:
    return functools.cache(
        lambda spec: characterize_mixed(spec, flow=Flow.of(store=store, conditions=CONDITIONS), threads=1)
    )


@pytest.mark.parametrize("spec", [MULTIPLIER, MAC, ARRAY], ids=lambda spec: spec.name)
def test_every_way_has_a_proved_table(spec: MixedSpec, measured: Measured) -> None:
    record = measured(spec)
    assert len(record.ways) == len(record.multipliers) == (2 if spec is ARRAY else 3)
    codes = spec.multiplier.operand_codes()
    for number, (multiplier, way) in enumerate(zip(record.multipliers, record.ways)):
        table = record.table(number)
        np.testing.assert_array_equal(table.values, multiplier.reference(codes[:, None], codes))
        assert way is record.way(multiplier)
        assert way.pairs == 1024
        error = np.abs(table.values - codes[:, None] * codes)
        assert way.metrics.mae == pytest.approx(error.mean())
        assert way.metrics.wce == error.max()
        assert way.rank == multiplier.factors().rank
        assert "exhaustive" in way.method


@pytest.mark.parametrize("spec", [MULTIPLIER, MAC, ARRAY], ids=lambda spec: spec.name)
def test_records_survive_the_store(
    spec: MixedSpec, measured: Measured, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = measured(spec)

    def run_script(*arguments: object, **options: object) -> dict[str, str]:
        raise AssertionError("Yosys was called")

    monkeypatch.setattr(synthesis, "run_script", run_script)
    again = characterize_mixed(spec, flow=Flow.of(store=store, conditions=CONDITIONS))
    for name in ("key", "spec", "ways", "costs", "breakdowns", "change_fj", "netlist_sha256", "provenance"):
        assert getattr(again, name) == getattr(record, name)
    assert store.find(record.name, room=MIXED).key == record.key
    assert json.loads(json.dumps(record.summary()))["ways"][1]["pairs"] == 1024
    names = {path.name for path in record.folder.iterdir()}
    assert names >= {"design.v", "netlist.v", "netlist.json", "cells.v", "design.json", "lut_0.npy", "lut_1.npy"}


@pytest.mark.parametrize("spec", [MULTIPLIER, MAC], ids=lambda spec: spec.name)
def test_modes_save_energy_and_changes_cost(spec: MixedSpec, measured: Measured) -> None:
    record = measured(spec)
    energies = [way.energy_fj for way in record.ways]
    assert energies == [cost.energy_fj for cost in record.costs]
    assert energies == sorted(energies, reverse=True)
    assert len({(cost.area_um2, cost.delay_ns, cost.cells) for cost in record.costs}) == 1
    change = np.array(record.change_fj)
    np.testing.assert_array_equal(change, change.T)
    assert (np.diag(change) == 0).all()
    # More changes between the ends than to the middle, and none for nothing.
    assert change[0, 2] > 0
    assert change[0, 2] > change[1, 2]


def test_parts_of_a_configurable_mac(measured: Measured) -> None:
    record = measured(MAC)
    assert len(record.breakdowns) == 3
    for way, parts in zip(record.ways, record.breakdowns):
        assert way.multiplier_fj == parts.energy_fj["multiplier"]
        assert 0 < way.multiplier_fj < way.energy_fj
    assert record.ways[0].multiplier_fj > record.ways[2].multiplier_fj
    assert len({parts.netlist_sha256 for parts in record.breakdowns}) == 1


def test_columns_of_an_array_add_up(measured: Measured) -> None:
    record = measured(ARRAY)
    (parts,) = record.breakdowns
    (cost,) = record.costs
    assert record.change_fj == ()
    coarse, exact = record.ways
    assert record.multipliers == (MODES[2], MODES[0])
    assert coarse.multiplier_fj < exact.multiplier_fj
    # Two columns in three are coarse.
    mean = (2 * coarse.multiplier_fj + exact.multiplier_fj) / 3
    assert mean == pytest.approx(parts.energy_fj["multiplier"])
    assert (2 * coarse.energy_fj + exact.energy_fj) / 3 == pytest.approx(parts.energy_ratio * cost.energy_fj)


@pytest.fixture(scope="module")
def compared(store: Store) -> Overhead:
    return overhead(MULTIPLIER, flow=Flow.of(store=store, conditions=CONDITIONS), threads=1)


def test_overheads(compared: Overhead, store: Store) -> None:
    record = compared.configurable
    alone = [characterize(mode, flow=Flow.of(store=store, conditions=CONDITIONS)).circuit_cost for mode in MODES]
    assert compared.fixed_fj.tolist() == [cost.energy_fj for cost in alone]
    assert compared.area_ratio == record.costs[0].area_um2 / alone[0].area_um2 > 1
    assert compared.separate_area_ratio == record.costs[0].area_um2 / sum(cost.area_um2 for cost in alone) < 1
    assert compared.delay_ratio > 1
    assert (compared.energy_fj > compared.fixed_fj).all()
    summary = json.loads(json.dumps(compared.summary()))
    assert summary["fixed"][2]["energy_ratio"] == compared.energy_fj[2] / compared.fixed_fj[2]


def test_energy_of_an_assignment_by_hand(compared: Overhead) -> None:
    products, changes = [100, 20, 3], [[0, 2, 0], [1, 0, 0], [0, 0, 5]]
    energy, change = compared.energy_fj, compared.change_fj
    held = 100 * energy[0] + 20 * energy[1] + 3 * energy[2]
    assert compared.assignment_fj(products) == pytest.approx(held)
    assert compared.assignment_fj(products, changes) == pytest.approx(held + 3 * change[0, 1])
    fixed = compared.fixed_fj
    assert compared.model_fj(products) == pytest.approx(100 * fixed[0] + 20 * fixed[1] + 3 * fixed[2])
    for wrong in ([1, 2], [1, 2, -3], [1, 2, np.nan]):
        with pytest.raises(
            AxhwError, match=r"^Expected numbers of products of 0 or more in an array of shape \(3,\) for "
        ):
            compared.assignment_fj(wrong)
    with pytest.raises(
        AxhwError, match=r"^Expected numbers of changes of 0 or more in an array of shape \(3, 3\) for "
    ):
        compared.assignment_fj(products, [1, 2, 3])


def test_a_multiplier_that_it_has_not(measured: Measured) -> None:
    with pytest.raises(
        AxhwError, match=r"^Expected a multiplier of roup5s_modes_\w+ \(roup5s_p0_r0, .*\), found exact5s\.$"
    ):
        measured(MULTIPLIER).way(ExactSpec(width=5))


def test_damaged_records(measured: Measured, tmp_path, seal) -> None:
    record = measured(MULTIPLIER)
    copy = Store(tmp_path)
    shutil.copytree(record.folder, tmp_path / MIXED / record.key)
    folder = tmp_path / MIXED / record.key
    shutil.copy(folder / "lut_1.npy", folder / "lut_0.npy")
    (folder / "lut_1.npy").write_bytes(b"no array")
    (folder / "lut_2.npy").unlink()
    seal(folder)
    found = MixedRecord.from_entry(copy.find(record.name, room=MIXED))
    for number, message in enumerate(["values that were not proved", "no array", "No such file or directory"]):
        with pytest.raises(
            AxhwError, match=rf"^Expected lut_{number}.npy of roup5s_modes_\w+ in .*, found {message}: "
        ):
            found.table(number)
    document = json.loads((folder / "design.json").read_text())
    del document["ways"][0]["energy_fj"]
    (folder / "design.json").write_text(json.dumps(document))
    seal(folder)
    with pytest.raises(AxhwError, match=r"^Expected design.json in .* to hold what axhw \S+ writes, found "):
        MixedRecord.from_entry(copy.find(record.name, room=MIXED))


def test_a_netlist_of_other_modes_is_found(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ConfigurableRoupSpec(modes=(MODES[0], MODES[2], MODES[1]))
    monkeypatch.setattr(ConfigurableRoupSpec, "component", lambda spec: ConfigurableMultiplier(other))
    with pytest.raises(VerificationError, match=r"^Expected roup5s_p1_r2 to equal its golden model, found "):
        characterize_mixed(MULTIPLIER, flow=Flow.of(store=Store(tmp_path), conditions=CONDITIONS))
    assert list(Store(tmp_path).designs(room=MIXED)) == []


@pytest.mark.parametrize("spec", [MAC, ARRAY], ids=lambda spec: spec.name)
def test_one_multiplier_is_expected_elsewhere(spec: MixedSpec, store: Store) -> None:
    with pytest.raises(AxhwError, match=rf"^Expected a design of one multiplier, found {spec.name}: axhw.mixed "):
        characterize(spec, flow=Flow.of(store=store))


def test_operands_too_wide(store: Store) -> None:
    spec = ConfigurableRoupSpec(modes=(RoupSpec(width=12), RoupSpec(width=12, p=1)))
    with pytest.raises(AxhwError, match=r"^Expected operands of at most 10 bits for a design with several multipliers"):
        characterize_mixed(spec, flow=Flow.of(store=store))
