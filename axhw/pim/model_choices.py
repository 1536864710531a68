"""Routing traces of language models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from axhw.data import python_topics
from axhw.errors import AxhwError
from axhw.lm.matrices import Float32Array
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.routing import Chosen
from axhw.lm.scoring import windows
from axhw.pim.choices import Choices

_SHIPPED = Path(__file__).parents[1] / "lm" / "models"
_BYTES = 256
_BATCH_TOKENS = 1 << 12
_WINDOW = 256


def shipped_models() -> list[str]:
    """Names of the language models that come along."""
    return sorted(folder.name for folder in _SHIPPED.iterdir() if folder.is_dir())


def model_folder(name: str) -> Path | None:
    """The folder of a model that comes along, or of one of your own; None if the name is of neither."""
    for folder in (_SHIPPED / name, Path(name)):
        if (folder / "config.json").is_file():
            return folder
    return None


def model_choices(model: LanguageModel, text: npt.ArrayLike, *, window: int = _WINDOW) -> dict[int, Choices]:
    """The experts that tokens of a text choose, for each layer that has experts.

    Parameters
    ----------
    model : LanguageModel
    text : integer array, shape (n,)
    window : int
        The text is cut into windows of that many tokens, see `axhw.lm.scoring.windows`.

    Raises
    ------
    AxhwError
        For texts and windows that the model can't take, and models without experts.
    """
    found: dict[int, list[Chosen]] = {}

    def observe(layer: int, logits: Float32Array, chosen: Chosen, weights: Float32Array) -> None:
        found.setdefault(layer, []).append(chosen.copy())

    inputs, _ = windows(text, window=window)
    step = max(1, _BATCH_TOKENS // window)
    for start in range(0, len(inputs), step):
        x = model.embed(inputs[start : start + step])
        for layer in range(model.config.layers):
            x = model.layer(layer, x, observer=observe)
    if not found:
        raise AxhwError("Expected a model with experts to trace, found one without.")
    return {
        layer: Choices(chosen=np.concatenate(chosen), experts=model.config.experts) for layer, chosen in found.items()
    }


def traced_layer(folder: Path, *, layer: int, tokens: int, text: Path | None = None) -> Choices:
    """The experts that tokens of a text choose in one layer of a model of bytes.

    Parameters
    ----------
    folder : Path
        With the model, see `axhw.lm.model.load_model`.
    layer, tokens : int
    text : Path, optional
        By default the test text of Python's help topics, which comes along.

    Raises
    ------
    AxhwError
        For a model that doesn't take bytes, a layer without experts, and a text that is too short.
    """
    model = load_model(folder, keep=True)
    if model.config.vocabulary != _BYTES:
        raise AxhwError(f"Expected a model of {_BYTES} tokens, the bytes, found {model.config.vocabulary} in {folder}.")
    try:
        content = python_topics.held_out()[1] if text is None else text.read_bytes()
    except OSError as error:
        raise AxhwError(f"Expected a readable text {text}, found: {error.strerror or error}.") from None
    window = min(_WINDOW, model.config.context)
    # Whole windows, each with the byte behind it.
    needed = -(-tokens // window) * window + 1
    if len(content) < needed:
        raise AxhwError(f"Expected a text of at least {needed} bytes for {tokens} tokens, found {len(content)}.")
    found = model_choices(model, np.frombuffer(content[:needed], np.uint8), window=window)
    if layer not in found:
        layers = ", ".join(map(str, found))
        raise AxhwError(f"Expected a layer with experts out of {layers} in {folder}, found {layer}.")
    return found[layer].part(0, tokens)
