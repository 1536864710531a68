"""Work shared by threads: every task once, whoever does it, and processes that fork and end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from axhw.emulate import vector_ir as v
from axhw.emulate.calls import fixed, within
from axhw.emulate.codes import Codes
from axhw.emulate.gemm import prepare_gemm
from axhw.emulate.prepared import Multiplication
from axhw.emulate.program import Program, Task
from axhw.emulate.requantize import Epilogue
from axhw.emulate.rows import rows_kernel
from axhw.emulate.team import Team, run_alone
from axhw.emulate.threads import parts, run

pytestmark = pytest.mark.skipif(not v.available(), reason="llvmlite is missing")

RNG = np.random.default_rng(0)
TABLE = RNG.integers(-30_000, 30_000, (256, 256))
COLUMNS = 5

# Long enough for a machine that is busy with other things.
PATIENCE = 60

SETTING = """
import os, sys, threading
import numpy as np
from axhw.emulate.gemm import prepare_gemm
rng = np.random.default_rng(0)
a = rng.integers(-128, 128, (4096, 64)).astype(np.int8)
w = rng.integers(-128, 128, (64, 32)).astype(np.int8)
table = rng.integers(-30_000, 30_000, (256, 256))
multiply = prepare_gemm(w, table, a_dtype=np.int8, threads=2)
def helpers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("axhw-emulate")]
"""


def counting_program(counts: npt.NDArray[np.int32]) -> Program:
    """One task for each row of counts, which adds the row's number to each of them in two calls, through work space."""
    one = fixed(np.ones(COLUMNS, np.int32))
    tasks: list[Task] = []
    for i, row in enumerate(counts):
        there = within(0, 64)
        constant = fixed(np.full(COLUMNS, i, np.int32))
        aside = rows_kernel().call(row, COLUMNS, 1, COLUMNS, 0, constant, there, COLUMNS)
        tasks.append([aside, rows_kernel().call(there, COLUMNS, 1, COLUMNS, 0, one, row, COLUMNS)])
    return Program(tasks, work_bytes=64 + counts.itemsize * COLUMNS)


def fall_asleep(team: Team) -> None:
    end = time.monotonic() + PATIENCE
    while team.awake():
        assert time.monotonic() < end


@pytest.mark.parametrize("helpers", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_every_task_is_done_once(helpers: int, count: int) -> None:
    team = Team(helpers)
    counts = np.zeros((count, COLUMNS), np.int32)
    program = counting_program(counts)
    for _ in range(300):
        team.run(program, [])
    run_alone(program, [])
    assert np.array_equal(counts, np.repeat(301 * np.arange(1, count + 1)[:, None], COLUMNS, axis=1))


def test_helpers_fall_asleep_and_are_woken() -> None:
    team = Team(2)
    counts = np.zeros((9, COLUMNS), np.int32)
    program = counting_program(counts)
    for turn in range(1, 20):
        team.run(program, [])
        assert np.array_equal(counts[:, 0], turn * np.arange(1, 10))
        fall_asleep(team)


def test_without_any_helper_the_leader_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    team = Team(2)
    counts = np.zeros((4, COLUMNS), np.int32)
    program = counting_program(counts)
    for _ in range(3):
        team.run(program, [])
    assert not team.awake()
    assert counts[:, 0].tolist() == [3, 6, 9, 12]


def test_leaders_at_once() -> None:
    team = Team(1)

    def lead(_: int) -> bool:
        counts = np.zeros((6, COLUMNS), np.int32)
        program = counting_program(counts)
        for _ in range(200):
            team.run(program, [])
        return np.array_equal(counts[:, -1], 200 * np.arange(1, 7))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lead, range(8)))


def test_little_work_is_not_shared() -> None:
    assert parts(1, 1e9) == 1
    assert parts(3, 100.0) == 1
    assert parts(3, 1e9) == 3
    run(Program([]), 3)


def prepared(threads: int) -> Multiplication:
    w: Codes = np.random.default_rng(1).integers(-128, 128, (27, 13)).astype(np.int8)
    return prepare_gemm(w, TABLE, a_dtype=np.int8, threads=threads)


@pytest.mark.parametrize("rows", [1, 130, 4099, 40_000])
def test_sums_and_codes_are_those_of_one_thread(rows: int) -> None:
    a: Codes = RNG.integers(-128, 128, (rows, 27)).astype(np.int8)
    epilogue = Epilogue(
        constant=RNG.integers(-9, 9, 13).astype(np.int32),
        scale=np.full(13, 1e-3, np.float32),
        zero_point=3,
        low=-128,
        high=127,
        dtype=np.int8,
    )
    alone, shared = prepared(1), prepared(3)
    sums, codes = alone(a), alone.codes(a, epilogue)
    for _ in range(20):
        assert np.array_equal(shared(a), sums)
        assert np.array_equal(shared.codes(a, epilogue), codes)


def test_one_product_in_several_threads_at_once() -> None:
    shared = prepared(2)
    inputs = [RNG.integers(-128, 128, (3000 + 100 * i, 27)).astype(np.int8) for i in range(6)]
    expected = [prepared(1)(a) for a in inputs]
    start = threading.Barrier(len(inputs), timeout=PATIENCE)

    def multiply(i: int) -> bool:
        start.wait()
        return all(np.array_equal(shared(inputs[i]), expected[i]) for _ in range(30))

    with ThreadPoolExecutor(len(inputs)) as pool:
        assert all(pool.map(multiply, range(len(inputs))))


def ended(script: str) -> str:
    """What a process prints that runs a script and ends by itself."""
    done = subprocess.run(
        [sys.executable, "-c", SETTING + script], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "last",
    [
        "",
        "from axhw.emulate import threads\nwhile threads._team(1).awake(): pass",
        "threading.Thread(target=multiply, args=[a]).start()",
        "threading.Thread(target=lambda: [multiply(a) for _ in range(1000)], daemon=True).start()",
    ],
)
def test_a_process_ends_while_helpers_wait_or_sleep(last: str) -> None:
    assert ended(f"multiply(a)\nprint(len(helpers()))\n{last}") == "1\n"


def test_one_thread_starts_no_helper() -> None:
    assert ended("prepare_gemm(w, table, a_dtype=np.int8, threads=1)(a)\nprint(len(helpers()))") == "0\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_forked_children_have_helpers_of_their_own() -> None:
    script = """
expected = multiply(a)
child = os.fork()
same = all(np.array_equal(multiply(a), expected) for _ in range(20)) and len(helpers()) == 1
if child:
    same = same and os.waitpid(child, 0)[1] == 0
    print(same)
sys.exit(not same)
"""
    assert ended(script) == "True\n"
