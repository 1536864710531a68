"""The designs that come with axhw: as many and as wide a range as promised, and better than the published circuits."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from axhw.characterize import characterize
from axhw.cli.main import main
from axhw.cli.search import expanded
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.registry import FAMILIES, parse
from axhw.library.archive import SHIPPED, Archive
from axhw.library.catalogue import Catalogue
from axhw.lookup import named_multiplier
from axhw.measure import Conditions
from axhw.store import Store

SUMMARIES = Archive().summaries
SIZE_LIMIT = 5_000_000


@pytest.mark.parametrize("signed", [True, False])
def test_at_least_sixty_from_nearly_exact_to_five_per_cent(signed):
    own = [summary for summary in SUMMARIES if summary["signed"] == signed]
    errors = [summary["mae_pct"] for summary in own if summary["mae_pct"] > 0]
    assert len(own) >= 60
    assert min(errors) < 0.001
    assert 4.5 < max(errors) <= 5
    assert {(summary["width"], summary["library"]) for summary in own} == {(8, own[0]["library"])}
    assert {"netlist", *FAMILIES} - ({"evoapprox"} if not signed else set()) <= {summary["family"] for summary in own}


def test_most_published_circuits_are_beaten():
    published = [summary for summary in SUMMARIES if summary["family"] == "evoapprox"]
    ours = [summary for summary in SUMMARIES if summary["signed"] and summary["family"] != "evoapprox"]
    beaten = sum(
        any(
            each["mae"] <= circuit["mae"]
            and each["energy_fj"] <= circuit["energy_fj"]
            and (each["mae"], each["energy_fj"]) != (circuit["mae"], circuit["energy_fj"])
            for each in ours
        )
        for circuit in published
    )
    assert len(published) == 13
    assert beaten == 13


@pytest.mark.parametrize("place", range(0, len(SUMMARIES), 13))
def test_golden_models_have_the_proved_tables_and_errors(place, tmp_path):
    summary = SUMMARIES[place]
    record = Catalogue(Store(tmp_path)).find(summary["key"])
    # Read against the digest of the table that the gates were proved to have.
    table = record.table
    error = table.values - table.exact()
    assert np.abs(error).mean() == pytest.approx(summary["mae"], rel=1e-12)
    assert np.abs(error).max() == summary["wce"]
    assert record.netlist.sha256 == record.verification.netlist_sha256


def test_names_are_different():
    names = [summary["name"] for summary in SUMMARIES]
    assert len(set(names)) == len(names)


def test_the_archive_is_small():
    assert SHIPPED.stat().st_size < SIZE_LIMIT


def test_a_fresh_install_lists_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AXHW_STORE", str(tmp_path))
    assert main(["ls", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["designs"]) == len(SUMMARIES)
    assert main(["ls", "--own", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["designs"] == []
    assert main(["ls", "--shipped", "--where", "signed=false and mae=0"]) == 0
    assert "unsigned" not in capsys.readouterr().err


def test_those_measured_anew_are_still_shipped_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AXHW_STORE", str(tmp_path))
    (published,) = [each for each in SUMMARIES if each["name"] == "evoapprox_v2022_mul8s_1L2L"]
    store, library = Store(tmp_path), published["library"]
    before = expanded(["shipped"], store, library)
    assert characterize(parse("evoapprox:mul8s_1L2L"), flow=Flow.of(store=store)).name == published["name"]
    assert expanded(["shipped"], store, library) == before
    assert main(["ls", "--shipped", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["designs"]) == len(SUMMARIES)
    with pytest.raises(AxhwError, match="Expected shipped signed 8-bit multipliers measured in other, found none"):
        expanded(["shipped"], store, "other")


@pytest.mark.parametrize("place", range(5, len(SUMMARIES), 67))
def test_figures_are_those_measured_now(place, tmp_path):
    summary, flow = SUMMARIES[place], Flow.of(store=Store(tmp_path))
    if str(flow.engine) != summary["engine"]:
        pytest.skip(f"they were made with {summary['engine']}, here is {flow.engine}")
    shipped = named_multiplier(summary["key"], flow.store)
    taken = shipped.measured(flow)
    assert taken.key == summary["key"]
    anew = characterize(shipped.spec, flow=flow)
    assert anew.key != taken.key
    assert anew.cost == taken.cost
    assert anew.metrics == taken.metrics
    # Under other conditions, too, it is made.
    others = replace(flow, conditions=Conditions(pairs=64))
    assert shipped.measured(others).cost != taken.cost


def test_a_shipped_design_goes_into_an_element_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AXHW_STORE", str(tmp_path))
    evolved = next(each for each in SUMMARIES if each["family"] == "netlist" and each["signed"] and each["mae_pct"] > 1)
    assert main(["gen", "-m", evolved["name"], "--element", "registered", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["mae"] == evolved["mae"]
    assert made["element"] == "registered"
