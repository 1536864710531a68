"""Shares of a processing element's parts."""

from __future__ import annotations

import json

import pytest

from axhw.breakdown import breakdown_job
from axhw.hdl.registry import create_element, parse
from axhw.record import DesignRecord
from axhw.synth.engines import find_engine
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.synthesis import SynthesisJob, part_of, to_rtlil

ELEMENTS = [("registered", {}), ("mac", {"terms": 4}), ("systolic", {"rows": 2, "columns": 2})]


@pytest.mark.parametrize(("element", "parameters"), ELEMENTS)
def test_parts_add_up(element, parameters, characterized):
    record: DesignRecord = characterized("exact:width=4", element, **parameters)
    parts, cost = record.breakdown, record.cost
    assert sum(parts.area_um2.values()) == pytest.approx(parts.area_ratio * cost.area_um2)
    assert sum(parts.energy_fj.values()) == pytest.approx(parts.energy_ratio * cost.energy_fj)
    for values in (parts.area_um2, parts.energy_fj, parts.leakage_nw):
        assert min(values.values()) >= 0
    assert sum(parts.area_share(part) for part in parts.area_um2) == pytest.approx(1)
    assert sum(parts.energy_share(part) for part in parts.energy_fj) == pytest.approx(1)
    # Keeping the multiplier apart is no other design.
    assert 0.9 < parts.area_ratio < 1.1
    assert 0.9 < parts.energy_ratio < 1.1
    # The multiplier is the one that is made alone.
    alone = characterized("exact:width=4").cost
    assert parts.area_um2["multiplier"] / record.spec.operations == pytest.approx(alone.area_um2, rel=0.02)


@pytest.mark.parametrize(("element", "parameters"), ELEMENTS)
def test_shares_are_in_the_summary_and_survive_the_store(element, parameters, characterized, store):
    record: DesignRecord = characterized("exact:width=4", element, **parameters)
    summary = json.loads(json.dumps(record.summary()))
    assert summary["multiplier_area_share"] == record.breakdown.area_share("multiplier")
    assert summary["multiplier_energy_share"] == record.breakdown.energy_share("multiplier")
    assert 0 < summary["multiplier_energy_share"] < 1
    again = DesignRecord.from_entry(store.get(record.key))
    assert again.breakdown == record.breakdown


def test_multipliers_have_no_parts(characterized):
    record: DesignRecord = characterized("exact:width=4")
    assert record.breakdown is None
    assert record.summary()["multiplier_area_share"] is None


def test_registers_that_nothing_reads_are_removed():
    # A perforated multiplier ignores bits of an operand; flat synthesis drops their registers.
    library = load_library(DEFAULT)
    spec = create_element("registered", parse("roup:p=2,r=3"), {})
    rtlil = to_rtlil(spec.component(), name=spec.name)
    job = SynthesisJob(name=spec.name, rtlil=rtlil, liberty=library.text, engine=find_engine())
    counts = []
    for each in (job, breakdown_job(job)):
        cells = [library.cells.cells[instance.cell] for instance in each.run().netlist.instances]
        counts.append(sum(cell.flip_flop is not None for cell in cells))
    assert counts[0] == counts[1] < 8 + 8 + 16 + 2


@pytest.mark.parametrize(
    ("instance", "inside"),
    [
        (r"$flatten\multiplier.$abc$1", True),
        (r"$flatten\pe_0_1.multiplier.$abc$1", True),
        (r"multiplier.u1", True),
        (r"$abc$1$multiplier", False),
        (r"$flatten\submultiplier.$abc$1", False),
    ],
)
def test_part_of(instance, inside):
    assert part_of(instance, "multiplier") is inside
