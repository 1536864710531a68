"""A systolic array whose columns hold different multipliers: a column computes the filters of one type."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

from axhw.errors import AxhwError
from axhw.hdl.pe.systolic import DEFAULT_TERMS, SystolicSpec
from axhw.hdl.spec import MultiplierSpec


@dataclass(frozen=True, kw_only=True)
class MixedSystolicSpec(SystolicSpec):
    """A weight-stationary array with a multiplier for every column; ports and timing are those of `SystolicSpec`.

    Attributes
    ----------
    multiplier : MultiplierSpec
        Of the first column, from the left.
    others : tuple of MultiplierSpec
        Of the other columns, with operands as the first; `columns` counts all.
    """

    kind: ClassVar[str] = "mixed"

    others: tuple[MultiplierSpec, ...] = ()

    @classmethod
    def of(
        cls, multipliers: tuple[MultiplierSpec, ...], *, rows: int = 4, terms: int = DEFAULT_TERMS
    ) -> MixedSystolicSpec:
        """The array with these multipliers in its columns, from the left."""
        if not multipliers:
            raise AxhwError("Expected a multiplier for every column of a mixed array, found none.")
        return cls(multiplier=multipliers[0], others=multipliers[1:], rows=rows, columns=len(multipliers), terms=terms)

    def validate(self) -> None:
        super().validate()
        first = self.multiplier
        if len(self.others) != self.columns - 1:
            raise AxhwError(
                f"Expected a multiplier for each of the {self.columns} columns of a mixed array, found "
                f"{1 + len(self.others)}."
            )
        for other in self.others:
            if not isinstance(other, MultiplierSpec):
                raise AxhwError(f"Expected a multiplier spec for every column of a mixed array, found {other!r}.")
            if (other.width, other.signed) != (first.width, first.signed):
                raise AxhwError(
                    f"Expected operands as those of {first.name} in every column of a mixed array, found {other.name}."
                )

    @property
    def column_multipliers(self) -> tuple[MultiplierSpec, ...]:
        return (self.multiplier, *self.others)

    @property
    def types(self) -> tuple[MultiplierSpec, ...]:
        """The different multipliers, in the order of their first columns."""
        return tuple(dict.fromkeys(self.column_multipliers))

    def columns_of(self, multiplier: MultiplierSpec) -> tuple[int, ...]:
        """The columns with this multiplier."""
        return tuple(column for column, own in enumerate(self.column_multipliers) if own == multiplier)

    def parameters(self) -> dict[str, Any]:
        """The array's own parameters by name, without the multipliers."""
        return {name: value for name, value in super().parameters().items() if name != "others"}

    @property
    def name(self) -> str:
        """Runs of equal columns from the left, e.g. ``exact8s_x2_roup8s_p2_r3_x2_sa4x4``."""
        runs = [(own.name, len(list(group))) for own, group in itertools.groupby(self.column_multipliers)]
        columns = "_".join(name if count == 1 else f"{name}_x{count}" for name, count in runs)
        return columns + super().name.removeprefix(self.multiplier.name)
