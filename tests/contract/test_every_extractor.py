"""What every extractor keeps to; a new one needs no edit here."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from collections.abc import Callable
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avbench import engine, registry
from avbench.api import want
from avbench.errors import BadParameter, MissingData
from avbench.options import Options, Wanted
from avbench.store import MemoryStore
from avbench.types import Array, Clip, ClipFile, Extractor

NAMES = registry.names("extractors")


def settings() -> list[Extractor]:
    """Every extractor with its defaults, and as the metrics ask for it."""
    found = [registry.extractor(name) for name in NAMES]
    found += [registry.needed(n) for name in registry.names("metrics") for n in registry.metric(name).extractors()]
    return list(dict.fromkeys(found))


every_extractor = pytest.mark.parametrize("extractor", settings(), ids=lambda e: e.label)


def chain(extractor: Extractor) -> list[Wanted]:
    try:
        return [*(want(registry.extractor(name)) for name in extractor.after), want(extractor)]
    except MissingData as error:
        pytest.skip(str(error))


def extract(
    extractor: Extractor, clips: list[Clip | ClipFile], batch_size: int | None = None
) -> list[dict[str, Array] | engine.Failure]:
    wanted = chain(extractor)
    options = Options(workers=1, device="cpu", batch_size=batch_size)
    found = engine.extract(clips, wanted, store=MemoryStore(), options=options)
    return [found.features(n, len(wanted) - 1) for n in range(len(clips))]


@every_extractor
def test_an_extractor_is_a_frozen_value(extractor: Any) -> None:
    same = type(extractor)(**extractor.parameters())
    assert same == extractor
    assert hash(same) == hash(extractor)
    back = pickle.loads(pickle.dumps(extractor))  # noqa: S301
    assert back == extractor
    assert back.label == extractor.label
    fields = [f.name for f in dataclasses.fields(extractor)]
    for name in fields or ["anything"]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(extractor, name, None)


@pytest.mark.parametrize("name", NAMES)
def test_an_extractor_says_what_it_is(name: str) -> None:
    cls = registry.extractor_class(name)
    assert cls.name == name
    assert isinstance(cls.revision, int)
    assert cls.revision >= 1
    assert cls.layers
    assert len(set(cls.layers)) == len(cls.layers)
    assert {*cls.needs, *cls.reads} <= {"video", "audio", "text"}
    assert set(cls.after) <= set(NAMES)
    assert cls.batch_size >= 1
    assert inspect.getdoc(cls)
    if cls.weights is not None:
        assert cls.weights.urls
        assert cls.weights.licence
    for package in cls.packages:
        assert metadata.version(package)
    with pytest.raises(BadParameter, match=f"{name} takes .*not 'no_such_parameter'"):
        registry.extractor(name, no_such_parameter=1)


@every_extractor
def test_layers_are_the_declared_ones_and_the_same_each_time(extractor: Extractor, make_clip: Callable[..., Clip]) -> None:
    clip = make_clip("a", text="a caption")
    first, second = extract(extractor, [clip]), extract(extractor, [clip])
    assert isinstance(first[0], dict), first
    assert isinstance(second[0], dict)
    assert set(first[0]) == set(extractor.layers)
    for layer, value in first[0].items():
        assert value.dtype.kind in "fiub", layer
        np.testing.assert_array_equal(value, second[0][layer])


@every_extractor
def test_a_clip_without_a_needed_stream_is_refused(extractor: Extractor, make_clip: Callable[..., Clip]) -> None:
    for stream in ("video", "audio"):
        clip = make_clip("a", video=stream != "video", audio=stream != "audio", text="a caption")
        (made,) = extract(extractor, [clip])
        if stream in extractor.needs:
            assert isinstance(made, engine.Failure)
            assert made.code == f"no_{stream}"
        elif not extractor.after:
            assert isinstance(made, dict), made


@every_extractor
def test_a_lossless_file_gives_what_the_clip_in_memory_gives(
    extractor: Extractor, make_clip: Callable[..., Clip], tmp_path: Path
) -> None:
    clip = make_clip("a", frame_rate=8.0, seconds=1.5, text="a caption")
    assert clip.audio is not None
    # 16-bit samples and times in whole milliseconds, so that the file can hold the clip exactly.
    clip = dataclasses.replace(clip, audio=(np.rint(clip.audio * 32768) / 32768).astype(np.float32))
    path = tmp_path / "a.mkv"
    write_lossless(path, clip)
    (memory,) = extract(extractor, [clip])
    (file,) = extract(extractor, [ClipFile("a", path, text=clip.text)])
    assert isinstance(memory, dict), memory
    assert isinstance(file, dict), file
    for layer in extractor.layers:
        # float32 layers: the matrix products of a worker process, which has one thread, round differently from those here.
        relative, absolute = (1e-5, 1e-6) if file[layer].dtype == np.float32 else (1e-9, 1e-12)
        np.testing.assert_allclose(file[layer], memory[layer], rtol=relative, atol=absolute, err_msg=layer)


def write_lossless(path: Path, clip: Clip) -> None:
    """FFV1 (RGB) and 16-bit PCM in Matroska."""
    assert clip.video is not None
    assert clip.audio is not None
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=Fraction(clip.frame_rate))
        video.width, video.height, video.pix_fmt = clip.video.shape[2], clip.video.shape[1], "bgr0"
        sound = out.add_stream("pcm_s16le", rate=clip.sample_rate, layout="mono")
        for image in clip.video:
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(np.rint(clip.audio * 32768).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = clip.sample_rate, 0, Fraction(1, clip.sample_rate)
        out.mux(sound.encode(frame))
        out.mux(sound.encode())


@every_extractor
def test_a_batch_of_one_is_a_batch_of_many(extractor: Extractor, make_clip: Callable[..., Clip]) -> None:
    clips: list[Clip | ClipFile] = [make_clip(f"c{n}", seed=n, text=f"caption {n}") for n in range(3)]
    together = extract(extractor, clips, batch_size=3)
    alone = [extract(extractor, [clip], batch_size=1)[0] for clip in clips]
    network = extractor.weights is not None or type(extractor).load is not Extractor.load
    for one, many in zip(alone, together, strict=True):
        assert isinstance(one, dict), one
        assert isinstance(many, dict), many
        for layer in extractor.layers:
            relative, absolute = (1e-4, 1e-5) if network else (0.0, 0.0)
            np.testing.assert_allclose(one[layer], many[layer], rtol=relative, atol=absolute, err_msg=layer)
