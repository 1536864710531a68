"""The designs that a search may choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from axhw.errors import AxhwError
from axhw.evaluation import eight_bit_table
from axhw.hdl.registry import describe, restore
from axhw.hdl.spec import MultiplierSpec
from axhw.nn.operand_statistics import FloatArray
from axhw.record import DesignRecord
from axhw.sim.product_table import ProductTable, kind


@dataclass(frozen=True, kw_only=True)
class DesignReference:
    """A design as an assignment names it.

    Attributes
    ----------
    name : str
    key : str
        Of its record in the store it came from.
    table_sha256 : str
        Digest of its product table: what it computes.
    spec : mapping
        As `axhw.hdl.registry.describe` gives it, so that it can be made again.
    """

    name: str
    key: str
    table_sha256: str
    spec: Mapping[str, Any]

    @classmethod
    def of(cls, record: DesignRecord) -> DesignReference:
        """That of a record."""
        return cls(
            name=record.name,
            key=record.key,
            table_sha256=eight_bit_table(record).sha256,
            spec=describe(record.spec),
        )

    def multiplier(self) -> MultiplierSpec:
        """What it can be made of again.

        Raises
        ------
        AxhwError
            If it is no multiplier.
        """
        spec = restore(self.spec)
        if not isinstance(spec, MultiplierSpec):
            raise AxhwError(f"Expected multipliers in an assignment, found {self.name}.")
        return spec

    def check(self, table: ProductTable) -> None:
        """Refuse products that are not those it had.

        Raises
        ------
        AxhwError
        """
        if table.sha256 != self.table_sha256:
            raise AxhwError(
                f"Expected {self.name} with the product table {self.table_sha256[:12]}, found "
                f"{table.sha256[:12]}: the assignment was made with another version of that design, search again."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Palette:
    """Designs by number, as the ids of assignments mean them.

    Attributes
    ----------
    records : tuple of DesignRecord
        8-bit multipliers of one signedness with circuits measured in one library, each table once.

    Raises
    ------
    AxhwError
        For other designs.
    """

    records: tuple[DesignRecord, ...]

    def __post_init__(self) -> None:
        if not self.records:
            raise AxhwError("Expected at least one design to choose from, found none.")
        first = self.records[0]
        for record in self.records:
            eight_bit_table(record)
            if record.multiplier.signed != first.multiplier.signed:
                raise AxhwError(
                    f"Expected {kind(first.multiplier.signed)} multipliers like {first.name}, found "
                    f"{kind(record.multiplier.signed)} operands in {record.name}."
                )
            if record.circuit_cost.library_sha256 != first.circuit_cost.library_sha256:
                raise AxhwError(
                    f"Expected designs measured in one library, found {first.circuit_cost.library} for {first.name} "
                    f"and {record.circuit_cost.library} for {record.name}."
                )

    @classmethod
    def of(cls, records: Iterable[DesignRecord]) -> Palette:
        """The designs, the one of least energy among those that compute the same, from the highest energy down."""
        cheapest: dict[str, DesignRecord] = {}
        for record in records:
            table = eight_bit_table(record).sha256
            known = cheapest.get(table)
            if known is None or record.circuit_cost.energy_fj < known.circuit_cost.energy_fj:
                cheapest[table] = record
        ordered = sorted(cheapest.values(), key=lambda record: (-record.circuit_cost.energy_fj, record.name))
        return cls(records=tuple(ordered))

    def __len__(self) -> int:
        return len(self.records)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(record.name for record in self.records)

    @property
    def signed(self) -> bool:
        """Whether operands are signed."""
        return self.records[0].multiplier.signed

    @cached_property
    def tables(self) -> tuple[ProductTable, ...]:
        return tuple(eight_bit_table(record) for record in self.records)

    @cached_property
    def references(self) -> tuple[DesignReference, ...]:
        return tuple(DesignReference.of(record) for record in self.records)

    @cached_property
    def energies_fj(self) -> FloatArray:
        """Energy of a multiplication of uniform random operands, shape (designs,)."""
        return np.array([record.circuit_cost.energy_fj for record in self.records])

    @cached_property
    def exact(self) -> int:
        """The exact design of least energy.

        Raises
        ------
        AxhwError
            Without an exact design.
        """
        exact = [number for number, table in enumerate(self.tables) if table.is_exact]
        if not exact:
            raise AxhwError(f"Expected an exact multiplier among the designs, found none in {_some(self.names)}.")
        return min(exact, key=lambda number: float(self.energies_fj[number]))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} others" if len(names) > 5 else shown
