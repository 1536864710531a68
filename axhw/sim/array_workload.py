"""The operands that a systolic array's energy is averaged over: matrix products at full utilisation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from axhw.hdl.pe.tiling import Tiling, Waves, skewed
from axhw.sim.clocked import run_clocked
from axhw.sim.operands import OperandStream
from axhw.sim.systolic import MappedArray, array_inputs

_VECTORS_PER_TILE = 64
_MAX_PASSES = 16


def workload_values(array: MappedArray, stream: OperandStream) -> tuple[list[npt.NDArray[np.uint8]], str]:
    """Settled values of the gates' sources during matrix products at full utilisation, for `axhw.sim.timed`.

    The products have sums of as many terms as the array has room for, at most 16 passes; a weight tile sees 64
    vectors or, in a large array, as many as fill it. Activations are the stream's first operands in their order,
    weights its second ones; each is used once, and a short stream again.

    Returns
    -------
    values : list of (cycles, sources) uint8 arrays
        One a tile: the cycles from the last one before its load to the last one before the next load. Each has
        its tile in some PEs and the one before still in others, as in an endless row of products.
    description : str
    """
    spec = array.spec
    warm_up = spec.rows + spec.columns + 1
    passes = min(_MAX_PASSES, spec.terms // spec.rows)
    tiling = Tiling(spec=spec, m=max(_VECTORS_PER_TILE, warm_up), k=passes * spec.rows, n=spec.columns)
    count = max(1, round(len(stream) / (tiling.m * tiling.k)))
    activations = np.resize(stream.a, (count, tiling.m, tiling.k))
    weights = np.resize(stream.b, (count, tiling.k, tiling.n))
    tiles = []
    for a, w in zip(activations, weights):
        waves = tiling.fill(a, w)
        parts = [slice(start, start + tiling.m) for start in range(0, tiling.waves, tiling.m)]
        tiles += [(waves.a[part], waves.weights[part.start], waves.s_i[part]) for part in parts]
    streams = []
    for (a_before, w_before, s_before), (a, w, sums) in zip([tiles[-1], *tiles], tiles):
        waves = Waves.empty(spec, warm_up + tiling.m)
        waves.a[:] = np.concatenate([a_before[-warm_up:], a])
        waves.s_i[:] = np.concatenate([s_before[-warm_up:], sums])
        waves.weights[0], waves.weights[warm_up] = w_before, w
        waves.load[[0, warm_up]] = True
        waves.valid[:] = True
        streams.append(waves)
    ports = skewed(spec, Waves.side_by_side(streams))
    # Behind the last wave the array would drain.
    busy = slice(0, warm_up + tiling.m)
    valid, load = (bit[busy, None] & np.ones(len(streams), np.bool_) for bit in (ports.valid, ports.load))
    inputs = array_inputs(
        spec, a=ports.a[busy], w=ports.w[busy], s_i=ports.s_i[busy], valid=valid, load=load, reset=0 * load
    )
    run = run_clocked(array.netlist, array.graph, array.library, inputs)
    description = (
        f"{count} matrix products [{tiling.m}, {tiling.k}] x [{tiling.k}, {tiling.n}] of {stream.description}, "
        f"{tiling.m} vectors a weight tile"
    )
    return [run.source_values(number)[warm_up - 1 :] for number in range(len(streams))], description
