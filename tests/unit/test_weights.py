"""The weights manager: hashes before anything is opened, downloads that resume, pickles that are refused."""

from __future__ import annotations

import hashlib
import http.server
import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from avbench import registry, weights
from avbench.errors import BadParameter, MissingData, UnknownName
from avbench.types import Checkpoint, ClipInfo, Extractor, Features, Preparation

BODY = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(BODY).hexdigest()


class Network(Extractor):
    """An extractor with a checkpoint."""

    name: ClassVar[str] = "network"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("x",)
    needs = ("video",)
    weights: ClassVar[Checkpoint | None] = Checkpoint("net.pt", ("https://example.org/net.pt",), "MIT", None)

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Never called."""
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}

    def changed(self) -> dict[str, Any]:
        """None."""
        return {}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own."""
    monkeypatch.setenv("AVBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AVBENCH_OFFLINE", raising=False)
    return tmp_path / "home"


def publish(monkeypatch: pytest.MonkeyPatch, url: str, sha256: str | None = DIGEST) -> Checkpoint:
    """Make one checkpoint known."""
    checkpoint = Checkpoint("net.pt", (url,), "MIT", sha256)
    monkeypatch.setattr(weights, "published", lambda: {"net.pt": (checkpoint, ("network",))})
    monkeypatch.setattr(registry, "extractor_class", lambda name: Network)
    monkeypatch.setattr(Network, "weights", checkpoint)
    return checkpoint


class Server(http.server.BaseHTTPRequestHandler):
    """Serves BODY, with ranges; cuts the connection after `cut` bytes once."""

    cut: ClassVar[int | None] = None
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer one request."""
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].rstrip("-"))
        type(self).asked.append(self.headers.get("Range") or "")
        body = BODY[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut, type(self).cut = type(self).cut, None
        self.wfile.write(body[:cut])

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """A server on this machine."""
    Server.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/net.pt"
    server.shutdown()
    server.server_close()


def test_download_resumes_and_is_checked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, address)
    Server.cut = 300_000
    with pytest.raises(MissingData, match="300000 of 1048576 bytes"):
        weights.fetch("net.pt")
    assert weights.listed()[0].state == "missing"
    assert weights.fetch("network").read_bytes() == BODY
    assert Server.asked == ["", "bytes=300000-"]
    assert weights.listed()[0].state == "present"


def test_wrong_bytes_are_deleted(address: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    publish(monkeypatch, address, "0" * 64)
    with pytest.raises(BadParameter, match=r"expected 0000.*deleted"):
        weights.fetch("net.pt")
    assert [p.name for p in (home / "weights").iterdir()] == []


def test_offline_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "https://example.org/net.pt")
    monkeypatch.setenv("AVBENCH_OFFLINE", "1")
    with pytest.raises(MissingData, match=r"AVBENCH_OFFLINE.*https://example.org/net.pt.*weights import"):
        weights.fetch("net.pt")


def test_a_link_for_people_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "Google Drive 1Paq")
    with pytest.raises(MissingData, match=r"by a program.*Google Drive 1Paq"):
        weights.fetch("net.pt")


def test_missing_file_says_name_place_and_command(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    publish(monkeypatch, "https://example.org/net.pt")
    with pytest.raises(MissingData) as caught:
        weights.resolve(Network(), None)
    for part in (
        "net.pt",
        str(home / "weights" / "net.pt"),
        "https://example.org/net.pt",
        "avbench weights fetch net.pt",
        "MIT",
    ):
        assert part in str(caught.value)


def test_published_hash_is_checked_before_use(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    publish(monkeypatch, "https://example.org/net.pt")
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "net.pt").write_bytes(b"other")
    with pytest.raises(BadParameter, match="the one published is"):
        weights.resolve(Network(), None)
    assert weights.listed()[0].state == "changed"


def test_unpublished_hash_is_recorded_at_first_use(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    publish(monkeypatch, "https://example.org/net.pt", None)
    file = home / "weights" / "net.pt"
    file.parent.mkdir(parents=True)
    file.write_bytes(BODY)
    assert weights.resolve(Network(), None) == (file, DIGEST)
    file.write_bytes(BODY + b"!")
    with pytest.raises(BadParameter, match="seen at its first use"):
        weights.resolve(Network(), None)


def test_import_copies_and_checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    publish(monkeypatch, "https://example.org/net.pt")
    (tmp_path / "mine.bin").write_bytes(BODY)
    with pytest.raises(UnknownName):
        weights.bring(tmp_path / "mine.bin")
    assert weights.bring(tmp_path / "mine.bin", "net.pt").read_bytes() == BODY
    (tmp_path / "bad.bin").write_bytes(b"bad")
    with pytest.raises(BadParameter, match=r"is not net\.pt"):
        weights.bring(tmp_path / "bad.bin", "net.pt")


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("wrap", ["plain", "zip", "nested"])
def test_hostile_pickles_do_not_run(wrap: str, tmp_path: Path) -> None:
    canary, file = tmp_path / "canary", tmp_path / "net.pt"
    payload = Payload(canary)
    if wrap == "plain":
        file.write_bytes(pickle.dumps(payload, protocol=2))
    else:
        torch.save({"state_dict": {"w": torch.zeros(1), "x": payload}} if wrap == "nested" else payload, file)
    with pytest.raises(BadParameter, match="not a checkpoint that is safe to load"):
        weights.read(file)
    assert not canary.exists()


def test_plain_tensors_are_read(tmp_path: Path) -> None:
    torch.save({"w": torch.arange(3)}, tmp_path / "net.pt")
    assert weights.read(tmp_path / "net.pt")["w"].tolist() == [0, 1, 2]
    torch.save([torch.arange(3)], tmp_path / "list.pt")
    with pytest.raises(BadParameter, match="expected a dictionary"):
        weights.read(tmp_path / "list.pt")


def test_an_extractors_name_stands_for_all_it_loads_by_default() -> None:
    assert weights.files_of("vggish") == ["vggish-10086976.pth"]
    assert weights.files_of("rgb_imagenet.pt") == ["rgb_imagenet.pt"]
    assert {"i3d_torchscript.pt", "rgb_imagenet.pt", "vggish_pca_params-970ea276.pth"} <= set(weights.published())
    with pytest.raises(UnknownName):
        weights.files_of("nothing")


def test_a_companion_has_to_be_there_and_counts(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path) -> None:
    publish(monkeypatch, "https://example.org/net.pt")
    vocabulary = Checkpoint("words.json", ("https://example.org/words.json",), "MIT", None)
    monkeypatch.setattr(Network, "companions", (vocabulary,))
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "net.pt").write_bytes(BODY)
    with pytest.raises(MissingData, match=r"words\.json"):
        weights.resolve(Network(), None)
    (home / "weights" / "words.json").write_bytes(b"{}")
    together = weights.resolve(Network(), None)[1]
    assert together not in (None, DIGEST)
    (tmp_path / "mine.pt").write_bytes(BODY)
    with pytest.raises(MissingData, match=r"words\.json"):
        weights.resolve(Network(), tmp_path / "mine.pt")
    (tmp_path / "words.json").write_bytes(b"[]")
    assert weights.resolve(Network(), tmp_path / "mine.pt")[1] not in (together, DIGEST)
