"""What other routings, caches and hardware do to what a language model computes: outputs, choices, predictions.

Ways to route, of any model whatever it was trained with:

    token choice             each token takes its best experts
    expert choice            each expert takes the best tokens of the whole window: the original of the GO cache; what a
                             token runs through depends on later ones, so that its perplexity is not one of prediction
    expert choice, GO cache  tokens of a prompt as above, among themselves; later ones as steps (`CachedChoice`)

Each is compared with what it stands for: expert choice over the window with the model as trained, a cache with expert
choice over the window, and hardware with exact float32 in the same routing. Only tokens behind the prompt count, in
what is compared and in what it is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig, Routing
from axhw.lm.expert_choice import ExpertChoice
from axhw.lm.routing import Chooser, TokenChoice
from axhw.lm.scoring import windows
from axhw.pim.cached_choice import SIZES, CachedChoice, Size
from axhw.pim.machines import Machine
from axhw.pim.value_trace import Comparison, Trace, trace

Reference: TypeAlias = Literal["trained", "window", "exact"]
Progress: TypeAlias = Callable[[int, int, str], None]

# Windows of so many tokens at once: some traces of them are in memory.
_BATCH_TOKENS = 1 << 12


@dataclass(frozen=True, kw_only=True)
class Route:
    """How tokens get their experts.

    Attributes
    ----------
    routing : "token_choice" or "expert_choice"
    prompt : int
        Tokens of the prompt in front of which there is a GO cache; 0 for none, where all of the window is known.
    size : "fixed", "growing" or None
        Of the cache, see `axhw.pim.cached_choice`.
    score_bits : int or None
        Of the scores in it; None for float32.
    """

    routing: Routing
    prompt: int = 0
    size: Size | None = None
    score_bits: int | None = None

    @property
    def causal(self) -> bool:
        """Whether no token behind the prompt depends on later ones."""
        return self.routing == "token_choice" or self.size is not None

    def chooser(self, config: ModelConfig) -> Chooser:
        """What makes the choices in a model."""
        if self.routing == "token_choice":
            return TokenChoice(active=config.active_experts, normalize=config.normalize_top_k)
        if self.size is None:
            return ExpertChoice(active=config.active_experts)
        return CachedChoice(
            active=config.active_experts, prompt=self.prompt, size=self.size, score_bits=self.score_bits
        )


@dataclass(frozen=True, kw_only=True)
class ValueSettings:
    """What is computed.

    Attributes
    ----------
    prompts : tuple of int
        Tokens of prompts, for the exact model.
    noisy_prompts : tuple of int
        The same for all other hardware.
    sizes : tuple of str
        Of caches.
    score_bits : tuple of int
        For the exact model and all prompts, caches with scores of so many bits, beside those in float32.
    window : int
        Tokens of a text.

    Raises
    ------
    AxhwError
        For prompts that leave nothing of a window to decode, and for other sizes.
    """

    prompts: tuple[int, ...] = (32, 128)
    noisy_prompts: tuple[int, ...] = (32,)
    sizes: tuple[Size, ...] = SIZES
    score_bits: tuple[int, ...] = (8,)
    window: int = 256

    def __post_init__(self) -> None:
        for prompt in (*self.prompts, *self.noisy_prompts):
            if not 1 <= prompt < self.window:
                raise AxhwError(f"Expected prompts of 1 to {self.window - 1} tokens of a window, found {prompt}.")
        if unknown := [size for size in self.sizes if size not in SIZES]:
            raise AxhwError(f"Expected the size of a cache out of {', '.join(SIZES)}, found {unknown[0]!r}.")

    def routes(self, *, exact: bool) -> tuple[Route, ...]:
        """Token choice, expert choice, and caches, for the exact model or for others."""
        bits = (None, *self.score_bits) if exact else (None,)
        cached = (
            Route(routing="expert_choice", prompt=prompt, size=size, score_bits=each)
            for prompt in (self.prompts if exact else self.noisy_prompts)
            for size in self.sizes
            for each in bits
        )
        return (Route(routing="token_choice"), Route(routing="expert_choice"), *cached)


@dataclass(frozen=True, kw_only=True)
class ValueRow:
    """One model on one hardware with one routing.

    Attributes
    ----------
    model, trained : str
        The model, and the routing that it was trained with.
    multiplier, noise, magnitude, seed
        As in `axhw.pim.machines.Machine`.
    routing, prompt, size, score_bits
        As in `Route`; `size` is empty without a cache.
    reference : "trained", "window" or "exact"
        What it is compared with: the exact model as trained, the exact model with expert choice over the window, or the
        exact model with the same routing.
    causal : bool
        Whether its perplexity is that of a prediction: no expert was chosen by later tokens.
    tokens : int
        That were predicted.
    perplexity, reference_perplexity, trained_perplexity : float
        Of the same tokens: its own, that of the reference, and that of the exact model as trained.
    rise_pct, rise_trained_pct : float
        By how much the perplexity is above these.
    output_error : float
        Of what experts add to the states, relative to the reference: root mean square over the layers.
    agreement : float
        Pairs of a token and an expert that both have, by those that either has: mean over the layers.
    experts_per_token, without_pct : float
        Mean number of experts of a token, and percent of tokens without any.
    output_errors, agreements : tuple of float
        For each layer with experts.
    """

    model: str
    trained: Routing
    multiplier: str
    noise: str
    magnitude: float
    seed: int | None
    routing: Routing
    prompt: int
    size: str
    score_bits: int | None
    reference: Reference
    causal: bool
    tokens: int
    perplexity: float
    reference_perplexity: float
    trained_perplexity: float
    rise_pct: float
    rise_trained_pct: float
    output_error: float
    agreement: float
    experts_per_token: float
    without_pct: float
    output_errors: tuple[float, ...]
    agreements: tuple[float, ...]

    def row(self) -> dict[str, Any]:
        """For tables: each layer has a column of its own."""
        flat = asdict(self)
        errors, agreements = flat.pop("output_errors"), flat.pop("agreements")
        for place, (error, agreement) in enumerate(zip(errors, agreements)):
            flat |= {f"output_error_{place}": error, f"agreement_{place}": agreement}
        return flat


def value_rows(
    name: str,
    machines: Sequence[Machine],
    text: npt.ArrayLike,
    *,
    settings: ValueSettings | None = None,
    progress: Progress | None = None,
) -> list[ValueRow]:
    """Compare routings, caches and hardware on a text.

    Rows of a machine depend on the first machine, the exact one, and on itself: machines can be computed in parts, each
    together with the exact one.

    Parameters
    ----------
    name : str
        Of the model.
    machines : sequence of Machine
        Of one model; the first is exact, and what others are compared with.
    text : integer array, shape (n,)
    settings : ValueSettings, optional
    progress : callable, optional
        Told of steps done, of all steps, and what is done.

    Returns
    -------
    list of ValueRow
        Those of the first machine, then of the next; in the order of `ValueSettings.routes`.

    Raises
    ------
    AxhwError
        Without a machine, for a text without a window in it, for tokens that the model can't take, and for models
        without experts or whose weights of experts sum to 1, which can't be where experts choose.
    """
    settings = ValueSettings() if settings is None else settings
    if not machines:
        raise AxhwError("Expected at least one machine, the exact one, found none.")
    config = machines[0].model.config
    if not config.expert_layers:
        raise AxhwError(f"Expected a language model with experts, found none in {name}.")
    if config.normalize_top_k:
        raise AxhwError(f"Expected weights of experts that experts may choose by, found ones that sum to 1 in {name}.")
    routes = [settings.routes(exact=number == 0) for number in range(len(machines))]
    compared = [
        {route: Comparison(layers=config.expert_layers, first=route.prompt) for route in some} for some in routes
    ]
    inputs, targets = windows(text, window=settings.window)
    step = max(1, _BATCH_TOKENS // settings.window)
    parts = [slice(start, start + step) for start in range(0, len(inputs), step)]
    everything = tuple(dict.fromkeys(route for some in routes for route in some))
    done, all_steps = 0, len(parts) * (len(everything) + sum(map(len, routes[1:])))

    def traced(machine: Machine, route: Route, part: slice) -> Trace:
        nonlocal done
        if progress is not None:
            progress(done, all_steps, f"{name}, {machine.name}")
        done += 1
        return trace(machine.model.with_choice(route.chooser(config)), inputs[part], targets[part])

    trained = Route(routing=config.routing)
    for part in parts:
        known = {route: traced(machines[0], route, part) for route in everything}
        for number, machine in enumerate(machines):
            for route, comparison in compared[number].items():
                found = known[route] if number == 0 else traced(machine, route, part)
                right = {"trained": trained, "window": Route(routing="expert_choice"), "exact": route}
                comparison.add(found, known[right[_reference(route, exact=number == 0)]], known[trained])
    return [
        _row(name, machine, route, _reference(route, exact=number == 0), compared[number][route])
        for number, machine in enumerate(machines)
        for route in routes[number]
    ]


def _reference(route: Route, *, exact: bool) -> Reference:
    if not exact:
        return "exact"
    return "trained" if route.size is None else "window"


def _row(name: str, machine: Machine, route: Route, reference: Reference, found: Comparison) -> ValueRow:
    perplexity, right, trained = (
        math.exp(nats / found.tokens) for nats in (found.nats, found.reference_nats, found.trained_nats)
    )
    return ValueRow(
        model=name,
        trained=machine.model.config.routing,
        multiplier=machine.multiplier,
        noise=machine.noise,
        magnitude=machine.magnitude,
        seed=machine.seed,
        routing=route.routing,
        prompt=route.prompt,
        size=route.size or "",
        score_bits=route.score_bits,
        reference=reference,
        causal=route.causal,
        tokens=found.tokens,
        perplexity=perplexity,
        reference_perplexity=right,
        trained_perplexity=trained,
        rise_pct=100 * (perplexity / right - 1),
        rise_trained_pct=100 * (perplexity / trained - 1),
        output_error=found.error,
        agreement=found.agreement,
        experts_per_token=found.experts_per_token,
        without_pct=found.without_pct,
        output_errors=found.errors,
        agreements=found.agreements,
    )
