"""The logic states of a library cell, and how likely conditions over its pins are."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

_MAX_VARIABLES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class StateSpace:
    """Every combination of a cell's inputs and, for a flip-flop, its stored bit.

    Attributes
    ----------
    cell : Cell
    variables : tuple of str
        Input pins, then the flip-flop's state variable.
    columns : dict of name to (2**len(variables),) bool array
        Value of every variable, of the inverted state and of every output pin in each state.
    """

    cell: Cell
    variables: tuple[str, ...]
    columns: dict[str, BoolArray]
    _known: dict[str, BoolArray] = field(default_factory=dict)

    @classmethod
    @functools.lru_cache(maxsize=1024)
    def of(cls, cell: Cell) -> StateSpace:
        """The state space of `cell`.

        Raises
        ------
        AxhwError
            If the cell has more than 16 inputs.
        """
        flip_flop = cell.flip_flop
        variables = tuple(pin.name for pin in cell.inputs) + (() if flip_flop is None else (flip_flop.state,))
        if len(variables) > _MAX_VARIABLES:
            raise AxhwError(
                f"Expected at most {_MAX_VARIABLES} inputs on a cell, found {len(variables)} on {cell.name}."
            )
        index = np.arange(1 << len(variables))
        columns = {name: (index >> k) & 1 == 1 for k, name in enumerate(variables)}
        if flip_flop is not None:
            columns[flip_flop.inverted] = ~columns[flip_flop.state]
        space = cls(cell=cell, variables=variables, columns=columns)
        for pin in cell.outputs:
            if pin.function is not None:
                columns[pin.name] = space.evaluate(pin.function)
        return space

    def evaluate(self, expression: str) -> BoolArray:
        """Truth of a Liberty expression over pins and states in each state; the array must not be changed.

        Raises
        ------
        AxhwError
            If the expression names something the cell does not have.
        """
        if expression in self._known:
            return self._known[expression]
        function = BooleanFunction.parse(expression)
        unknown = [name for name in function.pins if name not in self.columns]
        if unknown:
            raise AxhwError(
                f"Expected conditions of cell {self.cell.name} over its pins, found {unknown[0]!r} in {expression!r}."
            )
        index = np.zeros(1 << len(self.variables), np.intp)
        for k, name in enumerate(function.pins):
            index |= self.columns[name].astype(np.intp) << k
        truth = function.truth_table(function.pins)[index]
        truth.flags.writeable = False
        return self._known.setdefault(expression, truth)

    def partition(self, conditions: list[str | None]) -> list[BoolArray]:
        """The states each condition stands for; None stands for those that no other condition covers."""
        covered = np.zeros(1 << len(self.variables), np.bool_)
        stated = [None if condition is None else self.evaluate(condition) for condition in conditions]
        for states in stated:
            if states is not None:
                covered |= states
        return [~covered if states is None else states for states in stated]

    def sensitised(self, output: str, pin: str) -> tuple[BoolArray, BoolArray]:
        """States in which `output` follows `pin`, and in which it follows it inverted."""
        value = self.columns[output]
        bit = 1 << self.variables.index(pin)
        index = np.arange(len(value))
        low, high = value[index & ~bit], value[index | bit]
        return high & ~low, low & ~high

    def probabilities(self, one: FloatArray) -> FloatArray:
        """Probability of every state for independent variables.

        Parameters
        ----------
        one : (n, variables) array
            Probability that each variable is 1, for n instances.

        Returns
        -------
        (n, states) array, rows summing to 1.
        """
        result = np.ones((len(one), 1))
        for k in range(one.shape[1]):
            p = one[:, k : k + 1]
            result = np.concatenate([result * (1.0 - p), result * p], axis=1)
        return result
