"""docs/families.md: its commands spell possible specs, and no family or parameter is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from axhw.hdl.families.evoapprox import CIRCUITS
from axhw.hdl.registry import FAMILIES, parameters_of, parse

TEXT = (Path(__file__).parents[2] / "docs" / "families.md").read_text()
COMMANDS = re.findall(r"axhw gen ([^`\n]+)", TEXT)


@pytest.mark.parametrize("command", COMMANDS)
def test_example(command):
    words = command.replace("--unsigned", "--signed no").split()
    options = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2]))
    assert words[0] == "--multiplier"
    assert parse(options.pop("multiplier"), **options).family in FAMILIES


def test_every_family_has_two_examples():
    families = [re.match(r"--multiplier (\w+)", command)[1] for command in COMMANDS]
    assert sorted(families) == sorted([*FAMILIES, *FAMILIES])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_is_described(family):
    section = re.search(rf"^## {family}\n(.*?)(?=^#)", TEXT, re.MULTILINE | re.DOTALL)[1]
    for name, parameter in parameters_of(family).items():
        if name in ("width", "signed", "tree", "adder", "circuit"):
            continue
        assert f"`{name}`" in section, name
        assert all(f"`{choice}`" in section or f"{name} = {choice}" in section for choice in parameter.choices), name


def test_every_circuit_is_listed():
    rows = dict(re.findall(r"(mul8s_\w+)(?: \(exact\))? \| (\d, \d, \d)", TEXT))
    assert rows == {name: f"{c.ha}, {c.hb}, {c.v}" for name, c in CIRCUITS.items()}
