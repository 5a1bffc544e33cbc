"""Submissions that someone changed: each is refused, with an error that names the thing."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avbench.leaderboard import blocks
from avbench.leaderboard.board import Board, digest
from avbench.leaderboard.checking import check
from tests.small_board import copied, edited, replaced, small_board, small_run, small_suite, with_rows

SUBMITTED = "synth15/noise/one.json"
REPRODUCED = "synth15/shifted/one.json"
REPORTED = "avsync15/jointdit/jointdit-table-1.json"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A leaderboard without fault; tests copy it."""
    base = tmp_path_factory.mktemp("board")
    with pytest.MonkeyPatch.context() as patch:
        suite = small_suite(base / "benchmarks", patch)
        small_board(base, suite)
        small_run(base / "copy", "noise", suite, called="other")
        yield base


@pytest.fixture
def board(good: Path, tmp_path: Path) -> Board:
    shutil.copytree(good / "leaderboard", tmp_path / "leaderboard")
    return Board(tmp_path / "leaderboard" / "entries")


def test_nothing_is_wrong_with_what_nobody_changed(board: Board) -> None:
    assert check(board) == (4, [])


@dataclass(frozen=True)
class Tampering:
    """What someone does, and what the error has to name."""

    what: str
    do: Callable[[Board, Path], None]
    names: tuple[str, ...]
    place: str = SUBMITTED


def of_json(what: str, change: Callable[[dict[str, Any]], object], *names: str, place: str = SUBMITTED) -> Tampering:
    return Tampering(what, lambda _, path: edited(path, change), names, place)


def of_score(what: str, label: str, change: Callable[[dict[str, Any]], object], *names: str) -> Tampering:
    def one(table: dict[str, Any]) -> None:
        change(next(s for s in table["result"]["metrics"] if s["metric"] == label))

    return of_json(what, one, label, *names)


def of_rows(what: str, change: Callable[[Any], Any], *names: str, hashed: bool = True) -> Tampering:
    return Tampering(what, lambda _, path: with_rows(path, change, hashed=hashed), names)


def first_clip(block: dict[str, Any]) -> str:
    return next(iter(block))


def moved(held: Any) -> None:
    """A better number in every row, and nowhere else."""
    for rows in held["av_align"].values():
        rows[:, 0] += 0.1


def beyond(held: Any) -> None:
    for rows in held["kl_mini"].values():
        rows[:, 0] = -0.5


def narrowed(held: Any) -> None:
    held["clipping"] = {clip: rows[:, :1] for clip, rows in held["clipping"].items()}


def doubled(held: Any) -> None:
    held["kl_mini"] = {clip: rows.repeat(2, axis=0) for clip, rows in held["kl_mini"].items()}


def dropped(held: Any) -> None:
    del held["av_align"][first_clip(held["av_align"])]


def renamed(held: Any) -> Any:
    block = held["av_align"]
    held["av_align"] = {("test_of_mine" if k == 0 else clip): rows for k, (clip, rows) in enumerate(block.items())}


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"store_schema": False, **options})
    return sink.getvalue()


def another_column(_: Board, path: Path) -> None:
    table = pq.read_table(path.with_suffix(".parquet"))
    replaced(path, parquet(table.append_column("code", pa.array([b"\x80\x04."] * len(table)))))


def with_metadata(_: Board, path: Path) -> None:
    table = pq.read_table(path.with_suffix(".parquet")).replace_schema_metadata({"pickle": "gASVKA=="})
    replaced(path, parquet(table, store_schema=True))


def pickled(_: Board, path: Path) -> None:
    replaced(path, b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93.")


def swollen(_: Board, path: Path) -> None:
    """A file of a few hundred bytes that unpacks to more than is read."""
    pieces = blocks.MOST_ROWS // 1000 + 1
    names = pa.chunked_array([pa.array(["a"] * 1000)] * pieces)
    zeros = pa.chunked_array([pa.array([0] * 1000, pa.int32())] * pieces)
    values = pa.chunked_array([pa.array([[0.0]] * 1000, pa.list_(pa.float64()))] * pieces)
    replaced(path, parquet(pa.table({"block": names, "clip": names, "part": zeros, "values": values}), compression="zstd"))


def is_link(_: Board, path: Path) -> None:
    secret = path.parent.parent / "secret.parquet"
    shutil.move(path.with_suffix(".parquet"), secret)
    path.with_suffix(".parquet").symlink_to(secret)


def of_another_model(_: Board, path: Path) -> None:
    to = path.parent.parent / "winner" / path.name
    to.parent.mkdir()
    shutil.move(path, to)
    shutil.move(path.with_suffix(".parquet"), to.with_suffix(".parquet"))


def same_clips(_: Board, path: Path) -> None:
    """Another model's clips under a name of one's own, with rows that differ a little."""
    to = path.parent.parent / "winner" / path.name
    to.parent.mkdir()
    shutil.copy(path, to)
    shutil.copy(path.with_suffix(".parquet"), to.with_suffix(".parquet"))

    def rename(table: dict[str, Any]) -> None:
        table.update(model="winner")
        table["result"].update(model="winner")
        table["result"]["request"].update(model="winner")

    edited(to, rename)
    with_rows(to, moved)


def without_a_metric(table: dict[str, Any]) -> None:
    table["result"]["metrics"] = [s for s in table["result"]["metrics"] if s["metric"] != "kl_mini"]
    del table["rows"]["blocks"]["kl_mini"]


def key_twice(_: Board, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"origin": "submitted",', '"origin": "reported",\n "origin": "submitted",'), encoding="utf-8")


def own_ledger_line(board: Board, path: Path) -> None:
    edited(path, lambda table: table.update(origin="reproduced"))


def own_references(board: Board, path: Path) -> None:
    """The model's own rows as reference rows, under their own name and hash."""
    table = json.loads(path.read_text(encoding="utf-8"))
    held = blocks.read(path.with_suffix(".parquet").read_bytes(), "x")
    data = blocks.written({"rows": held[table["rows"]["blocks"]["fad_mini"]]})
    name = f"{blocks.sha256(data)[:16]}.parquet"
    (board.references("synth15") / name).write_bytes(data)
    for rows in table["references"]:
        if "fad_mini" in rows["blocks"]:
            rows.update(file=name, sha256=blocks.sha256(data))
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def shared_references(board: Board, path: Path) -> None:
    """The reference rows that all entries share, changed in place."""
    table = json.loads(path.read_text(encoding="utf-8"))
    file = board.references("synth15") / next(r["file"] for r in table["references"] if "fad_mini" in r["blocks"])
    held = copied(file)
    held["rows"][first_clip(held["rows"])][0, 0] += 1
    file.write_bytes(blocks.written(held))


TAMPERINGS = (
    of_score("a better value", "av_align", lambda s: s.update(value=s["value"] + 0.01), "value", "its rows give"),
    of_score("one digit of a value", "kl_mini", lambda s: s.update(value=s["value"] + 1e-4), "value", "its rows give"),
    of_score("a distance of a set", "fad_mini", lambda s: s.update(value=s["value"] * 0.99), "value", "its rows give"),
    of_score("a narrower interval", "av_align", lambda s: s.update(low=s["low"] + 0.001), "low", "its rows give"),
    of_score("a wider interval", "fad_mini", lambda s: s.update(high=s["high"] + 1.0), "high", "its rows give"),
    of_score("how the interval was made", "av_align", lambda s: s.update(interval="95 % of faith"), "interval"),
    of_score("an interval upside down", "av_align", lambda s: s.update(low=s["high"], high=s["low"]), "interval"),
    of_score("fewer items", "av_align", lambda s: s.update(n_items=11), "n_items"),
    of_score("a clip that is counted twice", "av_align", lambda s: s.update(n_scored=13), "n_scored"),
    of_score(
        "a bad clip left out", "av_align", lambda s: s.update(n_scored=11, unscored={"test_drumming_000": "bad"}), "unscored"
    ),
    of_score("an unscored clip of another suite", "kl_mini", lambda s: s.update(unscored={"x": "no_audio"}), "unscored", "'x'"),
    of_score("the other direction", "fad_mini", lambda s: s.update(better="higher"), "better"),
    of_score("another unit", "kl_mini", lambda s: s.update(unit="%"), "unit"),
    of_score("a title with a script", "kl_mini", lambda s: s.update(title="<script>alert(1)</script>"), "title"),
    of_score("another revision", "av_align", lambda s: s.update(revision=7), "revision"),
    of_score(
        "another variant under the same name", "av_align", lambda s: s["parameters"].update(variant="svg"), "av_align[svg]"
    ),
    of_score("a parameter nobody knows", "av_align", lambda s: s["parameters"].update(boost=2), "boost"),
    of_score("other weights", "fad_mini", lambda s: s["extractors"][0].update(weights="0" * 64), "mini_audio", "weights"),
    of_score("an extractor less", "av_align", lambda s: s.update(extractors=s["extractors"][:1]), "extractors"),
    of_score(
        "a signature of another seed",
        "kl_mini",
        lambda s: s.update(signature=s["signature"].replace("seed:0", "seed:1")),
        "signature",
    ),
    of_json("a run over the first items", lambda t: t["result"]["request"].update(limit=4), "limit"),
    of_json(
        "statistics in place of reference clips",
        lambda t: t["result"]["request"].update(reference_stats=["x"]),
        "reference_stats",
    ),
    of_json("another version of the suite", lambda t: t["result"]["suite"].update(version=2), "version"),
    of_json("other items", lambda t: t["result"]["suite"].update(items="0" * 64), "items"),
    of_json("other ids", lambda t: t["result"]["hashes"].update(ids="0" * 64), "hashes: ids"),
    of_json(
        "other clips than were scored",
        lambda t: t["result"]["clips"]["test_drumming_000"].update(sha256="0" * 64),
        "hashes: clips",
    ),
    of_json("a clip that is no item", lambda t: t["result"]["clips"].update(mine={"sha256": "0" * 64, "flags": []}), "'mine'"),
    of_json(
        "a metric left out",
        lambda t: (t["result"]["metrics"].pop(1), t["rows"]["blocks"].pop("kl_mini")),
        "protocol",
        "kl_mini",
    ),
    of_json("a metric twice", lambda t: t["result"]["metrics"].append(t["result"]["metrics"][0]), "av_align", "twice"),
    of_json("a metric nobody knows", lambda t: t["result"]["metrics"][0].update(metric="my_score"), "my_score"),
    of_json("rows of another entry", lambda t: t["rows"].update(file="../shifted/one.parquet"), "rows: file", "../shifted"),
    of_json("the model of someone else", lambda t: t["result"].update(model="shifted"), "model"),
    of_json("a name without end", lambda t: t.update(model="x" * 201), "model"),
    of_json("nobody who sends it", lambda t: t.update(by=" "), "by"),
    of_json("a link that runs", lambda t: t.update(link="javascript:alert(1)"), "link"),
    of_json("a key more", lambda t: t.update(verified=True), "verified"),
    of_json("a number that is no number", lambda t: t["result"]["metrics"][0].update(value=float("nan")), "NaN"),
    of_json("another schema", lambda t: t.update(schema=2), "schema"),
    of_json("reported without its table", lambda t: t["source"].update(table=""), "table", place=REPORTED),
    of_json("reported without its paper", lambda t: t["source"].pop("paper"), "paper", place=REPORTED),
    of_json(
        "reported under another table", lambda t: t["source"].update(table="Table 9"), "revision", "table-9", place=REPORTED
    ),
    of_json("a word for a reported number", lambda t: t["numbers"][0].update(value="best"), "value", "best", place=REPORTED),
    of_json("a row that is there already", lambda t: t.update(row=5), "row 5", place=REPORTED),
    of_json("a digit of a reproduced one", lambda t: t["result"].update(device="cuda"), "reproduced.json", place=REPRODUCED),
    of_json(
        "clips without their hashes",
        lambda t: t["result"]["clips"]["test_drumming_000"].update(sha256="unknown"),
        "test_drumming_000",
        "SHA-256",
    ),
    of_score(
        "an arithmetic nobody has", "fad_mini", lambda s: s["extractors"][0].update(precision="int3"), "mini_audio", "int3"
    ),
    of_score("weights where there are none", "av_align", lambda s: s["extractors"][0].update(weights="0" * 64), "no weights"),
    of_score("no hash of the weights", "fad_mini", lambda s: s["extractors"][0].update(weights="mine"), "mini_audio", "'mine'"),
    of_score("a flag on another clip", "kl_mini", lambda s: s.update(flagged={"x": ["silent"]}), "flagged", "'x'"),
    of_score("a value that cannot be", "kl_mini", lambda s: s.update(value=-3.0), "value", "outside of 0 to inf"),
    of_json("another way to run", lambda t: t["result"]["request"].update(verb="guess"), "verb", "guess"),
    of_json("a seed that is a text", lambda t: t["result"]["request"].update(seed="best of 10"), "seed"),
    of_json("scored clips with a model", lambda t: t["result"]["request"].update(verb="score"), "model", "noise"),
    of_json("files of its owner", lambda t: t["result"].update(others={"/home/ann": "x"}), "others"),
    of_json("no version of avbench", lambda t: t["result"]["versions"].update(avbench="mine"), "versions", "avbench"),
    of_json("another suite inside", lambda t: t["result"]["suite"].update(name="easy15"), "suite", "easy15"),
    of_json("a suite that is a path", lambda t: t.update(suite="../benchmarks"), "suite"),
    of_json("no hash of the reference clips", lambda t: t["result"]["hashes"].update(references="x"), "hashes: references"),
    of_json("a block that is not there", lambda t: t["rows"]["blocks"].update(kl_mini="better"), "kl_mini", "'better'"),
    of_json("a reference file elsewhere", lambda t: t["references"][0].update(file="../../x.parquet"), "references"),
    of_json("no reference rows", lambda t: t.update(references=[]), "references", "not there"),
    of_json("a revision that is a path", lambda t: t.update(revision="../one"), "revision"),
    of_json("a reported number twice", lambda t: t["numbers"].append(t["numbers"][0]), "FVD", "twice", place=REPORTED),
    of_json("a lost number without a note", lambda t: t["numbers"][0].update(value=None, note=""), "FVD", place=REPORTED),
    of_rows("clips in another order", lambda held: held.update(kl_mini=dict(reversed(held["kl_mini"].items()))), "order"),
    of_rows("columns that the metric has not", narrowed, "clipping", "expected one row"),
    of_rows("two rows for one clip", doubled, "kl_mini", "expected one row"),
    of_rows("rows without their hash", moved, "SHA-256", hashed=False),
    of_rows("better rows with their hash", moved, "av_align", "value", "its rows give"),
    of_rows("rows out of range", beyond, "kl_mini", "outside of 0 to inf"),
    of_rows("a row less", dropped, "av_align", "rows"),
    of_rows("a row of another clip", renamed, "test_of_mine"),
    of_rows("rows that no metric asked for", lambda held: held.update(more=held["av_align"]), "'more'"),
    Tampering("claims to be reproduced", own_ledger_line, ("origin", "reproduced.json")),
    Tampering("a column of code", another_column, ("columns", "code")),
    Tampering("metadata", with_metadata, ("metadata", "pickle")),
    Tampering("a pickle", pickled, ("not a Parquet file",)),
    Tampering("a bomb", swollen, ("more than is read",)),
    Tampering("a link to another file", is_link, ("link",)),
    Tampering("under another model's name", of_another_model, ("noise/one.json",), "synth15/winner/one.json"),
    Tampering("another model's clips", same_clips, ("clips", "synth15/noise/one.json"), "synth15/winner/one.json"),
    Tampering("a key twice", key_twice, ("'origin'", "twice")),
    Tampering("reference rows of its own", own_references, ("references: fad_mini", "shifted")),
    Tampering("the shared reference rows", shared_references, ("SHA-256",)),
)


def test_there_are_thirty_ways_and_more() -> None:
    assert len({t.what for t in TAMPERINGS}) == len(TAMPERINGS) >= 30


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda t: t.what)
def test_a_changed_submission_is_refused(board: Board, tampering: Tampering) -> None:
    place = SUBMITTED if tampering.place.startswith("synth15/winner") else tampering.place
    tampering.do(board, board.entries / place)
    _, found = check(board, [board.entries / tampering.place])
    assert found
    assert any(all(name in problem for name in tampering.names) for problem in found), found
    assert all("Traceback" not in problem and len(problem) < 1500 for problem in found)


FREE = {"note", "process", "by", "device", "link"}
"""What the sender alone knows; versions of packages and flags too."""


@pytest.mark.parametrize("seed", range(25))
def test_nonsense_anywhere_is_refused_without_a_crash(board: Board, seed: int) -> None:
    draw = random.Random(seed)
    path = board.entries / SUBMITTED
    table = json.loads(path.read_text(encoding="utf-8"))
    while True:
        at: Any = table
        keys: list[Any] = []
        while isinstance(at, dict | list) and at:
            keys.append(draw.choice(list(at)) if isinstance(at, dict) else draw.randrange(len(at)))
            last, at = at, at[keys[-1]]
        if keys[0] not in FREE and keys[1:2] not in (["device"], ["versions"]) and "flags" not in keys:
            break
    junk: Any = draw.choice([None, True, -1, 10**400, 1e308, "", "x", [], [[]], {}, {"a": None}, "\u0000", [{"name": 3}]])
    last[keys[-1]] = junk if junk != at else {"a": None}
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _, found = check(board, [path])
    assert found, (keys, junk)


def test_clips_of_one_model_under_another_name(good: Path, board: Board) -> None:
    from avbench.errors import BadParameter
    from avbench.leaderboard import adding

    before = sorted(board.entries.parent.rglob("*"))
    with pytest.raises(BadParameter, match=r"rows: the same as those of synth15/noise/one\.json"):
        adding.add(board, good / "copy", by="someone", revision="one")
    assert sorted(p for p in board.entries.parent.rglob("*") if p.is_file()) == [p for p in before if p.is_file()]


def test_the_ledger_lists_no_entry_that_is_not_there(board: Board) -> None:
    (board.entries / REPRODUCED).unlink()
    (board.entries / REPRODUCED).with_suffix(".parquet").unlink()
    _, found = check(board)
    assert any("reproduced.json" in problem and "no such entry" in problem for problem in found)


def test_a_file_that_belongs_to_no_entry(board: Board) -> None:
    (board.entries / "synth15" / "evil.html").write_text("<script>alert(1)</script>")
    (board.references("synth15") / "more.parquet").write_bytes(b"x")
    _, found = check(board)
    assert [problem.endswith("belongs to no entry") for problem in found] == [True, True]


def test_a_ledger_with_the_right_hash_is_believed(board: Board) -> None:
    path = board.entries / SUBMITTED
    edited(path, lambda table: table.update(origin="reproduced"))
    ledger = json.loads(board.ledger.read_text())
    board.ledger.write_text(json.dumps({**ledger, SUBMITTED: digest(path.read_bytes())}))
    assert check(board) == (4, [])
