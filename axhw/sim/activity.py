"""How often the nets of a design switch over a stream of operands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.synth.netlist import GateGraph, Netlist

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Mode = Literal["zero-delay", "inertial", "transport"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Activity:
    """Transitions of every net over a stream of ``pairs + 1`` vectors.

    Attributes
    ----------
    rise, fall : (net_count,) int64 arrays
        Transitions to 1 and to 0, summed over all pairs of consecutive vectors.
    pairs : int
        Number of operations: pairs of consecutive vectors.
    mode : {"zero-delay", "inertial", "transport"}
        Without delays a net switches at most once per pair; inertial and transport are the two delay
        models of `axhw.sim.timed`.
    one_probability : (net_count,) float64 array
        Share of the ``pairs + 1`` settled states in which the net is 1.
    """

    rise: IntArray
    fall: IntArray
    pairs: int
    mode: Mode
    one_probability: FloatArray

    @property
    def transitions(self) -> IntArray:
        """(net_count,) transitions of either direction."""
        return self.rise + self.fall


def source_values(netlist: Netlist, graph: GateGraph, operands: Mapping[str, npt.ArrayLike]) -> npt.NDArray[np.uint8]:
    """Bits of a stream of operands on the source nets of a combinational design.

    Parameters
    ----------
    operands : mapping of input port to (vectors,) integer array
        Negative values are taken in two's complement of the port's width.

    Returns
    -------
    (vectors, sources) uint8 array of 0 and 1, columns as ``graph.sources``.

    Raises
    ------
    AxhwError
        If ports are missing or unknown, streams differ in length or a value does not fit its port.
    """
    if set(operands) != set(netlist.inputs):
        raise AxhwError(
            f"Expected operands for the input ports {sorted(netlist.inputs)} of {netlist.name}, "
            f"found {sorted(operands)}."
        )
    bits: dict[int, npt.NDArray[np.uint8]] = {}
    lengths = set()
    for port, nets in netlist.inputs.items():
        values = np.asarray(operands[port])
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
            raise AxhwError(
                f"Expected a one-dimensional integer array for port {port}, "
                f"found shape {values.shape} of {values.dtype}."
            )
        lengths.add(len(values))
        width = len(nets)
        if len(values) and not (-(1 << (width - 1)) <= int(values.min()) and int(values.max()) < 1 << width):
            raise AxhwError(
                f"Expected operands of {width} bits for port {port}, "
                f"found values from {values.min()} to {values.max()}."
            )
        for position, net in enumerate(nets):
            bits[net] = ((values >> position) & 1).astype(np.uint8)
    if len(lengths) != 1:
        raise AxhwError(f"Expected operand streams of one length, found lengths {sorted(lengths)}.")
    missing = [int(net) for net in graph.sources if int(net) not in bits]
    if missing:
        raise AxhwError(
            f"Expected a combinational design for operand streams, found {len(missing)} flip-flop outputs in "
            f"{netlist.name}: give the values of every source net instead."
        )
    return np.stack([bits[int(net)] for net in graph.sources], axis=1)


def zero_delay_activity(values: npt.NDArray[np.uint64], *, vectors: int) -> Activity:
    """Activity of a stream whose settled values are known, glitches left out.

    Parameters
    ----------
    values : (net_count, words) uint64 array
        Bit i of word w is the net's value under vector 64 * w + i.
    vectors : int
        Length of the stream; later bits are ignored.

    Raises
    ------
    AxhwError
        If there are fewer than two vectors or fewer words than they need.
    """
    words = (vectors + 63) // 64
    if vectors < 2 or values.ndim != 2 or values.shape[1] < words:
        raise AxhwError(
            f"Expected at least two vectors and one 64-bit word per 64 of them, found {vectors} vectors in values "
            f"of shape {values.shape}."
        )
    now = values[:, :words]
    following = now >> np.uint64(1)
    following[:, :-1] |= now[:, 1:] << np.uint64(63)
    last = _low_bits(vectors, words)
    # Bit i compares vector i with vector i + 1, so the last vector has no bit of its own.
    steps = _low_bits(vectors - 1, words)
    return Activity(
        rise=_ones(~now & following & steps),
        fall=_ones(now & ~following & steps),
        pairs=vectors - 1,
        mode="zero-delay",
        one_probability=_ones(now & last) / vectors,
    )


def _low_bits(count: int, words: int) -> npt.NDArray[np.uint64]:
    bits = np.clip(count - 64 * np.arange(words), 0, 64)
    mask = [(1 << int(bit)) - 1 for bit in bits]
    return np.array(mask, np.uint64)


def _ones(values: npt.NDArray[np.uint64]) -> IntArray:
    """Set bits in each row, by adding neighbouring fields of 1, 2, 4 and 8 bits (numpy 1 has no popcount)."""
    pairs = values - ((values >> np.uint64(1)) & np.uint64(0x5555_5555_5555_5555))
    low_pairs = np.uint64(0x3333_3333_3333_3333)
    nibbles = (pairs & low_pairs) + ((pairs >> np.uint64(2)) & low_pairs)
    octets = (nibbles + (nibbles >> np.uint64(4))) & np.uint64(0x0F0F_0F0F_0F0F_0F0F)
    counts = (octets * np.uint64(0x0101_0101_0101_0101)) >> np.uint64(56)
    result: IntArray = counts.sum(axis=1, dtype=np.int64)
    return result
