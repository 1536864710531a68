"""One library from several files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.reader import read_library

HEADER = """library({name}) {{ {units} nom_process : 1; nom_voltage : {voltage}; nom_temperature : 25; {more}
  wire_load("w") {{ capacitance : {wire}; fanout_length(1, 10); }}
  cell({cell}) {{ area : 2; cell_leakage_power : {leakage}; pin(A) {{ direction : input; capacitance : {load}; }}
    pin(Y) {{ direction : output; function : "!A"; timing() {{ related_pin : "A";
      cell_rise(scalar) {{ values("{delay}"); }} }} }} }}
  cell(RAM_{cell}) {{ bus(D) {{ bus_type : t; }} }} }}
"""
NS_PF = 'time_unit : "1ns"; capacitive_load_unit(1, pf); leakage_power_unit : "1nW";'
PS_FF = 'time_unit : "1ps"; capacitive_load_unit(1, ff); leakage_power_unit : "1pW";'
FIRST = {"name": "tech_AO", "units": NS_PF, "voltage": 0.7, "more": "", "wire": 0.0003, "cell": "AO", "leakage": 1,
         "load": 0.002, "delay": 0.05}  # fmt: skip
SECOND = {"name": "tech_SEQ", "units": PS_FF, "voltage": 0.7, "more": "", "wire": 0.3, "cell": "SEQ", "leakage": 1000,
          "load": 2, "delay": 50}  # fmt: skip

Merge = Callable[..., CellLibrary]


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    """The library of two files, with changes to the second one."""

    def read(*, swapped: bool = False, **changes: object) -> CellLibrary:
        paths = [tmp_path / "a.lib", tmp_path / "b.lib"]
        paths[0].write_text(HEADER.format(**FIRST))
        paths[1].write_text(HEADER.format(**(SECOND | changes)))
        return read_library(*(reversed(paths) if swapped else paths))

    return read


def test_cells_of_both_files_in_the_units_of_each(merge: Merge) -> None:
    library = merge()
    assert (library.name, library.corner) == ("tech_AO+1", "process 1, 0.7 V, 25 C")
    assert list(library.cells) == ["AO", "SEQ"]
    assert list(library.skipped) == ["RAM_AO", "RAM_SEQ"]
    for cell in library.cells.values():
        assert cell.pins["A"].capacitance_ff == pytest.approx(2.0)
        assert cell.leakage_nw == pytest.approx(1.0)
        rise = cell.pins["Y"].timing[0].rise
        assert rise is not None
        assert rise.values.item() == pytest.approx(0.05)
    np.testing.assert_allclose(library.wire_loads.models["w"].at(np.array([1])), [3.0])
    assert len(library.sha256) == 64


def test_the_order_of_the_files_does_not_matter(merge: Merge) -> None:
    one, other = merge(), merge(swapped=True)
    assert (one.name, one.sha256, list(one.cells)) == (other.name, other.sha256, list(other.cells))
    assert one.sha256 != merge(leakage=1001).sha256


def test_parts_of_one_name_keep_it(merge: Merge) -> None:
    assert merge(name="tech_AO").name == "tech_AO"


def test_limits_and_defaults(merge: Merge) -> None:
    more = 'default_max_transition : 320; default_wire_load : "w";'
    library = merge(more=more)
    assert library.max_transition_ns == pytest.approx(0.32)
    assert library.wire_loads.default == "w"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voltage": 0.77}, r"^Expected Liberty files of one corner, found process 1, 0\.7 V, 25 C in .*a\.lib and "
                            r"process 1, 0\.77 V, 25 C in .*b\.lib\.$"),
        ({"more": "nom_temperature : 0;"}, "found process 1, 0.7 V, 25 C in .* and process 1, 0.7 V, 0 C in"),
        ({"more": "slew_lower_threshold_pct_fall : 10;"},
         r"^Expected Liberty files that measure delays and slews alike, found slew_lower_fall 20 in .*a\.lib and 10 in "
         r".*b\.lib\.$"),
        ({"more": "slew_derate_from_library : 0.5;"}, "found slew_derate 1 in .* and 0.5 in"),
        ({"cell": "AO"}, r"^Expected each cell in one file, found AO in .*a\.lib and .*b\.lib\.$"),
        ({"wire": 0.4}, r"^Expected each wire load in one file, found w in .*a\.lib and .*b\.lib\.$"),
    ],
)  # fmt: skip
def test_files_that_do_not_belong_together(merge: Merge, changes: dict[str, object], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        merge(**changes)
