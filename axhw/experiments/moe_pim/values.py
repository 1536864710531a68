"""Values: a trained model through routings, GO caches, groups and schedules, on exact and inexact hardware."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from axhw.analog.bench import Bench as TextBench
from axhw.evaluation import eight_bit_table
from axhw.experiments.moe_pim.gates import Bench
from axhw.experiments.moe_pim.plan import ValuePlan
from axhw.lm.catalogue import find_model
from axhw.lookup import named_multiplier
from axhw.measure import Conditions
from axhw.pim.machines import FLOAT32, INT8, Machine, analog_machines, float_machine, integer_machine
from axhw.pim.schedule_values import schedule_value_rows
from axhw.pim.values import Route, ValueSettings, value_rows
from axhw.sim.product_table import ProductTable

Row = dict[str, Any]

NOISE = "pcm"


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What experts are multiplied with.

    Attributes
    ----------
    multiplier : str
        "float32", "int8" or the name of an approximate one; of analog crossbars it has no meaning.
    magnitude : float
        Of programming noise; analog crossbars if above 0.
    seed : int
        Of the chip.
    """

    multiplier: str = FLOAT32
    magnitude: float = 0.0
    seed: int = 0

    @property
    def name(self) -> str:
        """For people."""
        return f"{NOISE} {self.magnitude:g}, chip {self.seed}" if self.magnitude else self.multiplier


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained model on a text.

    Attributes
    ----------
    name : str
        Of one that comes with axhw, or a folder.
    plan : ValuePlan
    gates : Bench
        Multipliers are made with.
    root : Path, optional
        Folder to look for texts in.
    """

    name: str
    plan: ValuePlan
    gates: Bench
    root: Path | None = None

    @property
    def label(self) -> str:
        """The name without the way to a folder."""
        return Path(self.name).name

    @cached_property
    def settings(self) -> Row:
        """What all of it depends on."""
        folder = find_model(self.name)
        digest = hashlib.sha256()
        for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        return {"files": digest.hexdigest()[:16], **asdict(self.plan)}

    @cached_property
    def hardware(self) -> tuple[Hardware, ...]:
        """Exact ones first."""
        plan = self.plan
        digital = (Hardware(multiplier=name) for name in (FLOAT32, INT8, *plan.multipliers))
        analog = (Hardware(magnitude=magnitude, seed=seed) for magnitude in plan.magnitudes for seed in plan.chips)
        return (*digital, *analog)

    @cached_property
    def texts(self) -> TextBench:
        """The model and its texts."""
        return TextBench.load(
            model=self.name,
            text=self.plan.text,
            root=self.root,
            most_bytes=self.plan.test_bytes,
            most_calibration_bytes=self.plan.calibration_bytes,
        )

    @cached_property
    def _exact(self) -> Machine:
        return float_machine(self.texts.model)

    def machine(self, hardware: Hardware) -> Machine:
        """The model on some hardware."""
        if hardware.magnitude:
            (found,) = analog_machines(
                self.texts, noise=NOISE, magnitudes=(hardware.magnitude,), seeds=(hardware.seed,)
            )
            return found
        if hardware.multiplier == FLOAT32:
            return self._exact
        if hardware.multiplier == INT8:
            return integer_machine(self.texts.model)
        return integer_machine(self.texts.model, name=hardware.multiplier, table=self._table(hardware.multiplier))

    @property
    def scheduled_hardware(self) -> tuple[Hardware, ...]:
        """What schedules are held against: all that is digital, and one chip."""
        analog = [hardware for hardware in self.hardware if hardware.magnitude]
        return tuple(hardware for hardware in self.hardware if hardware not in analog[1:])

    def rows(self, hardware: Hardware, stage: Callable[[str], None]) -> list[Row]:
        """Routings and caches on one hardware, each compared with what it stands for; ``new`` tokens of a window."""
        plan, rows = self.plan, list[Row]()
        # For matrices as small as these, threads cost more than they save.
        with threadpool_limits(1):
            machine = self.machine(hardware)
            exact = machine is self._exact
            every = [ValueSettings(prompts=plan.prompts, noisy_prompts=plan.prompts[:1], score_bits=plan.score_bits)]
            if exact:
                first = plan.prompts[0]
                every += [ValueSettings(prompts=(first,), score_bits=(), window=first + new) for new in plan.short]
            for settings in every:
                machines = [self._exact] if exact else [self._exact, machine]
                found = value_rows(self.label, machines, self.texts.test, settings=settings)
                for row in found if exact else [row for row in found if row.reference == "exact"]:
                    # Shorter windows are there for caches alone.
                    if row.size or settings is every[0]:
                        new = settings.window - row.prompt
                        rows.append({"hardware": hardware.name, "new": new, **row.row()})
        return rows

    @property
    def routes(self) -> Iterator[Route]:
        """Those that go through schedules."""
        prompt = self.plan.prompts[0]
        yield Route(routing="token_choice")
        yield Route(routing="expert_choice", prompt=prompt, size="fixed")
        yield Route(routing="expert_choice", prompt=prompt, size="growing")

    def schedule_rows(self, hardware: Hardware, stage: Callable[[str], None]) -> list[Row]:
        """The model through groups and schedules, held against the plain one bit by bit."""
        machine, plan = self.machine(hardware), self.plan
        text = self.texts.test[: plan.scheduled]
        named = {"model": self.label, "hardware": hardware.name, "tokens": len(text), "score_bits": None}
        return [
            {**named, "new": len(text) - route.prompt, **row.row()}
            for route in self.routes
            for row in schedule_value_rows(machine, text, route=route, groupings=plan.groupings)
        ]

    def _table(self, name: str) -> ProductTable:
        # Products are the same under all conditions; other commands have the record under the usual ones.
        flow = replace(self.gates.flow, conditions=Conditions())
        return eight_bit_table(named_multiplier(name, flow.store).measured(flow))
