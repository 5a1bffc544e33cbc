"""The types that everything else is made of.

Components (`Extractor`, `Metric`, `Generator`) are frozen dataclasses whose fields are their parameters: equality, hash,
pickling and the signature come from the fields alone.

Two choices differ from the first design, for these reasons:

* Pictures are `uint8 (T, H, W, 3)` NumPy arrays, not `(T, 3, H, W)` tensors: decoders, encoders and OpenCV all speak that
  layout, and no module on the way to a weight-free metric has to import torch (1.3 s).
* An extractor does not get a whole `Clip`. It starts a `Preparation`, which says which frames it wants and takes them one by
  one while the engine decodes the file once for everybody. A decoded 10 s clip of 1536 x 1024 is 1.1 GB; the prepared
  tensors of the same clip are a few MB.

A metric names its extractors (`Need`) instead of importing them, so that listing metrics loads no network.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.errors import BadParameter, Unscorable
from avbench.moments import Moments

Array = NDArray[Any]
Features = Mapping[str, Array]
"""What extractors made of one clip; keys are `<extractor>.<layer>`."""

Better = Literal["lower", "higher", "none"]
Task = Literal["I2SV", "T2SV", "TI2SV", "C2SV", "U2SV", "R2SV", "V2A", "I2V", "I2A", "A2V", "T2V", "T2A", "I2T"]
"""What is made of what: SV sounding video; I image, T text, C class, U nothing, R a picture of a person and their words."""
Stream = Literal["video", "audio", "text"]

SAMPLE = "sample_of"
"""Field of an item that is one of several samples: `{"id": <id in the suite>, "index": <from 0>}`."""

MOST_CHANNELS = 64
"""More are samples: sound libraries give `(N, channels)`."""


# ------------------------------------------------------------------ clips and items


@dataclass(frozen=True, eq=False)
class Clip:
    """One audio-video sample in memory.

    Args:
        id: Name of the clip.
        video: uint8 `(T, H, W, 3)` RGB, or `(T, 3, H, W)` (turned round), array or tensor; None without picture.
        frame_rate: Frames per second; ignored without picture.
        audio: float `(channels, N)` or `(N,)` in [-1, 1], array or tensor; None without sound.
        sample_rate: Hz; ignored without sound.
        audio_start_seconds: First sample's time minus first frame's time.
        text: The caption, for metrics that use one.
        audio_text: Caption of the sound alone; empty where there is none.

    Raises:
        BadParameter: if an array has another shape or dtype, or a rate is not positive.
    """

    id: str
    video: NDArray[np.uint8] | None
    frame_rate: float
    audio: NDArray[np.float32] | None
    sample_rate: int
    audio_start_seconds: float = 0.0
    text: str = ""
    audio_text: str = ""

    def __post_init__(self) -> None:
        if self.video is not None:
            video = np.asarray(self.video)
            if video.ndim == 4 and video.shape[3] != 3 and video.shape[1] == 3:
                video = video.transpose(0, 2, 3, 1)
            if video.dtype != np.uint8 or video.ndim != 4 or video.shape[3] != 3 or 0 in video.shape:
                raise BadParameter(
                    f"clip '{self.id}': video must be uint8 (T, H, W, 3) or (T, 3, H, W) with at least one frame, "
                    f"got {video.dtype} {video.shape}"
                )
            if not 0 < self.frame_rate < float("inf"):
                raise BadParameter(f"clip '{self.id}': frame_rate must be positive, got {self.frame_rate}")
            object.__setattr__(self, "video", np.ascontiguousarray(video))
        if self.audio is not None:
            audio = np.atleast_2d(np.asarray(self.audio))
            if audio.dtype.kind != "f" or audio.ndim != 2:
                raise BadParameter(
                    f"clip '{self.id}': audio must be float (channels, N) or (N,) in [-1, 1], got {audio.dtype} {audio.shape}"
                )
            if len(audio) > MOST_CHANNELS:
                raise BadParameter(
                    f"clip '{self.id}': audio has {len(audio)} channels in shape {audio.shape}; give the channels first"
                )
            if not self.sample_rate > 0:
                raise BadParameter(f"clip '{self.id}': sample_rate must be positive, got {self.sample_rate}")
            object.__setattr__(self, "audio", np.ascontiguousarray(audio, dtype=np.float32))


@dataclass(frozen=True)
class ClipFile:
    """One audio-video sample on disk.

    Args:
        id: Name of the clip.
        path: A container with the picture, and the sound unless `audio` is given; or a sound file alone.
        audio: A sound file that replaces the container's sound (the JavisBench layout).
        text: The caption, for metrics that use one.
        audio_text: Caption of the sound alone; empty where there is none.
        meta: What a model says of how it made the clip; plain values.
    """

    id: str
    path: Path
    audio: Path | None = None
    text: str = ""
    audio_text: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def of(self, item: Item) -> ClipFile:
        """The same file as the clip of an item of a suite."""
        return dataclasses.replace(self, id=item.id, text=item.prompt, audio_text=item.audio_text)


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip before its frames stream by.

    `frame_times` are the display times of the frames in seconds, exact, from the first; `frame_rate` is the rate that
    OpenCV would report. A clip without picture has no frame times, one without sound a sample rate of 0. `audio_seconds` is
    what the container says of the sound's length, before anything is decoded; 0 where it does not say.
    """

    id: str
    frame_times: NDArray[np.float64]
    frame_rate: float
    width: int
    height: int
    sample_rate: int
    channels: int
    audio_start_seconds: float
    text: str = ""
    flags: tuple[str, ...] = ()
    audio_text: str = ""
    audio_seconds: float = 0.0

    def caption(self, which: Literal["text", "audio_text"]) -> str:
        """The caption, or that of the sound alone where there is one."""
        return self.audio_text or self.text if which == "audio_text" else self.text

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.frame_times)

    @property
    def video_seconds(self) -> float:
        """Time from the first frame to the end of the last, which is taken to last as long as the one before."""
        if self.frames == 0:
            return 0.0
        last = self.frame_times[-1] - self.frame_times[-2] if self.frames > 1 else 1.0 / self.frame_rate
        return float(self.frame_times[-1] - self.frame_times[0] + last)


@dataclass(frozen=True, eq=False)
class Waveform:
    """The whole sound of a clip: float32 `(channels, N)` at `sample_rate` Hz."""

    samples: NDArray[np.float32]
    sample_rate: int

    @property
    def mono(self) -> NDArray[np.float32]:
        """Average of the channels, `(N,)` (librosa's downmix; FFmpeg's float downmix is 3 dB louder)."""
        return np.asarray(self.samples.mean(axis=0, dtype=np.float32) if len(self.samples) > 1 else self.samples[0])


@dataclass(frozen=True)
class Item:
    """One prompt of a suite.

    Args:
        id: Name; generated clips carry it.
        prompt: Caption of picture and sound, may be empty.
        category: Class label, may be empty.
        tags: Further labels.
        seconds: Length that is asked for; None for the suite's.
        events: Times of the sounding events in seconds, where they are known.
        fields: Everything else that the suite stores with the item.
    """

    id: str
    prompt: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    seconds: float | None = None
    events: tuple[float, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def audio_text(self) -> str:
        """Caption of the sound alone, the field `audio_text` (a column of JavisBench's lists); empty where there is none."""
        found = self.fields.get("audio_text")
        return found if isinstance(found, str) else ""

    @property
    def origin(self) -> str:
        """Id of the suite's item that this is a sample of; the own id of an item that is none."""
        found = self.fields.get(SAMPLE)
        return str(found["id"]) if isinstance(found, Mapping) and "id" in found else self.id


# ------------------------------------------------------------------ components


class Component(ABC):
    """What extractors, metrics and generators share: a name, and parameters that are dataclass fields."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        """Refuse a value that is none of a parameter's choices; a subclass with a check of its own calls this one too."""
        hints = typing.get_type_hints(type(self))
        for key, value in self.parameters().items():
            if typing.get_origin(hints[key]) is Literal and value not in typing.get_args(hints[key]):
                choices = ", ".join(str(c) for c in typing.get_args(hints[key]))
                raise BadParameter(f"{self.name}: {key} must be one of {choices}, got {value!r}")

    def parameters(self) -> dict[str, Any]:
        """Every parameter and its value, in order of definition."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    def changed(self) -> dict[str, Any]:
        """The parameters that differ from their default."""
        out = {}
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
            if default is dataclasses.MISSING or value != default:
                out[f.name] = value
        return out

    @property
    def label(self) -> str:
        """Name with the parameters that differ from their default: `av_align[javisbench]`, `x[rate=16000]`."""
        parts = [f"{v}" if k == "variant" else f"{k}={v}" for k, v in self.changed().items()]
        return f"{self.name}[{','.join(parts)}]" if parts else self.name


@dataclass(frozen=True)
class Checkpoint:
    """A published file of weights, loaded as it is.

    Args:
        file: Its published name; it lies in `AVBENCH_HOME/weights` under this name.
        urls: Where it is published, the authors' own place first.
        licence: Of the weights, and whether they are free for commercial use.
        sha256: Of the published file, where it is known.
        package: The Python package whose folder holds the file, for one that comes with avbench; empty for all others.
    """

    file: str
    urls: tuple[str, ...]
    licence: str
    sha256: str | None = None
    package: str = ""


class Preparation(ABC):
    """One clip on its way through one extractor. Made by `Extractor.start`, in a worker process."""

    frames: Sequence[int] | NDArray[np.intp] = ()
    """Indices of the wanted frames; the engine delivers each once, in rising order."""

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        """One wanted frame, `(H, W, 3)` RGB. Keep what is made of it, never the frame itself."""
        raise NotImplementedError

    @abstractmethod
    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """Everything has streamed by. Returns the tensors that `Extractor.load`'s function takes (without batch axis).

        Args:
            audio: The whole sound; None if the extractor does not need it or the clip has none.
        """


Forward = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Extractor(Component):
    """A pinned function from clips to features: a network or a signal analysis.

    `start` and its `Preparation` run on the CPU in worker processes, while the clip is decoded; the function that `load`
    returns runs in batches on the device. Signal analyses leave `load` alone: what they prepare is the feature.
    """

    revision: ClassVar[int]
    """Raised whenever a value changes; part of the cache key."""
    layers: ClassVar[tuple[str, ...]]
    """Names of the features, without the extractor's own name."""
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]]
    """Streams without which a clip cannot be prepared. A caption may be empty: what comes of that is the network's affair."""
    reads: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ()
    """Streams that are used where they are there; those in `needs` need no mention."""
    after: ClassVar[tuple[str, ...]] = ()
    """Extractors whose features of the same clip `start` is given (face tracks before lip crops). Their clips are decoded
    again in a second pass."""
    weights: ClassVar[Checkpoint | None] = None
    """The published checkpoint; None for a signal analysis."""
    companions: ClassVar[tuple[Checkpoint, ...]] = ()
    """Further published files that `load` finds beside the checkpoint under their published names (a tokenizer, principal
    components). Like `weights`, a parameter may change them for one instance."""
    alternatives: ClassVar[tuple[Checkpoint, ...]] = ()
    """Every other published file that a parameter can choose as `weights` or add as a companion, so that it is listed."""
    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    """Distributions whose version can move a value; part of the cache key."""
    batch_size: ClassVar[int] = 16
    """Clips in one batch, unless the caller says otherwise."""

    @abstractmethod
    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Args:
            info: What is known of the clip.
            earlier: Features of the extractors in `after`, empty without any.

        Raises:
            Unscorable: if the clip cannot be used; the reason ends up in the result.
        """

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network, ready on `device`: a function from batched tensors to batched features, row i for clip i."""
        raise NotImplementedError(f"{self.name} has weights but no load()")


@dataclass(frozen=True)
class Need:
    """An extractor that a metric wants: name and parameters."""

    extractor: str
    parameters: tuple[tuple[str, Any], ...] = ()

    @staticmethod
    def of(extractor: str, **parameters: Any) -> Need:
        """`Need.of("onsets", sample_rate=22050)`."""
        return Need(extractor, tuple(sorted(parameters.items())))


class Metric(Component):
    """One number for a run, from one row per clip.

    `row` is what one clip contributes; `score` makes the number from all rows. Intervals, paired tests, categories and
    resuming all work on rows.
    """

    title: ClassVar[str]
    """A line for tables and lists."""
    unit: ClassVar[str]
    """`""` for a plain number."""
    better: ClassVar[Better]
    """`none` for a quantity that is reported, not ranked."""
    revision: ClassVar[int]
    """Raised whenever a value changes; part of the signature."""
    source: ClassVar[str]
    """Paper, repository and commit of the definition."""
    columns: ClassVar[tuple[str, ...]] = ("value",)
    """Names of a row's columns; `()` for a row that is one embedding."""
    needs_reference: ClassVar[bool] = False
    """Whether every row needs the item's reference clip, or the score needs reference rows."""
    needs_all: ClassVar[bool] = False
    """A set metric: clips that the score cannot be made of one by one, so `score` is not a mean of rows."""
    minimum: ClassVar[int] = 1
    """Fewest rows that make a number."""
    always: ClassVar[bool] = False
    """A signal check that every run reports, asked for or not."""

    @abstractmethod
    def extractors(self) -> tuple[Need, ...]:
        """What `row` finds in the features of the clip."""

    def reference_extractors(self) -> tuple[Need, ...]:
        """What `row` finds in the features of the reference clip, where it needs one; by default the same."""
        return self.extractors()

    @abstractmethod
    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """What one clip contributes: `(columns,)`, or `(parts, columns)` for a set metric.

        Raises:
            Unscorable: with a reason code, never a sentinel number.
        """

    def score(self, rows: NDArray[np.float64], ref_rows: NDArray[np.float64] | None) -> float:
        """The number, from rows `(n, columns)`; the mean of the first column unless a metric says otherwise."""
        return float(rows[:, 0].mean())

    def row_kind(self) -> str:
        """What the rows of a set metric are; metrics of one kind and one setting of their extractors share a statistics file.

        Its own rows, unless a metric says which layer they are.
        """
        return f"{self.name}@{self.revision}{canonical(self.parameters())}"

    @property
    def moments_suffice(self) -> bool:
        """Whether mean and covariance of the reference rows make the score, as `score_from_moments` does."""
        return False

    def score_from_moments(self, rows: NDArray[np.float64], reference: Moments) -> float:
        """The number of a set metric, from rows `(n, columns)` and the moments of the reference rows.

        Raises:
            BadParameter: if its formula needs every reference row.
        """
        raise BadParameter(f"{self.label}: its formula needs every reference row, not their mean and covariance alone")

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """95 % interval of the number, and how it was made, from what each clip contributes.

        BCa bootstrap over clips where the number is the mean of the first column; none otherwise, unless a set metric says how,
        usually by `stats.subset_interval(self.score, rows, ref_rows, seed=seed)`.

        Args:
            rows: One `(columns,)` or `(parts, columns)` per scored clip.
            ref_rows: The same for the reference clips; None without.
            seed: Of the resampling.

        Returns:
            Low, high, and a line for the result; NaN twice where there is none.
        """
        if type(self).score is not Metric.score:
            return float("nan"), float("nan"), "none"
        low, high = stats.mean_interval(np.concatenate([np.atleast_2d(r) for r in rows])[:, 0], seed=seed)
        return low, high, f"95 % BCa bootstrap over clips, {stats.RESAMPLES} resamples, seed {seed}"

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """What a report draws of one clip: arrays over time or over events, stored beside the row. Empty by default."""
        return {}

    def flags(self, got: Features) -> tuple[str, ...]:
        """What the result says of this clip beside the number (`silent`, `clipped`, ...). Nothing by default."""
        return ()

    def compute(self, generated_rows: Array, reference_rows: Array | None = None) -> float:
        """The number from rows that are at hand already.

        Args:
            generated_rows: `(n, columns)`, or `(n,)` for one column; one row per clip.
            reference_rows: The same for the reference clips, where the metric needs them.

        Raises:
            Unscorable: if there are fewer rows than `minimum`.
            BadParameter: if a row is not finite, has the wrong width, or reference rows are missing.
        """
        rows = self._checked(generated_rows, "generated")
        refs = None if reference_rows is None else self._checked(reference_rows, "reference")
        if refs is None and self.needs_all and self.needs_reference:
            raise BadParameter(f"{self.label}: reference rows are needed and None came")
        for what, found in (("generated", rows), ("reference", refs)):
            if found is not None and len(found) < self.minimum:
                raise Unscorable("too_short", f"{self.label} needs at least {self.minimum} {what} rows, got {len(found)}")
        return self.score(rows, refs)

    def _checked(self, rows: Array, what: str) -> NDArray[np.float64]:
        out = np.asarray(rows, dtype=np.float64)
        out = out[:, None] if out.ndim == 1 else out
        if out.ndim != 2 or (self.columns and out.shape[1] != len(self.columns)):
            width = len(self.columns) or "d"
            raise BadParameter(f"{self.label}: {what} rows must be (n, {width}), got {np.shape(rows)}")
        if not np.isfinite(out).all():
            bad = int((~np.isfinite(out).all(axis=1)).sum())
            raise BadParameter(
                f"{self.label}: {bad} of {len(out)} {what} rows hold NaN or infinite values; leave them out and say so"
            )
        return out


@dataclass(frozen=True)
class MetricSpec:
    """A metric as a suite, a command line or a user names it: name and parameters."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Suite:
    """Items, their reference clips, and the metrics that one protocol computes.

    Args:
        name, version: What signatures quote.
        title: A line for lists.
        items: In order; `sample_0000` is the first.
        metrics: What is computed unless the caller asks for others.
        conditions: What a generator is given: `first_frame`, `text`, `category`, `audio`.
        seconds, frame_rate, width, height, sample_rate: The clips that are asked for.
        reference: Finds the reference clip of an item; raises `MissingData`. None for a suite without reference clips.
        folder: Where the suite's files are.
        protocol, protocols: The one that `metrics` are of, and all there are.
        not_yet: What the protocol computes beside `metrics` and avbench does not.
        only: Metrics for some items alone, by label: an item has to have one of these tags.
        paper, used_in: Who introduced the suite, and who used the protocol.
        download: What a user has to get.
        samples_per_item: How often each item is made; `items` has all of them.
        conformance: `error`, `flag` or `ignore` for a clip with less than the suite's `seconds`, `frame_rate`, ...
        aspects: Groups of classes; an item is in a class by the tag `<aspect>: <class>`.
        expected: How many items the whole suite has, each counted once.
        items_file: Their file, in `folder`.
        prepared: Whether it is made on the user's machine, since the items cannot be part of avbench.
        statistics: A published file of reference features, under the suite's data folder.
    """

    name: str
    version: int
    title: str
    items: tuple[Item, ...]
    metrics: tuple[MetricSpec, ...]
    conditions: tuple[str, ...]
    seconds: float
    frame_rate: float
    width: int
    height: int
    sample_rate: int
    folder: Path
    reference: References | None = field(default=None, compare=False)
    source: str = ""
    licence: str = ""
    protocol: str = ""
    protocols: tuple[str, ...] = ()
    not_yet: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    paper: str = ""
    used_in: str = ""
    download: str = ""
    samples_per_item: int = 1
    conformance: Mapping[str, str] = field(default_factory=dict)
    aspects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expected: int = 0
    items_file: str = "items.jsonl"
    prepared: bool = False
    statistics: str = ""


class References(ABC):
    """Where a suite's reference clips come from."""

    progress: Callable[[str, int, int], None] | None = None
    """Called with stage, done and total while clips are made."""

    @abstractmethod
    def ready(self, items: Sequence[Item]) -> dict[str, ClipFile]:
        """The reference clip of each item that has one, by item id; made or found, never fetched in silence.

        Raises:
            MissingData: if the data are not on this machine; says what to download, from where, where to put it.
        """


@dataclass(frozen=True)
class NoClip:
    """A model gives this in place of a clip that it could not make: the item fails, the run goes on.

    Args:
        id: Of the item.
        why: One line for the result.
        again: Whether it is worth another try, and counts as a failure of the model; false where the item itself is at fault.
    """

    id: str
    why: str
    again: bool = True


class Generator(Component):
    """A model that makes clips."""

    title: ClassVar[str]
    shown: ClassVar[str] = ""
    """Its name in tables, reports and the leaderboard, where `name` alone would be taken for another model."""
    revision: ClassVar[int]
    source: ClassVar[str]
    conditions: ClassVar[tuple[str, ...]] = ()
    """What it uses of an item; the suite has to offer it. A `?` at the end marks what it can do without.
    `avbench.conditions` has their names and gives them."""
    task: ClassVar[Task] = "U2SV"
    produces: ClassVar[tuple[Stream, ...]] = ("video", "audio")
    """A stage of a cascade makes one of them. Text is a `Clip` without picture and sound that has `text`."""
    clip_seconds: ClassVar[float | None] = None
    """Length of its clips, for a model that makes one length alone; others keep to the item's or the suite's."""
    checked: ClassVar[bool] = True
    """Whether its clips are looked at when they arrive (`avbench.arrival`); not for copies of what is there already."""
    requires: ClassVar[Mapping[str, str]] = {}
    """What has to be on the machine, for lists and errors: `weights`, `vram`, `environment`, `command`."""

    def missing(self) -> tuple[str, ...]:
        """What of `requires` is not on this machine, each with what to do about it; looked up without loading anything heavy.

        A run asks before it begins, and raises `MissingData` with all of it.
        """
        return ()

    def cannot(self, items: Sequence[Item], suite: Suite) -> Mapping[str, str]:
        """Items that it has no clip for, with the reason, beside those that lack a condition. Asked before a run begins."""
        return {}

    def request(self, item: Item, suite: Suite, seed: int) -> str:
        """Hash of everything that this item's clip follows from; a finished clip of another request is made again.

        Empty for a model whose clips follow from what `run.json` has: its name, parameters and the suite's items.
        """
        return ""

    @abstractmethod
    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile | NoClip]:
        """One clip per item, with the item's id; it depends on (item, seed, suite) alone.

        Models in this process give clips in the order of the items; one that works on several at a time gives them as they
        are ready.

        Args:
            items: What is still to be made, a subset of the suite's items.
            suite: For the wanted size and length, and for models that look at other items.
            seed: The run's seed; `avbench.conditions.seed_of(item, seed)` is the item's own.
            folder: An empty folder for files; it is deleted afterwards.

        Yields:
            A `Clip`, which the run encodes, a `ClipFile` under `folder`, which the run moves, or a `NoClip`.
        """


def canonical(value: Any) -> str:
    """JSON that is the same for equal values: sorted keys, no spaces, NaN kept as `NaN`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
