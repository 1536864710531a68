"""The command line, typed as a user would."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from axhw.cli.main import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Exit code, standard output and standard error of a command."""

    def type_in(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return type_in


@pytest.fixture
def found(run: Callable[..., tuple[int, str, str]]) -> Callable[..., dict[str, Any]]:
    """The document that a command prints with --json."""

    def type_in(*arguments: object) -> dict[str, Any]:
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        document: dict[str, Any] = json.loads(out)
        return document

    return type_in
