"""Routing traces: which experts each token of one layer chose."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.files import replacing

IntArray = npt.NDArray[np.int64]

SUFFIXES = (".npz", ".csv")
"""Endings of files with choices."""

NOBODY = -1
"""Stands where a token has no further expert."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Choices:
    """The experts of each token, in the order in which the tokens come.

    Attributes
    ----------
    chosen : int64 array, shape (tokens, most)
        Different experts of each token; -1 where it has fewer than others, as where experts choose.
    experts : int
        Number of experts there are.

    Raises
    ------
    AxhwError
        Unless there is a token, and every token has an expert, none that there isn't, and none twice.
    """

    chosen: IntArray
    experts: int

    def __post_init__(self) -> None:
        chosen = self.chosen
        if not isinstance(chosen, np.ndarray) or chosen.ndim != 2 or chosen.dtype.kind not in "iu" or not chosen.size:
            raise AxhwError(
                "Expected choices as an integer array [tokens, experts of each] with some in it, "
                f"found {getattr(chosen, 'dtype', type(chosen).__name__)} {list(np.shape(chosen))}."
            )
        chosen = chosen.astype(np.int64)
        if self.experts < 1 or chosen.min() < NOBODY or chosen.max() >= self.experts:
            raise AxhwError(
                f"Expected experts from 0 to {self.experts - 1}, or {NOBODY} for none, "
                f"found {chosen.min()} to {chosen.max()}."
            )
        ordered = np.sort(chosen, axis=1)
        twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NOBODY)).any(axis=1)
        if twice.any():
            raise AxhwError(f"Expected different experts of each token, found one twice at token {twice.argmax()}.")
        if (ordered[:, -1] == NOBODY).any():
            raise AxhwError(
                f"Expected an expert of each token, found none of token {(ordered[:, -1] == NOBODY).argmax()}."
            )
        object.__setattr__(self, "chosen", chosen)

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return len(self.chosen)

    @property
    def matrix(self) -> npt.NDArray[np.bool_]:
        """Whether a token chose an expert, shape (tokens, experts)."""
        found = np.zeros((self.tokens, self.experts), np.bool_)
        token, place = np.nonzero(self.chosen != NOBODY)
        found[token, self.chosen[token, place]] = True
        return found

    @property
    def expert_loads(self) -> IntArray:
        """How many tokens chose each expert, shape (experts,)."""
        loads: IntArray = np.bincount(self.chosen[self.chosen != NOBODY], minlength=self.experts)
        return loads

    def part(self, first: int, stop: int) -> Choices:
        """The choices of tokens from `first` up to, but without, `stop`.

        Raises
        ------
        AxhwError
            If there are no such tokens.
        """
        if not 0 <= first < stop <= self.tokens:
            raise AxhwError(f"Expected tokens out of {self.tokens}, found {first} to {stop - 1}.")
        return Choices(chosen=self.chosen[first:stop], experts=self.experts)

    def save(self, path: Path) -> None:
        """Write the choices as `load_choices` reads them, as the ending of the path says.

        Raises
        ------
        AxhwError
            For other endings than .npz and .csv, and if the file can't be written.
        """
        _check_suffix(path)
        with replacing(path) as draft:
            if path.suffix == ".npz":
                np.savez_compressed(draft, chosen=self.chosen, experts=self.experts)
                return
            with draft.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerows([expert for expert in row if expert != NOBODY] for row in self.chosen.tolist())


def synthetic_choices(*, seed: int, tokens: int, skew: float = 0.5, experts: int = 16, active: int = 4) -> Choices:
    """The reproducible trace: independent normal scores, with a bias for each expert that makes some more popular.

    A longer trace of the same seed begins with the shorter one.

    Parameters
    ----------
    seed : int
    tokens : int
    skew : float
        Standard deviation of the biases; scores have one of 1.
    experts, active : int
        Each token takes the `active` experts of the largest scores; of equal ones, the first.

    Raises
    ------
    AxhwError
        Without tokens, and unless experts are at least the active ones.
    """
    if tokens < 1 or not 1 <= active <= experts:
        raise AxhwError(
            "Expected at least one token and 1 active expert or more out of all experts, "
            f"found {tokens} tokens and {active} of {experts} experts."
        )
    rng = np.random.default_rng(seed)
    bias = skew * rng.standard_normal(experts)
    scores = bias + rng.standard_normal((tokens, experts))
    return Choices(chosen=np.argsort(-scores, axis=1, kind="stable")[:, :active], experts=experts)


def load_choices(path: Path, *, experts: int | None = None) -> Choices:
    """Choices out of a file.

    Parameters
    ----------
    path : Path
        ``.npz`` with an integer array ``chosen`` [tokens, experts of each] and, if wanted, the number ``experts``; or
        ``.csv`` without a head, a line for each token with the numbers of its experts.
    experts : int, optional
        Number of experts there are. By default what the file says, or else one more than the largest number in it.

    Raises
    ------
    AxhwError
        For files that are missing, damaged or of other content.
    """
    _check_suffix(path)
    try:
        chosen, stated = _from_npz(path) if path.suffix == ".npz" else (_from_csv(path), None)
    except OSError as error:
        raise AxhwError(f"Expected a readable file {path}, found: {error.strerror or error}.") from None
    if experts is None:
        experts = int(chosen.max()) + 1 if stated is None else stated
    try:
        return Choices(chosen=chosen, experts=experts)
    except AxhwError as error:
        raise AxhwError(f"{path}: {error}") from None


def _from_npz(path: Path) -> tuple[npt.NDArray[Any], int | None]:
    try:
        with zipfile.ZipFile(path):
            pass
        with np.load(path, allow_pickle=False) as arrays:
            if "chosen" not in arrays:
                names = ", ".join(sorted(arrays)) or "none"
                raise AxhwError(f"Expected an array 'chosen' in {path}, found {names}.")
            chosen, experts = arrays["chosen"], arrays.get("experts")
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise AxhwError(f"Expected an NPZ file of plain arrays, found {path}: {error}.") from None
    if not chosen.size:
        raise AxhwError(f"Expected choices in {path}, found none.")
    if experts is not None and (experts.size != 1 or experts.dtype.kind not in "iu"):
        raise AxhwError(
            f"Expected the number of experts in {path} as one integer, found {experts.dtype} {list(experts.shape)}."
        )
    return chosen, None if experts is None else int(experts.item())


def _from_csv(path: Path) -> IntArray:
    rows: list[list[int]] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, cells in enumerate(csv.reader(file), 1):
                try:
                    rows.append([int(cell) for cell in cells])
                except ValueError:
                    raise AxhwError(
                        f"Expected numbers of experts in line {number} of {path}, found {','.join(cells)!r}."
                    ) from None
    except (UnicodeDecodeError, csv.Error):
        raise AxhwError(f"Expected a CSV file as UTF-8 text, found {path}.") from None
    most = max(map(len, rows), default=0)
    if not most:
        raise AxhwError(f"Expected choices in {path}, found none.")
    chosen = np.full((len(rows), most), NOBODY, np.int64)
    for token, row in enumerate(rows):
        chosen[token, : len(row)] = row
    return chosen


def _check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise AxhwError(f"Expected a file of choices that ends in {' or '.join(SUFFIXES)}, found {path}.")
