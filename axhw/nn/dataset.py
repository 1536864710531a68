"""Labelled images with a statement of where they come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """One split of a labelled data set.

    Attributes
    ----------
    name : str
        Source, for reports.
    split : str
        E.g. ``train``, ``validation`` or ``test``.
    seed : int
        Of the split.
    images : float array, shape (n, C, H, W)
        Normalised, as networks take them.
    labels : int64 array, shape (n,)

    Raises
    ------
    AxhwError
        Without images, or with a number of labels that is not theirs.
    """

    name: str
    split: str
    seed: int
    images: npt.NDArray[np.floating]
    labels: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.images):
            raise AxhwError(f"Expected at least one image in {self.name}, split {self.split}, found none.")
        if self.labels.shape != (len(self.images),):
            raise AxhwError(
                f"Expected one label for each of the {len(self.images)} images in {self.name}, split {self.split}, "
                f"found labels of shape {self.labels.shape}."
            )

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Disjoint parts of one data set: fit on `train`, choose on `validation`, report on `test`."""

    train: Dataset
    validation: Dataset
    test: Dataset
