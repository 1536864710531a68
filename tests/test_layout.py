"""The repository's layout, the directions of its imports, and the wheel that is built from it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Split, so that this file does not find itself.
MACHINE_PATH = re.compile(rb"/(?:work|root|tmp/w)/|/home/\w")
FAMILIES_COMMAND = "import sys; from axhw.cli.main import main; sys.exit(main(['families', '--json']))"


def git(*arguments: str) -> bytes:
    """What git prints about the repository."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout of the repository")
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout


@pytest.mark.parametrize("name", ["hdl", "sim", "synth"])
def test_top_level_folders_are_links_into_the_package(name: str) -> None:
    link = ROOT / name
    assert link.is_symlink()
    assert os.readlink(link) == f"axhw/{name}"
    assert link.resolve() == (ROOT / "axhw" / name).resolve()
    assert (link / "__init__.py").is_file()
    assert git("ls-files", "--stage", name).startswith(b"120000 "), "a link in git too"


def test_imports_go_one_way() -> None:
    pytest.importorskip("importlinter")
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 broken" in run.stdout


def test_tracked_files_name_no_machine() -> None:
    found = []
    for name in git("ls-files", "-z").decode().split("\0"):
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and (match := MACHINE_PATH.search(path.read_bytes())):
            found.append((name, match.group()))
    assert found == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unpacked wheel, built from a clone of what is committed."""
    git("rev-parse", "HEAD")
    required = re.search(r'requires = \["setuptools>=(\d+)"\]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert required is not None
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        version = "0"
    if int(version.split(".")[0]) < int(required.group(1)):
        pytest.skip(f"needs setuptools {required.group(1)} to build without a network, found {version}")
    folder = tmp_path_factory.mktemp("wheel")
    clone, unpacked = folder / "clone", folder / "unpacked"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    build = [sys.executable, "-m", "pip", "wheel", ".", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--no-index", "--wheel-dir", str(folder)], cwd=clone, check=True)
    (archive,) = folder.glob("axhw-*.whl")
    with zipfile.ZipFile(archive) as file:
        file.extractall(unpacked)
    return unpacked


def test_the_wheel_holds_the_package_and_its_data(wheel: Path) -> None:
    top_level = {path.name for path in wheel.iterdir()}
    assert {name for name in top_level if not name.endswith(".dist-info")} == {"axhw"}
    for name in (
        "py.typed",
        "hdl/spec.py",
        "synth/data/sg13g2_fit.lib",
        "synth/data/NOTICE",
        "nn/weights/digits_cnn-digits.safetensors",
        "report/page.html.j2",
        "sim/testbenches/replay.py",
    ):
        assert (wheel / "axhw" / name).is_file(), name
    (entry_points,) = wheel.glob("*.dist-info/entry_points.txt")
    assert "axhw = axhw.cli.main:run" in entry_points.read_text()


def test_the_wheel_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    def run(code: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(wheel)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert Path(run("import axhw; print(axhw.__file__)").strip()) == wheel / "axhw" / "__init__.py"
    assert {"exact", "roup", "evoapprox"} <= set(json.loads(run(FAMILIES_COMMAND)))
    embedded = "from axhw.synth.libraries import DEFAULT, load_library; print(len(load_library(DEFAULT).cells.cells))"
    assert int(run(embedded)) > 50
