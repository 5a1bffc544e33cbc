"""From a file to smoothed crops and sound, against the published script's stages; SyncNet's windows together and one by one."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avbench.encode import write_frames
from avbench.extractors.shots import Shots
from avbench.extractors.syncnet import Syncnet
from avbench.extractors.yunet import Yunet
from avbench.face_tracks import Track, cuts_of, overlap, table, tracks_of, windows_of
from avbench.media import Limits, Reader
from avbench.types import Array, ClipFile, Features, Forward
from avbench.worker import Job, Task, process
from tests.parity.harness import MEDIA, families

pytestmark = pytest.mark.perf

SIZE = (1280, 720)


def cpu() -> float:
    """CPU seconds of this process, all threads."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def found(pattern: str) -> Path:
    path = next(iter(sorted(MEDIA.rglob(pattern))), None)
    if path is None:
        pytest.skip(f"no {pattern} under the media folder")
    return path


def landscape(folder: Path) -> Path:
    """The middle of a portrait clip of a talking face, 10 s at 1280 x 720."""
    pictures = []
    with Reader(ClipFile("x", found("speech_latentsync_demo1.mp4"))) as reader:
        for image in reader.frames():
            top = round(0.23 * len(image))
            part = image[top : top + image.shape[1] * 9 // 16]
            pictures.append(np.asarray(cv2.resize(part, SIZE), dtype=np.uint8))
        audio = reader.audio()
    assert audio is not None
    path = folder / "talk.mp4"
    write_frames(path, pictures, frame_rate=25.0, audio=audio.samples, sample_rate=audio.sample_rate)
    return path


# ------------------------------------------------------------------ the stages of the published script


def mpeg4(path: Path, frames: list[Array], options: dict[str, str]) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=Fraction(25), options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")))
        out.mux(stream.encode())


def decoded(path: Path) -> list[Array]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def pictures(frames: list[Array], folder: Path) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{n:06d}.jpg" for n in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        cv2.imwrite(str(path), frame)
    return paths


def looked_at(path: Path) -> Array:
    image = cv2.imread(str(path))
    assert image is not None
    return image


def stages(clip: Path, weights: Path, folder: Path) -> tuple[list[Track], list[Array]]:
    """Re-encode at 25 per second, write every frame, detect frame by frame, read again for shots, read again for crops, write
    crops as video, read that again as pictures: each as the script does, with the same detector on the same size."""
    mpeg4(folder / "video.avi", decoded(clip), {"qmin": "2", "qmax": "2"})
    paths = pictures(decoded(folder / "video.avi"), folder / "frames")

    detector = cv2.FaceDetectorYN.create(str(weights), "", (320, 180), 0.6, 0.3, 5000)
    boxes = []
    for path in paths:
        image = looked_at(path)
        faces = detector.detect(cv2.resize(image, (320, 180)))[1]
        faces = np.zeros((0, 15)) if faces is None else faces.astype(np.float64)
        corners = np.concatenate([faces[:, :2], faces[:, :2] + faces[:, 2:4]], axis=1) * (image.shape[1] / 320)
        boxes.append(np.concatenate([corners, faces[:, 14:]], axis=1))

    content, before = [0.0], None
    for frame in decoded(folder / "video.avi"):
        now = [c.astype(np.int32) for c in cv2.split(cv2.cvtColor(frame[::5, ::5].copy(), cv2.COLOR_BGR2HSV))]
        if before is not None:
            content.append(sum(float(np.abs(a - b).sum()) / a.size for a, b in zip(now, before, strict=True)) / 3)
        before = now
    got: Features = {"shots.cuts": cuts_of(np.array(content)), "yunet.faces": table(boxes)[0]}
    tracks = tracks_of(got, "yunet", 100)

    crops = []
    for number, track in enumerate(tracks):
        faces_of = []
        for row, (half, x, y) in enumerate(windows_of(track)):
            image = looked_at(paths[track.first + row])
            border = int(half * 1.8)
            padded = np.pad(image, ((border, border), (border, border), (0, 0)), constant_values=110)
            rows = slice(int(y + border - half), int(y + border + 1.8 * half))
            faces_of.append(cv2.resize(padded[rows, int(x + border - 1.4 * half) : int(x + border + 1.4 * half)], (224, 224)))
        video = folder / f"{number}.avi"
        mpeg4(video, faces_of, {"b": "8000000"})
        again = pictures(decoded(video), folder / f"crops{number}")
        crops.append(np.stack([looked_at(path) for path in again]))
    return tracks, crops


# ------------------------------------------------------------------ the same here


def ours(clip: Path, yunet: Forward, least: int = 100) -> tuple[list[Track], Array]:
    """Two passes over the file, as the engine makes them; tracks of more than `least` frames."""
    import torch

    def prepared(*tasks: Task) -> list[dict[str, Array]]:
        reply = process(Job(ClipFile("x", clip), tasks, None, Limits(), 2))
        assert all(answer.prepared is not None for answer in reply.answers), reply.answers
        return [answer.prepared for answer in reply.answers if answer.prepared is not None]

    shots, scaled = prepared(Task(Shots(), ""), Task(Yunet(), ""))
    with torch.inference_mode():
        faces = yunet({k: torch.from_numpy(v)[None] for k, v in scaled.items()})
    got = {f"shots.{k}": v for k, v in shots.items()} | {f"yunet.{k}": v[0].numpy() for k, v in faces.items()}
    (made,) = prepared(Task(Syncnet("yunet", least), "", got))
    return tracks_of(got, "yunet", least), made["crops"]


@pytest.mark.slow
@pytest.mark.real_media
def test_crops_of_a_720p_clip_against_the_published_stages(tmp_path: Path, figure: Callable[[str], None]) -> None:
    weights, clip = found("yunet_n_dynamic.onnx"), landscape(tmp_path)
    yunet = Yunet().load(weights, "cpu")
    ours(found("speech_grid_*.mpg"), yunet, 50)  # imports, once
    before, begun = cpu(), time.perf_counter()
    there, crops = stages(clip, weights, tmp_path)
    middle, half_way = cpu(), time.perf_counter()
    here, made = ours(clip, yunet)
    after, ended = cpu(), time.perf_counter()

    assert [(t.first, len(t)) for t in here] == [(t.first, len(t)) for t in there] == [(0, 250)]
    assert min(overlap(a, b) for a, b in zip(here[0].boxes, there[0].boxes, strict=True)) > 0.8
    assert np.median(np.abs(here[0].boxes - there[0].boxes)) < 2
    assert np.abs(made.astype(int) - crops[0][: len(made), :, :, ::-1]).mean() < 8
    wall, spent = (half_way - begun) / (ended - half_way), (middle - before) / (after - middle)
    figure(
        f"faces: {wall:.1f} x as fast as the published stages, {spent:.1f} x by CPU time "
        f"({ended - half_way:.1f} s and {half_way - begun:.1f} s); 10 s 1280 x 720, YuNet, from file to crops, same tracks"
    )
    assert max(wall, spent) >= 1.7  # 2.0 to 2.6 were measured; on a busy machine either can be off


def test_windows_together_against_one_by_one(figure: Callable[[str], None]) -> None:
    """The network is the same, so the gain is what cutting windows out and small batches cost."""
    import torch

    from avbench.models.loading import load_exactly
    from avbench.models.syncnet import SyncNet
    from avbench.weights import read

    if not families("video/syncnet*"):
        pytest.skip("no goldens in the root")
    path = families("video/syncnet*")[0].checkpoint("syncnet_v2")
    network = SyncNet()
    load_exactly(network, read(path), path)
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (36, 224, 224, 3), dtype=np.uint8))
    seconds = {"together": [], "alone": []}  # type: dict[str, list[float]]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # waiting threads count as CPU time
    with torch.inference_mode():
        network.lips(frames[:8])
        for _ in range(2):
            begun = time.process_time()
            together = network.lips(frames)
            seconds["together"].append(time.process_time() - begun)
            begun = time.process_time()
            alone = torch.cat([network.lips(frames[n : n + 5]) for n in range(32)])
            seconds["alone"].append(time.process_time() - begun)
    torch.set_num_threads(threads)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    ratio = min(seconds["alone"]) / min(seconds["together"])
    figure(f"syncnet: 32 windows together {ratio:.2f} x as fast as one by one, CPU time; {min(seconds['together']):.1f} s")
    assert ratio > 0.8
