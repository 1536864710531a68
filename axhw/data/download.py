"""Files from their official addresses, each pinned by its hash.

Done with urllib: the usual library for this, pooch, cannot go on with a download that broke off, and needs two more
packages to show how far it is.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from axhw.data.progress import progress_bar
from axhw.errors import AxhwError

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
_BYTES_PER_MB = 1_000_000
_RANGE_STARTS_BEHIND_THE_END = 416
_PARTIAL_CONTENT = 206


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file on the network that has one known content.

    Attributes
    ----------
    url : str
    sha256 : str
        Of the content, in hexadecimal.
    size : int
        In bytes.
    """

    url: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]


def fetch(remote: RemoteFile, folder: Path) -> Path:
    """The file in `folder`, downloaded unless it is there.

    It gets its name only once it is complete and has the right hash. What a download that broke off has left in
    ``NAME.part`` is gone on with.

    Raises
    ------
    AxhwError
        If the network, the hash or the disk stands in the way.
    """
    path = folder / remote.name
    if path.is_file():
        return path
    part = folder / f"{remote.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(remote, part)
        found = _sha256(part)
        if found != remote.sha256:
            part.unlink()
            raise AxhwError(
                f"Expected a file with SHA-256 {remote.sha256} at {remote.url}, found {found}: it was damaged on the "
                f"way or has changed there, so it was deleted; try again, or put the right one into {folder}."
            )
        part.replace(path)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise AxhwError(
            f"Expected to download {remote.url}, found: {reason}; try again, or get the file elsewhere and put it into "
            f"{folder}."
        ) from error
    except OSError as error:
        raise AxhwError(f"Expected to write {path}, found: {error.strerror or error}.") from error
    return path


def _download(remote: RemoteFile, part: Path) -> None:
    """Fill `part` up to the size of the remote file."""
    present = part.stat().st_size if part.exists() else 0
    if present > remote.size:
        part.unlink()
        present = 0
    if present == remote.size:
        return
    request = urllib.request.Request(remote.url, headers={"User-Agent": "axhw"})
    if present:
        request.add_header("Range", f"bytes={present}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if present and error.code == _RANGE_STARTS_BEHIND_THE_END:
            part.unlink()
        raise
    with response:
        # A server without ranges sends all of it again.
        resumed = present if response.status == _PARTIAL_CONTENT else 0
        what = f"downloading {remote.url} ({remote.size / _BYTES_PER_MB:.0f} MB) into {part.parent}"
        with part.open("ab" if resumed else "wb") as file, progress_bar(what, total=remote.size, done=resumed) as bar:
            received = resumed
            while received < remote.size and (content := _read(response, min(_CHUNK_BYTES, remote.size - received))):
                file.write(content)
                received += len(content)
                bar(len(content))
    if received < remote.size:
        raise ConnectionError(f"it broke off after {received} of {remote.size} bytes")


def _read(response: http.client.HTTPResponse, size: int) -> bytes:
    try:
        return response.read(size)
    except OSError as error:
        raise ConnectionError(str(error)) from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while content := file.read(_CHUNK_BYTES):
            digest.update(content)
    return digest.hexdigest()
