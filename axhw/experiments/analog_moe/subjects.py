"""The models of the study, with their held-out text and what was observed on it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from axhw.analog.evaluation import Evaluator
from axhw.analog.model_calibration import Calibration, ConverterRanges, calibrate
from axhw.analog.operators import DENSE, HybridModel
from axhw.analog.selectors import Selection
from axhw.analog.tiles import TileSpec
from axhw.data import python_topics
from axhw.data.text import Bytes, load_text
from axhw.errors import AxhwError
from axhw.experiments.analog_moe.plan import LARGE_WEIGHTS, Depth, Plan
from axhw.lm.config import ModelConfig
from axhw.lm.layout import tensor_shapes
from axhw.lm.matrices import Module
from axhw.lm.model import LanguageModel, load_model
from axhw.sim.product_table import ProductTable

Analog: TypeAlias = Literal["experts", "all"] | Module
Converters: TypeAlias = Literal["chosen", "published", "ideal"]

PUBLISHED_RANGES = ConverterRanges(k=18.0, output_range=14.0)
"""K and lambda of a published language model with 1e9 weights."""

SHIPPED = "olmoe_bytes_small"


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What of a model is analog where a placement leaves it to be, and what digital experts multiply with.

    Attributes
    ----------
    analog : "experts", "all", or a module
        Experts; experts and all other modules; or this module beside them.
    converters : "chosen", "published" or "ideal"
        With ranges of least error on the validation text, with published ones, or ideal ones.
    multiplier : str or None
        int8 products with this one; None for float32.
    """

    analog: Analog = "experts"
    converters: Converters = "chosen"
    multiplier: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Text that no model was trained on, an array for each of its sources.

    Attributes
    ----------
    name : str
    validation, test : tuple of uint8 arrays
    """

    name: str
    validation: tuple[Bytes, ...]
    test: tuple[Bytes, ...]

    @classmethod
    def load(cls, name: str, *, root: Path | None = None) -> HeldOut:
        """As `axhw.data.text.load_text`; Python's topics come with axhw.

        Raises
        ------
        AxhwError
            As `load_text`.
        """
        if name == python_topics.NAME:
            validation, test = (np.frombuffer(part, np.uint8) for part in python_topics.held_out())
            return cls(name=name, validation=(validation,), test=(test,))
        text = load_text(name, root=root)
        sources = text.sources or (text,)
        return cls(
            name=name,
            validation=tuple(source.validation for source in sources),
            test=tuple(source.test for source in sources),
        )


def beginnings(sources: Sequence[Bytes], size: int | None) -> Bytes:
    """About so many bytes: of each source its beginning, in proportion to its size; all by default."""
    total = sum(map(len, sources))
    share = 1.0 if size is None else min(size / total, 1.0)
    return np.concatenate([source[: round(share * len(source))] for source in sources])


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A model.

    Attributes
    ----------
    name : str
    folder : Path
    model : LanguageModel
        With kept operators.
    depth : Depth
    held_out : HeldOut
    plan : Plan
    tables : mapping of str to ProductTable
        Of the multipliers, by the names in the plan.
    jobs : int or None
        Threads.
    """

    name: str
    folder: Path
    model: LanguageModel
    depth: Depth
    held_out: HeldOut
    plan: Plan
    tables: Mapping[str, ProductTable]
    jobs: int | None
    _hybrids: dict[Hardware, HybridModel] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        folder: Path,
        *,
        plan: Plan,
        first: bool,
        held_out: HeldOut,
        tables: Mapping[str, ProductTable],
        jobs: int | None,
    ) -> Subject:
        """The model in a folder, the plan's first one or another.

        Raises
        ------
        AxhwError
            If it can't be read, has no experts, or takes other tokens than bytes.
        """
        model = load_model(folder, keep=True)
        if model.config.vocabulary != 256:
            raise AxhwError(
                f"Expected a model of bytes (vocabulary 256) for the text {held_out.name}, found {folder} with "
                f"{model.config.vocabulary} tokens."
            )
        if model.config.context < plan.window:
            raise AxhwError(
                f"Expected a model that sees {plan.window} bytes at once, found {folder} with {model.config.context}."
            )
        large = weight_count(model.config) >= LARGE_WEIGHTS
        depth = plan.deep if first else plan.large if large else plan.brief
        return cls(
            name=folder.name,
            folder=folder,
            model=model,
            depth=depth,
            held_out=held_out,
            plan=plan,
            tables=tables,
            jobs=jobs,
        )

    @property
    def config(self) -> ModelConfig:
        return self.model.config

    @cached_property
    def digest(self) -> str:
        """Of the files."""
        digest = hashlib.sha256()
        for path in sorted([*self.folder.glob("*.json"), *self.folder.glob("*.safetensors")]):
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    @cached_property
    def selection_text(self) -> Bytes:
        """Calibrated and chosen on."""
        return beginnings(self.held_out.validation, self.depth.selection_bytes)

    @cached_property
    def test_text(self) -> Bytes:
        """Reported on."""
        return beginnings(self.held_out.test, self.depth.test_bytes)

    @cached_property
    def settings(self) -> dict[str, object]:
        """What all that is measured of it depends on, but for multipliers."""
        texts = [hashlib.sha256(text.tobytes()).hexdigest() for text in (self.selection_text, self.test_text)]
        return {
            "model": self.digest,
            "texts": texts,
            "window": self.plan.window,
            "tiles": repr(self.plan.tiles),
            "ranges": repr(sorted(self.calibration.ranges.items())),
        }

    @cached_property
    def calibration(self) -> Calibration:
        """Of all modules, on the validation text."""
        return calibrate(
            self.model,
            self.selection_text,
            window=self.plan.window,
            tiles=self.plan.tiles,
            modules=get_args(Module),
        )

    def hybrid(self, hardware: Hardware) -> HybridModel:
        """The model on some hardware, the same one each time."""
        if hardware not in self._hybrids:
            table = None if hardware.multiplier is None else self.tables[hardware.multiplier]
            dense = DENSE if hardware.analog == "all" else DENSE & {hardware.analog}
            calibration = with_converters(self.calibration, hardware.converters)
            self._hybrids[hardware] = HybridModel(self.model, calibration, table=table, dense=dense)
        return self._hybrids[hardware]

    @cached_property
    def selection(self) -> Selection:
        """What selectors look at."""
        return self._selection(self.selection_text)

    @cached_property
    def oracle_selection(self) -> Selection:
        """What the oracle looks at."""
        most = self.depth.oracle_bytes
        if len(self.selection_text) <= most:
            return self.selection
        return self._selection(beginnings(self.held_out.validation, most))

    def _selection(self, text: Bytes) -> Selection:
        return Selection(
            self.hybrid(Hardware()),
            text,
            window=self.plan.window,
            seeds=self.plan.selector_seeds,
            jobs=self.jobs,
        )

    @cached_property
    def test(self) -> Evaluator:
        """Scores on the test text; in batches that occupy several threads even where it is short."""
        batch_tokens = min(len(self.test_text) // 4 + self.plan.window, 1 << 14)
        return Evaluator(self.test_text, window=self.plan.window, jobs=self.jobs, batch_tokens=batch_tokens)

    @cached_property
    def use(self) -> npt.NDArray[np.float64]:
        """Mean rows of a token in each expert, on the validation text."""
        return self.selection.use.frequency


def with_converters(calibration: Calibration, converters: Converters) -> Calibration:
    """The same activations with other converters."""
    if converters == "chosen":
        return calibration
    if converters == "ideal":
        tiles = calibration.tiles
        return calibration.with_tiles(TileSpec(rows=tiles.rows, columns=tiles.columns, dac_bits=None, adc_bits=None))
    return Calibration(
        tiles=calibration.tiles,
        statistics=calibration.statistics,
        ranges=dict.fromkeys(calibration.ranges, PUBLISHED_RANGES),
    )


def weight_count(config: ModelConfig) -> int:
    """Weights of a model."""
    return sum(int(np.prod(shape)) for shape in tensor_shapes(config).values())


def subjects(
    plan: Plan, *, root: Path | None, tables: Mapping[str, ProductTable], jobs: int | None
) -> tuple[Subject, ...]:
    """The models of a plan.

    Raises
    ------
    AxhwError
        As `Subject.of`, and for two models of one name.
    """
    held_out = HeldOut.load(plan.text, root=root)
    folders = plan.models or (Path(str(resources.files("axhw.lm"))) / "models" / SHIPPED,)
    found = tuple(
        Subject.of(folder, plan=plan, first=not index, held_out=held_out, tables=tables, jobs=jobs)
        for index, folder in enumerate(folders)
    )
    names = [subject.name for subject in found]
    if len(set(names)) < len(names):
        raise AxhwError(f"Expected models in folders of different names, found {', '.join(names)}.")
    return found
