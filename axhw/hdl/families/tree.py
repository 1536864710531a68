"""What every family that sums partial products has in common: the choice of tree and final adder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axhw.errors import AxhwError
from axhw.hdl.bit_heap import TREES, Tree
from axhw.hdl.prefix import ADDERS, Adder
from axhw.hdl.spec import MultiplierSpec, parameter


@dataclass(frozen=True, kw_only=True)
class TreeMultiplierSpec(MultiplierSpec):
    """A multiplier that sums partial products.

    Attributes
    ----------
    tree : {"dadda", "wallace", "array"}
        Dadda compresses as late as the depth allows (fewest adders), Wallace as early as possible,
        array one row after the other (linear depth, as in a carry-save array).
    adder : {"ripple", "brent_kung", "sklansky", "kogge_stone"}
        The carry-propagate adder of the last two rows.
    """

    tree: Tree = parameter("dadda", help="reduction of partial products: dadda, wallace or array")
    adder: Adder = parameter("brent_kung", help="final adder: ripple, brent_kung, sklansky or kogge_stone")

    def validate(self) -> None:
        require_choice("tree", self.tree, TREES)
        require_choice("adder", self.adder, ADDERS)

    def parameters(self) -> dict[str, Any]:
        """The family's parameters, the implementation's tree and adder last."""
        own = super().parameters()
        return {key: own[key] for key in own if key not in ("tree", "adder")} | {"tree": self.tree, "adder": self.adder}


def require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not one of `choices`."""
    if value not in choices:
        raise AxhwError(f"Expected {name} to be one of {', '.join(choices)}, found {value!r}.")


def require_range(name: str, value: object, low: int, high: int, *, family: str, width: int) -> None:
    """Refuse anything but an integer from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise AxhwError(
            f"Expected {name} from {low} to {high} for {family} with {width}-bit operands, found {value!r}."
        )
