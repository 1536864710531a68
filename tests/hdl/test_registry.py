"""Specs from text and documents: round trips over arbitrary specs, and every message."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl import registry
from axhw.hdl.families.broken_array import BrokenArraySpec
from axhw.hdl.families.drum import DrumSpec
from axhw.hdl.families.evoapprox import EvoApproxSpec
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.registered import RegisteredSpec
from axhw.hdl.registry import FAMILIES, create, create_element, describe, parameters_of, parse, restore

FAMILY_NAMES = "exact, roup, bam, evoapprox, truncated, drum, mitchell, kulkarni, lower_or"


@st.composite
def specs(draw):
    """A possible spec of any family; impossible parameters are drawn again."""
    family = draw(st.sampled_from(sorted(FAMILIES)))
    values = {}
    for name, parameter in parameters_of(family).items():
        if parameter.choices:
            values[name] = draw(st.sampled_from(parameter.choices))
        elif parameter.kind is bool:
            values[name] = draw(st.booleans())
        elif parameter.kind is int:
            values[name] = draw(st.integers(4, 16) if name == "width" else st.integers(0, 8))
    if family == "evoapprox":
        circuit = draw(st.sampled_from(["mul8s_1L2L", "mul8s_1KVA", "mul8s_1L12"]))
        values |= {"width": 8, "signed": True, "circuit": circuit}
    if family == "kulkarni":
        values["width"] -= values["width"] % 2
    if family == "drum":
        values["k"] = draw(st.integers(3, values["width"]))
    for name in set(values) & {"p", "r", "ha", "hb", "v", "k"} if family != "drum" else ():
        # No family refuses parameters up to width / 2.
        values[name] = min(values[name], values["width"] // 2)
    return create(family, values)


@given(specs())
def test_documents_restore_every_spec(spec):
    document = json.loads(json.dumps(describe(spec)))
    assert restore(document) == spec


@given(specs(), st.integers(1, 1 << 16), st.sampled_from(["wrap", "saturate"]))
def test_documents_restore_every_element(spec, terms, overflow):
    for element in (RegisteredSpec(multiplier=spec), MacSpec(multiplier=spec, terms=terms, overflow=overflow)):
        assert restore(json.loads(json.dumps(describe(element)))) == element


@given(specs())
def test_text_gives_every_spec(spec):
    values = {"width": spec.width, "signed": spec.signed, **spec.parameters()}
    assert parse(f"{spec.family}:{','.join(f'{key}={value}' for key, value in values.items())}") == spec
    assert parse(spec.family, **values) == spec
    assert parse(spec.family, **{key: str(value) for key, value in values.items()}) == spec


@given(specs(), specs())
def test_names_tell_specs_apart(first, second):
    assert (first.name == second.name) == (first == second)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=30), st.from_regex(r"(roup|bam|drum):([a-z]{1,3}=[-0-9a-z_.]{0,4},?){0,3}")))
def test_any_text_gives_a_spec_or_one_sentence(text):
    try:
        outcome = parse(text).name
    except AxhwError as error:
        outcome = str(error)
    assert re.fullmatch(r"Expected .+\.|[a-zA-Z0-9_]+", outcome)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("roup:p=2,r=3", RoupSpec(p=2, r=3)),
        (" roup : p = 2 , r = 3 ", RoupSpec(p=2, r=3)),
        ("exact", ExactSpec()),
        ("exact:", ExactSpec()),
        ("exact:signed=no,width=12", ExactSpec(signed=False, width=12)),
        ("evoapprox:mul8s_1L2L", EvoApproxSpec(circuit="mul8s_1L2L")),
        ("evoapprox:mul8s_1L2L,tree=array", EvoApproxSpec(circuit="mul8s_1L2L", tree="array")),
        ("bam:v=4,", BrokenArraySpec(v=4)),
    ],
)
def test_text(text, spec):
    assert parse(text) == spec


def test_overrides():
    assert parse("roup:p=2", r=3, signed=False) == RoupSpec(p=2, r=3, signed=False)
    assert parse("roup:p=2", p=2) == parse("roup:p=2", p="2") == RoupSpec(p=2)


def test_numbers_of_numpy_are_numbers():
    assert create("drum", {"k": np.int64(5), "width": np.uint8(12)}) == DrumSpec(k=5, width=12)


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("rup", {}, f"Expected a multiplier family out of {FAMILY_NAMES}, found 'rup' (did you mean roup?)."),
        ("", {}, f"Expected a multiplier family out of {FAMILY_NAMES}, found ''."),
        ("zzz:p=1", {}, f"Expected a multiplier family out of {FAMILY_NAMES}, found 'zzz'."),
        ("roup:q=1", {}, "Expected parameters of roup (width, signed, tree, adder, p, r, rule), found 'q'."),
        ("mitchell", {"k": 1}, "Expected parameters of mitchell (width, signed, adder), found 'k'."),
        ("roup:p=two", {}, "Expected an integer for p of roup, found 'two'."),
        ("roup:p=", {}, "Expected an integer for p of roup, found ''."),
        ("roup:p=1.0", {}, "Expected an integer for p of roup, found '1.0'."),
        ("roup", {"p": True}, "Expected an integer for p of roup, found True."),
        ("exact:signed=maybe", {}, "Expected true or false for signed of exact, found 'maybe'."),
        ("exact", {"tree": 3}, "Expected text for tree of exact, found 3."),
        ("roup:3", {}, "Expected key=value behind roup:, found '3' (example: roup:p=2,r=3)."),
        ("roup:p=1,p=1", {}, "Expected each parameter once in 'roup:p=1,p=1', found p twice."),
        ("roup:p=1", {"p": 2}, "Expected one value for p, found 1 in 'roup:p=1' and 2 beside it."),
        ("drum:k=2", {}, "Expected k from 3 to 8 for drum with 8-bit operands, found 2."),
    ],
)
def test_messages_of_parse(text, overrides, message):
    with pytest.raises(AxhwError) as caught:
        parse(text, **overrides)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"width": 8}, "Expected a design description with a family, found the keys ['width']."),
        ({"family": [1]}, f"Expected a multiplier family out of {FAMILY_NAMES}, found [1]."),
        (
            {"family": "roup", "k": 1},
            "Expected parameters of roup (width, signed, tree, adder, p, r, rule), found 'k'.",
        ),
        ({"element": "mac"}, "Expected a design description with a family, found None."),
        (
            {"element": "pe", "multiplier": {"family": "exact"}},
            "Expected an element out of registered, mac, systolic, crossbar_group, found 'pe'.",
        ),
        (
            {"element": [], "multiplier": {"family": "exact"}},
            "Expected an element out of registered, mac, systolic, crossbar_group, found [].",
        ),
        (
            {"element": "registered", "terms": 4, "multiplier": {"family": "exact"}},
            "Expected no parameters of the element registered, found 'terms'.",
        ),
        (
            {"element": "mac", "term": 4, "multiplier": {"family": "exact"}},
            "Expected the parameters terms, overflow of the element mac, found 'term'.",
        ),
        (
            {"element": "mac", "terms": 0, "multiplier": {"family": "exact"}},
            "Expected terms from 1 to 65536 for the element mac, found 0.",
        ),
    ],
)
def test_messages_of_restore(document, message):
    with pytest.raises(AxhwError) as caught:
        restore(document)
    assert str(caught.value) == message


def test_create_element():
    multiplier = RoupSpec(p=2, r=3)
    assert create_element("registered", multiplier, {}) == RegisteredSpec(multiplier=multiplier)
    assert create_element("mac", multiplier, {"terms": 16}) == MacSpec(multiplier=multiplier, terms=16)


def test_describe():
    assert describe(RoupSpec(p=2, r=3)) == {
        "family": "roup",
        "width": 8,
        "signed": True,
        "p": 2,
        "r": 3,
        "rule": "aligned",
        "tree": "dadda",
        "adder": "brent_kung",
    }
    assert describe(MacSpec(multiplier=ExactSpec())) == {
        "element": "mac",
        "terms": 64,
        "overflow": "wrap",
        "multiplier": describe(ExactSpec()),
    }


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_parameter_has_help_and_a_default_that_works(family):
    parameters = parameters_of(family)
    assert list(parameters)[:2] == ["width", "signed"]
    assert all(parameter.help for parameter in parameters.values())
    assert all(not p.choices or p.default in p.choices for p in parameters.values())
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    assert create(family, defaults) == FAMILIES[family]()
    assert FAMILIES[family].summary
    assert {p.kind for p in parameters.values()} <= {int, bool, str}


def test_families_are_keyed_by_their_own_name():
    assert ", ".join(FAMILIES) == FAMILY_NAMES
    assert all(spec.family == name for name, spec in FAMILIES.items())
    assert all(dataclasses.is_dataclass(spec) for spec in registry.FAMILIES.values())
