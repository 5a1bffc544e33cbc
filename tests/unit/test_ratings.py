"""Files of ratings: what is taken, what is counted, what is refused, and where it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from avbench.agreement.ratings import Ratings, Scale, clip_id, read_ratings
from avbench.agreement.scores import read_scores
from avbench.errors import BadManifest, BadParameter


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of the given lines."""

    def write(*lines: str, name: str = "ratings.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def read(path: Path, scale: Scale | None = None) -> Ratings:
    return read_ratings([path], scale=scale)


# ------------------------------------------------------------------ the four kinds


def test_mos_of_several_dimensions(file: Callable[..., Path]) -> None:
    found = read(
        file(
            "clip,annotator,dimension,score",
            "a/x.mp4,ann,video quality,3.5",
            "a/x,bob,video quality,4",
            "a/x,ann,synchrony,0",
            "b,ann,synchrony,5",
        )
    )
    assert (found.kind, found.dimensions) == ("mos", ("synchrony", "video quality"))
    per_clip = found.per_clip("video quality")
    assert per_clip["score"].to_dict() == {"a/x": 3.75}
    assert per_clip["annotators"].to_dict() == {"a/x": 2}
    assert found.clips == {"a/x", "b"}
    assert str(found.scale) == "0 to 5 in steps of 0.5"


def test_json_lines_are_the_same(file: Callable[..., Path]) -> None:
    rows = [
        {"clip": "x", "annotator": 7, "dimension": "q", "score": 3.5},
        {"clip": "y", "annotator": 7, "score": None, "dimension": "q"},
    ]
    found = read(file(*(json.dumps(r) for r in rows), "", name="ratings.jsonl"))
    assert found.per_clip("q")["score"].to_dict() == {"x": 3.5}
    assert found.counted["empty"] == 1
    assert any("1 empty scores" in n and "line 2" in n for n in found.notes)


def test_pair_ratings_of_the_avs_benchmark(file: Callable[..., Path]) -> None:
    found = read(
        file(
            "_unit_id,_worker_id,video1_score,video2_score,video1_fname,video2_fname",
            "1,9,score_3,score_1,-ab_output_05_1.mp4,-ab_output_07_8.mp4",
        )
    )
    assert found.kind == "pairs"
    assert found.per_clip("")["score"].to_dict() == {"-ab_output_05_1": 3.0, "-ab_output_07_8": 1.0}
    assert set(found.per_clip("")["prompt"]) == {"-ab"}
    assert found.table["unit"].tolist() == ["1", "1"]


def test_labels_and_votes(file: Callable[..., Path]) -> None:
    assert read(file("clip,label", "x,1", "y,0")).per_clip("")["score"].to_dict() == {"x": 1.0, "y": 0.0}
    found = read(file("clip_a,clip_b,winner,annotator", "m/1,n/1,a,p", "n/1,m/1,TIE,p", "m/1,n/1,0,q"))
    assert found.table["outcome"].tolist() == [1.0, 0.5, 0.0]
    assert found.table["system_a"].tolist() == ["m", "n", "m"]
    assert found.clips == {"m/1", "n/1"}


def test_several_files_are_one_study(file: Callable[..., Path]) -> None:
    one = file("clip,annotator,score", "x,ann,1", name="one.csv")
    two = file("clip,annotator,score", "x,bob,2", name="two.csv")
    assert read_ratings([one, two]).per_clip("")["score"].to_dict() == {"x": 1.5}
    with pytest.raises(BadManifest, match=r"three\.csv, line 2: labels after mos"):
        read_ratings([one, file("clip,label", "x,1", name="three.csv")])


# ------------------------------------------------------------------ counted


def test_nothing_is_dropped_in_silence(file: Callable[..., Path]) -> None:
    found = read(
        file(
            "clip,annotator,score,mood",
            "x,ann,1,",
            "x,ann,1,",  # the same row again
            "x,ann,2,",  # the same person again, otherwise
            "y,ann,,",  # no score
            "z,,4,",  # nobody
            "z,,4,",  # nobody again: two people, perhaps
        )
    )
    expected = {
        "rows": 6,
        "ratings": 4,
        "clips": 2,
        "annotators": 1,
        "empty": 1,
        "duplicate": 1,
        "repeated": 1,
        "without_annotator": 2,
    }
    assert found.counted == expected
    assert found.per_clip("")["score"].to_dict() == {"x": 1.5, "z": 4.0}
    assert found.per_clip("")["annotators"].to_dict() == {"x": 1, "z": 2}
    said = "; ".join(found.notes)
    for part in ("there twice, used once (first: ratings.csv, line 3)", "line 4", "1 empty scores", "one annotator", "mood"):
        assert part in said, said


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("clip,score", "x,5.5"), r"ratings\.csv, line 2: score 5.5 is not on the scale, 0 to 5 in steps of 0.5"),
        (("clip,score", "x,1", "x,-0.5"), r"line 3: score -0.5"),
        (("clip,score", "x,2.25"), r"line 2: score 2.25"),
        (("clip,score", "x,good"), r"line 2: score must be a number, got 'good'"),
        (("clip,score", "x,inf"), r"line 2: score must be a number"),
        (("clip,score", ",1"), r"line 2: clip is empty"),
        (("clip,score", "x,1,2"), r"line 2: 3 fields where the header has 2"),
        (("clip,score,score", "x,1,2"), r"line 1: a column comes twice"),
        (("file,stars", "x,1"), r"no kind of ratings has the columns file, stars; expected pairs: clip_a"),
        (("clip,label", "x,0.7"), r"line 2: label must be 0 or 1"),
        (("clip_a,clip_b,winner", "x,y,left"), r"line 2: winner must be a, b or tie"),
        (("clip_a,clip_b,winner", "x,x.mp4,a"), r"line 2: 'x' is compared with itself"),
        (("clip,score,prompt", "x,1,p", "x,2,q"), r"line 3: clip 'x' has prompt 'q', and 'p' at ratings\.csv, line 2"),
        (("clip,score", '"x,1'), r"not CSV"),
        (("clip,score",), r"not one rating"),
        (("clip,score", "x,"), r"not one rating"),
    ],
)
def test_mistakes_are_named_with_their_line(file: Callable[..., Path], lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadManifest, match=message):
        read(file(*lines))


def test_other_mistakes(file: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="cannot be read"):
        read(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("clip,score\nÄ,1\n".encode("latin-1"))
    with pytest.raises(BadManifest, match="not UTF-8 at byte 11"):
        read(tmp_path / "latin.csv")
    with pytest.raises(BadManifest, match=r"x\.jsonl, line 2: not a line of JSON"):
        read(file('{"clip": "x", "score": 1}', "{", name="x.jsonl"))
    with pytest.raises(BadManifest, match="expected an object"):
        read(file("[1]", name="x.jsonl"))


def test_a_study_may_have_its_own_scale(file: Callable[..., Path]) -> None:
    path = file("clip,score", "x,73")
    assert read(path, Scale.parse("0:100")).per_clip("")["score"].to_dict() == {"x": 73.0}
    with pytest.raises(BadManifest, match="0 to 100 in steps of 10"):
        read(path, Scale.parse("0:100:10"))
    for wrong in ("5", "5:0", "a:b", "0:1:-1", "0:1:2:3", "nan:1"):
        with pytest.raises(BadParameter, match="low:high:step"):
            Scale.parse(wrong)


def test_clip_ids_lose_the_suffix_of_a_clip_alone() -> None:
    assert [clip_id(n) for n in ("a/b.mp4", "b.WAV", "v1.5", "x.txt", ".mp4")] == ["a/b", "b", "v1.5", "x.txt", ".mp4"]


# ------------------------------------------------------------------ scores


def test_scores_of_a_table(file: Callable[..., Path]) -> None:
    found = read_scores(
        file(
            "clip,metric,value",
            "x.mp4,av_align,0.5",
            "y,av_align,",
            "x,mine,3",
            "x,duration,2",
            "x,static_picture,1",
            name="s.csv",
        )
    )
    assert found.metrics["av_align"].by_clip == {"x": 0.5}
    assert found.metrics["av_align"].unscored == {"y": "empty"}
    assert [found.metrics[m].better for m in ("av_align", "mine", "duration", "static_picture")] == [
        "higher",
        "higher",
        "none",
        "lower",
    ]
    assert found.metrics["duration"].sentinel
    assert any("mine" in n and "higher counts as better" in n for n in found.notes)
    assert any("sentinels that cannot be read here: loudness" in n for n in found.notes)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("clip,value", "x,1"), r"s\.csv, line 1: the header lacks metric"),
        (("clip,metric,value", "x,m,1", "x.mp4,m,2"), r"line 3: m of clip 'x' is there already, at line 2"),
        (("clip,metric,value", "x,m,much"), r"line 2: value must be a number"),
        (("clip,metric,value", ",m,1"), r"line 2: clip or metric is empty"),
        (("clip,metric,value,better", "x,m,1,up"), r"line 2: better must be higher"),
        (("clip,metric,value,better", "x,m,1,lower", "y,m,1,higher"), r"line 3: better must be"),
        (("clip,metric,value", "x,m,nan"), r"not one value"),
    ],
)
def test_mistakes_in_scores_are_named(file: Callable[..., Path], lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadManifest, match=message):
        read_scores(file(*lines, name="s.csv"))
