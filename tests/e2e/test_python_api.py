"""The public functions as a training loop or a notebook calls them."""

from __future__ import annotations

import dataclasses
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

import avbench
from avbench import registry
from avbench.encode import write_clip
from avbench.errors import AvbenchError, BadParameter, UnknownName
from avbench.types import Array, Clip, ClipFile, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

Make = Callable[..., Clip]
Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clips(make_clip: Make) -> list[Clip]:
    return [make_clip(f"clip{n}", seed=n, seconds=1.0 + 0.5 * (n % 2)) for n in range(4)]


@pytest.fixture
def paths(clips: list[Clip], tmp_path: Path) -> list[Path]:
    out = []
    for clip in clips:
        out.append(tmp_path / "clips" / f"{clip.id}.mp4")
        out[-1].parent.mkdir(exist_ok=True)
        write_clip(out[-1], clip)
    return out


def same(a: Mapping[str, Array], b: Mapping[str, Array]) -> None:
    assert set(a) == set(b)
    for key in a:
        assert a[key].dtype == b[key].dtype
        for x, y in zip(a[key], b[key], strict=True):
            np.testing.assert_array_equal(x, y)


# ------------------------------------------------------------------ extract


def test_extract_gives_a_row_per_clip_in_the_order_asked_for(paths: list[Path]) -> None:
    found = avbench.extract("stream_facts", paths)
    assert set(found) == {f"stream_facts.{layer}" for layer in registry.extractor("stream_facts").layers}
    assert found["stream_facts.frames"].tolist() == [12, 18, 12, 18]
    assert found["stream_facts.frames"].shape == (4,)
    back = avbench.extract("stream_facts", [str(p) for p in reversed(paths)])
    same(back, {k: v[::-1] for k, v in found.items()})
    twice = avbench.extract("stream_facts", [paths[1], paths[1]])
    assert twice["stream_facts.frames"].tolist() == [18, 18]


def test_rows_of_different_length_come_in_an_object_array(paths: list[Path]) -> None:
    found = avbench.extract("optical_flow", paths)
    curves = found["optical_flow.mean_magnitude"]
    assert curves.dtype == object
    assert curves.shape == (4,)
    assert [len(c) for c in curves] == [12, 18, 12, 18]
    assert avbench.extract("optical_flow", paths[::2])["optical_flow.mean_magnitude"].shape == (2, 12)


def test_the_cache_the_workers_and_the_batch_size_move_no_value(paths: list[Path], tmp_path: Path) -> None:
    first = avbench.extract("onsets", paths, cache=False)
    assert not (tmp_path / "avbench-home" / "features").exists()
    same(first, avbench.extract("onsets", paths))
    assert (tmp_path / "avbench-home" / "features").is_dir()
    same(first, avbench.extract("onsets", paths))
    same(first, avbench.extract("onsets", paths, workers=1, batch_size=1, cache=False))


def test_clips_in_memory_and_files_may_be_mixed(clips: list[Clip], paths: list[Path]) -> None:
    found = avbench.extract("stream_facts", [clips[0], paths[1], ClipFile("named", paths[2]), clips[3]])
    assert found["stream_facts.frames"].tolist() == [12, 18, 12, 18]


def test_tensors_with_channels_first_are_clips_as_well(clips: list[Clip]) -> None:
    import torch

    tensors = []
    for clip in clips:
        assert clip.video is not None
        video = torch.from_numpy(clip.video.copy()).permute(0, 3, 1, 2)
        sound = torch.from_numpy(np.asarray(clip.audio).copy())
        tensors.append(avbench.Clip(clip.id, video, clip.frame_rate, sound, clip.sample_rate))  # type: ignore[arg-type]
    same(avbench.extract("picture_levels", tensors, cache=False), avbench.extract("picture_levels", clips, cache=False))


def test_extract_without_clips_has_no_rows() -> None:
    assert all(len(v) == 0 for v in avbench.extract("onsets", []).values())


def test_a_clip_that_fails_is_named_with_its_reason(paths: list[Path], make_clip: Make, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no clip")
    with pytest.raises(AvbenchError) as caught:
        avbench.extract("onsets", [paths[0], bad, make_clip("mute", audio=False), tmp_path / "gone.mp4"])
    text = str(caught.value)
    assert text.startswith("onsets: 3 of 4 clips have no features")
    for part in ("bad: unreadable", "mute: no_audio", "gone: unreadable"):
        assert part in text
    assert "clip0" not in text


def test_progress_counts_every_clip(paths: list[Path]) -> None:
    seen: list[tuple[str, int, int]] = []
    avbench.extract("onsets", paths, progress=lambda *now: seen.append(now))
    assert seen == [("extract", n, 4) for n in range(1, 5)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"extractor": "onset"}, UnknownName, "did you mean 'onsets'"),
        ({"weights": "some.pt"}, BadParameter, "onsets is a signal analysis and loads no weights; got some.pt"),
        ({"workers": 0}, BadParameter, "workers must be 1 or more"),
        ({"batch_size": 0}, BadParameter, "batch_size must be 1 or more"),
        ({"clips": "one.mp4"}, BadParameter, "clips must be a list"),
        ({"clips": Path("one.mp4")}, BadParameter, "clips must be a list"),
    ],
)
def test_a_wrong_argument_is_refused(options: dict[str, Any], error: type[Exception], message: str, paths: list[Path]) -> None:
    with pytest.raises(error, match=message):
        avbench.extract(**{"extractor": "onsets", "clips": paths, **options})


def test_an_extractor_object_brings_its_parameters(paths: list[Path]) -> None:
    from avbench.extractors.onsets import Onsets

    found = avbench.extract(Onsets(sample_rate=8_000), paths[:1])
    assert found["onsets.strength_rate"].tolist() == [8_000 / 512]


# ------------------------------------------------------------------ a network


@dataclass(frozen=True)
class Net(Extractor):
    """A small network over the first frame; what it gives depends on the batch only if the engine mixes rows up."""

    name: ClassVar[str] = "net"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    sizes: ClassVar[list[int]] = []

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        return _First()

    def load(self, weights: Path | None, device: str) -> Forward:
        import torch

        matrix = torch.randn(16, 8, generator=torch.Generator().manual_seed(0)).to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            self.sizes.append(len(batch["pixels"]))
            return {"embedding": torch.tanh(batch["pixels"] @ matrix)}

        return forward


class _First(Preparation):
    frames = (0,)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        self.pixels = image[0, :16, 0].astype(np.float32) / 255

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        return {"pixels": self.pixels}


def test_a_network_sees_batches_of_one_size_and_rows_stay_with_their_clips(make_clip: Make) -> None:
    clips = [make_clip(f"c{n}", seed=n) for n in range(5)]
    rows = {}
    for size in (1, 2, 3, 16):
        Net.sizes.clear()
        rows[size] = avbench.extract(Net(), clips, device="cpu", batch_size=size, cache=False)["net.embedding"]
        assert set(Net.sizes) == {min(size, 5)}
        assert rows[size].shape == (5, 8)
        np.testing.assert_allclose(rows[size], rows[1], rtol=1e-5, atol=1e-6)
    back = avbench.extract(Net(), clips[::-1], device="cpu", batch_size=2, cache=False)["net.embedding"]
    np.testing.assert_allclose(back[::-1], rows[1], rtol=1e-5, atol=1e-6)
    assert len(np.unique(rows[1][:, 0])) == 5


# ------------------------------------------------------------------ metric, score, run


def test_a_metric_computes_from_rows_at_hand() -> None:
    assert avbench.metric("av_align", variant="javisbench").compute([[0.5, 1, 1, 1], [1.0, 2, 2, 2]]) == 0.75  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="did you mean 'av_align'"):
        avbench.metric("avalign")
    with pytest.raises(BadParameter, match="variant must be one of"):
        avbench.metric("av_align", variant="best")


def test_score_and_run_return_what_they_write(paths: list[Path], suite_folder: Any, tmp_path: Path) -> None:
    result = avbench.score(paths[0].parent, metrics=["motion_score"], out=tmp_path / "out", limit=3)
    assert isinstance(result, avbench.Result)
    assert isinstance(result["motion_score"], avbench.Score)
    assert result["motion_score"].n_scored == 3
    assert result.folder == tmp_path / "out"
    from avbench import results

    assert results.read(tmp_path / "out") == dataclasses.replace(result, request=results.read(tmp_path / "out").request)
    frame = results.rows(result, "motion_score")
    assert frame["clip"].tolist() == ["clip0", "clip1", "clip2"]
    assert frame["motion_score"].mean() == pytest.approx(result["motion_score"].value, rel=1e-12)
    suite = suite_folder(["a", "b"], reference=None)
    made = avbench.run("noise", str(suite), metrics=["loudness"], seed=3, out=tmp_path / "run")
    assert made["loudness"].value == pytest.approx(-17.4, abs=1.0)  # white noise at -20 dBFS, K-weighted
    assert "|seed:3|" in made["loudness"].signature


SCRIPT = """
import avbench
for _ in range(2):
    found = avbench.extract("onsets", ["clips/clip0.mp4", "clips/clip1.mp4"], workers=2, cache=False)
    result = avbench.score("clips", metrics=["loudness"], out="out")
    print(len(found["onsets.times"]), result["loudness"].n_scored)
"""


def test_a_script_needs_no_main_guard_and_may_call_twice(paths: list[Path], fresh_python: Python, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    # Modules in the script's folder that have the names of others' must not reach the workers.
    (tmp_path / "random.py").write_text("raise SystemExit('wrong module')", encoding="utf-8")
    done = fresh_python("-P", "script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 4\n2 4\n"
    assert done.stderr == ""


def test_calls_from_threads_at_the_same_time(paths: list[Path]) -> None:
    found: dict[int, dict[str, Array]] = {}

    def work(n: int) -> None:
        found[n] = avbench.extract("stream_facts", paths, workers=1)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for other in (1, 2):
        same(found[0], found[other])


def test_a_metric_by_the_name_that_tables_show() -> None:
    assert avbench.metric("av_align[javisbench]") == avbench.metric("av_align", variant="javisbench")
    with pytest.raises(BadParameter, match="variant is given in brackets and by name"):
        avbench.metric("av_align[javisbench]", variant="svg")
