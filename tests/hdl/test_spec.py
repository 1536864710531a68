"""What every family promises: factors that are the table, stable and unique names, ports, refused operands."""

from __future__ import annotations

import dataclasses
import itertools
import re

import numpy as np
import pytest
from amaranth.back import rtlil

from axhw.errors import AxhwError
from axhw.hdl.families.broken_array import BrokenArraySpec
from axhw.hdl.families.drum import DrumSpec
from axhw.hdl.families.evoapprox import CIRCUITS, EvoApproxSpec
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.kulkarni import KulkarniSpec
from axhw.hdl.families.lower_or import LowerOrSpec
from axhw.hdl.families.mitchell import MitchellSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.families.truncated import TruncatedSpec
from axhw.hdl.registry import FAMILIES
from axhw.hdl.spec import Factors

FAMILIES_WITHOUT_FACTORS = {"mitchell", "lower_or"}


def grid(width, signed):
    """Specs of every family with many of their parameters."""
    common = {"width": width, "signed": signed}
    rows = RoupSpec(**common).rows
    yield from (ExactSpec(**common, encoding=encoding) for encoding in ("booth", "baugh_wooley"))
    for p, r, rule in itertools.product(range(rows + 1), range(width + 1), ("aligned", "absolute", "symmetric")):
        yield RoupSpec(**common, p=p, r=r, rule=rule)
    cuts = (0, 1, 3, width)
    for ha, hb, v in itertools.product(cuts, cuts, (0, 1, width - 1, width, 2 * width - 1)):
        yield BrokenArraySpec(**common, ha=ha, hb=hb, v=v)
    for k, correction in itertools.product(range(2 * width), ("none", "constant")):
        yield TruncatedSpec(**common, k=k, correction=correction)
    yield from (DrumSpec(**common, k=k) for k in range(3, width + 1))
    yield from (LowerOrSpec(**common, k=k) for k in range(width))
    yield MitchellSpec(**common)
    if width % 2 == 0:
        yield KulkarniSpec(**common)
    if width == 8 and signed:
        yield from (EvoApproxSpec(circuit=circuit) for circuit in CIRCUITS)


def test_grid_covers_every_family():
    assert {spec.family for spec in grid(8, True)} == set(FAMILIES)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", range(4, 9))
def test_factors_are_the_table_and_mean_error_is_its_bias(width, signed):
    for spec in grid(width, signed):
        codes = spec.operand_codes()
        table = spec.reference(codes[:, None], codes)
        assert table.dtype == np.int64
        assert table.shape == (1 << width, 1 << width)
        factors = spec.factors()
        assert (factors is None) == (spec.family in FAMILIES_WITHOUT_FACTORS)
        if factors is not None:
            assert factors.left.shape == factors.right.shape == (1 << width, factors.rank)
            assert factors.left.dtype == factors.right.dtype == np.int64
            assert (factors.left @ factors.right.T == table).all(), spec.name
        bias = spec.mean_error()
        if bias is not None:
            assert bias == pytest.approx((table - codes[:, None] * codes).mean(), abs=1e-6), spec.name


@pytest.mark.parametrize("signed", [True, False])
def test_factors_of_wide_operands(signed, pairs):
    for width, spec in itertools.product(
        (12, 16),
        (
            RoupSpec(p=2, r=5),
            BrokenArraySpec(ha=2, hb=1, v=9),
            TruncatedSpec(k=11, correction="constant"),
            DrumSpec(k=5),
            KulkarniSpec(),
        ),
    ):
        wide = dataclasses.replace(spec, width=width, signed=signed)
        a, b = pairs(wide, 2000)
        factors = wide.factors()
        low = wide.operand_range[0]
        products = (factors.left[a - low] * factors.right[b - low]).sum(axis=1)
        np.testing.assert_array_equal(products, wide.reference(a, b), err_msg=wide.name)


def test_names_are_unique_and_valid_identifiers():
    specs = [
        dataclasses.replace(spec, **choice)
        for width, sign in itertools.product((4, 7, 8, 16), (True, False))
        for spec in grid(width, sign)
        for choice in ({}, {"adder": "ripple"}, *([{"tree": "array"}] if spec.family != "mitchell" else []))
    ]
    names = [spec.name for spec in specs]
    assert len(set(names)) == len(set(specs)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z0-9_]*", name) for name in names)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (ExactSpec(), "exact8s"),
        (ExactSpec(width=16, signed=False, encoding="baugh_wooley", tree="wallace"), "exact16u_baugh_wooley_wallace"),
        (RoupSpec(p=2, r=3), "roup8s_p2_r3"),
        (RoupSpec(p=1, r=4, rule="symmetric", tree="array", adder="ripple"), "roup8s_p1_r4_symmetric_array_ripple"),
        (BrokenArraySpec(ha=1, v=3), "bam8s_ha1_hb0_v3"),
        (EvoApproxSpec(circuit="mul8s_1KVA"), "evoapprox_v2022_mul8s_1KVA"),
        (TruncatedSpec(signed=False, k=6), "truncated8u_k6"),
        (TruncatedSpec(k=6, correction="constant"), "truncated8s_k6_constant"),
        (DrumSpec(width=12, k=5), "drum12s_k5"),
        (MitchellSpec(), "mitchell8s"),
        (MitchellSpec(signed=False, adder="sklansky"), "mitchell8u_sklansky"),
        (KulkarniSpec(width=6), "kulkarni6s"),
        (LowerOrSpec(k=4), "lower_or8s_k4"),
    ],
)
def test_names_are_stable(spec, name):
    """Names are file names and keys of results: changing one orphans what users stored."""
    assert spec.name == name


@pytest.mark.parametrize("signedness", [True, False])
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"evoapprox"}))
def test_ports(family, signedness):
    assert ports(FAMILIES[family](width=6, signed=signedness)) == {
        "a": ("input", 6, signedness),
        "b": ("input", 6, signedness),
        "o": ("output", 12, signedness),
    }


def test_a_wider_product_has_a_wider_port():
    spec = RoupSpec(signed=False, p=1, r=8, rule="symmetric")
    assert spec.product_width == 17
    assert ports(spec)["o"] == ("output", 17, False)


def ports(spec):
    """Ports of the generated module: name -> (direction, width, signed)."""
    text = rtlil.convert(spec.component(), emit_src=False)
    found = re.findall(r"wire width (\d+) (input|output) \d+ *( signed)? \\(\w+)", text)
    return {name: (direction, int(width), bool(sign)) for width, direction, sign, name in found}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_specs_are_frozen_values(family):
    spec = FAMILIES[family]()
    assert spec == FAMILIES[family]()
    assert hash(spec) == hash(FAMILIES[family]())
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.width = 4


def test_families_differ_though_their_fields_are_equal():
    assert TruncatedSpec(k=4) != LowerOrSpec(k=4)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"evoapprox"}))
@pytest.mark.parametrize("width", [3, 17, 64, -8])
def test_width_out_of_range(family, width):
    with pytest.raises(AxhwError) as caught:
        FAMILIES[family](width=width)
    assert str(caught.value) == f"Expected a width from 4 to 16 bits for {family}, found {width}."


@pytest.mark.parametrize("width", ["8", 8.0, True, None])
def test_width_of_another_type(width):
    with pytest.raises(AxhwError) as caught:
        ExactSpec(width=width)
    assert str(caught.value) == f"Expected an integer width from 4 to 16, found {width!r}."


@pytest.mark.parametrize("signedness", ["no", 1, None])
def test_signedness_of_another_type(signedness):
    with pytest.raises(AxhwError) as caught:
        ExactSpec(signed=signedness)
    assert str(caught.value) == f"Expected true or false for signed of exact, found {signedness!r}."


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_operands_that_are_not_integers(family):
    spec = FAMILIES[family]()
    with pytest.raises(AxhwError) as caught:
        spec.reference([1.0], [2])
    assert str(caught.value) == f"Expected integer operands for {spec.name}, found float64 for a."
    with pytest.raises(AxhwError, match=rf"^Expected integer operands for {spec.name}, found bool for b\.$"):
        spec.reference(1, True)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_operands_out_of_range(family):
    spec = FAMILIES[family]()
    with pytest.raises(AxhwError) as caught:
        spec.reference([0], [-129, 3])
    assert str(caught.value) == f"Expected operands from -128 to 127 for {spec.name}, found -129 to 3 for b."


def test_operand_range_and_codes():
    assert ExactSpec(width=4).operand_range == (-8, 7)
    assert ExactSpec(width=4, signed=False).operand_range == (0, 15)
    assert ExactSpec(width=4).operand_codes().tolist() == list(range(-8, 8))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_empty_and_broadcast_operands(family):
    spec = FAMILIES[family]()
    assert spec.reference(np.zeros((0, 3), int), np.zeros(3, int)).shape == (0, 3)
    assert spec.reference(np.zeros((4, 1), int), np.zeros((1, 5), int)).shape == (4, 5)
    assert spec.reference(7, 3).shape == ()


def test_rank_counts_columns():
    assert Factors(left=np.zeros((4, 3), np.int64), right=np.zeros((4, 3), np.int64)).rank == 3
