"""How modules that train end."""

from __future__ import annotations

import pytest

from axhw.errors import AxhwError
from axhw.train.console import Parser, exit_code


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    def bad() -> int:
        raise AxhwError("Expected something else.")

    def interrupted() -> int:
        raise KeyboardInterrupt

    assert exit_code(lambda: 1) == 1
    assert exit_code(bad) == 2
    assert capsys.readouterr().err == "Expected something else.\n"
    assert exit_code(interrupted) == 130
    assert capsys.readouterr().err == "interrupted: the same command goes on from its last checkpoint\n"


def test_bad_options_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="python -m axhw.train")
    parser.add_argument("--epochs", type=int)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--epochs", "many"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "python -m axhw.train: argument --epochs: invalid int value: 'many': see python -m axhw.train --help"
    )
