"""Archives of strangers: zip and tar, unpacked whole or not at all.

An archive is refused, with the member's name, for anything that a data set has no need of: a path that leaves the folder, a
link, a device, a name twice or twice but for case, sizes that do not fit what is there. Members are written to a folder beside
the target, which takes the target's place at the end; after an error nothing is left.
"""

from __future__ import annotations

import contextlib
import itertools
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from avbench.errors import AvbenchError
from avbench.folders import shown

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_BLOCK = 2**20
_HEADER_BYTES = 2**20
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.CONTTYPE: "a contiguous file",
}
_MODES = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


_Members = Generator[tuple[str, IO[bytes]], None, None]


class BadArchive(AvbenchError):
    """An archive that is not unpacked; the message names it, the member, and what is wrong with it."""


@dataclass(frozen=True)
class Limits:
    """What an archive may hold.

    Args:
        members: Files and folders.
        file_bytes: Of one file, unpacked.
        total_bytes: Of all files.
        ratio: Unpacked bytes for each packed byte, of what is larger than `free_bytes`; video packs to almost nothing less.
        free_bytes: Smaller files may pack as well as they like.
        name_bytes: Of one part of a name.
        depth: Parts of a name.
    """

    members: int = 500_000
    file_bytes: int = 64 * 2**30
    total_bytes: int = 1024 * 2**30
    ratio: float = 200.0
    free_bytes: int = 16 * 2**20
    name_bytes: int = 255
    depth: int = 24


def is_archive(path: Path) -> bool:
    """By its name."""
    return path.name.lower().endswith(SUFFIXES)


def unpack(
    archive: Path, target: Path, *, wanted: Callable[[str], bool] | None = None, limits: Limits | None = None
) -> dict[str, Path]:
    """Unpack an archive into a new folder.

    Args:
        archive: zip, tar, tar.gz, tar.bz2 or tar.xz, by its name.
        target: Must not be there; appears when everything is written.
        wanted: Which members to write, by name; all are checked in any case. None for all.
        limits: Beyond which an archive is refused.

    Returns:
        What was written: path by member name, in order of the archive.

    Raises:
        BadArchive: see the module.
        AvbenchError: if the target is there or cannot be written.
    """
    if target.exists():
        raise AvbenchError(f"{target} is there already; remove it, then unpack {archive.name} again")
    limits = limits or Limits()
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    try:
        check = _Check(shown(archive.name), limits)
        members = _zip(archive, check) if archive.name.lower().endswith(".zip") else _tar(archive, check)
        written = []
        with contextlib.closing(members):
            for name, file in members:
                if wanted is None or wanted(name):
                    _write(scratch / name, file, check)
                    written.append(name)
                else:
                    for _ in _blocks(file, check, name):  # what is skipped is unpacked too: its size is only now known
                        pass
        scratch.replace(target)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise BadArchive(f"{shown(archive.name)}: damaged, or no archive of its kind: {error}") from error
    except (RuntimeError, ValueError, OverflowError) as error:  # zipfile: encrypted; tarfile: numbers that are none
        raise BadArchive(f"{shown(archive.name)}: cannot be unpacked: {error}") from error
    except OSError as error:
        raise BadArchive(f"{shown(archive.name)}: cannot be unpacked: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {name: target / name for name in written}


class _Check:
    """Rules for one archive, member by member."""

    def __init__(self, archive: str, limits: Limits) -> None:
        self.archive, self.limits = archive, limits
        self.packed = 0
        self.total = 0
        self.count = 0
        self.names: dict[str, tuple[str, bool]] = {}

    def refuse(self, name: str, why: str) -> BadArchive:
        return BadArchive(f"{self.archive}: member {ascii(name)[:120]}: {why}; nothing was unpacked")

    def name(self, raw: str, *, folder: bool) -> str:
        """A member's name, if it stays inside and is the only one of its kind."""
        name = raw.removesuffix("/") if folder else raw
        while name.startswith("./"):
            name = name[2:]
        if folder and name in ("", "."):
            return ""
        self.count += 1
        if self.count > self.limits.members:
            raise self.refuse(raw, f"more than {self.limits.members:,} members")
        if not name:
            raise self.refuse(raw, "has no name")
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
            raise self.refuse(raw, "a name with characters that are no text")
        if name.startswith("/") or "\\" in name or name[1:2] == ":":
            raise self.refuse(raw, "an absolute path, or one of another system")
        parts = name.split("/")
        if ".." in parts:
            raise self.refuse(raw, "leads out of the folder")
        if "" in parts or "." in parts:
            raise self.refuse(raw, "a path with empty parts")
        if len(parts) > self.limits.depth:
            raise self.refuse(raw, f"more than {self.limits.depth} folders deep")
        if max(len(part.encode()) for part in parts) > self.limits.name_bytes:
            raise self.refuse(raw, f"a name of more than {self.limits.name_bytes} bytes")
        for depth in range(1, len(parts)):
            self._place("/".join(parts[:depth]), folder=True, member=False)
        self._place(name, folder=folder, member=True)
        return name

    def _place(self, name: str, *, folder: bool, member: bool) -> None:
        key = unicodedata.normalize("NFC", name).casefold()
        before, was_folder = self.names.get(key, (name, folder))
        if key in self.names:
            if before != name:
                raise self.refuse(name, f"differs from {ascii(before)[:120]} only in case or accents")
            if was_folder != folder:
                raise self.refuse(name, "is both a file and a folder")
            if member and not folder:
                raise self.refuse(name, "is there twice")
        self.names[key] = (name, folder)

    def size(self, name: str, size: int) -> None:
        """Of a member, as the archive says it."""
        if size < 0:
            raise self.refuse(name, f"a size of {size} bytes")
        if size > self.limits.file_bytes:
            raise self.refuse(name, f"{size:,} bytes, the limit is {self.limits.file_bytes:,}")

    def grown(self, name: str, size: int, of_member: int) -> None:
        """So many more bytes have come out."""
        self.total += size
        if of_member > self.limits.file_bytes:
            raise self.refuse(name, f"more than {self.limits.file_bytes:,} bytes")
        if self.total > self.limits.total_bytes:
            raise self.refuse(name, f"more than {self.limits.total_bytes:,} bytes in all")
        if self.total > self.limits.free_bytes and self.total > self.limits.ratio * max(self.packed, 1):
            raise self.refuse(name, f"more than {self.limits.ratio:g} times as large as what it is packed in")


def _zip(path: Path, check: _Check) -> _Members:
    check.packed = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        files: list[tuple[str, zipfile.ZipInfo]] = []
        total = 0
        for member in archive.infolist():
            raw = member.orig_filename if "\0" in member.orig_filename else member.filename
            mode = stat.S_IFMT(member.external_attr >> 16)
            if mode in _MODES:
                raise check.refuse(raw, f"is {_MODES[mode]}")
            name = check.name(raw, folder=member.is_dir())
            if member.flag_bits & 1:
                raise check.refuse(raw, "is encrypted")
            check.size(raw, member.file_size)
            if member.is_dir():
                if member.file_size:
                    raise check.refuse(raw, "a folder that holds bytes")
                continue
            limits = check.limits
            if member.file_size > limits.free_bytes and member.file_size > limits.ratio * max(member.compress_size, 1):
                raise check.refuse(raw, f"more than {limits.ratio:g} times as large as what it is packed in")
            total += member.file_size
            if total > limits.total_bytes:
                raise check.refuse(raw, f"more than {limits.total_bytes:,} bytes in all")
            files.append((name, member))
        ordered = sorted((member for _, member in files), key=lambda m: m.header_offset)
        for one, after in itertools.pairwise(ordered):
            if one.header_offset + 30 + one.compress_size > after.header_offset:
                raise check.refuse(after.filename, f"shares its bytes with {ascii(one.filename)[:120]}")
        for name, member in files:
            with archive.open(member) as file:
                yield name, file


def _tar(path: Path, check: _Check) -> _Members:
    check.packed = path.stat().st_size
    with tarfile.open(path, mode="r|*", errorlevel=2, tarinfo=_Header) as archive:
        for member in archive:
            if member.issparse():
                raise check.refuse(member.name, "is a sparse file")
            if not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)):
                raise check.refuse(member.name, f"is {_KINDS.get(member.type, f'of kind {member.type!r}')}")
            name = check.name(member.name, folder=member.isdir())
            check.size(member.name, member.size)
            if member.isdir():
                if member.size:
                    raise check.refuse(member.name, "a folder that holds bytes")
                continue
            file = archive.extractfile(member)
            if file is None:
                raise check.refuse(member.name, "holds no bytes that can be read")
            yield name, file
        if not check.count:
            raise BadArchive(f"{check.archive}: there is nothing in it")


class _Header(tarfile.TarInfo):
    """A header that does not announce more than names and times, which tarfile would read into memory whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        """As tarfile does it.

        Raises:
            BadArchive: for an extended header beyond any use.
        """
        found = super().frombuf(buf, encoding, errors)
        if found.type in _EXTENDED and found.size > _HEADER_BYTES:
            raise BadArchive(f"an extended header of {found.size:,} bytes, at most {_HEADER_BYTES:,}; nothing was unpacked")
        return found


def _write(path: Path, file: IO[bytes], check: _Check) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as out:
        for block in _blocks(file, check, path.name):
            out.write(block)
    path.chmod(0o666 & ~_umask())


def _blocks(file: IO[bytes], check: _Check, name: str) -> Iterator[bytes]:
    size = 0
    while block := file.read(_BLOCK):
        size += len(block)
        check.grown(name, len(block), size)
        yield block


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
