"""What JointDiT is trained on: rendered clips of `synth15`'s train split as tokens of the codec, made once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.mini.inputs import FRAME_RATE as LIBRARY_RATE
from avbench.models.mel_inversion import SAMPLE_RATE, log_mel
from avbench.models.motion_codec import FRAME_RATE, MotionCodec
from avbench.models.sound_codec import SoundCodec
from avbench.store import write_bytes
from avbench.synth15.rendering import SECONDS
from avbench.training.library import Library

FITTED_ON = 600
"""Clips that the components are fitted on."""
_EVERY = round(LIBRARY_RATE / FRAME_RATE)
_FRAMES = round(SECONDS * LIBRARY_RATE)
_SAMPLES = round(SECONDS * SAMPLE_RATE)


@dataclass(frozen=True, eq=False)
class Tokens:
    """Clips as tokens, float16, and their first frames.

    Args:
        video: `(n, 2, tokens, components)`: as rendered, and mirrored left to right.
        audio: `(n, tokens, components)`; the mirrored clip sounds the same.
        first: uint8 `(n, side, side, 3)`, not mirrored.
    """

    video: NDArray[np.float16]
    audio: NDArray[np.float16]
    first: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.audio)

    def rows(self, indices: NDArray[np.intp], mirrored: NDArray[np.intp]) -> tuple[NDArray[np.float32], ...]:
        """Video and audio tokens and first frames in [-1, 1] `(B, 3, side, side)` of some clips."""
        first = self.first[indices].astype(np.float32) / 127.5 - 1.0
        first[mirrored == 1] = first[mirrored == 1][:, :, ::-1]
        video, audio = self.video[indices, mirrored], self.audio[indices]
        return video.astype(np.float32), audio.astype(np.float32), np.ascontiguousarray(first.transpose(0, 3, 1, 2))


def frames_at(library: Library, index: int) -> NDArray[np.uint8]:
    """The first 2 s of a clip at the codec's frame rate."""
    return np.asarray(library.pictures[index, :_FRAMES:_EVERY])


def mels_at(library: Library, index: int) -> NDArray[np.float32]:
    """The log-mel spectrogram of the first 2 s."""
    return log_mel(library.sounds[index, :_SAMPLES].astype(np.float32) / 32767.0)


def fitted(library: Library, components: int) -> SoundCodec:
    """The sound's codec of so many components, from the first clips of a library."""
    return SoundCodec.fit((mels_at(library, n) for n in range(min(FITTED_ON, len(library)))), components)


def tokens(
    libraries: Sequence[Library],
    codecs: tuple[MotionCodec, SoundCodec],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Tokens:
    """Every clip of the libraries as tokens, from the folder if they are there already.

    Args:
        libraries: One after the other.
        codecs: Of video and audio.
        folder: For the arrays, 30 kB a clip.
        progress: Called with clips done and all clips.
    """
    count = sum(len(library) for library in libraries)
    seen, heard = codecs
    weights = b"".join(value.cpu().numpy().tobytes() for value in seen.state_dict().values())
    digest = hashlib.sha256(weights + heard.basis.tobytes()).hexdigest()[:16]
    about = {"ids": [[library.items[0].id, len(library)] for library in libraries], "codec": digest, "version": 2}
    note = folder / "tokens.json"
    names = [folder / f"tokens-{name}.npy" for name in ("video", "audio", "first")]
    if not (note.is_file() and json.loads(note.read_text(encoding="utf-8")) == about):
        folder.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        side = libraries[0].pictures.shape[2]
        one, sounds = seen.tokens(frames_at(libraries[0], 0)), heard.tokens(mels_at(libraries[0], 0))
        shapes = (
            (count, 2, *one.shape),
            (count, *sounds.shape),
            (count, side, side, 3),
        )
        kinds = (np.float16, np.float16, np.uint8)
        video, audio, first = (
            np.lib.format.open_memmap(path, "w+", kind, shape) for path, kind, shape in zip(names, kinds, shapes, strict=True)
        )
        row = 0
        for library in libraries:
            for index in range(len(library)):
                frames = frames_at(library, index)
                video[row, 0] = seen.tokens(frames)
                video[row, 1] = seen.tokens(frames[:, :, ::-1])
                audio[row] = heard.tokens(mels_at(library, index))
                first[row] = frames[0]
                row += 1
                if progress is not None and row % 100 == 0:
                    progress(row, count)
        for array in (video, audio, first):
            array.flush()
        write_bytes(note, json.dumps(about).encode())
    return Tokens(*(np.load(path, mmap_mode="r") for path in names))
