"""Epochs of gradient descent on one device; on a GPU a step is recorded once and replayed, as launches cost more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import nn

from axhw.errors import AxhwError
from axhw.nn.layers.routing import Gate
from axhw.train.batches import Choice, DeviceImages
from axhw.train.quantization_aware import QuantizedModule
from axhw.train.recipe import Recipe
from axhw.train.routing import LoadBalance
from axhw.train.sgd import Sgd
from axhw.train.torch_model import GraphModule

# Images of which nothing is differentiated: a GPU wants many at once, a processor those that its caches hold.
_AT_ONCE, _AT_ONCE_ON_GPU = 128, 1024


class Trainer:
    """A model in training.

    Parameters
    ----------
    model : GraphModule or QuantizedModule
        On the device of the images.
    tensors : mapping of str to tensor
        All that training changes.
    images : DeviceImages
    recipe : Recipe
    seed : int
    log : callable
        Takes a line about what can't be done on this device.
    teacher : QuantizedModule, optional
        On the device of the images; what it answers is what a recipe with distillation wants.
    mixed : bool
        On a GPU, compute in bfloat16 where that is safe: faster, for real values only.
    record : bool
        On a GPU, record a step as a CUDA graph.

    Raises
    ------
    AxhwError
        For a batch larger than the training split, gates to be balanced in training with codes, and distillation
        without a teacher.
    """

    def __init__(
        self,
        model: GraphModule | QuantizedModule,
        tensors: dict[str, torch.Tensor],
        images: DeviceImages,
        recipe: Recipe,
        *,
        seed: int,
        log: Callable[[str], None],
        teacher: QuantizedModule | None = None,
        mixed: bool = False,
        record: bool = True,
    ) -> None:
        if recipe.batch > len(images):
            raise AxhwError(
                f"Expected a batch of at most {len(images)} images, all of the split, found {recipe.batch}."
            )
        if recipe.load_balance and isinstance(model, QuantizedModule):
            raise AxhwError(
                f"Expected gates to be balanced in training with real values, found {recipe.load_balance} for codes."
            )
        if recipe.distillation and teacher is None:
            raise AxhwError(
                f"Expected distillation in retraining, where a network knows its answers with exact products, found "
                f"{recipe.distillation} in a training from random weights."
            )
        self._model = model
        self._teacher = teacher if recipe.distillation else None
        self._images = images
        self._recipe = recipe
        self._seed = seed
        self._log = log
        self._balances = recipe.load_balance > 0 and any(isinstance(node.layer, Gate) for node in model.graph)
        self._optimizer = Sgd(
            tensors,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            largest_gradient=recipe.largest_gradient,
        )
        self.state = {**tensors, **{f"velocity/{name}": value for name, value in self._optimizer.velocity.items()}}
        self.steps = len(images) // recipe.batch
        self._choice = images.epoch(seed=seed, epoch=0)[: recipe.batch]
        device = self._choice.index.device
        self._on_gpu = device.type == "cuda"
        self._record_steps = record
        self._mixed = mixed and self._on_gpu
        self._loss = torch.zeros((), device=device)
        self._run: Callable[[], None] | None = None
        self._of_epoch: dict[str, torch.Tensor] = {}
        self._decided: dict[str, torch.Tensor] = {}
        # What the teacher answers to the images of an epoch, and of a step.
        self._answers = torch.zeros((0, 0), device=device)
        self._wanted = torch.zeros((recipe.batch, *model.graph.shapes[model.graph.output]), device=device)
        # The epoch that room was made for last.
        self._roomy: int | None = None

    def epoch(self, number: int, *, position: float | None = None, stretch: float = 1.0) -> float:
        """One pass over the images; returns the mean loss.

        Parameters
        ----------
        number : int
            Decides the order and changes of the images.
        position : float, optional
            Place in the schedule of the learning rate, in epochs; `number` by default.
        stretch : float
            Epochs by which the schedule moves on.

        Raises
        ------
        AxhwError
            If the loss is not finite any more.
        """
        step = self._prepared_step()
        start = number if position is None else position
        self._model.train()
        choice = self._images.epoch(seed=self._seed, epoch=number)
        if self._teacher is not None:
            asked = choice[: self.steps * self._recipe.batch]
            self._answers = answers_of(self._teacher, self._images, asked)
        self._loss.zero_()
        for index in range(self.steps):
            self._optimizer.set_rate(self._recipe.rate(start + stretch * index / self.steps))
            self._choose(choice, index)
            step()
        loss = float(self._loss) / self.steps
        if not loss < float("inf"):
            raise AxhwError(f"Expected a finite loss, found {loss} in epoch {number + 1}: lower the learning rate.")
        return loss

    def make_room(self, number: int) -> bool:
        """On a GPU, see to it that the slots of experts hold their rows of an epoch; whether there had to be more.

        That is for frozen gates that see images alone (`QuantizedModule.early_gates`). They choose for the whole epoch
        here: steps neither compute them again nor more rows of each expert than the fullest batch has.
        """
        if number == self._roomy:
            return False
        model, self._roomy = self._model, number
        before, self._decided = self._decided, {}
        self._of_epoch = {}
        if self._on_gpu and self._record_steps and isinstance(model, QuantizedModule) and model.early_gates:
            choice = self._images.epoch(seed=self._seed, epoch=number)[: self.steps * self._recipe.batch]
            self._of_epoch = choices_of(model, self._images, choice)
            self._decided = before or {
                gate: codes[: self._recipe.batch].clone() for gate, codes in self._of_epoch.items()
            }
        grown = bool(self._of_epoch) and model.make_room(self._of_epoch, batch=self._recipe.batch)
        if grown or before.keys() != self._decided.keys():
            self.forget_recording()
        return grown

    def first_images(self, number: int) -> torch.Tensor:
        """Those of the first step of an epoch."""
        return self._images(self._images.epoch(seed=self._seed, epoch=number)[: self._recipe.batch])[0]

    def _choose(self, choice: Choice, step: int) -> None:
        """Take over the images of a step, what gates chose for them, and what the teacher answers."""
        of_step = slice(step * self._recipe.batch, (step + 1) * self._recipe.batch)
        self._choice.copy_(choice[of_step])
        if self._teacher is not None:
            self._wanted.copy_(self._answers[of_step])
        for gate, codes in self._decided.items():
            codes.copy_(self._of_epoch[gate][of_step])

    def forget_recording(self) -> None:
        """Record a step anew: the model does something else in it now."""
        self._run = None

    def step_seconds(self, steps: int) -> float:
        """Mean time of a step; the model stays as it is."""
        step = self._prepared_step()
        with self._unchanged():
            self._model.train()
            step()
            self._synchronize()
            start = time.perf_counter()
            for _ in range(steps):
                step()
            self._synchronize()
            return (time.perf_counter() - start) / steps

    def _prepared_step(self) -> Callable[[], None]:
        if self._run is None:
            self._run = self._recorded() if self._on_gpu and self._record_steps else self._step
        return self._run

    def _synchronize(self) -> None:
        if self._on_gpu:
            torch.cuda.synchronize()

    def _step(self) -> None:
        self._optimizer.clear()
        images, labels = self._images(self._choice)
        with self._precision():
            balance = LoadBalance(self._model.graph) if self._balances else None
            logits = self._logits(images, balance)
            loss = self._error(logits.float(), labels)
            if balance is not None:
                loss = loss + self._recipe.load_balance * balance.loss()
        loss.backward()
        self._optimizer.step()
        self._loss += loss.detach()

    def _error(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        share, temperature = self._recipe.distillation, self._recipe.temperature
        error = F.cross_entropy(logits, labels, label_smoothing=self._recipe.label_smoothing)
        if not share:
            return error
        wanted = F.softmax(self._wanted / temperature, dim=1)
        return (1 - share) * error + share * temperature**2 * F.cross_entropy(logits / temperature, wanted)

    def _logits(self, images: torch.Tensor, balance: LoadBalance | None) -> torch.Tensor:
        if balance is not None:
            logits: torch.Tensor = self._model(images, observe=balance.observe)
        else:
            logits = self._model(images, decided=self._decided) if self._decided else self._model(images)
        return logits

    def _precision(self) -> AbstractContextManager[None]:
        # The cache of cast weights would outlive the recording of a step.
        return torch.autocast("cuda", torch.bfloat16, cache_enabled=False) if self._mixed else nullcontext()

    def _recorded(self) -> Callable[[], None]:
        """A step as a CUDA graph, or as it is where that can't be recorded."""
        try:
            return self._record()
        except RuntimeError as error:
            self._log(f"Steps are not recorded as a CUDA graph, which makes them slower: {error}".splitlines()[0])
            return self._step

    def _record(self) -> Callable[[], None]:
        with self._unchanged():
            self._model.train()
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    self._step()
            torch.cuda.current_stream().wait_stream(aside)
            self._optimizer.clear()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._step()
        replay: Callable[[], None] = graph.replay
        return replay

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Put everything that training changes back afterwards."""
        kept = {name: tensor.detach().clone() for name, tensor in self.state.items()}
        self._optimizer.set_rate(0.0)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in self.state.items():
                    tensor.copy_(kept[name])
            self._loss.zero_()


def answers_of(model: QuantizedModule, images: DeviceImages, choice: Choice) -> torch.Tensor:
    """Outputs for many images, float32 [B, classes], computed for some at once."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(images(part)[0]).float() for part in _parts(choice)])


def choices_of(model: QuantizedModule, images: DeviceImages, choice: Choice) -> dict[str, torch.Tensor]:
    """`QuantizedModule.choices` for many images, computed for some at once."""
    model.eval()
    parts = [model.choices(images(part)[0]) for part in _parts(choice)]
    return {gate: torch.cat([part[gate] for part in parts]) for gate in model.early_gates}


def _parts(choice: Choice) -> Iterator[Choice]:
    at_once = _AT_ONCE_ON_GPU if choice.index.is_cuda else _AT_ONCE
    return (choice[start : start + at_once] for start in range(0, len(choice.index), at_once))


def accuracy(model: nn.Module, images: DeviceImages) -> float:
    """Share of images whose largest logit is that of their label."""
    model.eval()
    # Added up on the device, which need not wait for the host after each batch then.
    right = torch.zeros((), dtype=torch.int64)
    with torch.no_grad():
        for batch, labels in images.in_order(_AT_ONCE_ON_GPU if images.on_gpu else _AT_ONCE):
            right = right.to(labels.device) + (model(batch).argmax(dim=1) == labels).sum()
    return int(right) / len(images)
