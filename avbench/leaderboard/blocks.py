"""Rows of clips in one Parquet file, also from strangers.

A file has the columns `block`, `clip`, `part` and `values`, and nothing else: no schema of Arrow, no pandas metadata, which
are the two places where a Parquet file can ask a reader for more than numbers. Size, counts and columns are looked at before
a value is decoded.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadManifest

Float64s = NDArray[np.float64]
Block = Mapping[str, Float64s]
"""Rows by clip, `(parts, d)` each, in order."""

MOST_BYTES = 64_000_000
"""Of a file; 10,140 clips with I3D, VGGish and CLAP embeddings are 40 MB."""
MOST_ROWS = 4_000_000
MOST_VALUES = 64_000_000
_LONGEST = 500
_COLUMNS = ("block", "clip", "part", "values.list.element")
_KINDS = ("BYTE_ARRAY", "BYTE_ARRAY", "INT32", "DOUBLE")


def written(blocks: Mapping[str, Block]) -> bytes:
    """The bytes of a file; equal blocks give equal bytes with one version of pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names: list[str] = []
    clips: list[str] = []
    parts: list[int] = []
    values: list[Float64s] = []
    for name, block in blocks.items():
        for clip, rows in block.items():
            names += [name] * len(rows)
            clips += [clip] * len(rows)
            parts += range(len(rows))
            values += list(rows)
    table = pa.table(
        {
            "block": pa.array(names, pa.string()),
            "clip": pa.array(clips, pa.string()),
            "part": pa.array(parts, pa.int32()),
            "values": pa.array(values, pa.list_(pa.float64())),
        }
    )
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=19,
        use_dictionary=["block", "clip"],
        use_byte_stream_split=["values.list.element"],
        store_schema=False,
        write_statistics=False,
    )
    return sink.getvalue()


def sha256(data: bytes) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def file_bytes(path: Path) -> bytes:
    """The bytes of a file of rows.

    Raises:
        BadManifest: for what is no plain file, or too large.
    """
    if path.is_symlink() or not path.is_file():
        raise BadManifest(f"{path}: the file of rows is not there, or a link")
    if path.stat().st_size > MOST_BYTES:
        raise BadManifest(f"{path}: {path.stat().st_size} bytes; a file of rows has at most {MOST_BYTES}")
    return path.read_bytes()


def read(data: bytes, where: str) -> dict[str, dict[str, Float64s]]:
    """Blocks from the bytes of a file.

    Args:
        data: Of the file.
        where: What errors call it.

    Raises:
        BadManifest: for anything but rows as `written` makes them: columns, kinds, counts, names, NaN, parts out of order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise BadManifest(f"{where}: not a Parquet file")
    try:
        about = pq.read_metadata(pa.BufferReader(data))
        _check_plan(about, where)
        table = pq.read_table(pa.BufferReader(data), use_threads=False)
    except (OSError, ValueError, pa.ArrowException, MemoryError) as error:
        raise BadManifest(f"{where}: not a readable Parquet file: {error}") from error
    if any(column.null_count for column in table.columns):
        raise BadManifest(f"{where}: a cell is empty")
    return _grouped(table, where)


def _check_plan(about: Any, where: str) -> None:
    """What the file says of itself, before anything is decoded."""
    columns = [about.schema.column(k) for k in range(about.num_columns)]
    found = tuple(c.path for c in columns)
    if found != _COLUMNS:
        raise BadManifest(f"{where}: columns: expected {', '.join(_COLUMNS)}, got {', '.join(found)[:300]}")
    kinds = tuple(c.physical_type for c in columns)
    if kinds != _KINDS:
        raise BadManifest(f"{where}: columns: expected {', '.join(_KINDS)}, got {', '.join(kinds)}")
    if about.metadata:
        keys = ", ".join(repr(k)[:40] for k in about.metadata)
        raise BadManifest(f"{where}: metadata: expected none, got {keys[:300]}")
    groups = [about.row_group(k) for k in range(min(about.num_row_groups, 1000))]
    values = sum(g.column(3).num_values for g in groups)
    size = sum(g.column(k).total_uncompressed_size for g in groups for k in range(4))
    if about.num_row_groups > 1000 or not 0 <= about.num_rows <= MOST_ROWS or values > MOST_VALUES or size > 16 * MOST_VALUES:
        raise BadManifest(f"{where}: {about.num_rows} rows with {values} values, {size} bytes unpacked, are more than is read")


def _grouped(table: Any, where: str) -> dict[str, dict[str, Float64s]]:
    values = table["values"].combine_chunks()
    flat = np.asarray(values.flatten().to_numpy(zero_copy_only=False), dtype=np.float64)
    widths = np.asarray(values.value_lengths().to_numpy(zero_copy_only=False), dtype=np.int64)
    if len(flat) != widths.sum() or not np.isfinite(flat).all():
        raise BadManifest(f"{where}: a row holds NaN, an infinite value, or nothing")
    starts = np.concatenate([[0], np.cumsum(widths)])
    blocks: dict[str, dict[str, list[int]]] = {}
    for number, (name, clip, part) in enumerate(zip(*(table[c].to_pylist() for c in ("block", "clip", "part")), strict=True)):
        if len(name) > _LONGEST or len(clip) > _LONGEST:
            raise BadManifest(f"{where}: row {number}: a name of more than {_LONGEST} characters")
        held = blocks.setdefault(name, {}).setdefault(clip, [])
        if part != len(held) or (held and held[-1] != number - 1):
            raise BadManifest(f"{where}: row {number}: part {part} of clip '{clip[:80]}' is twice there or out of order")
        held.append(number)
    out: dict[str, dict[str, Float64s]] = {}
    for name, clips in blocks.items():
        (first, *_), *_ = clips.values()
        width = int(widths[first])
        out[name] = {}
        for clip, numbers in clips.items():
            if width == 0 or (widths[numbers] != width).any():
                raise BadManifest(f"{where}: block '{name[:80]}': clip '{clip[:80]}' has rows of another length")
            out[name][clip] = flat[starts[numbers[0]] : starts[numbers[-1] + 1]].reshape(len(numbers), width)
    return out
