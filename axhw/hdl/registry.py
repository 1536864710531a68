"""Families by name, and specs from text: ``roup:p=2,r=3``, ``evoapprox:mul8s_1L2L``.

The command line and `parse` share this one list; adding a family here is all it takes.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from typing import Any, TypeAlias, get_type_hints

from axhw.errors import AxhwError
from axhw.hdl.families.broken_array import BrokenArraySpec
from axhw.hdl.families.drum import DrumSpec
from axhw.hdl.families.evoapprox import EvoApproxSpec
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.kulkarni import KulkarniSpec
from axhw.hdl.families.lower_or import LowerOrSpec
from axhw.hdl.families.mitchell import MitchellSpec
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.families.table import TableSpec
from axhw.hdl.families.truncated import TruncatedSpec
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.element import ProcessingElementSpec
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.registered import RegisteredSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.spec import MultiplierSpec

ElementSpec: TypeAlias = RegisteredSpec | MacSpec | SystolicSpec | CrossbarGroupSpec
DesignSpec: TypeAlias = MultiplierSpec | ElementSpec

FAMILIES: Mapping[str, type[MultiplierSpec]] = {
    spec.family: spec
    for spec in (
        ExactSpec,
        RoupSpec,
        BrokenArraySpec,
        EvoApproxSpec,
        TruncatedSpec,
        DrumSpec,
        MitchellSpec,
        KulkarniSpec,
        LowerOrSpec,
    )
}
"""What users can spell. Gates and tables come from files or a search, so their families are not among them."""

_SPECS: Mapping[str, type[MultiplierSpec]] = {**FAMILIES, **{spec.family: spec for spec in (NetlistSpec, TableSpec)}}

ELEMENTS: Mapping[str, type[RegisteredSpec] | type[MacSpec] | type[SystolicSpec] | type[CrossbarGroupSpec]] = {
    spec.kind: spec for spec in (RegisteredSpec, MacSpec, SystolicSpec, CrossbarGroupSpec)
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a family as users type it.

    Attributes
    ----------
    kind : {int, bool, str}
    choices : tuple of str
        The allowed words, empty for numbers, booleans and free names.
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    default: Any
    help: str


def parameters_of(family: str) -> dict[str, Parameter]:
    """All parameters of a family, `width` and `signed` included, in the order of its fields."""
    spec = family_class(family)
    hints = get_type_hints(spec)
    result = {}
    for field in dataclasses.fields(spec):
        hint = hints[field.name]
        choices = typing.get_args(hint)
        result[field.name] = Parameter(
            name=field.name,
            kind=hint if isinstance(hint, type) else str,
            choices=choices,
            default=field.default,
            help=field.metadata["help"],
        )
    return result


def family_class(family: str) -> type[MultiplierSpec]:
    """The spec class of a family name."""
    if not isinstance(family, str) or family not in _SPECS:
        near = difflib.get_close_matches(str(family), FAMILIES, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise AxhwError(f"Expected a multiplier family out of {', '.join(FAMILIES)}, found {family!r}{hint}.")
    return _SPECS[family]


def create(family: str, parameters: Mapping[str, Any]) -> MultiplierSpec:
    """A spec from its family and parameters; values may be text as typed by a user.

    Raises
    ------
    AxhwError
        For an unknown family or parameter and for values that are impossible.
    """
    known = parameters_of(family)
    values = {}
    for key, value in parameters.items():
        if key not in known:
            raise AxhwError(f"Expected parameters of {family} ({', '.join(known)}), found {key!r}.")
        values[key] = convert(family, known[key], value)
    return family_class(family)(**values)


def parse(text: str, **overrides: Any) -> MultiplierSpec:
    """A spec from ``family``, ``family:key=value,...`` or ``evoapprox:circuit``.

    Parameters
    ----------
    text : str
        A bare word behind the colon is the family's first text parameter without fixed choices,
        such as the circuit of ``evoapprox``.
    **overrides
        Parameters that are not in the text; the same parameter given twice with different values
        is refused.
    """
    family, _, rest = (part.strip() for part in text.partition(":"))
    known = parameters_of(family)
    values: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            value = key
            key = next((p.name for p in known.values() if p.kind is str and not p.choices), "")
            if not key:
                raise AxhwError(f"Expected key=value behind {family}:, found {item!r} (example: roup:p=2,r=3).")
        if key in values:
            raise AxhwError(f"Expected each parameter once in {text!r}, found {key} twice.")
        values[key] = value
    for key, value in overrides.items():
        if key in values and key in known:
            first, second = (convert(family, known[key], each) for each in (values[key], value))
            if first != second:
                raise AxhwError(f"Expected one value for {key}, found {first} in {text!r} and {second} beside it.")
        values[key] = value
    return create(family, values)


def describe(spec: DesignSpec) -> dict[str, Any]:
    """A JSON document that `restore` turns back into the spec; an element's holds that of its multiplier."""
    if isinstance(spec, ProcessingElementSpec):
        return {"element": spec.kind, **spec.parameters(), "multiplier": describe(spec.multiplier)}
    return {"family": spec.family, "width": spec.width, "signed": spec.signed, **spec.parameters()}


def restore(document: Mapping[str, Any]) -> DesignSpec:
    """The spec that `describe` wrote."""
    if "element" in document:
        return _restore_element(document)
    return _restore_multiplier(document)


def _restore_multiplier(document: object) -> MultiplierSpec:
    if not isinstance(document, Mapping) or "family" not in document:
        found = f"the keys {sorted(document)}" if isinstance(document, Mapping) else repr(document)
        raise AxhwError(f"Expected a design description with a family, found {found}.")
    return create(document["family"], {key: value for key, value in document.items() if key != "family"})


def create_element(kind: str, multiplier: MultiplierSpec, parameters: Mapping[str, Any]) -> ElementSpec:
    """A processing element around a multiplier.

    Raises
    ------
    AxhwError
        For an unknown element or parameter, for values that are impossible, and for a multiplier without a circuit.
    """
    if not isinstance(kind, str) or kind not in ELEMENTS:
        raise AxhwError(f"Expected an element out of {', '.join(ELEMENTS)}, found {kind!r}.")
    known = [field.name for field in dataclasses.fields(ELEMENTS[kind]) if field.name != "multiplier"]
    if unknown := sorted(set(parameters) - set(known)):
        allowed = f"the parameters {', '.join(known)}" if known else "no parameters"
        raise AxhwError(f"Expected {allowed} of the element {kind}, found {unknown[0]!r}.")
    if isinstance(multiplier, TableSpec):
        raise multiplier.without_circuit()
    return ELEMENTS[kind](multiplier=multiplier, **parameters)


def _restore_element(document: Mapping[str, Any]) -> ElementSpec:
    parameters = {key: value for key, value in document.items() if key not in ("element", "multiplier")}
    return create_element(document["element"], _restore_multiplier(document.get("multiplier")), parameters)


def convert(family: str, parameter: Parameter, value: Any) -> Any:
    """The value of a parameter from text as a user types it.

    Raises
    ------
    AxhwError
        If it is of another kind.
    """
    if isinstance(value, parameter.kind) and not (parameter.kind is int and isinstance(value, bool)):
        return value
    if parameter.kind is int:
        try:
            return int(str(value), 10)
        except ValueError:
            raise AxhwError(f"Expected an integer for {parameter.name} of {family}, found {value!r}.") from None
    if parameter.kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if str(value).lower() not in words:
            raise AxhwError(f"Expected true or false for {parameter.name} of {family}, found {value!r}.")
        return words[str(value).lower()]
    raise AxhwError(f"Expected text for {parameter.name} of {family}, found {value!r}.")
