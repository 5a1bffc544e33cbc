"""Files from public addresses: fetched once, going on where an earlier try stopped; half a file is never used."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avbench.errors import BadParameter, MissingData
from avbench.store import write_bytes

_BLOCK = 2**20
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes expected (0 if unknown)."""


def fetch(url: str, target: Path, *, size: int | None = None, progress: Progress | None = None) -> Path:
    """Download a file unless it is there.

    Args:
        url: `http://` or `https://`, without log-in.
        target: Where it goes; the part that has come so far lies beside it as `<name>.part`.
        size: Bytes that are published for it, if known.
        progress: Called with bytes done and bytes expected.

    Raises:
        MissingData: offline (`AVBENCH_OFFLINE`), or if the address does not answer or the connection ends; what came is kept.
        BadParameter: if what came has another size than it should have; it is deleted.
    """
    if target.is_file():
        return target
    by_hand = f"get {url} by hand and put it there"
    if os.environ.get("AVBENCH_OFFLINE"):
        raise MissingData(f"{target} is not there and AVBENCH_OFFLINE is set; {by_hand}")
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        download(url, part, progress)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise MissingData(f"{target} cannot be fetched: {error}; run the same command again to go on, or {by_hand}") from error
    found = part.stat().st_size
    if size is not None and found != size:
        part.unlink()
        _note(part).unlink(missing_ok=True)
        raise BadParameter(f"{url}: what came has {found:,} bytes, expected {size:,}; it was deleted")
    part.replace(target)
    _note(part).unlink(missing_ok=True)
    return target


def download(url: str, part: Path, progress: Progress | None = None) -> None:
    """Fetch what is still missing of a file. A file that changed at its address since is fetched from its beginning.

    Raises:
        URLError, OSError, ValueError: if the address is none of http(s), does not answer, or the connection ends too early.
    """
    have = part.stat().st_size if part.is_file() else 0
    before = _read_note(part)
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and before.get("etag"):
        headers["If-Range"] = before["etag"]
    request = urllib.request.Request(_checked(url), headers=headers)  # noqa: S310 - http(s) only
    try:
        answer = _opener().open(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416 or _whole(error) not in (None, have):  # nothing is left to send
            raise
        return
    with answer:
        goes_on = have > 0 and answer.status == 206
        if goes_on and not (answer.headers.get("Content-Range") or f"bytes {have}-").startswith(f"bytes {have}-"):
            raise ValueError(f"asked for the bytes from {have} on and got {answer.headers['Content-Range']}")
        etag = answer.headers.get("ETag") or ""
        if etag and not etag.startswith("W/"):
            write_bytes(_note(part), json.dumps({"url": url, "etag": etag}).encode())
        done = have if goes_on else 0
        left = int(answer.headers.get("Content-Length") or 0)
        total = done + left if left else 0
        with part.open("ab" if goes_on else "wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
                done += len(block)
                if progress is not None:
                    progress(done, total)
    if total and done != total:
        raise ValueError(f"the connection ended after {done} of {total} bytes; the same command goes on from there")


def _checked(url: str) -> str:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url} is neither http nor https")
    return url


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """An address that leads to another kind of address is not followed."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """As urllib does it, for http and https alone."""
        return super().redirect_request(req, fp, code, msg, headers, _checked(newurl))


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_WebOnly)


def _whole(error: urllib.error.HTTPError) -> int | None:
    """Size of the whole file, if an answer of "nothing is left" says it."""
    size = (error.headers.get("Content-Range") or "").rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_note(part: Path) -> dict[str, str]:
    try:
        found = json.loads(_note(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
