"""Tiny Shakespeare: 1.1 MB of his plays in one file, in the public domain (collected by Karpathy, char-rnn, 2015)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from axhw.data.places import data_folders
from axhw.errors import AxhwError

NAME = "tinyshakespeare"
FILE = f"{NAME}.txt"
URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
_SIZE = 1_115_394
# As it is known, and as it is downloaded.
_PLACES = (FILE, f"{NAME}/input.txt")
_SPEECH_END = b"\n\n"


def load(*, root: Path | None = None) -> tuple[bytes, bytes, bytes]:
    """Training, validation and test text: 90, 5 and 5 % of the file, one after another, cut between two speeches.

    Parameters
    ----------
    root : Path, optional
        Folder to look in first, as `axhw.data.names.load_dataset` does; the file is downloaded where it is missing.

    Raises
    ------
    AxhwError
        For a file of other content, or if the download fails.
    """
    path = _found(root)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AxhwError(f"Expected to read {path}, found: {error.strerror or error}.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise AxhwError(
            f"Expected Tiny Shakespeare with SHA-256 {SHA256} in {path}, found {found}: put the original there, or "
            "move the file away to have it downloaded."
        )
    first, second = (content.index(_SPEECH_END, len(content) * percent // 100) for percent in (90, 95))
    first, second = first + len(_SPEECH_END), second + len(_SPEECH_END)
    return content[:first], content[first:second], content[second:]


def _found(root: Path | None) -> Path:
    folders = data_folders(root)
    for folder in folders:
        for place in _PLACES:
            if (folder / place).is_file():
                return folder / place
    # Only a download needs the network and its progress bar.
    from axhw.data.download import RemoteFile, fetch

    return fetch(RemoteFile(url=URL, sha256=SHA256, size=_SIZE), folders[0] / NAME)
