"""Numbers for readers: as many decimals as the smallest one needs, the same for a whole column."""

from __future__ import annotations

import math
from collections.abc import Iterable

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"

_DIGITS = 3
_MOST_DECIMALS = 5


def decimals_for(values: Iterable[float]) -> int:
    """Decimals that show the smallest value that is not 0 with three significant digits; 0 to 5.

    >>> decimals_for([1859.8, 627.6]), decimals_for([0.0, 0.0187, 0.406])
    (0, 4)
    """
    magnitudes = [abs(value) for value in values if math.isfinite(value) and value]
    if not magnitudes:
        return 0
    return min(max(_DIGITS - 1 - math.floor(math.log10(min(magnitudes))), 0), _MOST_DECIMALS)


def fixed(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """A number with a typographic minus; a value too small for the decimals in scientific notation.

    >>> fixed(1859.806, 1), fixed(3.75, 2, signed=True), fixed(None, 0)
    ('1859.8', '+3.75', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    rounded = round(value, decimals) + 0.0
    if value and not rounded:
        text = f"{value:{'+' if signed else ''}.1e}"
    else:
        text = f"{rounded:{'+' if signed and rounded else ''}.{decimals}f}"
    return text.replace("-", MINUS)


def ratio(value: float) -> str:
    """A ratio with a multiplication sign.

    >>> ratio(0.3374)
    '0.34×'
    """
    return f"{fixed(value, 2)}\N{MULTIPLICATION SIGN}" if math.isfinite(value) else MISSING


def accuracy_decimals(images: int) -> int:
    """Decimals of a percentage that tell one image from none.

    >>> accuracy_decimals(500), accuracy_decimals(10_000)
    (1, 2)
    """
    return max(math.ceil(math.log10(max(images, 1))) - 2, 0)
