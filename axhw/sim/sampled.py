"""Verification and metrics of multipliers too wide for a product table, from corner and random operand pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.bits import VECTORS_PER_WORD, Words, pack_operands, unpack_product
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.bitparallel import evaluate, port_words
from axhw.sim.metrics import ErrorMetrics, factor_moments, sampled_metrics
from axhw.sim.product_table import output_port
from axhw.synth.netlist import GateGraph, Netlist

IntegerArray = npt.NDArray[np.int64]

RANDOM_PAIRS = 1 << 20
# 128 Ki pairs: 16 KiB a net keeps some thousand nets in 30 MB, and numpy's call overhead at a few per cent.
_CHUNK_PAIRS = 1 << 17


@dataclass(frozen=True, kw_only=True)
class SampledVerification:
    """A multiplier that agrees with its golden model wherever it was looked at.

    Attributes
    ----------
    pairs : int
        Pairs compared, corners and random ones.
    corner_pairs : int
    metrics : ErrorMetrics
        Of the random pairs alone; bias, mse and variance are exact where the family has factors.
    """

    pairs: int
    corner_pairs: int
    metrics: ErrorMetrics


def verify_sampled(
    netlist: Netlist,
    graph: GateGraph,
    spec: MultiplierSpec,
    *,
    seed: int,
    pairs: int = RANDOM_PAIRS,
) -> SampledVerification:
    """Compare a mapped multiplier with its golden model over corner pairs and uniform random pairs.

    Parameters
    ----------
    netlist : Netlist
        Combinational, with ports a, b -> o.
    graph : GateGraph
        Of the same netlist.
    spec : MultiplierSpec
    seed : int
        Of the random pairs.
    pairs : int
        Random pairs.

    Raises
    ------
    VerificationError
        Naming the first pair that differs.
    AxhwError
        If the ports are others, or there are fewer than two pairs.
    """
    if pairs < 2:
        raise AxhwError(f"Expected at least 2 random pairs to verify {spec.name} with, found {pairs}.")
    output = output_port(netlist, spec)
    low, high = spec.operand_range
    corners = corner_operands(spec)
    a, b = np.random.default_rng(seed).integers(low, high, (2, pairs), endpoint=True)
    a = np.concatenate([np.repeat(corners, len(corners)), a])
    b = np.concatenate([np.tile(corners, len(corners)), b])
    products = np.empty(len(a), np.int64)
    nets: Words | None = None
    for start in range(0, len(a), _CHUNK_PAIRS):
        chunk = slice(start, min(start + _CHUNK_PAIRS, len(a)))
        count = chunk.stop - start
        words = -(-count // VECTORS_PER_WORD)
        stimulus = port_words(
            netlist, {"a": pack_operands(a[chunk], spec.width), "b": pack_operands(b[chunk], spec.width)}
        )
        nets = evaluate(graph, stimulus, out=nets if nets is not None and nets.shape[1] == words else None)
        products[chunk] = unpack_product(nets[output], signed=spec.signed, count=count)
        golden = spec.reference(a[chunk], b[chunk])
        wrong = np.flatnonzero(products[chunk] != golden)
        if len(wrong):
            first = int(wrong[0])
            raise VerificationError(
                f"Expected {spec.name} to equal its golden model, found {len(wrong)} of {count} pairs that differ, the "
                f"first being a = {a[start + first]}, b = {b[start + first]}: the netlist gives "
                f"{products[start + first]}, the golden model {golden[first]}."
            )
    random = slice(len(corners) ** 2, None)
    factors = spec.factors()
    metrics = sampled_metrics(
        products[random],
        a[random] * b[random],
        width=spec.width,
        signed=spec.signed,
        moments=None if factors is None else factor_moments(factors, spec.operand_codes()),
    )
    return SampledVerification(pairs=len(a), corner_pairs=len(corners) ** 2, metrics=metrics)


def corner_operands(spec: MultiplierSpec) -> IntegerArray:
    """Operands at which carries, signs and recodings go wrong first, in increasing order.

    The bit patterns are all zeros and ones, a single one and a single zero at every position, runs of ones from
    either end, and alternating bits in ones, twos and fours.
    """
    width = spec.width
    mask = (1 << width) - 1
    patterns = {0, mask}
    for bit in range(width):
        patterns |= {1 << bit, mask ^ 1 << bit, (1 << bit) - 1, mask ^ ((1 << bit) - 1)}
    for run in (1, 2, 4):
        block = sum(1 << bit for bit in range(width) if bit // run % 2 == 0)
        patterns |= {block, mask ^ block}
    codes = np.array(sorted(patterns), np.int64)
    if spec.signed:
        codes = np.sort(np.where(codes >> (width - 1) == 1, codes - (1 << width), codes))
    return codes
