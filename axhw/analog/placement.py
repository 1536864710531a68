"""Which experts are digital; all others are analog, and what is no expert is not decided here."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from axhw.analog.converters import FloatArray
from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.lm.config import ModelConfig

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Scope: TypeAlias = Literal["layer", "global"]

SCOPES: tuple[Scope, ...] = get_args(Scope)

_KIND = "placement of experts"


@dataclass(frozen=True, order=True)
class ExpertSite:
    """A routed expert: its layer and its number, both counted from 0."""

    layer: int
    expert: int


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The digital experts of a model; all its others are analog.

    Attributes
    ----------
    digital : frozenset of ExpertSite
    """

    digital: frozenset[ExpertSite] = frozenset()

    @classmethod
    def of_mask(cls, mask: BoolArray) -> Placement:
        """From true for each digital expert, shape (layers, experts)."""
        return cls(digital=frozenset(ExpertSite(int(layer), int(expert)) for layer, expert in np.argwhere(mask)))

    @classmethod
    def all_digital(cls, config: ModelConfig) -> Placement:
        """Every expert of a model."""
        return cls(digital=frozenset(expert_sites(config)))

    def mask(self, config: ModelConfig) -> BoolArray:
        """True for each digital expert, shape (layers, experts).

        Raises
        ------
        AxhwError
            For experts that the model does not have.
        """
        self.check(config)
        mask = np.zeros((config.layers, config.experts), np.bool_)
        for site in self.digital:
            mask[site.layer, site.expert] = True
        return mask

    def share(self, config: ModelConfig) -> float:
        """Part of the model's experts that are digital, 0 to 1."""
        return len(self.digital) / len(expert_sites(config))

    def check(self, config: ModelConfig) -> None:
        """Refuse experts that a model does not have.

        Raises
        ------
        AxhwError
            If there are any.
        """
        if unknown := sorted(self.digital - set(expert_sites(config))):
            raise AxhwError(
                f"Expected experts 0 to {config.experts - 1} of the layers {_listed(config)}, found expert "
                f"{unknown[0].expert} of layer {unknown[0].layer} in the placement."
            )


def expert_sites(config: ModelConfig) -> tuple[ExpertSite, ...]:
    """All experts of a model, layer by layer."""
    return tuple(ExpertSite(layer, expert) for layer in config.expert_layers for expert in range(config.experts))


def place(scores: npt.ArrayLike, config: ModelConfig, *, share: float, scope: Scope = "layer") -> Placement:
    """The experts of the highest scores are digital.

    Parameters
    ----------
    scores : array-like, shape (layers, experts)
        Of equal ones, those of earlier layers come first, and of one layer those of lower numbers. Layers without
        experts do not count.
    config : ModelConfig
    share : float
        Part of the experts that is digital, 0 to 1; of their number, halves are rounded up.
    scope : "layer" or "global"
        Whether so many are taken in each layer, or out of all layers together.

    Raises
    ------
    AxhwError
        For another scope, a share outside 0 to 1, and scores of another shape or that are NaN.
    """
    values = np.asarray(scores, np.float64)
    if values.shape != (config.layers, config.experts):
        raise AxhwError(f"Expected scores of shape {(config.layers, config.experts)}, found {values.shape}.")
    layers = list(config.expert_layers)
    if np.isnan(values[layers]).any():
        raise AxhwError("Expected a score for every expert, found NaN.")
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise AxhwError(f"Expected a part of the experts from 0 to 1, found {share}.")
    if scope not in SCOPES:
        raise AxhwError(f"Expected digital experts by {' or '.join(SCOPES)}, found {scope!r}.")
    groups = [[layer] for layer in layers] if scope == "layer" else [layers]
    mask = np.zeros(values.shape, np.bool_)
    for group in groups:
        number = math.floor(share * len(group) * config.experts + 0.5)
        order = np.argsort(-values[group], axis=None, kind="stable")[:number]
        rows, experts = np.divmod(order, config.experts)
        mask[np.array(group)[rows], experts] = True
    return Placement.of_mask(mask)


def ranked(scores: FloatArray, config: ModelConfig) -> list[ExpertSite]:
    """All experts from the highest score down, in the order in which `place` takes them globally."""
    sites = expert_sites(config)
    values = np.array([scores[site.layer, site.expert] for site in sites])
    return [sites[i] for i in np.argsort(-values, kind="stable")]


def write_placement(path: Path, placement: Placement, *, about: dict[str, Any] | None = None) -> None:
    """Write a placement as JSON.

    Parameters
    ----------
    path : Path
    placement : Placement
    about : dict, optional
        What else to say of it; not read again.

    Raises
    ------
    AxhwError
        If it can't be written.
    """
    digital = [[site.layer, site.expert] for site in sorted(placement.digital)]
    document = {"kind": _KIND, **(about or {}), "digital": digital}
    with replacing(path) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_placement(path: Path) -> Placement:
    """A placement from what `write_placement` wrote, or any JSON object with pairs of layer and expert as ``digital``.

    Raises
    ------
    AxhwError
        If it can't be read or is something else.
    """
    try:
        document: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise AxhwError(f"Expected a placement at {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise AxhwError(f"Expected JSON in {path}, found something else: {error}.") from error
    pairs = document.get("digital") if isinstance(document, dict) else None
    if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
        raise AxhwError(f'Expected pairs of layer and expert as "digital" in {path}, found something else.')
    return Placement(digital=frozenset(ExpertSite(layer, expert) for layer, expert in pairs))


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(type(number) is int for number in pair)


def _listed(config: ModelConfig) -> str:
    first, last = config.expert_layers[0], config.expert_layers[-1]
    return f"{first} to {last}" if last - first + 1 == len(config.expert_layers) else f"{config.expert_layers}"
