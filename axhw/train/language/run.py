"""A training from options to files."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from axhw.data.text import Bytes, TextSplits, load_text
from axhw.errors import AxhwError
from axhw.files import output_folder, replacing
from axhw.lm.checkpoint import Checkpoint
from axhw.lm.save import write_checkpoint
from axhw.train.history import History
from axhw.train.language.model import LanguageModule, count_parameters
from axhw.train.language.options import Options
from axhw.train.language.trainer import score, train
from axhw.train.language.weights import Float32Arrays, from_arrays, to_arrays
from axhw.train.language.windows import DeviceText

LOG = "training.log"
# A file of weights stays below this, so that each fits where large files don't.
SHARD_BYTES = 14_000_000
# Share of a time limit for the rounds; what is left is for tests and files.
_TRAINING_SHARE = 0.9

Form = Literal["float16", "int8"]
_FORMS: tuple[tuple[Form, str, int], ...] = (("float16", "", 2), ("int8", "-int8", 1))


def run(options: Options, *, log: Callable[[str], None]) -> tuple[Path, ...]:
    """Train, and write the model as float16 and as int8, each in a folder with config.json; the log is with both.

    The held-out text is beside them, as it depends on the version of Python. Training that was cut off is continued
    from its checkpoint.

    Returns
    -------
    tuple of Path
        The folders ``<model>-<text>`` and ``<model>-<text>-int8``.

    Raises
    ------
    AxhwError
        For an unknown text, options that don't fit it, and a folder that can't be written to.
    """
    folder = output_folder(options.out)
    text = load_text(options.text, root=options.data_folder)
    stem = f"{options.model}-{options.text}"
    checkpoint = folder / f"{stem}.checkpoint.safetensors"
    lines: list[str] = []

    def write(line: str) -> None:
        lines.append(line)
        log(line)

    recipe = options.recipe
    training, validation = (
        DeviceText(data, length=recipe.length, name=f"{text.name}, {part}", device=options.device)
        for part, data in (("train", text.train), ("validation", text.validation))
    )
    model = LanguageModule(
        options.config, seed=options.seed, dropout=recipe.dropout, expert_dropout=recipe.expert_dropout
    ).to(options.device)
    identity = {"config": asdict(options.config), "recipe": asdict(recipe), "text": text.sha256, "seed": options.seed}
    write(f"model: {options.model}, {count_parameters(model)} parameters, {options.config}")
    for part in (text, *text.sources):
        write(
            f"text: {part.name}, {len(part.train)} training, {len(part.validation)} validation and {len(part.test)} "
            f"test bytes, sha256 {part.sha256}"
        )
    write(f"versions: Python {platform.python_version()}, PyTorch {torch.__version__}, NumPy {np.__version__}")
    write(f"device: {torch.cuda.get_device_name() if options.device.startswith('cuda') else 'CPU'}")
    write(f"seed {options.seed}, time limit {options.time_limit_seconds} s, {recipe}")
    seconds = None if options.time_limit_seconds is None else _TRAINING_SHARE * options.time_limit_seconds
    if options.config.routing == "expert_choice":
        write("experts choose among all bytes of a window, later ones too: scores here are not those of prediction")
    history = History(write, checkpoint=checkpoint, run=identity)
    train(model, training, validation, recipe, seed=options.seed, history=history, seconds=seconds)
    write(f"held-out text is scored in windows of {recipe.length} bytes that don't overlap")
    _report(write, "float32", model, text, length=recipe.length, device=options.device)
    arrays = to_arrays(model)
    folders = []
    for form, suffix, size in _FORMS:
        target = output_folder(folder / f"{stem}{suffix}")
        _write_weights(target, options, arrays, form=form, size=size)
        stored = Checkpoint(target)
        from_arrays(model, {name: stored.tensor(name) for name in arrays})
        _report(write, form, model, text, length=recipe.length, device=options.device)
        for path in sorted(target.glob("*.safetensors")):
            write(f"{form}: {path.name}, {path.stat().st_size} bytes, sha256 {_sha256(path)}")
        _write(folder / f"{options.text}-validation.txt", text.validation.tobytes())
        _write(folder / f"{options.text}-test.txt", text.test.tobytes())
        folders.append(target)
    for target in folders:
        _write(target / LOG, ("\n".join(lines) + "\n").encode())
    checkpoint.unlink(missing_ok=True)
    return tuple(folders)


def _report(
    write: Callable[[str], None], form: str, model: LanguageModule, text: TextSplits, *, length: int, device: str
) -> None:
    """How well the model does on held-out text, all of it and by source, in float32."""
    for source in (text, *text.sources):
        parts: tuple[tuple[str, Bytes], ...] = (("validation", source.validation), ("test", source.test))
        for part, data in parts:
            name = f"{source.name}, {part}"
            found = score(model, DeviceText(data, length=length, name=name, device=device))
            write(f"{form} weights, {name}: {found}")


def _write_weights(folder: Path, options: Options, arrays: Float32Arrays, *, form: Form, size: int) -> None:
    for path in folder.glob("model*.safetensors*"):
        path.unlink()
    total = size * sum(array.size for array in arrays.values())
    write_checkpoint(folder, options.config, arrays, dtype=form, shards=math.ceil(1.1 * total / SHARD_BYTES))


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as draft:
        try:
            draft.write_bytes(content)
        except OSError as error:
            raise AxhwError(f"Expected to write {path}, found: {error.strerror}.") from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
