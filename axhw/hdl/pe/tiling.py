"""How a matrix product runs through a weight-stationary array, and how busy that keeps it.

A product [m, k] x [k, n] is cut into tiles of `rows` of k and `columns` of n. A tile's weights stay in the array while
all m activation vectors pass; the sums of one k tile come back to the top for the next, as many times as `terms` has
room for, and are added up outside beyond that. The next tile follows max(m, rows) cycles behind:
the weight bus of a column serves one row a cycle, and a sum needs `rows` cycles to come back. Then

    cycles = (tiles - 1) * max(m, rows) + m - 1 + rows + columns
    utilisation = m * k * n / (rows * columns * cycles)

where the last two terms of `cycles` fill and drain the array. Loading costs nothing of its own if m >= rows: a wave
carries the new weights together with the tile's first vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.pe.element import BoolArray
from axhw.hdl.pe.systolic import SystolicSpec, Value
from axhw.hdl.spec import IntegerArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Waves:
    """What enters an array, by wave and without skew; numbers may have one more axis, streams side by side.

    Attributes
    ----------
    a : (waves, rows, ...) int64
    weights : (waves, rows, columns, ...) int64
        Counts where `load` is set.
    s_i : (waves, columns, ...) int64
    valid, load : (waves,) bool
    """

    a: IntegerArray
    weights: IntegerArray
    s_i: IntegerArray
    valid: BoolArray
    load: BoolArray

    @classmethod
    def empty(cls, spec: SystolicSpec, waves: int, *, streams: tuple[int, ...] = ()) -> Waves:
        """Waves that carry nothing, to be filled in."""
        return cls(
            a=np.zeros((waves, spec.rows, *streams), np.int64),
            weights=np.zeros((waves, spec.rows, spec.columns, *streams), np.int64),
            s_i=np.zeros((waves, spec.columns, *streams), np.int64),
            valid=np.zeros(waves, np.bool_),
            load=np.zeros(waves, np.bool_),
        )

    @classmethod
    def side_by_side(cls, streams: Sequence[Waves]) -> Waves:
        """Streams with the same `valid` and `load` as one."""
        a, weights, s_i = (
            np.stack([getattr(each, name) for each in streams], axis=-1) for name in ("a", "weights", "s_i")
        )
        return cls(a=a, weights=weights, s_i=s_i, valid=streams[0].valid, load=streams[0].load)


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayPorts:
    """Inputs of an array by cycle, skewed as `SystolicSpec.simulate` takes them."""

    a: IntegerArray
    w: IntegerArray
    s_i: IntegerArray
    valid: BoolArray
    load: BoolArray


def skewed(spec: SystolicSpec, waves: Waves) -> ArrayPorts:
    """The waves on the ports, until the last sum has come out. The weight bus rests between loads.

    Raises
    ------
    AxhwError
        If two loads are closer than `rows` waves.
    """
    count = len(waves.valid)
    cycles = count + spec.rows + spec.columns
    loads = np.flatnonzero(waves.load)
    if len(loads) > 1 and int(np.diff(loads).min()) < spec.rows:
        raise AxhwError(
            f"Expected loads of {spec.name} at least {spec.rows} waves apart, found {int(np.diff(loads).min())}."
        )
    streams = waves.a.shape[2:]
    a = np.zeros((cycles, spec.rows, *streams), np.int64)
    w = np.zeros((cycles, spec.columns, *streams), np.int64)
    s_i = np.zeros((cycles, spec.columns, *streams), np.int64)
    valid, load = np.zeros((2, cycles), np.bool_)
    valid[:count], load[:count] = waves.valid, waves.load
    for row in range(spec.rows):
        a[row : row + count, row] = waves.a[:, row]
    for column in range(spec.columns):
        s_i[1 + column : 1 + column + count, column] = waves.s_i[:, column]
        for number, wave in enumerate(loads):
            start = wave + column
            stop = loads[number + 1] + column if number + 1 < len(loads) else cycles
            w[start : start + spec.rows, column] = waves.weights[wave, :, column]
            w[start + spec.rows : stop, column] = waves.weights[wave, -1, column]
    return ArrayPorts(a=a, w=w, s_i=s_i, valid=valid, load=load)


def gathered(spec: SystolicSpec, outputs: npt.NDArray[Value], *, waves: int) -> npt.NDArray[Value]:
    """The outputs of each wave out of ``(cycles, columns, ...)`` skewed ones, (waves, columns, ...)."""
    cycles = spec.latency + np.arange(waves)[:, None] + np.arange(spec.columns)
    result: npt.NDArray[Value] = outputs[cycles, np.arange(spec.columns)]
    return result


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """The way of a product [m, k] x [k, n] through an array.

    Attributes
    ----------
    spec : SystolicSpec
    m, k, n : int
        1 or more.
    """

    spec: SystolicSpec
    m: int
    k: int
    n: int

    def __post_init__(self) -> None:
        for name in ("m", "k", "n"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise AxhwError(f"Expected a matrix product of at least one row, found {value!r} for {name}.")

    @property
    def k_tiles(self) -> int:
        return -(-self.k // self.spec.rows)

    @property
    def n_tiles(self) -> int:
        return -(-self.n // self.spec.columns)

    @property
    def tiles(self) -> int:
        """Weight tiles, each loaded once."""
        return self.k_tiles * self.n_tiles

    @property
    def interval(self) -> int:
        """Cycles from one tile to the next."""
        return max(self.m, self.spec.rows)

    @property
    def waves(self) -> int:
        return (self.tiles - 1) * self.interval + self.m

    @property
    def cycles(self) -> int:
        """From the first activation at a port to the last sum in its register."""
        return self.waves - 1 + self.spec.rows + self.spec.columns

    @property
    def utilisation(self) -> float:
        """Products that the matrix product needs, by those that all PEs could make in `cycles`."""
        return self.m * self.k * self.n / (self.spec.operations * self.cycles)

    @property
    def passes(self) -> int:
        """K tiles that one sum in the array has room for."""
        return self.spec.terms // self.spec.rows

    def starts_sum(self, k_tile: int) -> bool:
        return k_tile % self.passes == 0

    def ends_sum(self, k_tile: int) -> bool:
        return k_tile == self.k_tiles - 1 or self.starts_sum(k_tile + 1)

    def fill(self, a: npt.ArrayLike, w: npt.ArrayLike) -> Waves:
        """The waves of the product of activations [m, k] and weights [k, n], column tiles in the outer loop.

        Rows and columns that the matrices do not fill hold zeros. Sums that come back are taken from the golden
        model; `collect` holds them against those that came out.
        """
        spec = self.spec
        rows, columns = spec.rows, spec.columns
        first, second = spec.multiplier.operands(a, w)
        if first.shape != (self.m, self.k) or second.shape != (self.k, self.n):
            raise AxhwError(
                f"Expected matrices of shapes {(self.m, self.k)} and {(self.k, self.n)}, "
                f"found {first.shape} and {second.shape}."
            )
        activations = np.zeros((self.m, self.k_tiles * rows), np.int64)
        activations[:, : self.k] = first
        weights = np.zeros((self.k_tiles * rows, self.n_tiles * columns), np.int64)
        weights[: self.k, : self.n] = second
        waves = Waves.empty(spec, self.waves)
        for tile in range(self.tiles):
            n_tile, k_tile = divmod(tile, self.k_tiles)
            part = slice(tile * self.interval, tile * self.interval + self.m)
            vectors = activations[:, k_tile * rows : (k_tile + 1) * rows]
            own = weights[k_tile * rows : (k_tile + 1) * rows, n_tile * columns : (n_tile + 1) * columns]
            if self.starts_sum(k_tile):
                sums = np.zeros((self.m, columns), np.int64)
            waves.a[part], waves.valid[part], waves.s_i[part] = vectors, True, sums
            waves.load[part.start], waves.weights[part.start] = True, own
            sums = sums + spec.column_products(vectors[:, :, None], own).sum(axis=1)
        return waves

    def collect(self, waves: Waves, s_o: IntegerArray, valid_o: BoolArray) -> IntegerArray:
        """The product out of the array's skewed outputs, ``(cycles, columns)`` each.

        What rows without a weight add, M(0, 0) each, is taken off again.

        Raises
        ------
        VerificationError
            If a sum that went in again is not the one that came out, or a sum is not marked valid.
        """
        spec = self.spec
        sums = gathered(spec, s_o, waves=self.waves)
        valid = gathered(spec, valid_o, waves=self.waves)
        if not np.array_equal(valid, np.broadcast_to(waves.valid[:, None], valid.shape)):
            raise VerificationError(f"Expected {spec.name} to mark the sums of {self.m} vectors a tile, found others.")
        result = np.zeros((self.m, self.n_tiles * spec.columns), np.int64)
        for tile in range(self.tiles):
            n_tile, k_tile = divmod(tile, self.k_tiles)
            part = slice(tile * self.interval, tile * self.interval + self.m)
            if self.ends_sum(k_tile):
                result[:, n_tile * spec.columns : (n_tile + 1) * spec.columns] += sums[part]
                continue
            following = slice(part.start + self.interval, part.stop + self.interval)
            if not np.array_equal(sums[part], waves.s_i[following]):
                raise VerificationError(f"Expected {spec.name} to add as its cycle model in tile {tile}, found others.")
        padding = self.k_tiles * spec.rows - self.k
        zero = np.zeros(spec.columns, np.int64)
        added = padding * np.tile(spec.column_products(zero, zero), self.n_tiles)
        found: IntegerArray = (result - added)[:, : self.n]
        return found


Run = Callable[[ArrayPorts], tuple[IntegerArray, BoolArray]]


def matmul(
    spec: SystolicSpec, a: npt.ArrayLike, w: npt.ArrayLike, *, run: Run | None = None
) -> tuple[IntegerArray, Tiling]:
    """The product of activations [m, k] and weights [k, n] as the array makes it, and its tiling.

    Parameters
    ----------
    run : callable, optional
        What turns the inputs by cycle into ``s_o`` and ``valid_o``: the cycle model by default.

    Returns
    -------
    product : (m, n) int64 array
    tiling : Tiling
        With the number of cycles and the utilisation.
    """
    first, second = np.asarray(a), np.asarray(w)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[0]:
        raise AxhwError(f"Expected matrices [m, k] and [k, n] for {spec.name}, found {first.shape} and {second.shape}.")
    tiling = Tiling(spec=spec, m=first.shape[0], k=first.shape[1], n=second.shape[1])
    waves = tiling.fill(first, second)
    ports = skewed(spec, waves)
    if run is None:
        outputs = spec.simulate(ports.a, ports.w, ports.s_i, valid=ports.valid, load=ports.load)
    else:
        outputs = run(ports)
    return tiling.collect(waves, *outputs), tiling
