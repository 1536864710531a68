"""PyTorch is an extra: everything in this package that needs it asks here first."""

from __future__ import annotations

from importlib.util import find_spec

from axhw.errors import AxhwError


def require_torch() -> None:
    """Refuse in one sentence when PyTorch is not installed.

    Raises
    ------
    AxhwError
    """
    if find_spec("torch") is None:
        raise AxhwError("Expected PyTorch for training, found none: install it with pip install 'axhw[train]'.")


def choose_device(name: str) -> str:
    """A PyTorch device: `name`, or for ``auto`` the first GPU where there is one.

    Raises
    ------
    AxhwError
        Without PyTorch, and for a device that is not there.
    """
    require_torch()
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cpu" and not (name.startswith("cuda") and torch.cuda.is_available()):
        raise AxhwError(f"Expected a device out of auto, cpu and cuda that is on this machine, found {name!r}.")
    return name
