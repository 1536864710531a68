"""Downloads from a server on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from axhw.data import cifar, fashion_mnist, tiny_imagenet
from axhw.data.download import RemoteFile, fetch
from axhw.errors import AxhwError

CONTENT = np.random.default_rng(0).bytes(600_000)


@dataclass
class Site:
    """What the server does, and what was asked of it."""

    content: bytes = CONTENT
    ranges: bool = True
    broken_after: int | None = None
    requests: list[str | None] = field(default_factory=list)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def remote(site: Site) -> Iterator[RemoteFile]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            site.requests.append(wanted)
            if self.path != "/data.bin":
                self.send_error(404)
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted).group(1)) if wanted and site.ranges else 0  # type: ignore[union-attr]
            if start >= len(site.content):
                self.send_error(416)
                return
            body = site.content[start:]
            self.send_response(206 if wanted and site.ranges else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if site.broken_after is None else body[: site.broken_after])

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/data.bin"
    yield RemoteFile(url=url, sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT))
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_downloaded_once(
    remote: RemoteFile, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = fetch(remote, tmp_path / "new")
    assert path == tmp_path / "new" / "data.bin"
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["data.bin"]
    assert capsys.readouterr() == ("", f"axhw: downloading {remote.url} (1 MB) into {tmp_path / 'new'}\n")
    assert fetch(remote, tmp_path / "new") == path
    assert site.requests == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_broke_off_goes_on(ranges: bool, remote: RemoteFile, site: Site, tmp_path: Path) -> None:
    site.broken_after = 250_000
    with pytest.raises(AxhwError, match=r"^Expected to download http.*data.bin, found: .*; try again, or get the file"):
        fetch(remote, tmp_path)
    assert (tmp_path / "data.bin.part").read_bytes() == CONTENT[:250_000]
    assert not (tmp_path / "data.bin").exists()
    site.broken_after, site.ranges = None, ranges
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert site.requests == [None, "bytes=250000-"]


def test_a_complete_part_needs_no_network(remote: RemoteFile, site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert site.requests == []


def test_a_part_that_is_too_long_starts_again(remote: RemoteFile, site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT + b"more")
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert site.requests == [None]


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"!", CONTENT + b"more"])
def test_another_content_is_refused(content: bytes, remote: RemoteFile, site: Site, tmp_path: Path) -> None:
    site.content = content
    wrong = dataclasses.replace(remote, sha256=hashlib.sha256(b"").hexdigest())
    with pytest.raises(
        AxhwError,
        match=rf"^Expected a file with SHA-256 {wrong.sha256} at {remote.url}, found [0-9a-f]{{64}}: it was d",
    ):
        fetch(wrong, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_part_is_dropped(remote: RemoteFile, site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"?" * 1000)
    with pytest.raises(AxhwError, match=r"^Expected a file with SHA-256"):
        fetch(remote, tmp_path)
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert site.requests == ["bytes=1000-", None]


def test_a_server_that_has_less(remote: RemoteFile, site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:-5])
    site.content = CONTENT[:1000]
    with pytest.raises(AxhwError, match=r"^Expected to download http.*, found: Requested Range Not Satisfiable; try"):
        fetch(remote, tmp_path)
    with pytest.raises(AxhwError, match=r"found: it broke off after 1000 of 600000 bytes; try again, or get the file"):
        fetch(remote, tmp_path)


def test_without_network(remote: RemoteFile, tmp_path: Path) -> None:
    gone = dataclasses.replace(remote, url=remote.url.replace("data.bin", "other.bin"))
    with pytest.raises(
        AxhwError,
        match=rf"^Expected to download {gone.url}, found: Not Found; try again, or get the file elsewhere and put it "
        rf"into {tmp_path}\.$",
    ):
        fetch(gone, tmp_path)
    nowhere = dataclasses.replace(remote, url="http://127.0.0.1:1/data.bin")
    with pytest.raises(
        AxhwError, match=r"^Expected to download http://127.0.0.1:1/data.bin, found: .*refused; try aga"
    ):
        fetch(nowhere, tmp_path)


def test_a_folder_that_cannot_be_written_to(remote: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AxhwError, match=r"^Expected to write .*data.bin, found: "):
        fetch(remote, tmp_path / "file")


def test_every_published_file_is_pinned() -> None:
    remote_files = (
        *fashion_mnist.REMOTE_FILES,
        *(variant.archive for variant in cifar.VARIANTS),
        tiny_imagenet.REMOTE_FILE,
    )
    for remote in remote_files:
        assert re.fullmatch(r"[0-9a-f]{64}", remote.sha256)
        assert remote.size > 5000
    assert len({remote.sha256 for remote in remote_files}) == 7
