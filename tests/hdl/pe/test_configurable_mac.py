"""A MAC with modes: cycle model by hand and against the plain MAC, component against cycle model, messages."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mac import MacSpec

MODES = (RoupSpec(), RoupSpec(p=1, r=4), RoupSpec(p=2, r=3))
UNSIGNED = (RoupSpec(width=4, signed=False, p=1, r=2), RoupSpec(width=4, signed=False))
SPECS = [
    ConfigurableMacSpec(multiplier=MODES[0], others=MODES[1:]),
    ConfigurableMacSpec(multiplier=UNSIGNED[0], others=UNSIGNED[1:], terms=3, overflow="saturate"),
]


@pytest.mark.parametrize(
    ("spec", "name", "width"),
    [
        (SPECS[0], "roup8s_modes_p0r0_p1r4_p2r3_mac64", 22),
        # A perforated unsigned product can have a bit more.
        (SPECS[1], "roup4u_modes_p1r2_p0r0_mac3_saturate", 10 if UNSIGNED[0].product_width == 8 else 11),
    ],
)
def test_name_and_width(spec, name, width):
    assert spec.name == name
    assert spec.accumulator_width == width
    assert spec.latency == 2


def test_cycle_model_by_hand():
    spec = SPECS[0]
    a, b = [99] * 7, [-77] * 7
    mode, load = [2, 1, 2, 1, 0, 1, 0], [0, 0, 1, 0, 0, 1, 0]
    reset = [0, 0, 0, 0, 1, 0, 0]
    acc, _ = spec.simulate(a, b, valid=[1] * 7, mode=mode, load_mode=load, reset=reset)
    exact, second, third = (int(each.reference(99, -77)) for each in MODES)
    assert len({exact, second, third}) == 3
    # The mode holds from its own pair on; the reset drops two pairs and the sum. What follows would be mode 0 again.
    assert acc.tolist() == [0, 0, exact, 2 * exact, 2 * exact + third, 0, 0]
    later, _ = spec.simulate(a, b, valid=[1] * 7, mode=mode, load_mode=[1, 0, 0, 0, 0, 0, 0], reset=reset)
    assert later.tolist() == [0, 0, third, 2 * third, 3 * third, 0, 0]
    again, _ = spec.simulate(
        a + a, b + b, valid=[1] * 14, mode=mode * 2, load_mode=[1] + [0] * 13, reset=reset + [0] * 7
    )
    assert again[7] == exact, "a reset selects mode 0"


@pytest.mark.parametrize("held", [0, 1, 2])
def test_a_held_mode_is_the_plain_mac(held, operands):
    spec = SPECS[0]
    plain = MacSpec(multiplier=MODES[held])
    a, b = operands(spec, 120, seed=63)
    rng = np.random.default_rng(64)
    valid, clear = rng.random(120) < 0.8, rng.random(120) < 0.1
    load = np.arange(120) == 0
    found = spec.simulate(a, b, valid=valid, clear=clear, mode=np.full(120, held), load_mode=load)
    for own, expected in zip(found, plain.simulate(a, b, valid=valid, clear=clear)):
        np.testing.assert_array_equal(own, expected)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_component_follows_the_cycle_model(spec, run_cycles, operands):
    cycles = 250
    a, b = operands(spec, cycles, seed=65)
    rng = np.random.default_rng(66)
    valid, clear, reset = rng.random(cycles) < 0.8, rng.random(cycles) < 0.1, rng.random(cycles) < 0.03
    mode, load = rng.integers(0, len(spec.modes), cycles), rng.random(cycles) < 0.2
    inputs = {"a": a, "b": b, "valid_i": valid, "clear": clear, "mode": mode, "load_mode": load}
    found = run_cycles(spec, ("acc", "valid_o"), inputs, reset)
    acc, valid_o = spec.simulate(a, b, valid=valid, clear=clear, reset=reset, mode=mode, load_mode=load)
    np.testing.assert_array_equal(found["acc"], acc)
    np.testing.assert_array_equal(found["valid_o"], valid_o)


def test_messages():
    spec = SPECS[0]
    with pytest.raises(AxhwError, match=r"^Expected 2 to 16 modes for a configurable multiplier, found 1\.$"):
        ConfigurableMacSpec(multiplier=RoupSpec())
    with pytest.raises(AxhwError, match=r"^Expected ROUP multipliers as the modes of a configurable one, found "):
        ConfigurableMacSpec(multiplier=ExactSpec(), others=(RoupSpec(),))
    with pytest.raises(
        AxhwError, match=r"^Expected 2 modes for roup8s_modes_\w+ like its control signals, found shape"
    ):
        spec.simulate([1, 1], [1, 1], valid=[1, 1], mode=[0], load_mode=[1, 0])
    with pytest.raises(AxhwError, match=r"^Expected modes from 0 to 2 for roup8s_modes_\w+, found \[0 3\]\.$"):
        spec.simulate([1, 1], [1, 1], valid=[1, 1], mode=[0, 3], load_mode=[0, 1])
    with pytest.raises(AxhwError, match=r"^Expected 2 operands for roup8s_modes_\w+ like its control signals"):
        spec.simulate([1], [1], valid=[1, 1])
