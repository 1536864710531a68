"""Multipliers as users name them: families with parameters, grids of these, and designs that are there already."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.families.evoapprox import CIRCUITS, EvoApproxSpec
from axhw.hdl.grid import expand
from axhw.hdl.registry import FAMILIES, DesignSpec, parse
from axhw.hdl.spec import MultiplierSpec
from axhw.library.archive import shipped_keys
from axhw.library.catalogue import Catalogue
from axhw.measure import Conditions
from axhw.record import COST_CONDITIONS, DesignRecord
from axhw.store import MIXED, Store, UnknownDesignError
from axhw.synth.libraries import LibrarySource
from axhw.synth.synthesis import Synthesis


class SeveralMultipliersError(UnknownDesignError):
    """The design has several multipliers, and one is wanted."""


_PUBLISHED = re.compile(r"mul\d+[su]_")


@dataclass(frozen=True, kw_only=True)
class NamedMultiplier:
    """A multiplier that a user named.

    Attributes
    ----------
    spec : MultiplierSpec
    record : DesignRecord or None
        Where the name was that of a design, and not of a family.
    """

    spec: MultiplierSpec
    record: DesignRecord | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        return self.spec.name

    def measured(self, flow: Flow, **options: Any) -> DesignRecord:
        """Its record by a flow, made where it is not there.

        A design that comes with axhw was measured as any would be now, so on the same library it is taken as it is.
        The mapped netlist that an imported design came with is taken again on the library that it is for.
        """
        if self.record is not None and self.record.key in shipped_keys() and _made_by(self.record, flow):
            return self.record
        return characterize(
            self.spec,
            flow=flow,
            mapping=_own_cells(self.record, flow.library),
            imported=None if self.record is None else _origin(self.record),
            **options,
        )


def named_multiplier(text: str, store: Store, parameters: Mapping[str, Any] | None = None) -> NamedMultiplier:
    """A multiplier from the spec of a family (``roup:p=2,r=3``), the name of a published circuit (``mul8s_1L2L``), or
    the name or key of a design.

    Parameters
    ----------
    text : str
    store : Store
    parameters : mapping, optional
        Parameters of the family beside the text. A design has none but its width and signedness, which must agree.

    Raises
    ------
    AxhwError
        If it is neither, or if the parameters don't go with it.
    """
    given = dict(parameters or {})
    text = _spelled(text)
    if text.partition(":")[0].strip() in FAMILIES:
        return NamedMultiplier(spec=parse(text, **given))
    record = _found(text, store)
    if not isinstance(record.spec, MultiplierSpec):
        raise AxhwError(f"Expected a multiplier, found {record.name}, which has one inside.")
    own = {"width": str(record.spec.width), "signed": str(record.spec.signed)}
    for key, value in given.items():
        if own.get(key) != str(value):
            wanted = f"{key} = {own[key]}" if key in own else "no parameters of families"
            raise AxhwError(f"Expected {wanted} beside the design {record.name}, found {key} = {value}.")
    return NamedMultiplier(spec=record.spec, record=record)


def named_multipliers(texts: Sequence[str], store: Store) -> list[NamedMultiplier]:
    """The multipliers of several names and grids, each spec once.

    Raises
    ------
    AxhwError
        As `named_multiplier` and `axhw.hdl.grid.expand`.
    """
    result: dict[MultiplierSpec, NamedMultiplier] = {}
    for text in map(_spelled, texts):
        if text.partition(":")[0].strip() in FAMILIES:
            found = [NamedMultiplier(spec=spec) for spec in expand(text).specs]
        else:
            found = [named_multiplier(text, store)]
        for multiplier in found:
            result.setdefault(multiplier.spec, multiplier)
    return list(result.values())


def stored_design(store: Store, word: str) -> DesignRecord:
    """The design of that name or key, stored or shipped, or of the spec that the word spells.

    Raises
    ------
    SeveralMultipliersError
        For a design of several multipliers.
    UnknownDesignError
        If there is none.
    AxhwError
        As `Catalogue.find`.
    """
    family = word.partition(":")[0]
    try:
        return Catalogue(store).find(parse(word).name if family in FAMILIES else word)
    except UnknownDesignError:
        try:
            entry = store.find(word, room=MIXED)
        except UnknownDesignError:
            entry = None
        if entry is None:
            raise
        raise SeveralMultipliersError(
            f"Expected a design of one multiplier, found {entry.name}, which has several: `axhw ls`, `axhw show` and "
            "`axhw verify` take it."
        ) from None


def designs_measured_alike(store: Store, words: Sequence[str]) -> list[DesignRecord]:
    """`stored_design` of each word; of designs of one name, those measured alike if there are such.

    A store may have one design on several libraries or with several streams of operands. The newest ones need not be
    of one kind, and then their figures can't be held side by side.

    Raises
    ------
    UnknownDesignError, AxhwError
        As `stored_design`.
    """
    newest = [stored_design(store, word) for word in words]
    catalogue = Catalogue(store)
    choices = []
    for word, record in zip(words, newest):
        # By key it is that one, whatever others there are.
        by_key = word != record.name and record.key.startswith(word)
        named = [] if by_key else catalogue.summaries(name=record.name)
        keys = {_surroundings(each): each["key"] for each in named}
        # Last in the dictionary, so the first of those that are equally common.
        own = _surroundings(record.summary())
        keys.pop(own, None)
        choices.append(keys | {own: record.key})
    common = max(reversed(choices[0]), key=lambda each: sum(each in keys for keys in choices))
    return [
        record if keys.get(common, record.key) == record.key else stored_design(store, keys[common])
        for record, keys in zip(newest, choices)
    ]


def _surroundings(summary: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a design was measured with."""
    return tuple(summary[condition] for condition in COST_CONDITIONS)


def named_design(text: str, store: Store) -> DesignSpec:
    """The spec of a family's text, or that of a design, which may be a processing element."""
    text = _spelled(text)
    return parse(text) if text.partition(":")[0] in FAMILIES else _found(text, store).spec


def _spelled(text: str) -> str:
    """The name of a published circuit as a spec of its family."""
    return f"{EvoApproxSpec.family}:{text}" if text in CIRCUITS else text


def _found(text: str, store: Store) -> DesignRecord:
    try:
        return stored_design(store, text)
    except SeveralMultipliersError:
        raise
    except UnknownDesignError:
        names = [summary["name"] for summary in Catalogue(store).summaries()]
        near = difflib.get_close_matches(text.partition(":")[0], [*FAMILIES, *names], n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        if _PUBLISHED.match(text):
            hint = f": of EvoApproxLib axhw knows {', '.join(CIRCUITS)}, and `axhw import` takes other circuits' files"
        if Path(text).is_file():
            hint = ": `axhw import` makes a design of a file"
        raise AxhwError(
            f"Expected a multiplier family out of {', '.join(FAMILIES)}, or the name or key of a design (see "
            f"`axhw ls`), found {text!r}{hint}."
        ) from None


def _made_by(record: DesignRecord, flow: Flow) -> bool:
    """Whether a shipped record, made under the usual conditions, is what the flow would make."""
    made = (record.circuit_cost.library_sha256, record.circuit_cost.engine, Conditions())
    return made == (flow.library.cells.sha256, str(flow.engine), flow.conditions)


def _own_cells(record: DesignRecord | None, library: LibrarySource) -> Synthesis | None:
    """The netlist that an imported design came with, if it is for this library."""
    if record is None or record.cost is None or record.cost.library_sha256 != library.cells.sha256:
        return None
    imported = record.provenance.imported
    if imported is None or not imported.get("own_cells"):
        return None
    verilog, netlist = (record.read(name).decode() for name in ("netlist.v", "netlist.json"))
    return Synthesis(
        name=record.name,
        engine=record.cost.engine,
        rtl_verilog=record.read("design.v").decode(),
        netlist_verilog=verilog,
        netlist_json=netlist,
        seconds=0.0,
    )


def _origin(record: DesignRecord) -> dict[str, Any] | None:
    """Where an imported design comes from, as `characterize` takes it."""
    imported = record.provenance.imported
    return None if imported is None else {key: value for key, value in imported.items() if key != "own_cells"}
