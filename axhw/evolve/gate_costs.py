"""What a two-input gate costs in a cell library, before anything is mapped: the figure that evolution minimises.

Every function of two bits is put together from the library's cells of one and two inputs in the way that takes the
least area. Area is the sum over the gates that matter. Energy is the sum over their outputs of how often they switch
from one operation to the next, 2 p (1 - p) with p the share of operand pairs for which the signal is 1 (no glitches),
times the internal energy of a transition at a usual slew and load, the energy of the pins it reaches, and C V^2 / 2 of
their capacitance. Mapping then merges gates into larger cells, so both are estimates; designs are measured in the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.gates import FUNCTIONS, NAMES
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.interpolation import interpolate
from axhw.synth.liberty.library import Cell, CellLibrary, Pin
from axhw.synth.loads import default_input_slew_ns, default_output_load_ff

FloatArray = npt.NDArray[np.float64]

_X, _Y = FUNCTIONS["buf"], FUNCTIONS["bufy"]
_WIRES = (FUNCTIONS["zero"], FUNCTIONS["one"], _X, _Y)


@dataclass(frozen=True, kw_only=True, eq=False)
class GateCosts:
    """Figures by function code, see `axhw.hdl.gates.FUNCTIONS`; constants and copies cost nothing.

    Attributes
    ----------
    area_um2 : (16,) array
    internal_fj : (16,) array
        For a transition of the output.
    pin_fj : (16, 2) array
        For a transition of what x or y is connected to.
    output_fj : float
        For a transition of a product bit, by the load outside.
    cells : tuple of tuple of str
        Of what the gates are made.
    """

    area_um2: FloatArray
    internal_fj: FloatArray
    pin_fj: FloatArray
    output_fj: float
    cells: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, library: CellLibrary) -> GateCosts:
        """The costs in a library.

        Raises
        ------
        AxhwError
            If its cells of up to two inputs do not make every function.
        """
        slew, load = default_input_slew_ns(library), default_output_load_ff(library)
        half_square = library.voltage_v**2 / 2
        parts = [part for cell in library.cells.values() for part in _parts(cell, slew, load, half_square)]
        made: list[_Composition | None] = [None] * len(NAMES)
        for code in _WIRES:
            made[code] = _Composition()
        changed = True
        while changed:
            changed = False
            for part in parts:
                for first, second in itertools.product(range(len(NAMES)), repeat=2):
                    x, y = made[first], made[second]
                    if x is None or y is None or (part.inputs == 1 and second != 0):
                        continue
                    code, candidate = part.join(first, second, x, y)
                    present = made[code]
                    if present is None or candidate.order < present.order:
                        made[code] = candidate
                        changed = True
        missing = [NAMES[code] for code, composition in enumerate(made) if composition is None]
        if missing:
            raise AxhwError(
                f"Expected cells with one and two inputs in {library.name} that make every gate, found none for "
                f"{', '.join(missing)}."
            )
        found = [composition for composition in made if composition is not None]
        return cls(
            area_um2=np.array([composition.area_um2 for composition in found]),
            internal_fj=np.array([composition.internal_fj for composition in found]),
            pin_fj=np.array([composition.pin_fj for composition in found]),
            output_fj=half_square * load,
            cells=tuple(composition.cells for composition in found),
        )


@dataclass(frozen=True, kw_only=True)
class _Composition:
    """Cells that make a function of x and y."""

    area_um2: float = 0.0
    internal_fj: float = 0.0
    pin_fj: tuple[float, float] = (0.0, 0.0)
    cells: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[float, float, tuple[str, ...]]:
        return round(self.area_um2, 9), round(self.internal_fj, 9), self.cells


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A cell of one or two inputs; `function` is a code, and `pin_fj` what a transition costs at each of its pins."""

    name: str
    inputs: int
    function: int
    area_um2: float
    internal_fj: float
    pin_fj: tuple[float, float]

    def join(self, first: int, second: int, x: _Composition, y: _Composition) -> tuple[int, _Composition]:
        """The cell with the functions `first` and `second` at its pins, and what it then computes."""
        code = 0
        for bit in range(4):
            code |= (self.function >> (first >> bit & 1) + 2 * (second >> bit & 1) & 1) << bit
        feeding = ((first, x), (second, y))
        pins = [
            sum(
                made.pin_fj[place] + (self.pin_fj[pin] if fed == wire else 0.0)
                for pin, (fed, made) in enumerate(feeding)
            )
            for place, wire in enumerate((_X, _Y))
        ]
        inside = sum(self.pin_fj[pin] for pin, (fed, _) in enumerate(feeding) if fed not in _WIRES)
        return code, _Composition(
            area_um2=self.area_um2 + x.area_um2 + y.area_um2,
            internal_fj=self.internal_fj + inside + x.internal_fj + y.internal_fj,
            pin_fj=(pins[0], pins[1]),
            cells=(self.name, *x.cells, *y.cells),
        )


def _parts(cell: Cell, slew_ns: float, load_ff: float, half_square: float) -> Iterator[_Part]:
    """The cell as a part, if it is a gate of one or two inputs."""
    if cell.dont_use or cell.flip_flop is not None or cell.is_latch or len(cell.outputs) != 1:
        return
    output, inputs = cell.outputs[0], cell.inputs
    if output.function is None or output.three_state is not None or not 1 <= len(inputs) <= 2:
        return
    expression = BooleanFunction.parse(output.function)
    names = [pin.name for pin in inputs]
    if set(expression.pins) != set(names):
        return
    table = expression.truth_table(names).tolist()
    pins = [half_square * pin.capacitance_ff + _transition_fj(pin, slew_ns, 0.0) for pin in inputs]
    yield _Part(
        name=cell.name,
        inputs=len(inputs),
        function=sum(int(table[bit % len(table)]) << bit for bit in range(4)),
        area_um2=cell.area_um2,
        internal_fj=_transition_fj(output, slew_ns, load_ff),
        pin_fj=(pins[0], pins[-1] if len(pins) == 2 else 0.0),
    )


def _transition_fj(pin: Pin, slew_ns: float, load_ff: float) -> float:
    """Internal energy of a transition: the mean over edges, causes and conditions, supplies added up."""
    slews, loads = np.array([slew_ns]), np.array([load_ff])
    total = 0.0
    for supply in {arc.supply for arc in pin.power}:
        tables = [
            table for arc in pin.power if arc.supply == supply for table in (arc.rise, arc.fall) if table is not None
        ]
        if tables:
            total += float(np.mean([interpolate(table, slews, loads)[0, 0] for table in tables]))
    return total
