"""Fetching: goes on where it stopped, starts again when the file has changed, respects being offline."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from avbench.downloads import download, fetch
from avbench.errors import BadParameter, MissingData

BODY = bytes(range(256)) * 2000


class Server(http.server.BaseHTTPRequestHandler):
    """Serves BODY with ranges and a tag; cuts the connection after `cut` bytes once."""

    body: ClassVar[bytes] = BODY
    tag: ClassVar[str] = '"one"'
    cut: ClassVar[int | None] = None
    lie: ClassVar[str] = ""
    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        """Answer one request."""
        cls = type(self)
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/file")
            self.end_headers()
            return
        asked, condition = self.headers.get("Range") or "", self.headers.get("If-Range") or ""
        cls.asked.append((asked, condition))
        start = int(asked.split("=")[1].rstrip("-")) if asked and condition in ("", cls.tag) else 0
        if start >= len(cls.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(cls.body)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(cls.body) - start))
        self.send_header("ETag", cls.tag)
        if start:
            self.send_header("Content-Range", cls.lie or f"bytes {start}-{len(cls.body) - 1}/{len(cls.body)}")
        self.end_headers()
        cut, cls.cut = cls.cut, None
        self.wfile.write(cls.body[start:][:cut])

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """A server on this machine."""
    Server.body, Server.tag, Server.cut, Server.lie, Server.asked = BODY, '"one"', None, "", []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_cut_download_goes_on(address: str, tmp_path: Path) -> None:
    Server.cut = 100_000
    told: list[tuple[int, int]] = []
    target = tmp_path / "deep" / "data.zip"
    with pytest.raises(MissingData, match=r"100000 of 512000 bytes.*run the same command again"):
        fetch(f"{address}/data.zip", target)
    assert not target.exists()
    assert fetch(f"{address}/data.zip", target, size=len(BODY), progress=lambda a, b: told.append((a, b))) == target
    assert target.read_bytes() == BODY
    assert Server.asked == [("", ""), ("bytes=100000-", '"one"')]
    assert told[-1] == (len(BODY), len(BODY))
    assert [p.name for p in target.parent.iterdir()] == ["data.zip"], "nothing else is left"
    assert fetch("http://127.0.0.1:1/never", target) == target, "what is there is not asked for again"


def test_a_file_that_changed_is_fetched_from_its_beginning(address: str, tmp_path: Path) -> None:
    Server.cut = 100_000
    with pytest.raises(MissingData):
        fetch(f"{address}/data.zip", tmp_path / "data.zip")
    Server.body, Server.tag = BODY[::-1], '"two"'
    assert fetch(f"{address}/data.zip", tmp_path / "data.zip").read_bytes() == BODY[::-1]


def test_a_download_that_was_whole_is_taken(address: str, tmp_path: Path) -> None:
    (tmp_path / "data.zip.part").write_bytes(BODY)
    assert fetch(f"{address}/data.zip", tmp_path / "data.zip").read_bytes() == BODY


def test_a_part_that_is_longer_than_the_file_is_no_download(address: str, tmp_path: Path) -> None:
    (tmp_path / "data.zip.part").write_bytes(BODY + b"more")
    with pytest.raises(MissingData, match="416"):
        fetch(f"{address}/data.zip", tmp_path / "data.zip")


def test_a_server_that_sends_another_range_is_not_believed(address: str, tmp_path: Path) -> None:
    (tmp_path / "data.zip.part").write_bytes(BODY[:1000])
    Server.lie = "bytes 5-99/512000"
    with pytest.raises(MissingData, match="from 1000 on"):
        fetch(f"{address}/data.zip", tmp_path / "data.zip")
    assert (tmp_path / "data.zip.part").read_bytes() == BODY[:1000]


def test_another_size_than_published_is_deleted(address: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=r"512,000 bytes, expected 7; it was deleted"):
        fetch(f"{address}/data.zip", tmp_path / "data.zip", size=7)
    assert list(tmp_path.iterdir()) == []


def test_offline_nothing_is_asked(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_OFFLINE", "1")
    with pytest.raises(MissingData, match=r"AVBENCH_OFFLINE is set; get .*data.zip by hand"):
        fetch(f"{address}/data.zip", tmp_path / "data.zip")
    assert Server.asked == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_other_kinds_of_address_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither http nor https"):
        download(url, tmp_path / "x.part")


def test_an_address_that_leads_to_another_kind_is_not_followed(address: str, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="neither http nor https"):
        fetch(f"{address}/away", tmp_path / "x")
