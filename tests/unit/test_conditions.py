"""What a model is given of an item: pictures of any kind, clips, texts, and the seed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from avbench import conditions, suites
from avbench.encode import write_clip
from avbench.errors import BadCondition, BadParameter
from avbench.media import Reader
from avbench.types import Clip, ClipFile, Item, Suite


@pytest.fixture
def suite(suite_folder: Callable[..., Path], make_clip: Callable[..., Clip]) -> Suite:
    folder = suite_folder(["a", "b"], conditions=["first_frame", "text"])
    (folder / "reference").mkdir()
    write_clip(folder / "reference" / "a.mp4", make_clip("a"))
    return suites.load(str(folder))


def given(suite: Suite, image: Image.Image, name: str = "x.png", **options: object) -> NDArray[np.uint8]:
    image.save(suite.folder / name, **options)  # type: ignore[arg-type]
    return conditions.first_frame(Item("i", fields={"first_frame": name}), suite)


def test_the_first_frame_is_that_of_the_reference_clip_where_no_picture_is_named(suite: Suite) -> None:
    frame = conditions.first_frame(suite.items[0], suite)
    with Reader(ClipFile("a", suite.folder / "reference" / "a.mp4")) as reader:
        np.testing.assert_array_equal(frame, next(iter(reader.frames())))
    with pytest.raises(BadCondition, match=r"item 'b' has no first_frame, .*there is no reference clip of it"):
        conditions.first_frame(suite.items[1], suite)


@pytest.mark.parametrize(
    ("mode", "name"), [("1", "x.png"), ("L", "x.png"), ("P", "x.png"), ("RGB", "x.bmp"), ("CMYK", "x.tif"), ("YCbCr", "x.jpg")]
)
def test_a_picture_of_any_mode_is_rgb_of_its_own_size(mode: str, name: str, suite: Suite) -> None:
    draw = np.random.default_rng(0).integers(0, 255, (7, 5, 3), dtype=np.uint8)
    found = given(suite, Image.fromarray(draw).convert(mode), name)
    assert found.dtype == np.uint8
    assert found.shape == (7, 5, 3)


def test_transparency_lies_over_white(suite: Suite) -> None:
    array = np.zeros((2, 3, 4), dtype=np.uint8)
    array[0, :, :] = (200, 10, 10, 255)
    found = given(suite, Image.fromarray(array))
    assert (found[0] == (200, 10, 10)).all()
    assert (found[1] == 255).all(), "what is hidden under transparency does not show"
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    found = given(suite, palette, "p.png", transparency=1)
    np.testing.assert_array_equal(found, [[[10, 20, 30], [255, 255, 255]]])


def test_sixteen_bits_are_scaled_not_cut(suite: Suite) -> None:
    wide = np.array([[0, 257, 32_896, 65_535]], dtype=np.uint16)
    np.testing.assert_array_equal(given(suite, Image.fromarray(wide))[0, :, 0], [0, 1, 128, 255])


def test_exif_turns_the_picture(suite: Suite) -> None:
    array = np.zeros((8, 16, 3), dtype=np.uint8)
    array[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera held upright
    found = given(suite, Image.fromarray(array), "x.png", exif=exif)
    assert found.shape == (16, 8, 3)
    assert found[:8].mean() == 255


def test_one_pixel_and_many_frames(suite: Suite) -> None:
    assert given(suite, Image.new("RGB", (1, 1), (1, 2, 3))).tolist() == [[[1, 2, 3]]]
    frames = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (250, 10)]
    frames[0].save(suite.folder / "x.gif", save_all=True, append_images=frames[1:])
    found = conditions.first_frame(Item("i", fields={"first_frame": "x.gif"}), suite)
    assert abs(int(found[0, 0, 0]) - 250) < 4


def test_a_huge_picture_is_refused_before_it_is_decoded(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "MOST_PIXELS", 99)
    with pytest.raises(BadCondition, match=r"item 'i': first_frame: .*x.png has 10 x 10 pixels, more than 99"):
        given(suite, Image.new("L", (10, 10)))


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_damaged_picture_is_named(data: bytes, suite: Suite) -> None:
    (suite.folder / "x.png").write_bytes(data)
    with pytest.raises(BadCondition, match=r"item 'i': first_frame: .*x.png is no picture that can be read"):
        conditions.first_frame(Item("i", fields={"first_frame": "x.png"}), suite)


def test_a_truncated_picture_is_named(suite: Suite) -> None:
    path = suite.folder / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BadCondition, match="no picture that can be read"):
        conditions.first_frame(Item("i", fields={"first_frame": "x.png"}), suite)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"first_frame": "gone.png"}, "first_frame is 'gone.png', and .* is not there"),
        ({"first_frame": "../../../etc/passwd"}, "leads out of the suite's folder"),
        ({"first_frame": "/etc/passwd"}, "leads out of the suite's folder"),
        ({"first_frame": 5}, "first_frame must be the path of a file, got int 5"),
        ({"first_frame": "a\0b"}, "must be the path of a file"),
    ],
)
def test_a_field_that_names_no_file_is_refused(fields: dict[str, object], message: str, suite: Suite) -> None:
    with pytest.raises(BadCondition, match=f"item 'i': .*{message}"):
        conditions.first_frame(Item("i", fields=fields), suite)


def test_texts_fall_back_on_the_prompt_and_are_text(suite: Suite) -> None:
    item = Item("i", "all", "dog", fields={"audio_caption": "barks", "transcript": "hello"})
    assert [conditions.caption(item), conditions.video_caption(item), conditions.audio_caption(item)] == ["all", "all", "barks"]
    assert conditions.transcript(item) == [{"text": "hello"}]
    assert conditions.category(item) == "dog"
    for read in (conditions.caption, conditions.category, conditions.transcript):
        with pytest.raises(BadCondition, match="item 'e' has no "):
            read(Item("e"))
    with pytest.raises(BadCondition, match="a turn of the transcript must be an object with a text"):
        conditions.transcript(Item("t", fields={"transcript": [5]}))


def test_the_seed_is_the_published_rule() -> None:
    expected = int(hashlib.sha256(b"7|clip|0").hexdigest()[:8], 16) >> 1
    assert conditions.seed_of(Item("clip"), 7) == expected
    assert 0 <= expected < 2**31
    assert conditions.seed_of(Item("clip"), 8) != expected


def test_samples_of_an_item(suite: Suite) -> None:
    several = suites.with_samples(suite, 3)
    assert [i.id for i in several.items] == ["a_0", "a_1", "a_2", "b_0", "b_1", "b_2"]
    seeds = [conditions.seed_of(i, 0) for i in several.items]
    assert len(set(seeds)) == 6
    assert seeds[0] == conditions.seed_of(suite.items[0], 0)
    assert several.reference is not None
    assert sorted(several.reference.ready(several.items)) == ["a_0", "a_1", "a_2"]
    assert suites.with_samples(suite, 1) is suite
    with pytest.raises(BadParameter, match="would both be called 'a_0_0'"):
        suites.with_samples(dataclasses.replace(suite, items=(Item("a_0"), Item("a_0"))), 2)
    with pytest.raises(BadParameter, match="samples must be 1 to 1000"):
        suites.with_samples(suite, 0)
