"""What the adapters of pipelines of `diffusers` share: finding the weights, loading them, seeds, memory, errors.

Nothing is downloaded in silence. The weights of a model are a folder in the layout of `diffusers` (`model_index.json` beside
one folder per network), looked for in this order: the parameter `weights`, if it is a folder; `AVBENCH_HOME/weights/<name>`;
the cache of the Hugging Face hub. Where they are in none of them, one error says what they are, under which licence, how
large, how to get them, and how much memory they want.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import logging
import re
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import weights as weight_files
from avbench.batches import choose_device
from avbench.conditions import seed_of
from avbench.errors import AvbenchError, BadParameter, MissingData
from avbench.types import Clip, ClipFile, Generator, Item, Suite

Precision = Literal["auto", "float16", "bfloat16", "float32"]
"""`auto`: what the model was published for on a GPU, float32 on the CPU, where half precision is slower than single."""
Offload = Literal["none", "model", "sequential"]
"""`model`: one network at a time is on the GPU. `sequential`: one layer at a time, which needs least memory and is slowest."""

EXTRA = "the model runs through the package diffusers, which is not installed: pip install 'avbench[diffusers]'"


def diffusers() -> Any:
    """The module `diffusers`.

    Raises:
        MissingData: if the extra is not installed.
    """
    from avbench.torchvision_guard import ensure_torchvision

    if importlib.util.find_spec("diffusers") is None:
        raise MissingData(EXTRA)
    ensure_torchvision()  # image processors of transformers import it where it is installed
    for package in ("diffusers", "transformers"):
        importlib.import_module(f"{package}.utils.logging").disable_progress_bar()
    return importlib.import_module("diffusers")


@dataclass(frozen=True)
class Published:
    """A published folder of weights and what one has to know before using it.

    Args:
        name: On the Hugging Face hub.
        pipeline: The class of `diffusers` that its `model_index.json` names.
        licence: Of the weights.
        size: Of the files that are loaded.
        memory: Of the GPU, as published; says what is not.
        gated: Whether the licence has to be accepted on the hub first.
    """

    name: str
    pipeline: str
    licence: str
    size: str
    memory: str
    gated: bool = False


@dataclass(frozen=True)
class Stage(Generator):
    """A pipeline of `diffusers` that makes one stream of a clip: a model on its own, or a stage of a cascade.

    Args:
        weights: Folder with the weights, or another name on the hub whose weights have the same classes; empty for the
            published ones.
        precision: Of the arithmetic.
        offload: What is kept in main memory while it is not used.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
    """

    weights: str = ""
    precision: Precision = "auto"
    offload: Offload = "none"
    device: str = "auto"

    half: ClassVar[Literal["float16", "bfloat16"]] = "float16"
    """The precision that the weights were published for."""

    def missing(self) -> tuple[str, ...]:
        """The extra and the weights, where they are not on this machine."""
        return missing(self.name, self.published, self.weights)

    @property
    @abstractmethod
    def published(self) -> Published:
        """The weights that the parameters choose."""

    @abstractmethod
    def one(self, pipeline: Any, item: Item, suite: Suite, random: Any) -> Clip:
        """One clip.

        Args:
            pipeline: As `load` gives it.
            item: What is asked for.
            suite: For its reference clips and its length.
            random: A `torch.Generator` on the CPU with the item's own seed.
        """

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile]:
        """One clip per item at the model's own size, rate and length, one at a time: a clip depends on (item, seed) alone.

        Raises:
            MissingData: if the extra or the weights are not on this machine.
            AvbenchError: if the weights are damaged or the memory does not suffice.
        """
        import torch

        pipeline = self.load()
        for item in items:
            with telling_of_memory(self.label, self.published.memory, self.offload), without_deprecations():
                clip = self.one(pipeline, item, suite, torch.Generator("cpu").manual_seed(seed_of(item, seed)))
            yield dataclasses.replace(clip, text=item.prompt)

    def load(self) -> Any:
        """The pipeline, on the device. Raises as `generate` does."""
        wanted = self.published
        classes = diffusers()
        folder = weights_folder(self.name, wanted, self.weights)
        device = choose_device(self.device)
        if self.offload != "none" and device == "cpu":
            raise BadParameter(f"{self.name}: offload={self.offload} keeps networks off the GPU, and the device is the CPU")
        with telling_of_memory(self.label, wanted.memory, self.offload):
            pipeline = load_pipeline(getattr(classes, wanted.pipeline), folder, device, self.precision, self.half)
            if self.offload == "none":
                pipeline.to(device)
            elif self.offload == "model":
                pipeline.enable_model_cpu_offload(device=device)
            else:
                pipeline.enable_sequential_cpu_offload(device=device)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def missing(model: str, wanted: Published, given: str = "", key: str = "weights") -> tuple[str, ...]:
    """What a model lacks on this machine; nothing is loaded. Arguments as `weights_folder`."""
    lacking = [] if importlib.util.find_spec("diffusers") is not None else [EXTRA]
    try:
        weights_folder(model, wanted, given, key)
    except (MissingData, BadParameter) as error:
        lacking.append(str(error))
    return tuple(lacking)


def weights_folder(model: str, wanted: Published, given: str = "", key: str = "weights") -> Path:
    """Where the weights lie.

    Args:
        model: Its name, for errors.
        wanted: What is published.
        given: A folder or another name on the hub, in place of the published one.
        key: The model's parameter that `given` is the value of.

    Raises:
        MissingData: if they are not on this machine; says how to get them.
        BadParameter: if the folder holds another pipeline or none.
    """
    name = given or wanted.name
    own = weight_files.folder() / name.split("/")[-1]
    if given and Path(given).expanduser().is_dir():
        found: Path | None = Path(given).expanduser()
    elif own.is_dir():
        found = own
    else:
        found = _cached(name)
    if found is None:
        accept = f" Accept the licence at https://huggingface.co/{name} first." if wanted.gated else ""
        raise MissingData(
            f"model {model} needs the weights {name} ({wanted.licence}; {wanted.size}; GPU memory: {wanted.memory}), which are "
            f"not on this machine.{accept} `hf download {name}` gets them into the hub's cache; or put the folder at {own}, or "
            f'name it: --model "{model}[{key}=/path]"'
        )
    index = found / "model_index.json"
    try:
        kind = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise BadParameter(f"{found} is no folder of weights in the layout of diffusers: {index.name}: {error}") from error
    if kind != wanted.pipeline:
        raise BadParameter(f"{found} holds a {kind}, model {model} loads a {wanted.pipeline}; give other weights")
    return found


def _cached(name: str) -> Path | None:
    """The newest snapshot in the hub's cache; nothing is fetched."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None


def load_pipeline(
    kind: Any, folder: Path, device: str, precision: Precision, half: Literal["float16", "bfloat16"], **changed: Any
) -> Any:
    """A pipeline or a single network of `diffusers` from a folder, in main memory, every tensor found and finite.

    Raises:
        BadParameter: if files are missing, cut short, of another shape, or hold NaN.
    """
    import torch

    chosen = precision if precision != "auto" else "float32" if device == "cpu" else half
    variant = "fp16" if chosen == "float16" and any(folder.rglob("*.fp16.safetensors")) else None
    told: list[str] = []
    try:
        with without_deprecations(), _listening(told):
            loaded = kind.from_pretrained(
                folder,
                dtype=getattr(torch, chosen),
                variant=variant,
                local_files_only=True,
                low_cpu_mem_usage=True,
                **changed,
            )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a damaged file makes the loaders of three packages raise
        raise BadParameter(f"{folder} cannot be loaded as {kind.__name__}: {' '.join(str(error).split())[:500]}") from error
    lacking = [key for report in told for key in re.findall(r"^(\S+)\s*\|\s*MISSING", report, re.MULTILINE)]
    parts = getattr(loaded, "components", {"": loaded})
    for part, network in parts.items():
        if isinstance(network, torch.nn.Module):
            # What diffusers does not find stays without values; transformers draws it at random and reports it.
            lacking += [f"{part}/{name}" for name, tensor in network.named_parameters() if tensor.is_meta]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise BadParameter(f"{folder}: the weights '{lacking[0]}'{more} are missing from the files; get them again")
    for part, network in parts.items():
        if isinstance(network, torch.nn.Module):
            bad = next((n for n, p in network.named_parameters() if not torch.isfinite(p).all()), None)
            if bad is not None:
                raise BadParameter(f"{folder / part}: the weights of '{bad}' hold NaN or infinite values; get the files again")
    return loaded


@contextmanager
def _listening(told: list[str]) -> Iterator[None]:
    """Collect what transformers logs."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger, collector = logging.getLogger("transformers"), Collector(logging.WARNING)
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)


@contextmanager
def without_deprecations() -> Iterator[None]:
    """Old functions of torch and NumPy inside diffusers and transformers: who runs a model can do nothing about them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@contextmanager
def telling_of_memory(model: str, memory: str, offload: Offload) -> Iterator[None]:
    """Turn the GPU's out-of-memory error into one that says what to do.

    Raises:
        AvbenchError: in its place.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        more = {"none": "offload=model, then offload=sequential", "model": "offload=sequential", "sequential": ""}[offload]
        tries = f"try {more}, " if more else "try "
        raise AvbenchError(
            f"{model}: the GPU's memory does not suffice (published: {memory}); {tries}fewer frames, a smaller size, or "
            f"another device; clips that are finished are kept ({str(error).splitlines()[0]})"
        ) from error


# ------------------------------------------------------------------ pictures and sounds


def cropped(image: NDArray[np.uint8], width: int, height: int) -> Any:
    """The largest centred part of a picture `(H, W, 3)` with the aspect of the wanted size, scaled to it (PIL, bicubic)."""
    from PIL import Image

    rows, columns = image.shape[:2]
    scale = min(rows / height, columns / width)
    tall, wide = height * scale, width * scale
    top, left = (rows - tall) / 2, (columns - wide) / 2
    return Image.fromarray(image).resize(
        (width, height), Image.Resampling.BICUBIC, box=(left, top, left + wide, top + tall), reducing_gap=None
    )


def pictures(frames: Any) -> NDArray[np.uint8]:
    """Frames `(T, H, W, 3)` in 0 to 1, as pipelines give them with `output_type="np"`, as uint8.

    Raises:
        AvbenchError: if one is not finite, which half precision can make of it.
    """
    found = np.asarray(frames, dtype=np.float32)
    if not np.isfinite(found).all():
        raise AvbenchError("the network's picture holds NaN or infinite values; try precision=bfloat16 or precision=float32")
    return np.asarray(np.rint(np.clip(found, 0.0, 1.0) * 255.0), dtype=np.uint8)


def samples(sound: Any, length: int) -> NDArray[np.float32]:
    """Sound `(channels, N)` or `(N,)` of a pipeline, array or tensor, cut to `length` samples and to [-1, 1].

    Raises:
        AvbenchError: if it is not finite.
    """
    found = sound.detach().float().cpu().numpy() if hasattr(sound, "detach") else np.asarray(sound, dtype=np.float32)
    found = np.atleast_2d(found)[:, :length]
    if not np.isfinite(found).all():
        raise AvbenchError("the network's sound holds NaN or infinite values; try precision=bfloat16 or precision=float32")
    return np.asarray(np.clip(found, -1.0, 1.0), dtype=np.float32)


def seconds_of(item: Item, suite: Suite) -> float:
    """The length that is asked for."""
    return item.seconds or suite.seconds
