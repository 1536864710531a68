"""Jobs that depend on each other, fail, and are stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from axhw.errors import AxhwError
from axhw.train.pool import Job, Outcome, Pool

# python -m worker NAME [NEEDED...]: needs the files of others, and leaves its own with what it saw of the devices.
WORKER = """
import os, sys, threading
from pathlib import Path

name, *needed = sys.argv[1:]
print("begins", name)
missing = [other for other in needed if not Path(other).exists()]
if missing:
    sys.exit(f"missing {missing}")
if name.startswith("once"):
    tried = Path(f"{name}.tried")
    if not tried.exists():
        tried.touch()
        sys.exit("the first time")
if name == "usage":
    sys.exit(2)
if name.startswith("bad"):
    sys.exit("always")
if name == "endless":
    Path("endless.begun").touch()
    threading.Event().wait()
others = [path for path in Path(".").glob("*.running")]
marker = Path(f"{name}.running")
marker.touch()
Path(name).write_text(f"{os.environ['CUDA_VISIBLE_DEVICES']} {len(others)}")
marker.unlink()
"""


@pytest.fixture(autouse=True)
def _worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def job(name: str, *after: str) -> Job:
    return Job(name=name, arguments=("worker", name, *after), after=after)


def pool(at_once: int = 2, devices: tuple[str, ...] = ("0", "1"), seconds: float | None = None) -> Pool:
    return Pool(devices=devices, at_once=at_once, logs=Path("logs"), seconds=seconds)


def test_jobs_wait_for_those_they_need() -> None:
    lines: list[str] = []
    outcome = pool().run([job("a"), job("b", "a"), job("c", "a", "b"), job("d")], log=lines.append)
    assert sorted(outcome.done) == ["a", "b", "c", "d"]
    assert (outcome.failed, outcome.left) == ((), ())
    assert len(lines) == 4
    assert all(": done after" in line for line in lines)
    assert {Path(name).read_text().split()[0] for name in "abcd"} <= {"0", "1"}
    assert "begins c" in Path("logs/c.log").read_text()


def test_devices_are_filled_evenly_and_not_over_the_limit() -> None:
    names = [f"job{number}" for number in range(8)]
    assert len(pool(at_once=1).run([job(name) for name in names]).done) == 8
    devices, others = zip(*(Path(name).read_text().split() for name in names))
    assert set(devices) == {"0", "1"}
    assert max(map(int, others)) <= 1


def test_failures_are_tried_again_once() -> None:
    lines: list[str] = []
    jobs = [job("bad"), job("once"), job("needs", "bad"), job("good")]
    outcome = pool().run(jobs, log=lines.append)
    assert outcome == Outcome(done=outcome.done, failed=("bad",), left=("needs",))
    assert sorted(outcome.done) == ["good", "once"]
    assert sum(line.startswith("bad: ended with 1 after") for line in lines) == 2
    assert Path("logs/bad.log").read_text().count("always") == 2


def test_nothing_is_begun_after_the_time() -> None:
    outcome = pool(seconds=0).run([job("a")])
    assert outcome == Outcome(done=(), failed=(), left=("a",))


def test_an_interrupt_stops_what_runs() -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    # The second ends only when it is stopped; the first waits for its beginning.
    jobs = [job("endless"), Job(name="first", arguments=("worker", "once-first"))]
    with pytest.raises(KeyboardInterrupt):
        pool().run(jobs, log=interrupt)
    assert not Path("endless").exists()


STOPPED = """
import os, signal, sys
from pathlib import Path
from axhw.train.pool import Job, Pool

def stop(line):
    os.kill(os.getpid(), signal.SIGTERM)

jobs = [Job(name=name, arguments=("worker", name)) for name in ("endless", "once-first")]
try:
    Pool(devices=("0",), at_once=2, logs=Path("logs")).run(jobs, log=stop)
except KeyboardInterrupt:
    print("stopped")
"""


def test_a_signal_to_terminate_stops_what_runs(tmp_path: Path) -> None:
    repository = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{repository}"}
    # It ends only if the endless job is stopped, too: that has the same standard output.
    ended = subprocess.run([sys.executable, "-c", STOPPED], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == "stopped\n"
    assert not Path("endless").exists()


def test_bad_input_is_not_tried_again() -> None:
    lines: list[str] = []
    outcome = pool().run([job("usage")], log=lines.append)
    assert outcome == Outcome(done=(), failed=("usage",), left=())
    assert len(lines) == 1


def test_what_failed_has_failed_where_time_is_over() -> None:
    """The first attempt takes longer than there is: nothing is begun a second time."""
    outcome = pool(seconds=0.05).run([job("bad"), job("needs", "bad")])
    assert outcome == Outcome(done=(), failed=("bad",), left=("needs",))


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        ([job("a"), job("a")], "Expected jobs of different names, found two of the name a."),
        ([job("b", "a"), job("a")], "Expected a before b, which needs it, found it nowhere there."),
    ],
)
def test_jobs_that_do_not_fit(jobs: list[Job], message: str) -> None:
    with pytest.raises(AxhwError) as error:
        pool().run(jobs)
    assert str(error.value) == message


def test_a_pool_needs_devices() -> None:
    with pytest.raises(AxhwError, match=r"^Expected devices and at least 1 job at once, found 0 and 2\.$"):
        pool(devices=())
