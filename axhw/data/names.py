"""Data sets by name or path."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from axhw.data import arrays, cifar, cifar_jpeg, digits, fashion_mnist, folder, tiny_imagenet
from axhw.data.dataset import Splits
from axhw.data.download import RemoteFile, fetch
from axhw.data.places import DATA_ENVIRONMENT, data_folders
from axhw.errors import AxhwError


@dataclass(frozen=True, kw_only=True)
class Source:
    """One form in which a data set is published.

    Attributes
    ----------
    name : str
        For messages.
    find : callable
        Where its files are, in or at a folder; None if they aren't.
    load : callable
        The splits from there.
    remote_files : tuple of RemoteFile
        What to download; empty if it has no public address.
    subfolder : str
        For the downloads, where the files need one of their own.
    system_folder : Path, optional
        Where a package of the operating system puts it.
    """

    name: str
    find: Callable[[Path], Path | None]
    load: Callable[[Path], Splits]
    remote_files: tuple[RemoteFile, ...] = ()
    subfolder: str = "."
    system_folder: Path | None = None


def _cifar(variant: cifar.Variant) -> Source:
    return Source(
        name=variant.published.name,
        find=partial(cifar.find, variant),
        load=partial(cifar.load, variant),
        remote_files=(variant.archive,),
    )


_FASHION_MNIST = Source(
    name=fashion_mnist.NAME,
    find=fashion_mnist.find,
    load=fashion_mnist.load,
    remote_files=fashion_mnist.REMOTE_FILES,
    subfolder=fashion_mnist.FOLDER,
    system_folder=fashion_mnist.SYSTEM_FOLDER,
)
_CIFAR10, _CIFAR100 = map(_cifar, cifar.VARIANTS)
_CIFAR10_JPEG = Source(name=cifar_jpeg.PUBLISHED.name, find=cifar_jpeg.find, load=cifar_jpeg.load)
_TINY_IMAGENET = Source(
    name=tiny_imagenet.PUBLISHED.name,
    find=tiny_imagenet.find,
    load=tiny_imagenet.load,
    remote_files=(tiny_imagenet.REMOTE_FILE,),
)
# In the order of preference; what is missing is downloaded in the first form.
_SOURCES: Mapping[str, tuple[Source, ...]] = {
    "fashion_mnist": (_FASHION_MNIST,),
    "cifar10": (_CIFAR10, _CIFAR10_JPEG),
    "cifar10_jpeg": (_CIFAR10_JPEG,),
    "cifar100": (_CIFAR100,),
    "tiny_imagenet": (_TINY_IMAGENET,),
}
DATASETS = ("digits", *_SOURCES)


def load_dataset(name: str, *, root: Path | None = None) -> Splits:
    """A published data set by its name, or the one at a path.

    Parameters
    ----------
    name : str
        One of `DATASETS`; or the path of a folder or archive with one of them in its official form, of a folder or
        .zip archive with a folder of images for each class, or of a .npz file with arrays ``images`` and ``labels``.
    root : Path, optional
        Folder to look for a named one in, before ``AXHW_DATA_DIR``, the cache folder and that of the operating
        system. What is in none of them is downloaded into `root`, ``AXHW_DATA_DIR`` or the cache folder, the first
        of these that is given.

    Raises
    ------
    AxhwError
        For an unknown name, for data that is damaged or doesn't fit together, or if a download fails.
    """
    if name == "digits":
        return digits.load()
    if name not in _SOURCES:
        return _load_path(Path(name).expanduser())
    sources = _SOURCES[name]
    folders = data_folders(root)
    for place in folders:
        for source in sources:
            if (found := source.find(place)) is not None:
                return source.load(found)
    source = sources[0]
    if source.system_folder is not None and (found := source.find(source.system_folder)) is not None:
        return source.load(found)
    if not source.remote_files:
        raise AxhwError(
            f"Expected {source.name} in {' or '.join(map(str, folders))}, found none: name its folder, or set "
            f"{DATA_ENVIRONMENT} to it."
        )
    target = folders[0] / source.subfolder
    downloaded = [fetch(remote, target) for remote in source.remote_files]
    return source.load(source.find(target) or downloaded[0])


def _load_path(path: Path) -> Splits:
    if not path.exists():
        near = difflib.get_close_matches(str(path), DATASETS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ", which is no file" if path.suffix else ""
        raise AxhwError(
            f"Expected a data set out of {', '.join(DATASETS)}, or the path of a folder, archive or .npz file, found "
            f"{str(path)!r}{hint}."
        )
    if path.is_dir():
        found = [(source, place) for source in _published() if (place := source.find(path)) is not None]
        if len(found) > 1:
            raise AxhwError(
                f"Expected one data set in {path}, found {' and '.join(source.name for source, _ in found)}: choose "
                "one by its name or path."
            )
        for source, place in found:
            return source.load(place)
        return folder.load(path)
    file_name = path.name.lower()
    if file_name.endswith(".npz"):
        return cifar_jpeg.load(path) if cifar_jpeg.is_jpeg_copy(path) else arrays.load_npz(path)
    if file_name.endswith((".tar.gz", ".tgz")):
        return cifar.load(cifar.identify(path), path)
    if file_name.endswith(".zip"):
        return tiny_imagenet.load(path) if tiny_imagenet.is_archive(path) else folder.load(path)
    raise AxhwError(f"Expected a folder, .npz, .zip or .tar.gz file with a data set, found {path}.")


def _published() -> tuple[Source, ...]:
    return tuple(dict.fromkeys(source for sources in _SOURCES.values() for source in sources))
