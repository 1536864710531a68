"""What is run: models, texts, noise, selectors, multipliers and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from axhw.analog.tiles import TileSpec
from axhw.data.python_topics import NAME as PYTHON_TOPICS
from axhw.data.text import MIX

MAXNN, OURS, OUR_CHIP, ORACLE = "maxnn", "probed", "chip", "oracle"
"""Selectors that claims are about, by their names in `axhw.analog.selectors`."""

RIVALS = ("frequency", "weight", "router", "random")
"""Those that the paper holds MaxNNScore against."""

SELECTORS: Mapping[str, str] = {
    MAXNN: "MaxNNScore",
    "frequency": "activation frequency",
    "weight": "mean routing weight",
    "router": "router norm",
    "random": "random",
    "power": "noise power (ours)",
    OURS: "probed (ours)",
    OUR_CHIP: "probed on the chip (ours)",
    ORACLE: "oracle: experts measured one by one",
}
"""Selectors of the study and what they are called."""

MAIN_MAGNITUDE = 2.5
"""Of the noise that targets are for."""

FIXED_PCT = 25.0
"""Digital experts of the paper, and what budgets are held against."""

LARGE_WEIGHTS = 10_000_000
"""Of models that take minutes for what others take seconds for."""

HOUR, DAY, MONTH = 3600.0, 86400.0, 2.592e6


@dataclass(frozen=True, kw_only=True)
class Depth:
    """How thoroughly a model is studied.

    Attributes
    ----------
    test_bytes : int or None
        Of the test text, from the beginning of each source in proportion; all by default.
    selection_bytes : int or None
        Of the validation text, likewise: for calibration, use of experts, selectors and policies.
    seeds : int
        Of the chips that are reported; each stands for two with opposite random numbers.
    main_seeds : int
        The same at the main magnitude, right after programming.
    magnitudes : tuple of float
        Of pcm noise, in increasing order, 0 for converters alone.
    shares_pct : tuple of float
        Digital experts, beside none and all.
    selectors : tuple of str
        In each layer, at every magnitude.
    main_selectors : tuple of str
        More of them, at the main magnitude.
    global_selectors : tuple of str
        Over all layers together, at the main magnitude.
    noise_selectors : tuple of str
        With programming noise alone, at the main magnitude.
    noises : tuple of (str, float)
        Other models of programming noise, and their magnitudes.
    times_s : tuple of float
        When crossbars are read after programming.
    front_shares_pct : tuple of float
        Digital experts with each multiplier.
    budgets_pct : tuple of float
        Budgets are the energies of so many digital experts; without any, there are no policies at all.
    oracle_bytes : int
        At most so much of the validation text for the oracle, which takes a measurement for each expert.
    modules : bool
        Whether each dense module is made analog alone.
    """

    test_bytes: int | None
    selection_bytes: int | None
    seeds: int
    main_seeds: int
    magnitudes: tuple[float, ...]
    shares_pct: tuple[float, ...]
    selectors: tuple[str, ...]
    main_selectors: tuple[str, ...]
    global_selectors: tuple[str, ...]
    noise_selectors: tuple[str, ...]
    noises: tuple[tuple[str, float], ...]
    times_s: tuple[float, ...]
    front_shares_pct: tuple[float, ...]
    budgets_pct: tuple[float, ...]
    oracle_bytes: int = 16_384
    modules: bool = True


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The experiment.

    Attributes
    ----------
    models : tuple of Path
        Folders with trained models; without any, the one that comes with axhw.
    text : str
        Held-out text: ``python_topics``, which comes with axhw, or ``mix``.
    deep, brief, large : Depth
        Of the first model, of the others, and of others with `LARGE_WEIGHTS` or more.
    multipliers : tuple of str
        Of digital experts, the exact one first.
    array_side : int
        Rows and columns of an array.
    arrays : int
        Of these for all that is digital.
    published : bool
        Whether models of published sizes are costed, too.
    tiles : TileSpec
        Of the trained models.
    window : int
        Bytes that a model sees at once.
    selector_seeds : int
        Chips, in pairs, that selectors measure on.
    rise_pct : float
        Most that the perplexity may rise by the policy that adapts to noise.
    """

    models: tuple[Path, ...] = ()
    text: str
    deep: Depth
    brief: Depth
    large: Depth
    multipliers: tuple[str, ...]
    array_side: int
    arrays: int = 64
    published: bool = True
    # The matrices of small models fill no larger ones.
    tiles: TileSpec = field(default_factory=lambda: TileSpec(rows=128, columns=128))
    window: int = 256
    selector_seeds: int = 2
    rise_pct: float = 0.5

    @property
    def exact(self) -> str:
        """The exact multiplier."""
        return self.multipliers[0]


_MAGNITUDES = (0.0, 1.0, 1.5, MAIN_MAGNITUDE, 3.0)
_SELECTORS = (MAXNN, *RIVALS, OURS)

FULL = Plan(
    text=MIX,
    deep=Depth(
        test_bytes=16_384,
        selection_bytes=None,
        seeds=2,
        main_seeds=4,
        magnitudes=_MAGNITUDES,
        shares_pct=(12.5, 25.0, 50.0, 75.0),
        selectors=_SELECTORS,
        main_selectors=("power", OUR_CHIP, ORACLE),
        global_selectors=(MAXNN, "power", OURS, OUR_CHIP, ORACLE),
        noise_selectors=(MAXNN, "random", OURS),
        noises=(("hermes", 1.0), ("additive", 1.0), ("proportional", 0.1)),
        times_s=(HOUR, DAY, MONTH),
        front_shares_pct=(25.0, 50.0, 75.0, 100.0),
        budgets_pct=(12.5, 25.0, 50.0),
    ),
    brief=Depth(
        test_bytes=12_288,
        selection_bytes=None,
        seeds=2,
        main_seeds=4,
        magnitudes=(0.0, MAIN_MAGNITUDE),
        shares_pct=(12.5, 25.0, 50.0),
        selectors=_SELECTORS,
        main_selectors=("power", OUR_CHIP),
        global_selectors=(MAXNN, OURS, OUR_CHIP),
        noise_selectors=(),
        noises=(),
        times_s=(),
        front_shares_pct=(),
        budgets_pct=(FIXED_PCT,),
    ),
    large=Depth(
        test_bytes=8_192,
        selection_bytes=16_384,
        seeds=2,
        main_seeds=4,
        magnitudes=(0.0, MAIN_MAGNITUDE),
        shares_pct=(FIXED_PCT,),
        selectors=_SELECTORS,
        main_selectors=("power", OUR_CHIP),
        global_selectors=(MAXNN, OURS, OUR_CHIP),
        noise_selectors=(),
        noises=(),
        times_s=(),
        front_shares_pct=(),
        budgets_pct=(),
        modules=False,
    ),
    multipliers=("exact", "roup:p=1,r=4", "mul8s_1L2L", "roup8s_p2_r2_symmetric"),
    array_side=4,
)

_QUICK = Depth(
    test_bytes=8_192,
    selection_bytes=4_096,
    seeds=2,
    main_seeds=2,
    magnitudes=_MAGNITUDES,
    shares_pct=(12.5, 25.0, 50.0),
    selectors=_SELECTORS,
    main_selectors=("power", OUR_CHIP, ORACLE),
    global_selectors=(MAXNN, OURS, OUR_CHIP),
    noise_selectors=(),
    noises=(("hermes", 1.0), ("additive", 1.0)),
    times_s=(HOUR, DAY, MONTH),
    front_shares_pct=(25.0, 50.0, 100.0),
    budgets_pct=(FIXED_PCT,),
)

QUICK = Plan(
    text=PYTHON_TOPICS,
    deep=_QUICK,
    brief=_QUICK,
    large=_QUICK,
    multipliers=("mul8s_1KV6", "mul8s_1L2L"),
    array_side=2,
)
