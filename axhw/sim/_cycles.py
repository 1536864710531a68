"""The compiled kernel of `axhw.sim.clocked`: a netlist's operations on few words.

Few words make a numpy call for each operation dear: a cycle of 64 streams is a word a net.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from axhw.hdl.bits import Words

RowArray = npt.NDArray[np.uint32]

# By the operations of `axhw.sim.gate_programs`: f = (x & y & both) ^ ((x ^ y) & differ), without a branch.
_BOTH = np.array([0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF, 0], np.uint64)
_DIFFER = np.array([0, 0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF], np.uint64)


@njit(nogil=True, cache=True)
def run_program(operation: npt.NDArray[np.uint8], x: RowArray, y: RowArray, destination: RowArray, rows: Words) -> None:
    """Fill the rows of all gates; `rows` has those of a `NetlistProgram`, with constants and sources filled."""
    for step in range(len(operation)):
        both, differ = _BOTH[operation[step]], _DIFFER[operation[step]]
        of_x, of_y, target = rows[x[step]], rows[y[step]], rows[destination[step]]
        for word in range(rows.shape[1]):
            target[word] = (of_x[word] & of_y[word] & both) ^ ((of_x[word] ^ of_y[word]) & differ)
