"""The event-driven simulation of a program: when each operation begins and ends.

What is ready first goes first, but of those that wait for the same units or crossbars the lower token does. Operations
that end together make others ready in the order in which they became ready themselves. These rules give the times of
the simulator of arXiv 2602.10254 exactly.

Events are in a heap, one for each stage of a product however many tiles it has; operations that wait for digital units
in another, where the columns of a product that begin together are one entry; those that wait for the same crossbars
form a skew heap (Sleator and Tarjan, SIAM J. Computing 15, 1986) through arrays. The work for an event grows with the
logarithm of how many operations wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from axhw.errors import AxhwError
from axhw.pim.operations import PS_PER_NS, IntArray, Kind, Program

_PRODUCT, _DIGITAL, _SHARED = int(Kind.PRODUCT), int(Kind.DIGITAL), int(Kind.SHARED)
# Stages of an event's operation, in the lowest bits of its payload.
_ENTERED, _MULTIPLIED, _LEFT, _ADDED, _DONE = range(5)
_STAGE_BITS, _ROW_BITS = 3, 16
_MOST_ROWS = 1 << _ROW_BITS
_FIRST_SIZE = 1024

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Times:
    """When operations ran.

    Attributes
    ----------
    start_ps, end_ps : (operations,) int arrays
        From the first crossing, or the entry into a unit, to the last result.
    """

    start_ps: IntArray
    end_ps: IntArray

    @property
    def total_ns(self) -> float:
        """Until all operations have ended."""
        return float(self.end_ps.max(initial=0)) / PS_PER_NS


def run_program(program: Program) -> Times:
    """Simulate a program.

    Raises
    ------
    AxhwError
        For matrices with more than 65,535 rows of tiles, and if operations wait for each other.
    """
    if int(program.rows.max(initial=0)) >= _MOST_ROWS:
        raise AxhwError(f"Expected matrices with less than {_MOST_ROWS} rows of tiles, found {program.rows.max()}.")
    start, end, done = _run(
        program.kind,
        program.token,
        program.rows,
        program.columns,
        program.enters,
        program.resource,
        program.capacity,
        program.duration_ps,
        program.successor_start,
        program.successors,
        program.waits_for,
        program.digital_units,
        program.mvm_ps,
        program.crossing_ps,
        program.partial_ps,
    )
    if done != len(program):
        raise AxhwError(f"Expected operations that do not wait for each other, found {len(program) - done} that do.")
    return Times(start_ps=start, end_ps=end)


@njit(nogil=True, cache=True)
def _before(heap: _Ints, a: int, b: int) -> bool:
    """Whether entry a comes before entry b: by the first column, then the second."""
    return bool(heap[a, 0] < heap[b, 0] or (heap[a, 0] == heap[b, 0] and heap[a, 1] < heap[b, 1]))


@njit(nogil=True, cache=True)
def _push(heap: _Ints, size: int, first: int, second: int, payload: int) -> _Ints:
    """The heap with an entry more, in larger memory if need be."""
    if size == len(heap):
        larger = np.empty((2 * size, 3), np.int64)
        larger[:size] = heap
        heap = larger
    place = size
    heap[place, 0], heap[place, 1], heap[place, 2] = first, second, payload
    while place > 0:
        parent = (place - 1) >> 1
        if not _before(heap, place, parent):
            break
        _swap(heap, place, parent)
        place = parent
    return heap


@njit(nogil=True, cache=True)
def _swap(heap: _Ints, a: int, b: int) -> None:
    for column in range(3):
        held = heap[a, column]
        heap[a, column] = heap[b, column]
        heap[b, column] = held


@njit(nogil=True, cache=True)
def _drop_first(heap: _Ints, size: int) -> None:
    """Take the first of `size` entries off."""
    last = size - 1
    for column in range(3):
        heap[0, column] = heap[last, column]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= last:
            break
        if child + 1 < last and _before(heap, child + 1, child):
            child += 1
        if not _before(heap, child, place):
            break
        _swap(heap, place, child)
        place = child


@njit(nogil=True, cache=True)
def _merge(a: int, b: int, token: _Ints, ready: _Ints, left: _Ints, right: _Ints) -> int:
    """The first of two skew heaps that are one now; -1 is an empty one."""
    if a < 0:
        return b
    if b < 0:
        return a
    if token[b] < token[a] or (token[b] == token[a] and ready[b] < ready[a]):
        a, b = b, a
    root = a
    while True:
        further = right[a]
        right[a] = left[a]
        if further < 0:
            left[a] = b
            return root
        if token[b] < token[further] or (token[b] == token[further] and ready[b] < ready[further]):
            further, b = b, further
        left[a] = further
        a = further


@njit(nogil=True, cache=True)
def _run(
    kind: _Ints,
    token: _Ints,
    rows: _Ints,
    columns: _Ints,
    enters: Any,
    resource: _Ints,
    capacity: _Ints,
    duration: _Ints,
    successor_start: _Ints,
    successors: _Ints,
    waits_for: _Ints,
    digital_units: int,
    mvm: int,
    crossing: int,
    partial: int,
) -> tuple[_Ints, _Ints, int]:
    count = len(kind)
    start, end = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    waits, additions = waits_for.copy(), np.empty(count, np.int64)
    # In which order operations, or stages of them, became ready.
    ready = np.zeros(count, np.int64)
    number = 0
    free, idle = capacity.copy(), digital_units
    # Skew heaps of what waits for a resource.
    first = np.full(len(capacity), -1, np.int64)
    left, right = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    touched = np.empty(_FIRST_SIZE, np.int64)
    # Time, order, operation and stage; token, order, operation and row of partial sums, 0 for no product.
    events, digital = np.empty((_FIRST_SIZE, 3), np.int64), np.empty((_FIRST_SIZE, 3), np.int64)
    events_size = digital_size = 0
    # Columns that are left in an entry of `digital`, by operation: entries of several are those of the first row.
    bundle = np.zeros(count, np.int64)
    fresh = np.empty(count, np.int64)
    fresh_begin, fresh_end = 0, 0
    for operation in range(count):
        if waits[operation] == 0:
            fresh[fresh_end] = operation
            fresh_end += 1
    now = 0
    done = 0
    while True:
        touched_size = 0
        while True:
            # What has become ready.
            while fresh_begin < fresh_end:
                operation = fresh[fresh_begin]
                fresh_begin += 1
                number += 1
                ready[operation] = number
                if kind[operation] == _DIGITAL:
                    digital = _push(digital, digital_size, token[operation], number, operation << _ROW_BITS)
                    digital_size += 1
                elif kind[operation] == _PRODUCT and enters[operation]:
                    start[operation] = now
                    payload = operation << _STAGE_BITS | _ENTERED
                    events = _push(events, events_size, now + crossing, number, payload)
                    events_size += 1
                elif kind[operation] == _PRODUCT or kind[operation] == _SHARED:
                    own = resource[operation]
                    first[own] = _merge(first[own], operation, token, ready, left, right)
                    touched = _note(touched, touched_size, own)
                    touched_size += 1
                else:
                    start[operation] = now
                    payload = operation << _STAGE_BITS | _DONE
                    events = _push(events, events_size, now + duration[operation], number, payload)
                    events_size += 1
            if events_size == 0 or events[0, 0] > now:
                break
            # One that ends now.
            payload = events[0, 2]
            _drop_first(events, events_size)
            events_size -= 1
            operation, stage = payload >> _STAGE_BITS, payload & ((1 << _STAGE_BITS) - 1)
            ended = stage == _DONE
            if stage == _ENTERED:
                own = resource[operation]
                number += 1
                ready[operation] = number
                first[own] = _merge(first[own], operation, token, ready, left, right)
                touched = _note(touched, touched_size, own)
                touched_size += 1
            elif stage == _MULTIPLIED:
                own = resource[operation]
                free[own] += 1
                touched = _note(touched, touched_size, own)
                touched_size += 1
                number += 1
                events = _push(events, events_size, now + crossing, number, operation << _STAGE_BITS | _LEFT)
                events_size += 1
            elif stage == _LEFT:
                additions[operation] = columns[operation] * (rows[operation] - 1)
                ended = additions[operation] == 0
                if not ended:
                    number += 1
                    bundle[operation] = columns[operation]
                    digital = _push(digital, digital_size, token[operation], number, operation << _ROW_BITS | 1)
                    digital_size += 1
                    number += columns[operation]
            elif stage == _ADDED:
                idle += 1
                row = operation & (_MOST_ROWS - 1)
                operation >>= _ROW_BITS
                additions[operation] -= 1
                ended = additions[operation] == 0
                if row + 1 < rows[operation]:
                    number += 1
                    entry = operation << _ROW_BITS | row + 1
                    digital = _push(digital, digital_size, token[operation], number, entry)
                    digital_size += 1
            elif kind[operation] == _DIGITAL:
                idle += 1
            elif kind[operation] == _SHARED:
                own = resource[operation]
                free[own] += 1
                touched = _note(touched, touched_size, own)
                touched_size += 1
            if ended:
                end[operation] = now
                done += 1
                for place in range(successor_start[operation], successor_start[operation + 1]):
                    later = successors[place]
                    waits[later] -= 1
                    if waits[later] == 0:
                        fresh[fresh_end] = later
                        fresh_end += 1
        # Crossbars and shared units that have something to take and room for it.
        for place in range(touched_size):
            own = touched[place]
            while free[own] > 0 and first[own] >= 0:
                operation = first[own]
                first[own] = _merge(left[operation], right[operation], token, ready, left, right)
                left[operation] = right[operation] = -1
                free[own] -= 1
                if start[operation] < 0:
                    start[operation] = now
                is_product = kind[operation] == _PRODUCT
                ends = now + (mvm if is_product else duration[operation])
                payload = operation << _STAGE_BITS | (_MULTIPLIED if is_product else _DONE)
                events = _push(events, events_size, ends, ready[operation], payload)
                events_size += 1
        # Digital units.
        while idle > 0 and digital_size > 0:
            order, entry = digital[0, 1], digital[0, 2]
            operation, row = entry >> _ROW_BITS, entry & (_MOST_ROWS - 1)
            if row == 1 and bundle[operation] > 1:
                bundle[operation] -= 1
                order += columns[operation] - bundle[operation] - 1
            else:
                if row == 1:
                    order += columns[operation] - 1
                _drop_first(digital, digital_size)
                digital_size -= 1
            idle -= 1
            if row == 0:
                start[operation] = now
                ends, payload = now + duration[operation], operation << _STAGE_BITS | _DONE
            else:
                ends, payload = now + partial, entry << _STAGE_BITS | _ADDED
            events = _push(events, events_size, ends, order, payload)
            events_size += 1
        if events_size == 0:
            return start, end, done
        now = events[0, 0]


@njit(nogil=True, cache=True)
def _note(numbers: _Ints, size: int, number: int) -> _Ints:
    """Numbers with one more behind the first `size`."""
    if size == len(numbers):
        larger = np.empty(2 * size, np.int64)
        larger[:size] = numbers
        numbers = larger
    numbers[size] = number
    return numbers
