"""Carry-propagate adders: ripple carry and parallel-prefix networks over (generate, propagate) pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from amaranth.hdl import Const, Module, Signal, Value

Adder = Literal["ripple", "brent_kung", "sklansky", "kogge_stone"]
ADDERS: tuple[Adder, ...] = get_args(Adder)

Pair = tuple[Value, Value]
Network = Callable[[Module, list[Pair]], list[Pair]]


def add_rows(m: Module, first: Sequence[Value], second: Sequence[Value | None], *, adder: Adder) -> list[Value]:
    """Add two rows of bits of equal length modulo ``2**len(first)``.

    Parameters
    ----------
    first, second : bits, least significant first
        None in `second` stands for a bit that does not exist; below the first real bit the sum
        is wired through.
    adder : {"ripple", "brent_kung", "sklansky", "kogge_stone"}

    Returns
    -------
    list of bits, least significant first
    """
    start = next((i for i, bit in enumerate(second) if bit is not None), len(first))
    propagate: list[Value] = []
    pairs: list[Pair] = []
    for x, y in zip(first[start:], second[start:]):
        g, p = Signal(name="g"), Signal(name="p")
        other = Const(0, 1) if y is None else y
        m.d.comb += [g.eq(x & other), p.eq(x ^ other)]
        propagate.append(p)
        pairs.append((g, p))
    # The carry out of the last bit leaves the sum, so the network covers all bits but that one.
    carries = [g for g, _ in _NETWORKS[adder](m, pairs[:-1])]
    return [*first[:start], *propagate[:1], *(p ^ c for p, c in zip(propagate[1:], carries))]


def _combine(m: Module, high: Pair, low: Pair) -> Pair:
    """The prefix operator: (g, p) o (g', p') = (g | p g', p p')."""
    g, p = Signal(name="gg"), Signal(name="pp")
    m.d.comb += [g.eq(high[0] | (high[1] & low[0])), p.eq(high[1] & low[1])]
    return g, p


def _ripple(m: Module, pairs: list[Pair]) -> list[Pair]:
    """n - 1 operators, depth n - 1."""
    prefixes = pairs[:1]
    for pair in pairs[1:]:
        prefixes.append(_combine(m, pair, prefixes[-1]))
    return prefixes


def _sklansky(m: Module, pairs: list[Pair]) -> list[Pair]:
    """Depth log2 n with fan-out up to n / 2 (Sklansky 1960)."""
    prefixes = list(pairs)
    span = 1
    while span < len(prefixes):
        for i in range(len(prefixes)):
            if i & span:
                prefixes[i] = _combine(m, prefixes[i], prefixes[(i | (span - 1)) - span])
        span *= 2
    return prefixes


def _kogge_stone(m: Module, pairs: list[Pair]) -> list[Pair]:
    """Depth log2 n, fan-out 2, n log2 n operators (Kogge and Stone 1973)."""
    prefixes = list(pairs)
    span = 1
    while span < len(prefixes):
        prefixes = [_combine(m, pair, prefixes[i - span]) if i >= span else pair for i, pair in enumerate(prefixes)]
        span *= 2
    return prefixes


def _brent_kung(m: Module, pairs: list[Pair]) -> list[Pair]:
    """Depth 2 log2 n - 1 with fewer than 2n operators (Brent and Kung 1982)."""
    prefixes = list(pairs)
    count = len(prefixes)
    span = 1
    while span < count:
        for i in range(2 * span - 1, count, 2 * span):
            prefixes[i] = _combine(m, prefixes[i], prefixes[i - span])
        span *= 2
    while span > 1:
        span //= 2
        for i in range(3 * span - 1, count, 2 * span):
            prefixes[i] = _combine(m, prefixes[i], prefixes[i - span])
    return prefixes


_NETWORKS: dict[Adder, Network] = {
    "ripple": _ripple,
    "brent_kung": _brent_kung,
    "sklansky": _sklansky,
    "kogge_stone": _kogge_stone,
}
