"""Weights that a training made: left as they are by the same training, and kept from any other."""

from __future__ import annotations

from pathlib import Path

from axhw.errors import AxhwError

_MARK = "run "


def run_mark(digest: str) -> str:
    """The line of a log that tells of which settings the weights beside it came."""
    return f"{_MARK}{digest}"


def finished(weights: Path, mark: str, *, checkpoint: Path) -> bool:
    """Whether a training has made its weights already.

    Parameters
    ----------
    weights : Path
        The log is beside them.
    mark : str
        As `run_mark` gives it.
    checkpoint : Path
        Of a training that goes on, whose last step may have been the weights.

    Raises
    ------
    AxhwError
        For weights of a training with other settings, which would be lost.
    """
    if not weights.exists():
        return False
    record = weights.with_suffix(".log")
    if not record.exists() and checkpoint.exists():
        return False
    try:
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    except (OSError, ValueError) as error:
        raise AxhwError(f"Expected the log of a training in {record}, found {error}: choose another --out.") from error
    if mark in lines:
        return True
    told = any(line.startswith(_MARK) for line in lines)
    found = "ones that were trained with other settings" if told else f"ones without their settings in {record.name}"
    raise AxhwError(
        f"Expected no weights at {weights} but those of the same training, found {found}: choose another --out or "
        "remove them."
    )
