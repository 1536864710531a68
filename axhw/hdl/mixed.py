"""Designs that multiply in several ways, by mode or by column: what they have in common, and how they are written.

A configurable multiplier, alone or in a MAC, is one of its modes at a time; an array of several multipliers is all of
them at once, each in its own columns. Their document is that of `axhw.hdl.registry.describe` with a list of
multipliers, ``modes`` or ``columns``, in the place of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from axhw.errors import AxhwError
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.hdl.registry import create, describe
from axhw.hdl.spec import MultiplierSpec

MixedSpec: TypeAlias = ConfigurableRoupSpec | ConfigurableMacSpec | MixedSystolicSpec


def ways(spec: MixedSpec) -> tuple[MultiplierSpec, ...]:
    """The multipliers that a design can be: the modes, or the different ones among the columns."""
    return spec.types if isinstance(spec, MixedSystolicSpec) else spec.modes


def describe_mixed(spec: MixedSpec) -> dict[str, Any]:
    """A JSON document that `restore_mixed` turns back into the spec."""
    if isinstance(spec, MixedSystolicSpec):
        columns = [describe(multiplier) for multiplier in spec.column_multipliers]
        return {"element": spec.kind, **spec.parameters(), "columns": columns}
    modes = [describe(mode) for mode in spec.modes]
    if isinstance(spec, ConfigurableMacSpec):
        return {"element": spec.kind, **spec.parameters(), "modes": modes}
    return {"modes": modes}


def restore_mixed(document: Mapping[str, Any]) -> MixedSpec:
    """The spec that `describe_mixed` wrote.

    Raises
    ------
    AxhwError
        If the document describes something else.
    """
    try:
        if document.get("element") == MixedSystolicSpec.kind:
            multipliers = _multipliers(document["columns"])
            return MixedSystolicSpec.of(multipliers, rows=document["rows"], terms=document["terms"])
        modes = _roup(_multipliers(document["modes"]))
        if document.get("element") == ConfigurableMacSpec.kind:
            return ConfigurableMacSpec(
                multiplier=modes[0], others=modes[1:], terms=document["terms"], overflow=document["overflow"]
            )
        if "element" not in document:
            return ConfigurableRoupSpec(modes=modes)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise AxhwError(f"Expected the description of a design with several multipliers, found {error!r}.") from error
    raise AxhwError(f"Expected a design with several multipliers, found the element {document['element']!r}.")


def parse_modes(text: str, base: RoupSpec) -> tuple[RoupSpec, ...]:
    """Modes as users type them, ``0:0,1:4,2:3:symmetric``: p, r and, where it is not that of `base`, the rule.

    Parameters
    ----------
    base : RoupSpec
        Gives operands, tree, adder and rule.
    """
    modes = []
    for item in text.split(","):
        parts = [part.strip() for part in item.split(":")]
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise AxhwError(f"Expected modes as p:r or p:r:rule between commas, such as 0:0,1:4, found {item!r}.")
        given = dict(zip(("p", "r", "rule"), parts))
        mode = create(RoupSpec.family, {**describe_parameters(base), **given})
        assert isinstance(mode, RoupSpec)
        modes.append(mode)
    return tuple(modes)


def describe_parameters(spec: MultiplierSpec) -> dict[str, Any]:
    """`describe` without the family."""
    return {key: value for key, value in describe(spec).items() if key != "family"}


def _multipliers(documents: Sequence[Mapping[str, Any]]) -> tuple[MultiplierSpec, ...]:
    parameters = [{key: value for key, value in each.items() if key != "family"} for each in documents]
    return tuple(create(each["family"], own) for each, own in zip(documents, parameters))


def _roup(multipliers: Sequence[MultiplierSpec]) -> tuple[RoupSpec, ...]:
    found = tuple(each for each in multipliers if isinstance(each, RoupSpec))
    if len(found) < len(multipliers):
        raise AxhwError("Expected ROUP multipliers as the modes of a configurable one, found others.")
    return found
