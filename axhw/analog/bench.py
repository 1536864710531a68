"""A model and its texts by their names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axhw.analog.model_calibration import calibrate
from axhw.analog.operators import EXPERT, HybridModel
from axhw.analog.tiles import TileSpec
from axhw.data.text import TEXTS, Bytes, load_text
from axhw.emulate.gemm import Table
from axhw.errors import AxhwError
from axhw.lm.catalogue import load_named
from axhw.lm.matrices import Module
from axhw.lm.model import LanguageModel

WINDOW = 256

_BYTE_VALUES = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """A language model of bytes with a text to look at and another one to report on.

    Attributes
    ----------
    name : str
        Of the model.
    model : LanguageModel
        Keeps its operators.
    calibration : uint8 array, shape (n,)
        For ranges of converters and for selectors.
    test : uint8 array, shape (n,)
    window : int
        Tokens that the model sees at once.
    """

    name: str
    model: LanguageModel
    calibration: Bytes
    test: Bytes
    window: int

    @classmethod
    def load(
        cls,
        *,
        model: str,
        text: str,
        calibration: str | None = None,
        root: Path | None = None,
        most_bytes: int | None = None,
        most_calibration_bytes: int | None = None,
        window: int | None = None,
    ) -> Bench:
        """Load them.

        Parameters
        ----------
        model : str
            As for `axhw.lm.catalogue.find_model`.
        text : str
            A name out of `axhw.data.text.TEXTS`, of which the test part is scored, or a file.
        calibration : str, optional
            The same for the other text; of a name the validation part is taken. By default it is that of the same
            name; a file is cut in halves, and the second one is scored.
        root : Path, optional
            Folder to look for a named text in first.
        most_bytes, most_calibration_bytes : int, optional
            Only the beginning of the texts.
        window : int, optional
            256, or the model's context where that is shorter.

        Raises
        ------
        AxhwError
            For unknown names, files that can't be read or are too short, and models of other tokens than bytes.
        """
        if calibration is None and text in TEXTS:
            calibration = text
        test = _part(text, "test", root)
        if calibration is None:
            before, test = np.array_split(test, 2)
        else:
            before = _part(calibration, "validation", root)
        loaded = load_named(model, keep=True)
        config = loaded.config
        if config.vocabulary != _BYTE_VALUES:
            raise AxhwError(
                f"Expected a language model of bytes, with {_BYTE_VALUES} tokens, found {config.vocabulary} in {model}."
            )
        return cls(
            name=Path(model).name,
            model=loaded,
            calibration=before[:most_calibration_bytes],
            test=test[:most_bytes],
            window=min(WINDOW, config.context) if window is None else window,
        )

    def hybrid(
        self,
        *,
        tiles: TileSpec,
        k: float | None = None,
        output_range: float | None = None,
        table: Table | None = None,
        dense: Collection[Module] = (),
    ) -> HybridModel:
        """The model on tiles that are calibrated on its text.

        Parameters
        ----------
        tiles, k, output_range
            As for `axhw.analog.model_calibration.calibrate`.
        table, dense
            As for `HybridModel`.

        Raises
        ------
        AxhwError
            As these two.
        """
        calibration = calibrate(
            self.model,
            self.calibration,
            window=self.window,
            tiles=tiles,
            k=k,
            output_range=output_range,
            modules={EXPERT, *dense},
        )
        return HybridModel(self.model, calibration, table=table, dense=dense)


def _part(name: str, part: str, root: Path | None) -> Bytes:
    """A part of a named text, or a file."""
    if name in TEXTS:
        found: Bytes = getattr(load_text(name, root=root), part)
        return found
    path = Path(name).expanduser()
    if not path.is_file():
        raise AxhwError(f"Expected a text out of {', '.join(TEXTS)}, or a file, found {name!r}.")
    try:
        return np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise AxhwError(f"Expected to read {path}, found: {error.strerror or error}.") from error
