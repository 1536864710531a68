"""Models by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.lm.catalogue import find_model, load_named, model_names
from axhw.lm.config import ModelConfig
from axhw.lm.save import write_checkpoint

Tensors = dict[str, npt.NDArray[np.float32]]


def test_a_folder(
    small_config: Callable[..., ModelConfig], wave_tensors: Callable[[ModelConfig], Tensors], tmp_path: Path
) -> None:
    config = small_config("olmoe")
    write_checkpoint(tmp_path, config, wave_tensors(config))
    assert find_model(str(tmp_path)) == tmp_path
    assert load_named(str(tmp_path)).config == config


@pytest.mark.parametrize("name", model_names())
def test_models_that_come_along(name: str) -> None:
    model = load_named(name, keep=True)
    assert model.keep
    assert model.config.vocabulary == 256
    text = np.frombuffer(b"To be, or not to be, that is the question", np.uint8)
    logits = model.logits(text[None])[0, :-1]
    nats = np.log(np.exp(logits).sum(axis=1)) - np.take_along_axis(logits, text[1:, None].astype(int), axis=1)[:, 0]
    assert nats.mean() < 3, "random guesses are at 5.5"


def test_an_unknown_name() -> None:
    with pytest.raises(AxhwError, match=r"Expected a language model out of .*, or a folder with one, found 'gpt9'."):
        load_named("gpt9")
