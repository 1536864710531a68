"""Names of imported designs: valid, and of one circuit only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.families.evoapprox import CIRCUITS, RELEASE, EvoApproxSpec
from axhw.hdl.families.netlist import LABEL
from axhw.hdl.registry import FAMILIES, DesignSpec
from axhw.hdl.spec import IntegerArray, MultiplierSpec
from axhw.index import Index
from axhw.record import DesignRecord
from axhw.store import MIXED, Store

Shipped: TypeAlias = Callable[[str], Iterable[DesignSpec]]

_LONGEST = 64

# As families name their own designs.
_OF_FAMILY = re.compile(rf"(?:{'|'.join(FAMILIES)})(?:\d+[su](?:_.*)?)?")


def choose_name(name: str | None, *, path: Path, module: str | None) -> str:
    """The name of a design: as the user says, or that of the module or the file.

    Raises
    ------
    AxhwError
        If the user's name cannot be one, or is one that families have or give.
    """
    if name is None:
        # Letters, digits and underscores of what the file says; a name has to begin with a letter.
        plain = re.sub(r"\W+", "_", module or path.stem, flags=re.ASCII).strip("_")
        name = (plain if LABEL.fullmatch(plain[:_LONGEST]) else f"imported_{plain}")[:_LONGEST]
        return f"imported_{name}"[:_LONGEST] if _OF_FAMILY.fullmatch(name) else name
    if not LABEL.fullmatch(name):
        raise AxhwError(f"Expected a name of a letter and up to 63 letters, digits and underscores, found {name!r}.")
    if _OF_FAMILY.fullmatch(name):
        raise AxhwError(
            f"Expected a name that no family of multipliers has or gives its designs, found {name!r}: choose another."
        )
    return name


def check_unused(spec: MultiplierSpec, *, store: Store, shipped: Shipped = lambda name: ()) -> None:
    """Refuse a name that means another multiplier already: libraries reuse names for other circuits.

    Parameters
    ----------
    spec : MultiplierSpec
    store : Store
    shipped : callable
        Gives the designs that come with axhw under a name.

    Raises
    ------
    AxhwError
        If a stored or shipped design, or a published circuit that axhw knows, has the name and other products.
    """
    if spec.name in CIRCUITS and not _same(spec, EvoApproxSpec(circuit=spec.name)):
        raise AxhwError(
            f"Expected the products of {spec.name} of EvoApproxLib {RELEASE}, found others: releases use one name for "
            "several circuits, so give this one another with --name."
        )
    if any(entry.name == spec.name for entry in store.readable(room=MIXED)):
        raise AxhwError(
            f"Expected a name that no other design has, found {spec.name}, which the store has for a design of several "
            "multipliers: give this one another with --name."
        )
    for known in shipped(spec.name):
        if not _same(spec, known):
            raise AxhwError(
                f"Expected a name that no other design has, found {spec.name}, which comes with axhw for a multiplier "
                "with other products: give this one another with --name."
            )
    rows = [summary for summary in Index(store).summaries() if summary["name"] == spec.name]
    for summary in rows:
        entry = store.get(summary["key"])
        if entry is None:
            continue
        stored = DesignRecord.from_entry(entry).spec
        if not _same(spec, stored):
            raise AxhwError(
                f"Expected a name that no other design has, found {spec.name}, which the store has for a multiplier "
                f"with other products (key {summary['key'][:8]}): give this one another with --name."
            )


def _same(first: MultiplierSpec, second: DesignSpec) -> bool:
    """Whether two multipliers compute the same, as far as a million pairs tell."""
    if first == second:
        return True
    if not isinstance(second, MultiplierSpec):
        return False
    if (first.width, first.signed) != (second.width, second.signed):
        return False
    a, b = _pairs(first)
    return np.array_equal(first.reference(a, b), second.reference(a, b))


def _pairs(spec: MultiplierSpec) -> tuple[IntegerArray, IntegerArray]:
    codes = spec.operand_codes()
    if len(codes) <= 1 << 10:
        return codes[:, None], codes
    a, b = np.random.default_rng(1).choice(codes, (2, 1 << 20))
    return a, b
