"""Wire-load models: their figures by hand, and which one a choice means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.wire_load import WireLoad, WireLoads, check_choice
from axhw.synth.liberty.writer import write_liberty

Reader = Callable[[str], CellLibrary]

WIRES = """default_wire_load_capacitance : 0.0005; default_wire_load : "small";
  wire_load("small") { resistance : 0.01; capacitance : 0.0002; area : 1; slope : 10;
    fanout_length(2, 30); fanout_length(1, 15, 1.5, 0.2, 40); fanout_length("4", "40"); }
  wire_load("bare") { slope : 6; }
  wire_load_table("table") { fanout_length(1, 20); fanout_capacitance(1, 0.001); fanout_capacitance(3, 0.004); }
  wire_load_selection("by_area") { wire_load_from_area(100, 500, "table"); wire_load_from_area(0, 100, "small"); }
  nom_process"""


@pytest.fixture
def wires(read: Reader, small_text: str) -> WireLoads:
    return read(small_text.replace("nom_process", WIRES)).wire_loads


@pytest.mark.parametrize("entries", [(), ((2, 1.0), (1, 2.0)), ((0, 1.0),), ((1, 1.0), (1, 2.0))])
def test_fanouts_increase(entries: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(AxhwError, match="Expected wire-load entries for increasing fan-outs from 1 up"):
        WireLoad(capacitance_ff=entries)


@pytest.mark.parametrize(("capacitance", "slope"), [(-1.0, 0.0), (1.0, -1.0), (float("nan"), 0.0), (1.0, float("inf"))])
def test_capacitances_are_not_negative(capacitance: float, slope: float) -> None:
    with pytest.raises(AxhwError, match="Expected wire capacitances and a slope of 0 or more, found"):
        WireLoad(capacitance_ff=((1, capacitance),), slope_ff=slope)


def test_the_slope_goes_on_at_both_ends() -> None:
    wire = WireLoad(capacitance_ff=((3, 4.0), (5, 10.0)), slope_ff=1.5)
    np.testing.assert_allclose(wire.at(np.arange(8)), [0, 1.0, 2.5, 4.0, 7.0, 10.0, 11.5, 13.0])
    steep = WireLoad(capacitance_ff=((3, 4.0),), slope_ff=3.0)
    np.testing.assert_allclose(steep.at(np.arange(4)), [0, 0, 1.0, 4.0])


def test_models_of_a_file(wires: WireLoads) -> None:
    # The file counts in pF.
    small = wires.models["small"]
    assert [fanout for fanout, _ in small.capacitance_ff] == [1, 2, 4]
    np.testing.assert_allclose(small.at(np.array([1, 2, 3, 4, 6])), [3, 6, 7, 8, 12])
    np.testing.assert_allclose(wires.models["bare"].at(np.array([1, 2, 5])), [3, 6, 15])
    np.testing.assert_allclose(wires.models["table"].at(np.array([1, 2, 3, 9])), [1, 2.5, 4, 4])


@pytest.mark.parametrize(
    ("choice", "area", "name"),
    [
        ("none", 0, "none"),
        ("fanout=2.5", 0, "fanout=2.5"),
        ("table", 0, "table"),
        ("default", 0, "small"),
        ("by_area", 0, "small"),
        ("by_area", 99, "small"),
        ("by_area", 100, "table"),
        ("by_area", 1e6, "table"),
    ],
)
def test_choices(wires: WireLoads, choice: str, area: float, name: str) -> None:
    assert wires.find(choice, area_um2=area) == name
    # What is found means the same wherever it is asked for again.
    assert wires.find(name, area_um2=0.0) == name


def test_models_by_name(wires: WireLoads) -> None:
    assert wires.model("none") is None
    assert wires.model("small") is wires.models["small"]
    per_fanout = wires.model("fanout=2.5")
    assert per_fanout is not None
    np.testing.assert_allclose(per_fanout.at(np.array([0, 1, 4])), [0, 2.5, 10])


def test_a_selection_may_be_the_default() -> None:
    model = WireLoad(capacitance_ff=((1, 1.0),))
    wires = WireLoads(models={"default": model}, default_selection="any")
    # A model of that very name comes first.
    assert wires.find("default", area_um2=1.0) == "default"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            "large",
            r"^Expected a wire load of the library \(none, fanout=F, small, bare, table, by_area\), found 'large'\.$",
        ),
        ("fanout=", r"^Expected fanout=F with F fF of 0 or more as a wire load, found 'fanout='\.$"),
        ("fanout=-1", "found 'fanout=-1'"),
        ("fanout=inf", "found 'fanout=inf'"),
    ],
)
def test_impossible_choices(wires: WireLoads, choice: str, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        wires.find(choice, area_um2=1.0)
    if choice.startswith("fanout"):
        with pytest.raises(AxhwError, match=message):
            check_choice(choice)


def test_a_library_without_wires() -> None:
    with pytest.raises(AxhwError, match=r"^Expected a library with a default wire load, found none: choose none, "):
        WireLoads().find("default", area_um2=1.0)
    with pytest.raises(AxhwError, match=r"^Expected none, fanout=F or the name of a wire load, found nothing\.$"):
        check_choice("")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("slope : 10", "slope : steep", "Expected a number as slope of wire_load small, found 'steep'"),
        ("fanout_length(2, 30)", "fanout_length(2)", r"Expected fanout_length\(fan-out, value\) in wire_load small"),
        ("fanout_length(2, 30)", "fanout_length(0, 30)", "Expected wire-load entries for increasing fan-outs"),
        ("fanout_length(2, 30)", "fanout_length(2, -30)", "Expected wire capacitances and a slope of 0 or more"),
        ("(100, 500,", "(100, x,", "Expected a number as wire_load_selection by_area, found 'x'"),
    ],
)
def test_bad_figures(read: Reader, small_text: str, old: str, new: str, message: str) -> None:
    assert old in WIRES
    with pytest.raises(AxhwError, match=message):
        read(small_text.replace("nom_process", WIRES.replace(old, new)))


def test_wires_are_written_and_read_back(read: Reader, small_text: str) -> None:
    library = read(small_text.replace("nom_process", WIRES))
    again = read(write_liberty(library, attribution="")).wire_loads
    assert again.models.keys() == library.wire_loads.models.keys()
    assert all(model.is_close(again.models[name]) for name, model in library.wire_loads.models.items())
    assert not again.models["small"].is_close(again.models["bare"])
    assert (again.selections, again.default) == (library.wire_loads.selections, "small")
