"""Whether a multiplier was read as it was meant: no other reading of its bits may be plainly better.

The mean distance to the exact products, relative to their mean magnitude, tells: it is small for the right reading of
anything that is a multiplier, and about 1 or more for the others. A circuit without a good reading is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.bits import IntegerArray, exhaustive_words, pack_operands, unpack_product
from axhw.hdl.gates import GateNetlist

BitFunction = Callable[[IntegerArray, IntegerArray], IntegerArray]
"""The product's bits, as an integer from 0, for the bits of a and b, as integers from 0."""

_PAIRS = 1 << 14
_SEED = 1
# Another reading is better if it leaves less than half of what the stated one leaves, and is none of chance. Other
# orders of bits have to fit better still: some of them do a little for what is wrong in all, as a product cut off.
_MISREAD = 0.5
_FITS = 0.4
_WORTHLESS = 0.9


@dataclass(frozen=True)
class BitOrders:
    """In which order the bits of a circuit were taken: what --operand-bits and --product-bits say."""

    operands_msb: bool = False
    product_msb: bool = False


def check_reading(
    function: BitFunction, *, width: int, signed: bool, where: str, orders: BitOrders | None = None
) -> None:
    """Refuse products that are plainly those of other operands than stated.

    Parameters
    ----------
    function : callable
    width : int
        Bits of each operand.
    signed : bool
        As stated.
    where : str
        The circuit or table, for messages.
    orders : BitOrders, optional
        Of a circuit, so that the advice can be to take the other one; tables have none.

    Raises
    ------
    AxhwError
        Naming the reading that fits, or saying that none does.
    """
    rng = np.random.default_rng(_SEED)
    a, b = rng.integers(0, 1 << width, (2, _PAIRS))
    distances: dict[tuple[bool, bool, bool], float] = {}
    for operand_msb, product_msb in itertools.product((False, True), repeat=2):
        codes = [reverse_bits(x, width) if operand_msb else x for x in (a, b)]
        products = function(codes[0], codes[1])
        if product_msb:
            products = reverse_bits(products, 2 * width)
        for sign in (False, True):
            values = as_integers(products, bits=2 * width, signed=sign)
            exact = as_integers(a, bits=width, signed=sign) * as_integers(b, bits=width, signed=sign)
            distances[sign, operand_msb, product_msb] = _distance(values, exact)
    stated = (signed, False, False)
    best = min(distances, key=lambda reading: (distances[reading], reading != stated))
    most = _FITS if any(best[1:]) else _MISREAD
    if best != stated and distances[best] < min(most, _MISREAD * distances[stated]):
        raise AxhwError(_advice(where, stated=stated, best=best, distances=distances, orders=orders))
    _check_quadrants(function, width=width, signed=signed, where=where)
    if distances[stated] >= _WORTHLESS:
        raise AxhwError(
            f"Expected products of {_kind(signed)} operands in {where}, found values with a mean error of "
            f"{distances[stated]:.2g} times the mean exact product, hardly better than a constant 0, and no better "
            "ones in another order of bits or signedness: is the product cut off, or one operand signed and the other "
            "not?"
        )


def circuit_function(circuit: GateNetlist) -> BitFunction:
    """The products of a circuit whose inputs are a and then b."""
    width = circuit.inputs // 2

    def products(a: IntegerArray, b: IntegerArray) -> IntegerArray:
        words = np.concatenate([pack_operands(x, width) for x in (a, b)])
        return unpack_product(circuit.evaluate(words), signed=False, count=len(a))

    return products


def product_codes(circuit: GateNetlist) -> IntegerArray:
    """The products' bits for all bits of a and b, shape (2**width, 2**width)."""
    width = circuit.inputs // 2
    counter = exhaustive_words(circuit.inputs)
    outputs = circuit.evaluate([*counter[width:], *counter[:width]])
    return unpack_product(outputs, signed=False, count=1 << circuit.inputs).reshape(1 << width, -1)


def as_integers(codes: IntegerArray, *, bits: int, signed: bool) -> IntegerArray:
    """Integers from their bits."""
    return np.where(codes >> (bits - 1) == 1, codes - (1 << bits), codes) if signed else codes


def reverse_bits(values: IntegerArray, bits: int) -> IntegerArray:
    """The same bits, the most significant first."""
    result = np.zeros_like(values)
    for bit in range(bits):
        result |= (values >> bit & 1) << (bits - 1 - bit)
    return result


def _check_quadrants(function: BitFunction, *, width: int, signed: bool, where: str) -> None:
    """Refuse signed products of the wrong sign in a quadrant, such as tables made of magnitudes have them."""
    if not signed:
        return
    half = 1 << (width - 1)
    rng = np.random.default_rng(_SEED)
    for signs in itertools.product((1, -1), repeat=2):
        # Small operands round to 0 in many multipliers, which has no sign.
        a, b = (sign * rng.integers(half // 4, half, _PAIRS // 4) for sign in signs)
        values = as_integers(function(a % (2 * half), b % (2 * half)), bits=2 * width, signed=True)
        right, wrong = _distance(values, a * b), _distance(values, -a * b)
        if wrong < _MISREAD * min(1.0, right):
            words = ["positive" if sign > 0 else "negative" for sign in signs]
            raise AxhwError(
                f"Expected products of the right sign in {where}, found {words[0]} times {words[1]} operands with the "
                "opposite one: it was made wrongly, as tables of magnitudes are."
            )


def _distance(values: IntegerArray, exact: IntegerArray) -> float:
    magnitude = float(np.abs(exact).mean())
    return float(np.abs(values - exact).mean()) / magnitude if magnitude else np.inf


def _advice(
    where: str,
    *,
    stated: tuple[bool, bool, bool],
    best: tuple[bool, bool, bool],
    distances: Mapping[tuple[bool, bool, bool], float],
    orders: BitOrders | None,
) -> str:
    """The sentence that names the options of the reading that fits."""
    signed, operand_msb, product_msb = best
    found, options = [], []
    if signed != stated[0]:
        found.append(f"{_kind(signed)} operands")
        options.append("--signed" if signed else "--unsigned")
    taken = orders or BitOrders()
    for option, what, reverse, msb in (
        ("operand", "operands", operand_msb, taken.operands_msb),
        ("product", "product", product_msb, taken.product_msb),
    ):
        if reverse:
            found.append(f"the {what} from the {'least significant bit up' if msb else 'most significant bit down'}")
            options += [f"--{option}-bits {'lsb' if msb else 'msb'}"] if orders is not None else []
    advice = f": say {' '.join(options)}" if options else ""
    errors = f"{100 * distances[best]:.2g} % of the mean product instead of {100 * distances[stated]:.3g} %"
    return (
        f"Expected the products of {_kind(stated[0])} operands in {where}, found ones that fit {' and '.join(found)} "
        f"(mean error {errors}){advice}."
    )


def _kind(signed: bool) -> str:
    return "signed" if signed else "unsigned"


def table_function(codes: IntegerArray) -> BitFunction:
    """The products of a table of their bits, by the bits of a and b."""

    def products(a: IntegerArray, b: IntegerArray) -> IntegerArray:
        found: IntegerArray = codes[a, b]
        return found

    return products
