"""Rating pages: what is inside, and that a browser's answers come back as ratings."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avbench import study
from avbench.agreement.ratings import read_ratings
from avbench.encode import write_clip
from avbench.errors import BadFolder, BadParameter
from avbench.types import Clip
from tests.conftest import Said

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)

ANSWERS = """
<script>
localStorage.clear();
document.getElementById("name").value = "ann, the \\"first\\"";
document.getElementById("start").requestSubmit();
for (let n = 0; n < study.questions.length; n++) {
  document.querySelectorAll("fieldset").forEach((f, k) => f.querySelectorAll("input")[(n + k) % 3].click());
  document.getElementById("next").click();
}
const pre = document.createElement("pre");
pre.id = "answers";
pre.textContent = document.getElementById("end").hidden ? "not done" : table();
document.body.append(pre);
</script>
"""


@pytest.fixture
def systems(tmp_path: Path, make_clip: Callable[..., Clip]) -> list[Path]:
    """Two systems with clips of two prompts, and one that only the first has."""
    out = []
    for name, prompts in (("ours", ("x", "sub/<y>", "z")), ("theirs", ("x", "sub/<y>"))):
        for n, prompt in enumerate(prompts):
            path = tmp_path / name / f"{prompt}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_clip(path, make_clip(prompt, seed=n, seconds=0.5))
        out.append(tmp_path / name)
    (tmp_path / "ours" / "note.txt").write_text("x")
    return out


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_a_page_holds_everything_and_loads_nothing(systems: list[Path]) -> None:
    page = study.build(systems[:1])
    data = data_of(page.html)
    assert (page.clips, page.questions, data["kind"]) == (3, 3, "mos")
    assert [c["id"] for c in data["clips"]] == ["sub/<y>", "x", "z"]
    assert all(m.startswith("data:video/mp4;base64,") for m in data["media"])
    assert data["dimensions"] == ["video quality", "audio quality", "consistency", "synchrony", "overall"]
    without = page.html.replace(";base64,", "")
    assert not re.search(r"https?://|src=\"|href=\"|@import", without)
    assert "<y>" not in page.html
    assert list(page.left_out) == ["ours/note.txt"]


def test_blind_comparisons(systems: list[Path]) -> None:
    page = study.build(systems, kind="ab", dimensions=["overall"])
    data = data_of(page.html)
    assert page.questions == 2
    assert "ours/z" in page.left_out
    for a, b in data["questions"]:
        assert data["clips"][a]["prompt"] == data["clips"][b]["prompt"]
        assert {data["clips"][a]["system"], data["clips"][b]["system"]} == {"ours", "theirs"}
    drawn = [data_of(study.build(systems, kind="ab", seed=s).html) for s in range(12)]
    assert {d["clips"][d["questions"][0][0]]["system"] for d in drawn} == {"ours", "theirs"}
    assert study.build(systems, kind="ab").html == study.build(systems, kind="ab").html


def test_pages_that_cannot_be(systems: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadFolder, match="two folders are named"):
        study.build([systems[0], systems[0]])
    with pytest.raises(BadFolder, match="two folders"):
        study.build(systems[:1], kind="ab")
    with pytest.raises(BadParameter, match="different names"):
        study.build(systems, dimensions=["a", "a"])
    monkeypatch.setattr(study, "MOST_BYTES", 1_000)
    with pytest.raises(BadParameter, match="do not fit"):
        study.build(systems)


def test_the_command(avbench_cli: Callable[..., Said], systems: list[Path]) -> None:
    said = avbench_cli("study", "build", *systems, "--out", "page.html", "--kind", "ab")
    assert said.code == 0, said.err
    assert "page.html: 2 questions, 4 clips" in said.out
    assert "left out: ours/z" in said.err
    assert Path("page.html").stat().st_size > 1_000
    said = avbench_cli("study", "build", systems[0], "--kind", "other")
    assert (said.code, "--kind must be mos or ab" in said.message) == (2, True)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("kind", ["mos", "ab"])
def test_answers_of_a_real_browser_are_ratings(systems: list[Path], tmp_path: Path, kind: study.Kind) -> None:
    page = study.build(systems, kind=kind)
    (tmp_path / "page.html").write_text(page.html.replace("</body>", ANSWERS + "</body>"), encoding="utf-8")
    dumped = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'browser'}",
            "--virtual-time-budget=5000",
            "--dump-dom",
            (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    found = re.search(r'<pre id="answers">(.*?)</pre>', dumped, re.S)
    assert found is not None
    (tmp_path / "answers.csv").write_text(html.unescape(found[1]), encoding="utf-8")
    ratings = read_ratings([tmp_path / "answers.csv"])
    assert ratings.kind == ("mos" if kind == "mos" else "votes")
    assert ratings.counted["ratings"] == page.questions * 5
    assert set(ratings.dimensions) == set(study.DIMENSIONS)
    assert set(ratings.table["annotator"]) == {'ann, the "first"'}
    ids = {f"{s}/{p}" for s in ("ours", "theirs") for p in ("x", "sub/<y>")}
    assert ratings.clips == (ids | {"ours/z"} if kind == "mos" else ids)
    column = "system" if kind == "mos" else "system_a"
    assert set(ratings.table[column]) <= {"ours", "theirs"}
    assert set(ratings.table["prompt"]) >= {"x", "sub/<y>"}
