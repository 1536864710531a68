"""What is run: networks, designs, numbers of evaluations and images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from axhw.hdl.families.evoapprox import CIRCUITS
from axhw.nn.compensation import Compensation
from axhw.search.space import SpaceLevel

PaletteName: TypeAlias = Literal["roup", "published", "library", "modes"]
ElementName: TypeAlias = Literal["array_cell", "mac"]


@dataclass(frozen=True, kw_only=True)
class Searches:
    """Fronts of one network.

    Attributes
    ----------
    palette : {"roup", "published", "library", "modes"}
        ``modes`` are those of one configurable multiplier.
    levels : tuple of str
    compensations : tuple of {None, "bias", "affine"}
        A family of fronts for each.
    baselines : tuple of str
        Levels at which random search and hill climbing get as many evaluations.
    """

    palette: PaletteName
    levels: tuple[SpaceLevel, ...]
    compensations: tuple[Compensation | None, ...] = (None, "affine")
    baselines: tuple[SpaceLevel, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Training:
    """A network that comes with weights, and how it is quantised.

    Attributes
    ----------
    model, data : str
    per_channel : bool
        One scale for the weights of each filter, or one for all of a layer.
    calibration_seed : int or None
        Which images of the train split ranges of activations are measured on; None keeps those that training fixed.
    seed : int
        Of the training: of its first weights and of the order and changes of images. 0 is that of the weights that
        come with axhw for any use; others come with the experiment.
    """

    model: str
    data: str
    per_channel: bool = True
    calibration_seed: int | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Tracing:
    """Points of the fronts that are measured in gates.

    Attributes
    ----------
    compensations : tuple of {None, "bias", "affine"}
        A point of each level for each.
    elements : tuple of {"array_cell", "mac"}
        Processing elements to measure in.
    images : int
        Of the train split, whose operands are traced.
    pairs : int
        Operations sampled of each layer, design and order.
    """

    compensations: tuple[Compensation | None, ...] = (None, "affine")
    elements: tuple[ElementName, ...] = ("array_cell", "mac")
    images: int = 8
    pairs: int = 2048


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The experiment.

    Attributes
    ----------
    model, data : str
        Of the sensitivity and the fronts.
    roup, published : tuple of str
        Grids of designs.
    searches : tuple of Searches
    evaluations, population : int
        Of each search.
    deeper : str or None
        Another network for the same data, searched with a third of the evaluations.
    deeper_searches : tuple of Searches
    trainings : tuple of Training
        For the question whether early layers are sensitive.
    images, test_images, sensitivity_images : int or None
        Of the validation split for searches, and of the test split for reports and sensitivities; None is all.
    measured_kernels : int
        Of each layer that are measured one by one, to check what is predicted for all.
    front_points : int
        Most points of a front that are run on test images.
    modes : int
        Designs of the run-time configurable multiplier, the exact one included.
    tracing : Tracing
        For the question how far the energy model is from gates.
    seed : int
    """

    model: str
    data: str
    roup: tuple[str, ...]
    published: tuple[str, ...]
    searches: tuple[Searches, ...]
    evaluations: int
    population: int
    deeper: str | None
    deeper_searches: tuple[Searches, ...]
    trainings: tuple[Training, ...]
    images: int
    test_images: int | None
    sensitivity_images: int
    measured_kernels: int
    front_points: int
    modes: int
    tracing: Tracing = Tracing()
    seed: int = 1

    @property
    def deeper_evaluations(self) -> int:
        """Of each search of the deeper network."""
        return -(-self.evaluations // 3)


_LEVELS: tuple[SpaceLevel, ...] = ("layer", "filter", "kernel", "mixed")

FULL = Plan(
    model="resnet8",
    data="cifar10_jpeg",
    roup=("roup:p=0..3,r=0..6,rule=*",),
    published=(f"evoapprox:circuit={'|'.join(CIRCUITS)}",),
    searches=(
        Searches(palette="roup", levels=_LEVELS, baselines=_LEVELS),
        Searches(palette="published", levels=("layer",)),
        Searches(palette="library", levels=("layer", "mixed")),
    ),
    evaluations=400,
    population=24,
    deeper="resnet20",
    deeper_searches=(
        Searches(palette="roup", levels=("filter",), compensations=("affine",)),
        Searches(palette="published", levels=("layer",), compensations=("affine",)),
    ),
    trainings=tuple(
        Training(model=model, data=data, per_channel=per_channel, calibration_seed=images, seed=seed)
        for data in ("cifar10_jpeg", "fashion_mnist")
        for model, seeds in (("resnet8", (0, 1, 2)), ("resnet20", (0,)))
        for seed in seeds
        for per_channel, images in ((True, None), (True, 0), (False, None))
    ),
    images=1000,
    test_images=None,
    sensitivity_images=1000,
    measured_kernels=64,
    front_points=8,
    modes=4,
)

QUICK = Plan(
    model="digits_cnn",
    data="digits",
    roup=("roup:p=1..3,r=0|4,rule=aligned|symmetric",),
    published=("evoapprox:circuit=mul8s_1KVA|mul8s_1KVQ|mul8s_1KX5|mul8s_1L2L|mul8s_1L2N",),
    searches=(
        Searches(palette="roup", levels=_LEVELS, baselines=_LEVELS),
        Searches(palette="published", levels=("layer",)),
    ),
    evaluations=40,
    population=12,
    deeper=None,
    deeper_searches=(),
    trainings=(
        Training(model="digits_cnn", data="digits"),
        Training(model="digits_cnn", data="digits", per_channel=False),
    ),
    images=150,
    test_images=None,
    sensitivity_images=200,
    measured_kernels=12,
    front_points=8,
    modes=3,
    tracing=Tracing(compensations=(None,), elements=("array_cell",), images=4, pairs=256),
)
