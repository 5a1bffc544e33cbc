"""ImageBind's extractors and metrics beside the goldens: properties of the scores, short and bad clips, work done once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
import pytest

from avbench import api, clip_input, engine, imagebind, registry, weights
from avbench.encode import write_clip
from avbench.errors import BadParameter, MissingData, Unscorable
from avbench.extractors import imagebind_video
from avbench.extractors.imagebind_audio import ImagebindAudio
from avbench.extractors.imagebind_frames import ImagebindFrames
from avbench.extractors.imagebind_text import ImagebindText
from avbench.extractors.imagebind_video import ImagebindVideo
from avbench.extractors.imagebind_windows import ImagebindWindows
from avbench.metrics.javisscore import Javisscore, window_scores
from avbench.options import Options, Wanted
from avbench.store import MemoryStore
from avbench.types import Array, Clip, Extractor, Item, Metric, Need, Waveform
from tests.parity.harness import seeded_arrays

ROOT = Path(__file__).resolve().parents[2]
METRICS = ("ib_va", "ib_tv", "ib_ta", "ib_iv", "ib_ia", "avh_score", "javisscore")
GOLDEN = {name: json.loads((ROOT / "metrics" / name / "golden.json").read_text(encoding="utf-8")) for name in METRICS}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small configuration with seeded values, in the published layout."""
    import torch

    state = {key: torch.from_numpy(np.array(v)) for key, v in seeded_arrays("imagebind_reduced.json", 1).items()}
    at = tmp_path_factory.mktemp("imagebind") / "reduced.pth"
    torch.save(state, at)
    return at


def extracted(
    extractors: Sequence[Extractor], clips: Sequence[Clip], checkpoint: Path, batch_size: int | None = None
) -> list[dict[str, Array] | engine.Failure]:
    """Layers of every clip by `<extractor>.<layer>`, or the first failure."""
    wanted = [Wanted(e, checkpoint, "0") for e in extractors]
    options = Options(workers=1, device="cpu", batch_size=batch_size)
    found = engine.extract(clips, wanted, store=MemoryStore(), options=options)
    out: list[dict[str, Array] | engine.Failure] = []
    for clip in range(len(clips)):
        layers: dict[str, Array] = {}
        for place, extractor in enumerate(extractors):
            made = found.features(clip, place)
            if isinstance(made, engine.Failure):
                out.append(made)
                break
            layers |= {f"{extractor.name}.{layer}": value for layer, value in made.items()}
        else:
            out.append(layers)
    return out


def asked_of(metric: Metric) -> list[Need]:
    """What the metric reads of the clip and of its reference."""
    return list(dict.fromkeys([*metric.extractors(), *(metric.reference_extractors() if metric.needs_reference else ())]))


def scored(metric: Metric, clips: Sequence[Clip], checkpoint: Path, batch_size: int | None = None) -> list[Any]:
    """First column of each clip's row, with itself as the reference; or the failure."""
    extractors = [registry.needed(need) for need in asked_of(metric)]
    return [
        made if isinstance(made, engine.Failure) else float(metric.row(Item("a"), made, made)[0])
        for made in extracted(extractors, clips, checkpoint, batch_size)
    ]


# ------------------------------------------------------------------ golden values


@pytest.mark.parametrize(("name", "case"), [(n, c) for n in METRICS for c in GOLDEN[n]["cases"]])
def test_rows_from_golden_features(name: str, case: dict[str, Any]) -> None:
    metric = registry.metric(name, **case["parameters"])
    got = {layer: np.array(value) for layer, value in case["features"].items()}
    ref = {layer: np.array(value) for layer, value in case["reference"].items()} if "reference" in case else None
    np.testing.assert_allclose(metric.row(Item("a"), got, ref), case["row"], atol=case["atol"], rtol=0)


@pytest.mark.parametrize("case", GOLDEN["javisscore"]["windows"], ids=lambda c: str(c["name"]))
def test_golden_window_scores(case: dict[str, Any]) -> None:
    """The reference's cosines, one row for each window."""
    scores = window_scores(np.array(case["cosines"]), case["least"])
    np.testing.assert_allclose(scores, case["scores"], atol=case["atol"], rtol=0)
    assert scores.mean() == pytest.approx(case["score"], abs=case["atol"])


def test_window_scores_of_the_toy() -> None:
    cosines = np.random.RandomState(5).uniform(-0.1, 0.5, (5, 48))
    assert window_scores(cosines).mean() == pytest.approx(0.021017445420236657, abs=1e-15)
    assert cosines.mean() == pytest.approx(0.20400292139220694, abs=1e-15)


# ------------------------------------------------------------------ properties


@pytest.mark.parametrize("name", METRICS)
def test_identical_modalities_give_1(name: str) -> None:
    """One embedding in the place of every other, of any length."""
    metric = registry.metric(name)
    draw = np.random.default_rng(0).standard_normal(8)
    layers: dict[str, Array] = {}
    for number, need in enumerate(asked_of(metric), 1):
        whole = need.extractor.endswith(("_video", "_audio", "_text"))
        layers[f"{need.extractor}.embedding"] = number * draw if whole else number * np.tile(draw, (12, 1))
    spans = np.array([[n, n + 5] for n in range(7)] + [[7, 12]] * 5)
    layers |= {"imagebind_windows.frames": spans, "imagebind_windows.times": spans / 12.0}
    row = metric.row(Item("a"), layers, layers)
    largest = 100.0 if name in ("ib_va", "ib_tv", "ib_ta", "ib_iv", "ib_ia") else 1.0
    assert row[0] == pytest.approx(largest, rel=1e-12)


def test_a_tower_agrees_with_itself(make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    """A still picture: the mean of its frames, and each of them, are the same embedding."""
    clip = make_clip("a", seconds=2.5)
    assert clip.video is not None
    still = Clip("a", np.repeat(clip.video[:1], 12, axis=0), 12.0, clip.audio, clip.sample_rate)
    (made,) = extracted([ImagebindFrames()], [still], checkpoint)
    assert isinstance(made, dict)
    frames = made["imagebind_frames.embedding"]
    np.testing.assert_allclose(imagebind.cosine(frames, frames.mean(axis=0)), 1.0, atol=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_a_score_depends_on_its_clip_alone(name: str, make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    clips = [make_clip(f"c{n}", seed=n, seconds=2.5, text=f"caption {n}") for n in range(3)]
    metric = registry.metric(name)
    together = scored(metric, clips, checkpoint, batch_size=3)
    backwards = scored(metric, clips[::-1], checkpoint, batch_size=3)[::-1]
    alone = [scored(metric, [clip], checkpoint)[0] for clip in clips]
    assert len(set(together)) == 3
    np.testing.assert_allclose(together, backwards, atol=1e-5)
    np.testing.assert_allclose(together, alone, atol=1e-5)


# ------------------------------------------------------------------ short, lacking and bad clips


def test_what_a_clip_lacks_is_the_reason(make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    for stream, names in (
        ("audio", ("ib_va", "ib_ta", "ib_ia", "avh_score", "javisscore")),
        ("video", ("ib_va", "javisscore")),
    ):
        clip = make_clip("a", video=stream != "video", audio=stream != "audio")
        for name in names:
            (failure,) = scored(registry.metric(name), [clip], checkpoint)
            assert isinstance(failure, engine.Failure)
            assert failure.code == f"no_{stream}"


def test_three_frames(make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    """Everything is scored: one window with everything, whose least frame of three counts."""
    clip = make_clip("a", seconds=0.25)
    assert clip.video is not None
    assert len(clip.video) == 3
    for name in METRICS:
        (value,) = scored(registry.metric(name), [clip], checkpoint)
        assert isinstance(value, float), name
    metric = Javisscore()
    (made,) = extracted([registry.needed(need) for need in metric.extractors()], [clip], checkpoint)
    assert isinstance(made, dict)
    assert made["imagebind_windows.frames"].tolist() == [[0, 3]]
    cosines = imagebind.cosine(made["imagebind_frames.embedding"], made["imagebind_windows.embedding"])
    assert metric.row(Item("a"), made, None).tolist() == pytest.approx([cosines.min(), 1, 3])


def test_two_frames_have_no_least_share(make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    metric = Javisscore()
    (made,) = extracted([registry.needed(n) for n in metric.extractors()], [make_clip("a", seconds=0.16)], checkpoint)
    assert isinstance(made, dict)
    with pytest.raises(Unscorable, match=r"too_short: 0\.4 of the 2 frames"):
        metric.row(Item("a"), made, None)


def test_a_clip_shorter_than_a_window_is_one_window(make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    """Its sound is the whole sound, so its window's embedding is the clip's."""
    clip = make_clip("a", seconds=1.5)
    (made,) = extracted([ImagebindWindows(), ImagebindAudio()], [clip], checkpoint)
    assert isinstance(made, dict)
    assert made["imagebind_windows.frames"].tolist() == [[0, 18]]
    np.testing.assert_allclose(made["imagebind_windows.embedding"][0], made["imagebind_audio.embedding"], atol=1e-5)
    np.testing.assert_allclose(made["imagebind_windows.times"], [[0.0, 1.5]], atol=1e-6)


def test_windows_carry_their_times(make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    metric = Javisscore()
    (made,) = extracted([registry.needed(n) for n in metric.extractors()], [make_clip("a", seconds=3.5)], checkpoint)
    assert isinstance(made, dict)
    trace = metric.trace(Item("a"), made, None)
    np.testing.assert_allclose(trace["window_starts"], [0.0, 0.5, 1.0, 1.5], atol=1e-6)
    np.testing.assert_allclose(trace["window_ends"], [2.0, 2.5, 3.0, 3.5], atol=1e-6)
    assert trace["window_scores"].mean() == pytest.approx(metric.row(Item("a"), made, None)[0])


def test_windows_that_stand_still_are_refused() -> None:
    with pytest.raises(
        Unscorable, match=r"too_short: at 0\.9 Hz a window of 2 s with an overlap of 1\.5 s moves on by 0 frames"
    ):
        imagebind.windows(40, 0.9, 700_000, 2.0, 1.5)
    with pytest.raises(Unscorable, match="too_short"):
        imagebind.windows(40, 1.5, 400_000, 0.5, 0.0)


def test_sound_below_one_spectrum() -> None:
    with pytest.raises(Unscorable, match=r"too_short: imagebind needs 0\.025 s of sound, the clip has 0\.010 s"):
        imagebind.at_16_khz(Waveform(np.zeros((1, 160), np.float32), 16_000))
    assert imagebind.sound_clips(np.zeros((1, 400), np.float32)).shape == (1, 128, 204)
    for nothing in (None, Waveform(np.zeros((2, 0), np.float32), 16_000)):
        with pytest.raises(Unscorable, match="no_audio"):
            imagebind.at_16_khz(nothing)


def test_only_the_first_channel_is_heard() -> None:
    draw = np.random.default_rng(0)
    left, right, other = (0.1 * draw.standard_normal((3, 48_000))).astype(np.float32)
    made = [imagebind.sound_clips(np.stack([left, channel])) for channel in (left, right, other)]
    np.testing.assert_allclose(made[0], made[1], atol=0.01)
    np.testing.assert_allclose(made[0], made[2], atol=0.01)
    assert np.abs(made[0] - imagebind.sound_clips(np.stack([right, left]))).max() > 0.1


def test_a_piece_finds_what_an_earlier_one_took_out() -> None:
    """3 s with an offset: of the three pieces the first loses it everywhere, so the others have a step at its end, 2 s."""
    draw = np.random.default_rng(0)
    plain = (0.1 * draw.standard_normal((1, 48_000))).astype(np.float32)
    plain -= plain.mean()
    shifted = imagebind.sound_clips(plain + np.float32(0.3))
    moved = np.abs(shifted - imagebind.sound_clips(plain.copy())).max(axis=1) > 0.05
    assert not moved[0].any()
    assert np.flatnonzero(moved[1]).tolist() == [148, 149]  # frames of 25 ms over 2 s, the piece beginning at 0.5 s
    assert 98 in np.flatnonzero(moved[2])
    assert 198 - moved[2].sum() > 190


# ------------------------------------------------------------------ frames of a clip


def test_spans_follow_either_rule() -> None:
    assert imagebind_video.spans(240, 24.0, "release")[::2] == [0, 39, 77, 116, 154]
    assert imagebind_video.spans(240, 24.0, "pinned") == [0, 47, 48, 95, 96, 143, 144, 191, 192, 239]
    assert imagebind_video.spans(30, 24.0, "pinned") == [0, 29]
    assert imagebind_video.spans(1, 24.0, "pinned") == [0, 0]
    with pytest.raises(Unscorable, match="too_short"):
        imagebind_video.spans(6, 0.1, "pinned")


@pytest.mark.parametrize(
    ("frames", "rate"), [(192, 24), (240, 30), (200, 25), (241, Fraction(30_000, 1001)), (57, 8), (100, 12)]
)
def test_half_rate_is_ffmpegs_filter(frames: int, rate: int | Fraction) -> None:
    """The frames that libavfilter's `fps=0.5` lets through, told by their grey level."""
    graph = av.filter.Graph()
    base = 1 / Fraction(rate)
    source = graph.add("buffer", f"video_size=16x16:pix_fmt=gray:time_base={base.numerator}/{base.denominator}")
    rule, sink = graph.add("fps", "0.5"), graph.add("buffersink")
    source.link_to(rule)
    rule.link_to(sink)
    graph.configure()
    passed = []

    def pull() -> None:
        while True:
            try:
                frame = sink.pull()
                assert isinstance(frame, av.VideoFrame)
                passed.append(int(frame.to_ndarray()[0, 0]))
            except (av.BlockingIOError, av.EOFError):
                return

    for number in range(frames):
        frame = av.VideoFrame.from_ndarray(np.full((16, 16), number, np.uint8), format="gray")
        frame.pts, frame.time_base, frame.duration = number, base, 1
        source.push(frame)
        pull()
    source.push(None)
    pull()
    times = np.array([float(base * n) for n in range(frames)])
    assert imagebind_video.half_rate(times, float(base * frames), len(passed)) == passed
    with pytest.raises(Unscorable, match=r"too_short: imagebind_video\[av_benchmark\] needs"):
        imagebind_video.half_rate(times, float(base * frames), len(passed) + 1)


def test_av_benchmark_refuses_what_it_drops(make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    clips = [make_clip("short", seconds=6.5), make_clip("long", seconds=8.5)]
    short, long = scored(registry.metric("ib_va", variant="av_benchmark"), clips, checkpoint)
    assert isinstance(short, engine.Failure)
    assert short.code == "too_short"
    assert isinstance(long, float)


def test_crops_of_any_shape() -> None:
    import torch

    for height, width in ((224, 398), (398, 224), (224, 224), (224, 225), (225, 224)):
        assert imagebind.three_crops(torch.zeros(2, 3, height, width)).shape == (3, 2, 3, 224, 224)
    for height, width in ((48, 64), (64, 48), (7, 300), (224, 224), (500, 224)):
        assert clip_input.centre_crop(np.zeros((height, width, 3), np.uint8)).shape == (3, 224, 224)
        for smooth in (True, False):
            assert min(imagebind_video.resized(np.zeros((height, width, 3), np.uint8), smooth=smooth).shape[1:]) == 224


# ------------------------------------------------------------------ captions


@pytest.mark.parametrize(
    ("text", "count", "flags"),
    [
        ("", 2, ("caption_empty",)),
        ("  \n ", 2, ("caption_empty",)),
        ("a dog runs", 5, ()),
        ("狗在海滩上奔跑", 20, ()),
        ("word " * 75, 77, ()),
        ("word " * 76, 78, ("caption_truncated",)),
    ],
)
def test_captions(text: str, count: int, flags: tuple[str, ...], make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    ids, found = clip_input.tokens(text)
    assert found == count
    assert len(ids) == 77
    assert ids[min(count, 77) - 1] == 49_407
    (made,) = extracted([ImagebindText()], [make_clip("a", text=text)], checkpoint)
    assert isinstance(made, dict)
    assert np.isfinite(made["imagebind_text.embedding"]).all()
    for name in ("ib_tv", "ib_ta"):
        assert registry.metric(name).flags(made) == flags


def test_truncation_moves_long_captions_alone(make_clip: Callable[..., Clip], checkpoint: Path) -> None:
    clips = [make_clip("short", text="a dog barks"), make_clip("long", text="a dog barks and " * 30)]
    alike = []
    for kept, lost in zip(
        *(extracted([e], clips, checkpoint) for e in (ImagebindText(), ImagebindText("javisbench"))), strict=True
    ):
        assert isinstance(kept, dict)
        assert isinstance(lost, dict)
        alike.append(np.array_equal(kept["imagebind_text.embedding"], lost["imagebind_text.embedding"]))
    assert alike == [True, False]


# ------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: ImagebindVideo(seconds=3.0), "seconds must be at least 4"),
        (lambda: ImagebindWindows(window=0.01), "window must be at least"),
        (lambda: ImagebindWindows(overlap=2.0), "overlap must be"),
        (lambda: ImagebindWindows(overlap=-0.1), "overlap must be"),
        (lambda: Javisscore(least=0.0), "least must be above 0"),
        (lambda: Javisscore(least=1.1), "least must be above 0"),
        (lambda: registry.metric("ib_iv").row(Item("a"), {}, None), "ib_iv: the reference clip"),
        (lambda: registry.metric("ib_ia").row(Item("a"), {}, None), "ib_ia: the reference clip"),
        (lambda: ImagebindText().load(None, "cpu"), "weights are needed"),
    ],
)
def test_refused_parameters(make: Callable[[], Any], what: str) -> None:
    with pytest.raises(BadParameter, match=what):
        make()


def test_what_the_metrics_ask_for() -> None:
    def asked(name: str, **parameters: Any) -> list[str]:
        return [registry.needed(need).label for need in registry.metric(name, **parameters).extractors()]

    assert asked("ib_va") == ["imagebind_video", "imagebind_audio"]
    assert asked("ib_va", variant="av_benchmark") == ["imagebind_video[clips=av_benchmark]", "imagebind_audio"]
    assert asked("ib_va", positions="release") == ["imagebind_video[positions=release]", "imagebind_audio[positions=release]"]
    assert asked("ib_tv", variant="javisbench") == ["imagebind_text[truncation=javisbench]", "imagebind_video"]
    assert asked("ib_iv") == ["imagebind_video"]
    assert [registry.needed(n).label for n in registry.metric("ib_iv").reference_extractors()] == [
        "imagebind_frames[frames=first]"
    ]
    assert asked("ib_ta", variant="javisbench") == [
        "imagebind_text[truncation=javisbench,caption=audio_text]",
        "imagebind_audio",
    ]
    assert asked("ib_tv", network="mini_av") == ["mini_av"]
    assert asked("javisscore", network="mini_av", window=1.0, overlap=0.0) == ["mini_av[window=1.0,overlap=0.0]"]
    assert asked("avh_score") == ["imagebind_frames", "imagebind_audio"]
    assert asked("javisscore") == ["imagebind_frames", "imagebind_windows"]
    assert asked("javisscore", variant="function_defaults") == ["imagebind_frames", "imagebind_windows[window=0.5,overlap=0.0]"]
    assert asked("javisscore", window=1.0, overlap=0.0) == ["imagebind_frames", "imagebind_windows[window=1.0,overlap=0.0]"]


# ------------------------------------------------------------------ work done once


def test_a_missing_checkpoint_is_one_clear_error() -> None:
    for name in METRICS:
        for need in registry.metric(name).extractors():
            with pytest.raises(
                MissingData, match=r"imagebind_huge\.pth: there is no file .*dl\.fbaipublicfiles\.com.*avbench weights"
            ):
                api.want(registry.needed(need))


def test_a_run_over_files(
    make_clip: Callable[..., Clip], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, worker processes included, as a user goes it; only the published file's hash is not asked for."""
    home = weights.folder()
    home.mkdir(parents=True)
    (home / imagebind.CHECKPOINT.file).symlink_to(checkpoint)
    monkeypatch.setattr(weights, "_checked", lambda file, path: "0" * 64)
    (tmp_path / "clips").mkdir()
    for number in range(2):
        write_clip(tmp_path / "clips" / f"c{number}.mp4", make_clip(f"c{number}", seed=number, seconds=3.0))
    names = ["ib_va", "avh_score", "javisscore"]
    result = api.score(tmp_path / "clips", metrics=names, out=tmp_path / "run", device="cpu", workers=1)
    found = {score.metric: score for score in result.metrics}
    for name in names:
        assert found[name].n_scored == 2
        assert np.isfinite(found[name].value)
    assert (tmp_path / "run" / "traces" / "javisscore.parquet").is_file()


def test_frames_are_encoded_and_the_file_is_read_once(
    make_clip: Callable[..., Clip], checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All metrics together: one row through the vision tower for each frame, 15 pairs for each clip, one first frame."""
    from avbench.models.imagebind import ImageBind

    rows: dict[str, list[tuple[int, ...]]] = {"vision": [], "audio": [], "text": []}
    for tower in rows:
        plain = getattr(ImageBind, tower)

        def counted(self: Any, x: Any, plain: Any = plain, tower: str = tower) -> Any:
            rows[tower] += [tuple(row.shape) for row in x]
            return plain(self, x)

        monkeypatch.setattr(ImageBind, tower, counted)
    reads: list[Path] = []
    plain_read = weights.read

    def read(path: Path) -> dict[str, Any]:
        reads.append(path)
        return plain_read(path)

    monkeypatch.setattr(weights, "read", read)
    imagebind._network.cache_clear()

    wanted = [registry.needed(need) for name in METRICS for need in asked_of(registry.metric(name))]
    clips = [make_clip(f"c{n}", seed=n, seconds=3.0, text=f"caption {n}") for n in range(2)]
    made = extracted(list(dict.fromkeys(wanted)), clips, checkpoint)
    assert all(isinstance(layers, dict) for layers in made)
    assert reads == [checkpoint]
    stills = rows["vision"].count((3, 224, 224))
    assert stills == 2 * (36 + 1)
    assert rows["vision"].count((3, 2, 224, 224)) == len(rows["vision"]) - stills == 2 * 15
    assert len(rows["audio"]) == 2 * (3 + 3)  # three pieces of the whole, three windows
    assert len(rows["text"]) == 2


def test_rows_go_in_parts_of_nearly_equal_size() -> None:
    import torch

    sizes: list[int] = []

    def run(part: torch.Tensor) -> torch.Tensor:
        sizes.append(len(part))
        return 2 * part

    rows = torch.arange(97.0)[:, None]
    assert torch.equal(imagebind.by_rows(run, rows), 2 * rows)
    assert sizes == [25, 24, 24, 24]
