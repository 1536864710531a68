"""Designs with several multipliers as documents, and modes as users type them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.families.evoapprox import EvoApproxSpec
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.mixed import describe_mixed, parse_modes, restore_mixed, ways
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mixed import MixedSystolicSpec

MODES = (RoupSpec(), RoupSpec(p=1, r=4, rule="symmetric"), RoupSpec(p=2, r=3))


@pytest.mark.parametrize(
    "spec",
    [
        ConfigurableRoupSpec(modes=MODES),
        ConfigurableMacSpec(multiplier=MODES[0], others=MODES[1:], terms=9, overflow="saturate"),
        MixedSystolicSpec.of((ExactSpec(), RoupSpec(p=2), EvoApproxSpec(circuit="mul8s_1L2L")), rows=2, terms=5),
    ],
    ids=lambda spec: spec.name,
)
def test_documents_restore_the_spec(spec):
    assert restore_mixed(json.loads(json.dumps(describe_mixed(spec)))) == spec


def test_ways():
    assert ways(ConfigurableRoupSpec(modes=MODES)) == MODES
    first, second = ExactSpec(), RoupSpec(p=2)
    assert ways(MixedSystolicSpec.of((first, second, first))) == (first, second)


@pytest.mark.parametrize(
    "document", [{"modes": [{"width": 8}]}, {"element": "mixed"}, {"element": "configurable_mac", "modes": []}, []]
)
def test_documents_of_something_else(document):
    with pytest.raises(AxhwError, match=r"^Expected the description of a design with several multipliers, found "):
        restore_mixed(document)


def test_documents_of_one_multiplier():
    modes = [{"family": "roup", "p": 0}, {"family": "roup", "p": 1}]
    with pytest.raises(AxhwError, match=r"^Expected a design with several multipliers, found the element 'mac'\.$"):
        restore_mixed({"element": "mac", "modes": modes})
    with pytest.raises(AxhwError, match=r"^Expected ROUP multipliers as the modes of a configurable one, found others"):
        restore_mixed({"modes": [{"family": "exact"}, *modes]})


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 8)), min_size=1, max_size=16))
def test_modes_as_text(chosen):
    base = RoupSpec(rule="absolute", tree="wallace")
    text = ",".join(f"{p}:{r}" if p != 2 else f" {p} : {r} : symmetric" for p, r in chosen)
    for (p, r), mode in zip(chosen, parse_modes(text, base)):
        rule = "symmetric" if p == 2 else "absolute"
        assert mode == RoupSpec(p=p, r=r, rule=rule, tree="wallace")


@pytest.mark.parametrize("text", ["", "0", "0:0,", "0:0,1:2:symmetric:3", "0::1"])
def test_modes_that_cannot_be_read(text):
    with pytest.raises(AxhwError, match=r"^Expected modes as p:r or p:r:rule between commas, such as 0:0,1:4, found "):
        parse_modes(text, RoupSpec())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0:0,5:0", "Expected p from 0 to 4 for roup with 8-bit operands, found 5."),
        ("0:0,1:x", "Expected an integer for r of roup, found 'x'."),
        ("0:0:best", "Expected rule to be one of aligned, absolute, symmetric, found 'best'."),
    ],
)
def test_modes_that_cannot_be(text, message):
    with pytest.raises(AxhwError) as caught:
        parse_modes(text, RoupSpec())
    assert str(caught.value) == message
