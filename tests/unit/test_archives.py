"""Archives of strangers: forty that are refused by name with nothing left behind, and honest ones that are unpacked."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from avbench.data.archives import BadArchive, Limits, unpack
from avbench.errors import AvbenchError

TIGHT = Limits(members=40, file_bytes=2**20, total_bytes=2 * 2**20, ratio=50.0, free_bytes=2**16, name_bytes=60, depth=5)
Make = Callable[[Path], None]


def zipped(*members: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_STORED) -> Make:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("fine.txt", b"fine")
            for name, data in members:
                info = zipfile.ZipInfo(name)
                info.compress_type = method
                info.external_attr = (mode or stat.S_IFREG | 0o644) << 16
                archive.writestr(info, data)

    return make


def patched(make: Make, change: Callable[[bytearray], None]) -> Make:
    """An archive whose bytes are changed afterwards."""

    def patch(path: Path) -> None:
        make(path)
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)

    return patch


def central(data: bytearray, name: bytes) -> int:
    """Offset of a member's entry in the central directory."""
    at = -1
    while True:
        at = data.index(b"PK\x01\x02", at + 1)
        if data[at + 46 : at + 46 + len(name)] == name:
            return at


def set_central(name: bytes, offset: int, kind: str, value: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        struct.pack_into(kind, data, central(data, name) + offset, value)

    return change


def rename(old: bytes, new: bytes, *, both: bool = True) -> Callable[[bytearray], None]:
    assert len(old) == len(new)

    def change(data: bytearray) -> None:
        if both:
            data[:] = data.replace(old, new)
        else:
            at = central(data, old) + 46
            data[at : at + len(old)] = new

    return change


def overlapping(data: bytearray) -> None:
    """The second member is said to lie inside the first."""
    struct.pack_into("<I", data, central(data, b"b.mp4") + 42, struct.unpack_from("<I", data, central(data, b"a.mp4") + 42)[0])


def tarred(*members: tuple[str, bytes, bytes, str], packing: str = "w", size: int | None = None) -> Make:
    """Name, type, data and target of each."""

    def make(path: Path) -> None:
        with tarfile.open(path, packing, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
            first = tarfile.TarInfo("fine.txt")
            first.size = 4
            archive.addfile(first, io.BytesIO(b"fine"))
            for name, kind, data, target in members:
                info = tarfile.TarInfo(name)
                info.type, info.size, info.linkname = kind, len(data) if size is None else size, target
                archive.addfile(info, io.BytesIO(data))

    return make


def raw_tar(name: str, kind: bytes, size_field: bytes, tail: bytes = b"") -> Make:
    """A tar with one header as it is given."""

    def make(path: Path) -> None:
        header = bytearray(512)
        header[:100] = name.encode().ljust(100, b"\0")
        header[100:108], header[108:116], header[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
        header[124:136], header[136:148] = size_field, b"00000000000\0"
        header[148:156], header[156:157], header[257:265] = b" " * 8, kind, b"ustar\x0000"
        header[148:156] = f"{sum(header):06o}\0 ".encode()
        path.write_bytes(bytes(header) + tail + bytes(1024))

    return make


def gzip_bomb(path: Path) -> None:
    """A tar of zeros, packed a thousand times."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("zeros.mp4")
        info.size = 900_000
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    path.write_bytes(gzip.compress(buffer.getvalue(), mtime=0))


def broken_gzip(path: Path) -> None:
    buffer = io.BytesIO()
    tarred(("a.mp4", tarfile.REGTYPE, bytes(range(256)) * 100, ""))(path)
    buffer.write(gzip.compress(path.read_bytes(), mtime=0))
    path.write_bytes(buffer.getvalue()[:-200])


def wrong_size(path: Path) -> None:
    """A member that holds more than it is said to."""
    zipped(("big.mp4", bytes(1000)), method=zipfile.ZIP_DEFLATED)(path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, central(data, b"big.mp4") + 24, 10)
    path.write_bytes(data)


REG, DIR = tarfile.REGTYPE, tarfile.DIRTYPE
HOSTILE: dict[str, tuple[str, Make, str]] = {
    "zip-parent": ("x.zip", zipped(("../out.mp4", b"x")), "leads out"),
    "zip-parent-inside": ("x.zip", zipped(("a/../../out.mp4", b"x")), "leads out"),
    "zip-absolute": ("x.zip", zipped(("/etc/out.mp4", b"x")), "absolute"),
    "zip-drive": ("x.zip", zipped(("C:out.mp4", b"x")), "another system"),
    "zip-backslash": ("x.zip", patched(zipped(("aa_out.mp4", b"x")), rename(b"aa_out", b"a\\\\out")), "another system"),
    "zip-zero-byte": ("x.zip", patched(zipped(("aaaa.mp4", b"x")), rename(b"aaaa.mp4", b"a\0aa.mp4")), "no text"),
    "zip-newline": ("x.zip", zipped(("a\nb.mp4", b"x")), "no text"),
    "zip-symlink": ("x.zip", zipped(("a.mp4", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "a symbolic link"),
    "zip-pipe": ("x.zip", zipped(("a.mp4", b""), mode=stat.S_IFIFO | 0o644), "a pipe"),
    "zip-device": ("x.zip", zipped(("a.mp4", b""), mode=stat.S_IFBLK | 0o644), "a device"),
    "zip-socket": ("x.zip", zipped(("a.mp4", b""), mode=stat.S_IFSOCK | 0o644), "a socket"),
    "zip-twice": ("x.zip", patched(zipped(("a.mp4", b"1"), ("b.mp4", b"2")), rename(b"b.mp4", b"a.mp4")), "there twice"),
    "zip-case": ("x.zip", zipped(("a.mp4", b"1"), ("A.MP4", b"2")), "only in case"),
    "zip-accents": ("x.zip", zipped(("\u00e9.mp4", b"1"), ("e\u0301.mp4", b"2")), "only in case or accents"),
    "zip-case-of-folders": ("x.zip", zipped(("a/x.mp4", b"1"), ("A/y.mp4", b"2")), "only in case"),
    "zip-file-and-folder": ("x.zip", zipped(("a", b"1"), ("a/x.mp4", b"2")), "both a file and a folder"),
    "zip-ratio": ("x.zip", zipped(("z.mp4", bytes(900_000)), method=zipfile.ZIP_DEFLATED), "times as large"),
    "zip-large": ("x.zip", zipped(("z.mp4", bytes(2**20 + 1))), "the limit is"),
    "zip-total": ("x.zip", zipped(*((f"{n}.mp4", bytes(900_000)) for n in range(3))), "in all"),
    "zip-count": ("x.zip", zipped(*((f"{n}.mp4", b"") for n in range(60))), "more than 40 members"),
    "zip-overlap": ("x.zip", patched(zipped(("a.mp4", b"1" * 99), ("b.mp4", b"1" * 99)), overlapping), "shares its bytes"),
    "zip-encrypted": ("x.zip", patched(zipped(("a.mp4", b"1")), set_central(b"a.mp4", 8, "<H", 1)), "is encrypted"),
    "zip-other-name": ("x.zip", patched(zipped(("aa.mp4", b"1")), rename(b"aa.mp4", b"bb.mp4", both=False)), "damaged"),
    "zip-false-size": ("x.zip", wrong_size, "x.zip"),
    "zip-checksum": ("x.zip", patched(zipped(("a.mp4", b"1")), set_central(b"a.mp4", 16, "<I", zlib.crc32(b"2"))), "CRC"),
    "zip-method": ("x.zip", patched(zipped(("a.mp4", b"1")), set_central(b"a.mp4", 10, "<H", 99)), "x.zip"),
    "zip-long-name": ("x.zip", zipped(("a" * 70, b"1")), "more than 60 bytes"),
    "zip-deep": ("x.zip", zipped(("a/b/c/d/e/f.mp4", b"1")), "folders deep"),
    "zip-cut": ("x.zip", patched(zipped(("a.mp4", b"1")), lambda data: data.__delitem__(slice(-30, None))), "damaged"),
    "zip-no-zip": ("x.zip", lambda path: (path.write_bytes(b"hello"), None)[1], "damaged"),
    "tar-parent": ("x.tar", tarred(("../out.mp4", REG, b"x", "")), "leads out"),
    "tar-absolute": ("x.tar", tarred(("/out.mp4", REG, b"x", "")), "absolute"),
    "tar-symlink": ("x.tar", tarred(("a.mp4", tarfile.SYMTYPE, b"", "/etc/passwd")), "a symbolic link"),
    "tar-symlink-inside": (
        "x.tar",
        tarred(("d", tarfile.SYMTYPE, b"", "."), ("d/a.mp4", REG, b"x", "")),
        "a symbolic link",
    ),
    "tar-hard-link": ("x.tar", tarred(("a.mp4", tarfile.LNKTYPE, b"", "fine.txt")), "a hard link"),
    "tar-device": ("x.tar", tarred(("a.mp4", tarfile.CHRTYPE, b"", "")), "a device"),
    "tar-pipe": ("x.tar", tarred(("a.mp4", tarfile.FIFOTYPE, b"", "")), "a pipe"),
    "tar-unknown-kind": ("x.tar", raw_tar("a.mp4", b"Q", b"00000000000\0"), "of kind"),
    "tar-twice": ("x.tar", tarred(("a.mp4", REG, b"1", ""), ("a.mp4", REG, b"2", "")), "there twice"),
    "tar-twice-with-dot": ("x.tar", tarred(("a.mp4", REG, b"1", ""), ("./a.mp4", REG, b"2", "")), "there twice"),
    "tar-case": ("x.tar", tarred(("a.mp4", REG, b"1", ""), ("A.mp4", REG, b"2", "")), "only in case"),
    "tar-gz-ratio": ("x.tar.gz", gzip_bomb, "times as large"),
    "tar-gz-cut": ("x.tar.gz", broken_gzip, "x.tar.gz"),
    "tar-negative-size": ("x.tar", raw_tar("a.mp4", b"0", b"\xff" * 12), "a size of"),
    "tar-claims-too-much": ("x.tar", raw_tar("a.mp4", b"0", b"77777777777\0"), "the limit is"),
    "tar-ends-early": ("x.tar", raw_tar("a.mp4", b"0", b"00000100000\0"), "damaged"),
    "tar-large-header": ("x.tar", raw_tar("x", b"x", b"77777777777\0"), "extended header"),
    "tar-large-name-header": ("x.tar", raw_tar("././@LongLink", b"L", b"77777777777\0"), "extended header"),
    "tar-sparse": ("x.tar", raw_tar("a.mp4", b"S", b"00000000000\0"), "sparse"),
    "tar-empty": ("x.tar", lambda path: (path.write_bytes(bytes(10_240)), None)[1], "nothing in it"),
    "tar-no-tar": ("x.tar", lambda path: (path.write_bytes(b"hello" * 300), None)[1], "damaged"),
}


def test_there_are_forty_of_them() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_by_name_and_nothing_is_left(name: str, tmp_path: Path) -> None:
    file, make, why = HOSTILE[name]
    inner = tmp_path / "inner"
    inner.mkdir()
    make(inner / file)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(BadArchive) as caught:
        unpack(inner / file, inner / "target", limits=TIGHT)
    assert why in str(caught.value)
    assert file in str(caught.value) or "extended header" in why
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("file", ["x.zip", "x.tar", "x.tar.gz", "x.tar.xz", "x.tar.bz2"])
def test_an_honest_archive_is_unpacked(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    if file == "x.zip":
        zipped(("d/", b""), ("d/a.mp4", b"1"), ("d/Ä/b.mp4", b"2"), method=zipfile.ZIP_DEFLATED)(path)
    else:
        packing = f"w:{file.rpartition('.')[2]}" if file.count(".") == 2 else "w"
        tarred(
            ("./", DIR, b"", ""),
            ("./d", DIR, b"", ""),
            ("./d/a.mp4", REG, b"1", ""),
            ("d/Ä/b.mp4", REG, b"2", ""),
            packing=packing,
        )(path)
    found = unpack(path, tmp_path / "target")
    assert {name: p.read_bytes() for name, p in found.items()} == {"fine.txt": b"fine", "d/a.mp4": b"1", "d/Ä/b.mp4": b"2"}
    assert all(p.is_relative_to(tmp_path / "target") and not p.stat().st_mode & 0o111 for p in found.values())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["target", file]


def test_only_what_is_wanted_is_written_and_everything_is_checked(tmp_path: Path) -> None:
    zipped(("a.mp4", b"1"), ("notes.pdf", b"2"))(tmp_path / "x.zip")
    found = unpack(tmp_path / "x.zip", tmp_path / "target", wanted=lambda name: name.endswith(".mp4"))
    assert list(found) == ["a.mp4"]
    assert [p.name for p in (tmp_path / "target").iterdir()] == ["a.mp4"]
    zipped(("a.mp4", b"1"), ("../notes.pdf", b"2"))(tmp_path / "y.zip")
    with pytest.raises(BadArchive, match="leads out"):
        unpack(tmp_path / "y.zip", tmp_path / "other", wanted=lambda name: name.endswith(".mp4"))


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    zipped()(tmp_path / "x.zip")
    (tmp_path / "target").mkdir()
    with pytest.raises(AvbenchError, match="is there already"):
        unpack(tmp_path / "x.zip", tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []
