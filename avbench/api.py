"""The public functions: what `import avbench` offers, and what the command line calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avbench import engine, pipeline, registry
from avbench import weights as weights_of
from avbench.engine import Progress
from avbench.errors import AvbenchError, BadParameter
from avbench.options import Options, Precision, Wanted
from avbench.results import Result
from avbench.store import DiskStore, MemoryStore, Store, default_home
from avbench.types import Array, Clip, ClipFile, Extractor, Metric


def want(extractor: str | Extractor, weights: Path | str | None = None) -> Wanted:
    """An extractor by name, with its checkpoint's hash.

    Raises:
        UnknownName, BadParameter: for a name or checkpoint that is not taken.
        MissingData: if the extractor needs a checkpoint and none is given or there.
    """
    found = registry.extractor(extractor) if isinstance(extractor, str) else extractor
    path, digest = weights_of.resolve(found, None if weights is None else Path(weights))
    return Wanted(found, path, digest)


def extract(
    extractor: str | Extractor,
    clips: Sequence[Path | str | Clip | ClipFile],
    *,
    weights: Path | str | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    precision: Precision = "float32",
    workers: int | None = None,
    cache: bool = True,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Features of clips, as an evaluation callback in a training loop would ask for them.

    Args:
        extractor: Name (`avbench.extract("onsets", ...)`), or an extractor object with parameters.
        clips: Paths, or clips in memory. Files are decoded in child processes, clips in memory are used as they are.
        weights: A checkpoint file for extractors that load one; the published one from `AVBENCH_HOME/weights` otherwise.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        batch_size: Clips in one batch; None for the extractor's own.
        precision: Of networks: `float32`, or faster and less exact `tf32` (CUDA) or `bf16`; features are float32.
        workers: Child processes; None for one per core, at most 8.
        cache: Keep features in `AVBENCH_HOME/features` and find them there.
        progress: Called with stage, done, total.

    Returns:
        `"<extractor>.<layer>"` to an array whose row i belongs to clip i; an object array where rows differ in length.

    Raises:
        UnknownName, BadParameter, MissingData: for what was asked.
        AvbenchError: if clips have no features; it names each with the reason. Nothing is left out in silence.
    """
    if isinstance(clips, str | Path | Clip | ClipFile):
        raise BadParameter(f"clips must be a list of paths or clips, got one {type(clips).__name__}")
    sources = [c if isinstance(c, Clip | ClipFile) else ClipFile(Path(c).stem, Path(c)) for c in clips]
    wanted = want(extractor, weights)
    before = [registry.extractor(name) for name in wanted.extractor.after]
    chain = [*pipeline.in_order(before, precision), dataclasses.replace(wanted, asked_precision=precision)]
    store: Store = DiskStore(default_home() / "features") if cache else MemoryStore()
    options = Options(workers=workers, device=device, batch_size=batch_size, precision=precision)
    found = engine.extract(sources, chain, store=store, options=options, progress=progress)
    last = len(chain) - 1
    layers: dict[str, list[Array]] = {layer: [] for layer in wanted.extractor.layers}
    failed = []
    for index, source in enumerate(sources):
        made = found.features(index, last)
        if isinstance(made, engine.Failure):
            failed.append(f"{source.id}: {made}")
        else:
            for layer in layers:
                layers[layer].append(made[layer])
    if failed:
        shown = "\n  ".join(failed[:20])
        more = f"\n  ... and {len(failed) - 20} more" if len(failed) > 20 else ""
        raise AvbenchError(
            f"{wanted.extractor.label}: {len(failed)} of {len(sources)} clips have no features; leave them out and say so:\n"
            f"  {shown}{more}"
        )
    return {f"{wanted.extractor.name}.{layer}": _stacked(values) for layer, values in layers.items()}


def _stacked(values: list[Array]) -> Array:
    """One array with a row per clip; an object array where clips differ in length."""
    if len({v.shape for v in values}) <= 1:
        return np.stack(values) if values else np.zeros((0,))
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def metric(name: str, **parameters: Any) -> Metric:
    """A metric, for rows that are at hand: `avbench.metric("av_align").compute(rows)`.

    Args:
        name: As `avbench metrics` lists them, with parameters in brackets if you like: `av_align[javisbench]`.
        **parameters: Of the metric, such as `variant="javisbench"`.

    Raises:
        UnknownName: with the nearest name.
        BadParameter: for a parameter that the metric does not take, or that is given twice.
    """
    spec = registry.parse_spec(name)
    twice = sorted(set(dict(spec.parameters)) & set(parameters))
    if twice:
        raise BadParameter(f"{name}: {', '.join(twice)} is given in brackets and by name")
    return registry.metric(spec.name, **dict(spec.parameters), **parameters)


def score(
    clips_dir: Path | str,
    *,
    suite: str | None = None,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
    out: Path | str | None = None,
    reference_stats: Sequence[Path | str] = (),
    protocol: str | None = None,
    manifest: Path | str | None = None,
    references: Path | str | None = None,
    pictures: Path | str | None = None,
    device: str = "auto",
    workers: int | None = None,
    batch_size: int | None = None,
    precision: Precision = "float32",
    progress: Progress | None = None,
) -> Result:
    """Score a folder of clips.

    Args:
        clips_dir: Videos and sound files, at any depth; `x.mp4` and `x.wav` side by side are one clip.
        suite: Match clips to its items, by id or as `sample_0000`, and compute its metrics.
        metrics: Names, or names with parameters such as `av_align[javisbench]`; None for the suite's, or for all that need
            neither a reference nor weights.
        limit: Only the first clips, or the suite's first items.
        out: Folder of the run; None for one under `runs/`.
        reference_stats: Statistics files that stand in for the reference clips of metrics that compare sets, as
            `avbench stats build` makes them, or JavisBench's feature cache.
        protocol: Which of the suite's lists of metrics; None for its default.
        manifest: CSV or JSON Lines with the items (JavisBench's list, av-benchmark's captions, one's own), in place of the
            suite's own; without a suite they are the items.
        references: Folder of reference clips, named as the items, in place of the suite's own.
        pictures: Folder of videos with the stems of the clips, whose sound is replaced by theirs.
        device: As in `extract`.
        workers: Child processes; moves no value.
        batch_size: Clips in one batch of a network.
        precision: Of networks: `float32`, or faster and less exact `tf32` (CUDA) or `bf16`, which signatures then show.
        progress: Called with stage, done, total.

    Raises:
        UnknownName, BadParameter, BadFolder, MissingData, OtherRun: with what to do.
    """
    options = Options(workers=workers, device=device, batch_size=batch_size, precision=precision)
    return pipeline.score(
        clips_dir,
        suite=suite,
        metrics=metrics,
        limit=limit,
        out=out,
        reference_stats=reference_stats,
        protocol=protocol,
        manifest=manifest,
        references=references,
        pictures=pictures,
        options=options,
        progress=progress,
    )


def run(
    model: str,
    suite: str,
    *,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    reference_stats: Sequence[Path | str] = (),
    protocol: str | None = None,
    manifest: Path | str | None = None,
    device: str = "auto",
    workers: int | None = None,
    batch_size: int | None = None,
    precision: Precision = "float32",
    progress: Progress | None = None,
    samples: int = 1,
    allow_missing: bool = False,
) -> Result:
    """Generate a suite's clips and score them; the same call goes on where an interrupted one stopped.

    Args:
        model: Name, name with parameters such as `shifted[seconds=0.2]`, or where it is: `dir:/clips`, `proc:worker.toml`,
            `cascade:file.toml`, `py:package.module:Class`.
        suite: Name, or the path of a folder with a `suite.toml`.
        metrics: As in `score`.
        limit: Only the suite's first items.
        seed: Of the generator.
        out: Folder of the run; None for one under `runs/`.
        reference_stats: Statistics files that stand in for the reference clips of metrics that compare sets, as
            `avbench stats build` makes them, or JavisBench's feature cache.
        protocol: Which of the suite's lists of metrics; None for its default.
        manifest: CSV or JSON Lines that the items are taken from, in place of the suite's own.
        device: As in `extract`.
        workers: Child processes; moves no value.
        batch_size: Clips in one batch of a network.
        precision: Of networks: `float32`, or faster and less exact `tf32` (CUDA) or `bf16`, which signatures then show.
        progress: Called with stage, done, total.
        samples: Clips per item, each with a seed of its own.
        allow_missing: Go on without items that the model has no clip for; the result counts them.

    Raises:
        UnknownName, BadParameter, MissingData, OtherRun: with what to do.
    """
    options = Options(workers=workers, device=device, batch_size=batch_size, precision=precision)
    return pipeline.run(
        model,
        suite,
        metrics=metrics,
        limit=limit,
        seed=seed,
        out=out,
        reference_stats=reference_stats,
        protocol=protocol,
        manifest=manifest,
        options=options,
        progress=progress,
        samples=samples,
        allow_missing=allow_missing,
    )
