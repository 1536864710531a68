"""Configurable ROUP: every mode against its own multiplier, in hardware over all pairs, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.roup import RoupSpec

RULES = ("aligned", "absolute", "symmetric")


def configurable(*modes, **common):
    """A spec from (p, r) or (p, r, rule)."""
    return ConfigurableRoupSpec(
        modes=tuple(
            RoupSpec(p=mode[0], r=mode[1], rule=mode[2] if len(mode) > 2 else "aligned", **common) for mode in modes
        )
    )


def random_specs(count, *, seed):
    """Configurable multipliers of any modes, operands and implementation."""
    rng = np.random.default_rng(seed)
    specs = []
    while len(specs) < count:
        common = {
            "width": int(rng.integers(4, 8)),
            "signed": bool(rng.integers(2)),
            "tree": str(rng.choice(["dadda", "wallace", "array"])),
            "adder": str(rng.choice(["ripple", "brent_kung", "sklansky", "kogge_stone"])),
        }
        rows = RoupSpec(**common).rows
        every = list(itertools.product(range(rows + 1), range(common["width"] + 1), RULES))
        chosen = rng.choice(len(every), int(rng.integers(2, 7)), replace=False)
        specs.append(configurable(*(every[number] for number in chosen), **common))
    return specs


def check(specs, synthesise, pairs):
    circuits = synthesise([spec.component() for spec in specs], signed=[spec.multiplier.signed for spec in specs])
    for spec, circuit in zip(specs, circuits):
        a, b = pairs(spec.multiplier)
        for code in range(1 << spec.mode_bits):
            # Codes behind the last mode select the last.
            mode = min(code, len(spec.modes) - 1)
            found = circuit(a=a, b=b, mode=np.full(len(a), code))
            expected = spec.modes[mode].reference(a, b)
            wrong = np.flatnonzero(found != expected)
            assert not wrong.size, f"{spec.name}, code {code}: {wrong.size} wrong, first {a[wrong[0]]} * {b[wrong[0]]}"


@pytest.mark.parametrize("signed", [True, False])
def test_all_pairs_of_8_bits_in_every_mode(signed, synthesise, pairs):
    check(
        [
            configurable((0, 0), (1, 4), (2, 3), signed=signed),
            configurable((0, 0), (4, 0), signed=signed),
            configurable((2, 3), (0, 0), (1, 8, "symmetric"), (0, 8), (3, 5, "absolute"), signed=signed),
        ],
        synthesise,
        pairs,
    )


def test_all_pairs_of_random_modes(synthesise, pairs):
    check(random_specs(16, seed=61), synthesise, pairs)


def test_sixteen_modes(synthesise, pairs):
    modes = list(itertools.product(range(4), (0, 1, 3, 6)))
    spec = configurable(*modes, width=6)
    assert spec.mode_bits == 4
    check([spec], synthesise, pairs)


def test_golden_model_takes_a_mode_for_each_pair():
    spec = configurable((0, 0), (1, 4), (2, 3))
    rng = np.random.default_rng(62)
    a, b = rng.integers(-128, 128, (2, 500))
    mode = rng.integers(0, 3, 500)
    expected = [int(spec.modes[m].reference(x, y)) for x, y, m in zip(a, b, mode)]
    assert spec.reference(a, b, mode).tolist() == expected
    assert spec.reference(7, -9, 0) == -63


@pytest.mark.parametrize(
    ("spec", "name", "bits", "width"),
    [
        (configurable((0, 0), (1, 4), (2, 3)), "roup8s_modes_p0r0_p1r4_p2r3", 2, 16),
        (configurable((0, 0), (1, 4, "symmetric"), signed=False), "roup8u_modes_p0r0_p1r4symmetric", 1, 17),
        (
            configurable((0, 0), (2, 0), width=4, tree="array", adder="ripple"),
            "roup4s_modes_p0r0_p2r0_array_ripple",
            1,
            8,
        ),
    ],
)
def test_name_and_widths(spec, name, bits, width):
    assert spec.name == name
    assert (spec.mode_bits, spec.product_width) == (bits, width)


@given(st.integers(0, 15), st.sets(st.integers(0, 15), min_size=1, max_size=15))
def test_roundings_are_those_of_the_modes(row, picked):
    every = list(itertools.product(range(5), (0, 3, 7, 8)))
    spec = configurable((0, 0, "symmetric"), *(every[number] for number in sorted(picked)))
    row %= spec.multiplier.rows
    for number, mode in enumerate(spec.modes):
        kept = row >= mode.p and mode.rounding(row) < 8
        assert (number in spec.roundings(row)) == kept
        assert not kept or spec.roundings(row)[number] == mode.rounding(row)


@pytest.mark.parametrize(
    ("modes", "message"),
    [
        ((RoupSpec(),), "Expected 2 to 16 modes for a configurable multiplier, found 1."),
        (
            tuple(RoupSpec(p=p, r=r) for p in range(2) for r in range(9)),
            "Expected 2 to 16 modes for a configurable multiplier, found 18.",
        ),
        (
            (RoupSpec(), RoupSpec(p=1), RoupSpec()),
            "Expected different modes for a configurable multiplier, found roup8s_p0_r0 twice.",
        ),
        (
            (RoupSpec(), RoupSpec(p=1, width=9)),
            "Expected all modes of a configurable multiplier to have width 8 like roup8s_p0_r0, "
            "found 9 in roup9s_p1_r0.",
        ),
        (
            (RoupSpec(), RoupSpec(p=1, tree="array")),
            "Expected all modes of a configurable multiplier to have tree dadda like roup8s_p0_r0, "
            "found array in roup8s_p1_r0_array.",
        ),
    ],
)
def test_impossible_modes(modes, message):
    with pytest.raises(AxhwError) as caught:
        ConfigurableRoupSpec(modes=modes)
    assert str(caught.value) == message


def test_modes_of_another_family():
    with pytest.raises(AxhwError, match=r"^Expected ROUP multipliers as the modes of a configurable one, found \(Roup"):
        ConfigurableRoupSpec(modes=(RoupSpec(), ExactSpec()))


@pytest.mark.parametrize("mode", [[3], [-1], [0.5]])
def test_modes_that_are_none(mode):
    spec = configurable((0, 0), (1, 4), (2, 3))
    with pytest.raises(AxhwError, match=r"^Expected modes from 0 to 2 for roup8s_modes_p0r0_p1r4_p2r3, found \["):
        spec.reference([1], [1], mode)
