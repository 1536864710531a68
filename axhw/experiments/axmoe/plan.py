"""What is run: networks, circuits, retrainings and searches."""

from __future__ import annotations

from dataclasses import dataclass

from axhw.hdl.families.evoapprox import CIRCUITS
from axhw.nn.compensation import Compensation


@dataclass(frozen=True, kw_only=True)
class ArraySide:
    """The arrays of the hardware view.

    Attributes
    ----------
    side : int
        Rows and columns of PEs.
    circuits : tuple of str
        An array of each, and one of the exact circuit.
    images : int
        Of the test split, whose rows are counted.
    """

    side: int
    circuits: tuple[str, ...]
    images: int


@dataclass(frozen=True, kw_only=True)
class ExpertSearches:
    """Searches for a design for each expert.

    Attributes
    ----------
    networks : tuple of str
    circuits : tuple of str
        Published ones to choose from; coarser than those of the cells, too, as single experts may bear what a whole
        network does not.
    compensations : tuple of {None, "bias", "affine"}
    evaluations, population : int
        Of each search.
    images : int
        Of the validation split.
    """

    networks: tuple[str, ...]
    circuits: tuple[str, ...]
    compensations: tuple[Compensation | None, ...]
    evaluations: int
    population: int
    images: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The experiment.

    Attributes
    ----------
    data : str
    networks : tuple of str
        With experts beside the dense ones they are made of; those without weights are left out and named.
    circuits : tuple of str
        Published ones, the exact one among them.
    seeds : tuple of int
        Of retrainings.
    recovering : tuple of str
        Networks that are to recover by retraining.
    sensitivity_networks : tuple of str
    sensitivity_circuit : str
        Runs in one expert at a time.
    sensitivity_images : int
        Of the test split, for that.
    searches : ExpertSearches
    arrays : ArraySide
    test_images : int or None
        All by default.
    seed : int
        Of the searches.
    """

    data: str
    networks: tuple[str, ...]
    circuits: tuple[str, ...]
    seeds: tuple[int, ...]
    recovering: tuple[str, ...]
    sensitivity_networks: tuple[str, ...]
    sensitivity_circuit: str
    searches: ExpertSearches
    arrays: ArraySide
    test_images: int | None = None
    sensitivity_images: int = 2000
    seed: int = 1


FULL = Plan(
    data="cifar10_jpeg",
    networks=(
        "resnet8",
        "resnet8_hard4",
        "resnet20",
        "resnet20_hard4",
        "resnet20_soft4",
        "resnet20_cluster4",
        "vgg11_bn",
        "vgg11_bn_hard4",
        "vgg11_bn_soft4",
        "vgg11_bn_cluster4",
        "vgg19_bn",
        "vgg19_bn_hard4",
        "vgg19_bn_soft4",
        "vgg19_bn_cluster4",
        "vit_mini",
        "vit_mini_hard4_r25",
        "vit_small",
        "vit_small_hard4_r25",
        "vit_small_soft4_r25",
        "vit_small_cluster4",
    ),
    circuits=(
        "mul8s_1KV6",
        "mul8s_1KV8",
        "mul8s_1KV9",
        "mul8s_1KVA",
        "mul8s_1KVM",
        "mul8s_1KVP",
        "mul8s_1L2J",
        "mul8s_1L2L",
    ),
    seeds=(0, 1, 2),
    recovering=("resnet20", "resnet20_hard4"),
    sensitivity_networks=("resnet8_hard4", "resnet20_hard4", "resnet20_cluster4", "vit_mini_hard4_r25"),
    sensitivity_circuit="mul8s_1L2L",
    searches=ExpertSearches(
        networks=("resnet8_hard4", "resnet20_hard4", "resnet20_cluster4", "vit_mini_hard4_r25"),
        circuits=tuple(CIRCUITS),
        compensations=(None, "affine"),
        evaluations=400,
        population=24,
        images=1000,
    ),
    arrays=ArraySide(side=8, circuits=("mul8s_1L2J", "mul8s_1L2L"), images=1000),
)

QUICK = Plan(
    data="digits",
    networks=("digits_cnn", "digits_cnn_hard2", "digits_cnn_soft2", "digits_cnn_cluster2"),
    circuits=("mul8s_1KV6", "mul8s_1L2L", "mul8s_1L2N", "mul8s_1L12"),
    seeds=(0,),
    recovering=("digits_cnn", "digits_cnn_hard2"),
    sensitivity_networks=("digits_cnn_hard2", "digits_cnn_cluster2"),
    sensitivity_circuit="mul8s_1L2N",
    searches=ExpertSearches(
        networks=("digits_cnn_hard2",),
        circuits=("mul8s_1KV6", "mul8s_1L2L", "mul8s_1L2N", "mul8s_1L12"),
        compensations=(None,),
        evaluations=60,
        population=12,
        images=200,
    ),
    arrays=ArraySide(side=2, circuits=("mul8s_1L2L",), images=200),
)
