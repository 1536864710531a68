"""Language models that come with axhw, by name."""

from __future__ import annotations

from pathlib import Path

from axhw.errors import AxhwError
from axhw.lm.config_file import FILE_NAME
from axhw.lm.matrices import MakeOperator, exact
from axhw.lm.model import LanguageModel, load_model

_MODELS = Path(__file__).with_name("models")


def model_names() -> tuple[str, ...]:
    """Names that `load_named` knows."""
    return tuple(sorted(path.parent.name for path in _MODELS.glob(f"*/{FILE_NAME}")))


def find_model(name: str) -> Path:
    """The folder of a model that comes with axhw, or the one that is named.

    Parameters
    ----------
    name : str
        One of `model_names`, or the path of a folder.

    Raises
    ------
    AxhwError
        If it is neither.
    """
    if name in model_names():
        return _MODELS / name
    path = Path(name).expanduser()
    if not path.is_dir():
        known = ", ".join(model_names()) or "none that come with axhw"
        raise AxhwError(f"Expected a language model out of {known}, or a folder with one, found {name!r}.")
    return path


def load_named(name: str, *, make: MakeOperator = exact, keep: bool = False) -> LanguageModel:
    """A model that comes with axhw, or the one in a folder.

    Parameters
    ----------
    name : str
        As for `find_model`.
    make : callable
    keep : bool
        As for `LanguageModel`.

    Raises
    ------
    AxhwError
        As `find_model` and `axhw.lm.model.load_model`.
    """
    return load_model(find_model(name), make=make, keep=keep)
