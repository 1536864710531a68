"""Numbers for readers: as many decimals as the smallest one needs, the same for a whole column."""

from __future__ import annotations

import math
from collections.abc import Iterable

MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
MISSING = "\N{EN DASH}"

_MOST_DECIMALS = 5
_FIRST_WITH_COMMA = 10_000


def decimals_for(values: Iterable[float], *, digits: int = 3) -> int:
    """Decimals that show the smallest value that is not 0 with so many significant digits, fewer if they show all.

    >>> decimals_for([1859.8, 627.6]), decimals_for([0.0, 0.0187, 0.406]), decimals_for([-0.25, 12.0])
    (0, 4, 2)
    """
    finite = [value for value in values if math.isfinite(value)]
    magnitudes = [abs(value) for value in finite if value]
    if not magnitudes:
        return 0
    most = min(max(digits - 1 - math.floor(math.log10(min(magnitudes))), 0), _MOST_DECIMALS)
    return next((fewer for fewer in range(most) if all(round(value, fewer) == value for value in finite)), most)


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with a typographic minus and, from 10,000 on, commas.

    A value too small for the decimals is written in scientific notation, and so is one of which the most decimals there
    are would show one digit only. One that is not finite is a dash.

    >>> fixed(1859.806, 1), fixed(65536, 0), fixed(3.75, 2, signed=True)
    ('1859.8', '65,536', '+3.75')
    """
    if not math.isfinite(value):
        return MISSING
    plus = "+" if signed and value else ""
    rounded = round(value, decimals)
    if value and (not rounded or (decimals >= _MOST_DECIMALS and abs(value) < 10.0 ** (1 - decimals))):
        text = f"{value:{plus}.1e}"
    else:
        comma = "," if abs(rounded) >= _FIRST_WITH_COMMA else ""
        # Adding 0 turns a negative 0 into 0.
        text = f"{rounded + 0.0:{plus}{comma}.{decimals}f}"
    return text.replace("-", MINUS)


def ratio(value: float) -> str:
    """A ratio with two decimals and a multiplication sign."""
    return fixed(value, 2) + TIMES if math.isfinite(value) else MISSING


def accuracy_decimals(images: int) -> int:
    """Decimals of a percentage that tell one image from none.

    >>> accuracy_decimals(500), accuracy_decimals(10_000)
    (1, 2)
    """
    return max(math.ceil(math.log10(max(images, 1))) - 2, 0)
