"""A run, readable from top to bottom: items -> clips -> features -> rows -> numbers -> result.

Every step leaves a file in the run's folder, so a run can stop anywhere and go on with the same command:

    run.json        what was asked for; another request in the same folder is refused
    clips/          what the generator made, each file whole or absent
    ledger.sqlite   what happened to each clip
    rows/, traces/  per-clip rows and curves, Parquet
    result.json     the numbers; the same bytes however often the run was interrupted
    run_info.json   times, host, counters

Features are kept outside, by content (`AVBENCH_HOME/features`), so that another run over the same clips finds them. The
module is not called `run`, because `avbench.run` is the function.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from avbench import __version__, conformance, engine, generation, groups, registry, results, suites, weights
from avbench import reference_stats as reference_stats_of
from avbench.adapters.config import is_spec
from avbench.adapters.folder import Folder
from avbench.batches import choose_device
from avbench.data.references import coverage
from avbench.errors import BadParameter
from avbench.folders import beside, file_name, find_clips, match, shown
from avbench.generation import Clips
from avbench.options import Options, Precision, Wanted
from avbench.reference_stats import Reference, ReferenceFile
from avbench.results import Result
from avbench.rows import Table, features_of, number_of, signature
from avbench.run_folder import RunFolder, opened, request_of, write_info
from avbench.store import DiskStore, default_home, package_versions
from avbench.types import Generator, Item, Metric, MetricSpec, Suite, canonical

Progress = Callable[[str, int, int], None]


# ------------------------------------------------------------------ the two jobs


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
    options: Options | None = None,
    progress: Progress | None = None,
    samples: int = 1,
    allow_missing: bool = False,
) -> Result:
    """Generate, then score; see `avbench.run`."""
    chosen = suites.with_samples(suites.load(suite, protocol=protocol, limit=limit, manifest=manifest), samples)
    files = _statistics(reference_stats, chosen)
    options = _checked(options)
    wanted = choose_metrics(chosen, metrics, files, options)
    generator = generation.model(model, chosen)
    _report(chosen, progress)
    _prepared(wanted, chosen, files, options)
    folder = _folder(out, model, generator, chosen, seed, samples)
    asked = request_of("run", model, chosen, wanted, limit, seed, None, files, options.precision, samples)
    with opened(folder, asked) as job:
        clips = generation.clips(job, generator, chosen, seed, progress, allow_missing=allow_missing)
        others = generator.found(chosen).others if isinstance(generator, Folder) else {}
        shown_as = generator.label if is_spec(model) else model
        return _score(job, shown_as, chosen, clips, others, wanted, seed, files, options, progress)


def generate(model: str, suite: str, **how: Any) -> Path:
    """The first half of `run` alone; `run` with the same `out` goes on from there. Returns the folder of the clips."""
    return generate_clips(model, suite, **how)[0]


def generate_clips(
    model: str,
    suite: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    manifest: Path | str | None = None,
    progress: Progress | None = None,
    samples: int = 1,
    allow_missing: bool = False,
) -> tuple[Path, Clips]:
    """`generate`, and what was made of each item."""
    chosen = suites.with_samples(suites.load(suite, limit=limit, manifest=manifest), samples)
    generator = generation.model(model, chosen)
    _report(chosen, progress)
    folder = _folder(out, model, generator, chosen, seed, samples)
    with opened(folder, request_of("run", model, chosen, None, limit, seed, None, samples=samples)) as job:
        return folder / "clips", generation.clips(job, generator, chosen, seed, progress, allow_missing=allow_missing)


def _folder(out: Path | str | None, model: str, generator: Generator, suite: Suite, seed: int, samples: int) -> Path:
    """Of a run, where nobody says which."""
    if out is not None:
        return Path(out)
    name = file_name(generator.label if is_spec(model) else model)
    return Path("runs") / f"{name}-{suite.name}-seed{seed}{f'-x{samples}' if samples > 1 else ''}"


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
    options: Options | None = None,
    progress: Progress | None = None,
) -> Result:
    """Score clips that exist; see `avbench.score`."""
    directory = Path(clips_dir)
    options = _checked(options)
    if suite is None and protocol is not None:
        raise BadParameter(f"protocol {protocol} is a suite's; give the suite with --suite")
    found = find_clips(directory)
    if pictures is not None:
        found = beside(found, find_clips(Path(pictures)))
    chosen = suites.load(suite, protocol=protocol, limit=limit, manifest=manifest) if suite is not None else None
    if chosen is None and (manifest is not None or references is not None):
        chosen = suites.made_up(manifest, references, limit)
    elif chosen is not None and references is not None:
        chosen = suites.compared_with(chosen, Path(references))
    files = _statistics(reference_stats, chosen)
    wanted = choose_metrics(chosen, metrics, files, options)
    if chosen is not None:
        _report(chosen, progress)
        clips, others = match(found, chosen.items, chosen.name)
    else:
        clips, others = {c.id: c for c in found.clips[:limit]}, found.others
    _prepared(wanted, chosen, files, options)
    whole = directory.resolve()
    name = f"{file_name(shown(whole.name) or 'root')}-{hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]}"
    folder = Path(out) if out is not None else Path("runs") / f"score-{name}{'-' + chosen.name if chosen else ''}"
    with opened(folder, request_of("score", "", chosen, wanted, limit, 0, directory, files, options.precision)) as job:
        return _score(job, "", chosen, Clips(clips, {}), others, wanted, 0, files, options, progress)


def _statistics(asked: Sequence[Path | str], suite: Suite | None) -> list[ReferenceFile]:
    """Statistics files in place of reference clips: those that are asked for, else the suite's published one if it is there."""
    if not asked and suite is not None and suite.statistics:
        published = suites.data_home() / suite.name / suite.statistics
        asked = [published] if published.is_file() else []
    return [reference_stats_of.opened(path) for path in asked]


def _checked(options: Options | None) -> Options:
    """The options; a device that is asked for has to be there, also if nothing will use it."""
    options = options or Options()
    if options.device not in ("auto", "cpu") or options.precision != "float32":
        choose_device(options.device, options.precision)
    return options


def _prepared(metrics: Sequence[Metric], suite: Suite | None, files: Sequence[ReferenceFile], options: Options) -> None:
    """Fail before the work and not after it: extractors, weights and reference clips that the metrics need have to be there."""
    in_order([registry.needed(need) for metric in metrics for need in metric.extractors()])
    compared = [m for m in metrics if m.needs_reference and _standing_in(files, m, options, load=False) is None]
    in_order([registry.needed(need) for metric in compared for need in metric.reference_extractors()])
    if suite is not None and suite.reference is not None and compared:
        suite.reference.ready(suite.items)


def _standing_in(files: Sequence[ReferenceFile], metric: Metric, options: Options, *, load: bool = True) -> Reference | None:
    """What the statistics files have in place of reference clips for a metric."""
    if not any(file.has(metric) for file in files):
        return None
    return reference_stats_of.find(
        files, metric, in_order([registry.needed(n) for n in metric.extractors()], options.precision), load=load
    )


def _report(suite: Suite, progress: Progress | None) -> None:
    """Show how far the reference clips are, where they have to be rendered."""
    if suite.reference is not None:
        suite.reference.progress = progress


def choose_metrics(
    suite: Suite | None,
    asked: Sequence[str] | None,
    files: Sequence[ReferenceFile] = (),
    options: Options | None = None,
) -> list[Metric]:
    """The metrics of a run, and the signal checks that every run reports.

    Asked for, they are those; otherwise the suite's; without a suite all that need neither a reference nor weights.

    Raises:
        UnknownName, BadParameter: for a name or parameter that is not taken, or a metric that needs a suite.
    """
    specs: Sequence[MetricSpec]
    if asked:
        specs = [registry.parse_spec(text) for text in asked]
    elif suite is not None and suite.metrics:
        specs = suite.metrics
    else:
        specs = [MetricSpec(name) for name in registry.names("metrics")]
    made = [registry.metric(spec.name, **dict(spec.parameters)) for spec in specs]
    if (suite is None or not suite.metrics) and not asked:
        made = [m for m in made if not m.needs_reference and not _reads_text(m) and all(_free(m))]
    for metric in made:
        if suite is None and _reads_text(metric):
            raise BadParameter(f"{metric.label} compares with captions; give a suite, whose items have them, with --suite")
        if metric.needs_reference and (suite is None or suite.reference is None):
            if _standing_in(files, metric, options or Options(), load=False) is not None:
                continue
            there = f"; {', '.join(str(f.path) for f in files)} cannot stand in for them" if files else ""
            if suite is not None and suite.statistics:
                there += f"; suite {suite.name} publishes them as {suite.statistics}, see `avbench suites {suite.name}`"
            raise BadParameter(
                f"{metric.label} compares with reference clips; give a suite that has some with --suite"
                f"{', or their statistics with --reference-stats' if metric.needs_all else ''}{there}"
            )
    checks = [m for m in (registry.metric(n) for n in registry.names("metrics")) if m.always]
    return list({m.label: m for m in [*made, *checks]}.values())


def _reads_text(metric: Metric) -> bool:
    return any("text" in registry.needed(need).needs for need in metric.extractors())


def _free(metric: Metric) -> Iterator[bool]:
    for need in metric.extractors():
        yield registry.needed(need).weights is None


def registry_generator(model: str) -> Generator:
    """A model by name, with parameters (`shifted[seconds=0.2]`), or by where it is (`dir:/clips`)."""
    return registry.model(model)


# ------------------------------------------------------------------ clips -> result


def _score(
    job: RunFolder,
    model: str,
    suite: Suite | None,
    found_clips: Clips,
    others: Mapping[str, str],
    metrics: list[Metric],
    seed: int,
    files: Sequence[ReferenceFile],
    options: Options,
    progress: Progress | None,
) -> Result:
    clips, unmade = found_clips.made, found_clips.unmade
    items = list(suite.items) if suite is not None else [Item(id) for id in sorted(clips)]
    needs = {m.label: [registry.needed(n) for n in m.extractors()] for m in metrics}
    wanted = in_order([e for found in needs.values() for e in found], options.precision)
    standing_in = {m.label: _standing_in(files, m, options, load=False) for m in metrics}
    paired = {
        m.label: [registry.needed(n) for n in m.reference_extractors()]
        for m in metrics
        if m.needs_reference and standing_in[m.label] is None
    }
    compared = in_order([e for found in paired.values() for e in found], options.precision)
    loaded = [*wanted, *(w for w in compared if w not in wanted)]
    store = DiskStore(default_home() / "features")
    present = [item for item in items if item.id in clips]
    with job.stage("extract"):
        got = engine.extract(
            [clips[i.id] for i in present], wanted, store=store, options=options, ledger=job.ledger, progress=progress
        )
        ref, ref_at = None, dict[str, int]()
        if compared and suite is not None and suite.reference is not None:
            found = suite.reference.ready(items)
            ref_at = {id: position for position, id in enumerate(found)}
            ref = engine.extract(
                list(found.values()), compared, store=store, options=options, ledger=job.ledger, progress=progress
            )
    with job.stage("score"):
        tables = {m.label: Table() for m in metrics}
        places = {w.extractor.label: p for p, w in enumerate(wanted)}
        ref_places = {w.extractor.label: p for p, w in enumerate(compared)}
        at = {item.id: position for position, item in enumerate(present)}
        less = _less(suite, present, got, places)
        among = groups.groups(suite) if suite is not None else {}
        counts = dict.fromkeys(tables, 0)
        for number, item in enumerate(items, 1):
            here = features_of(got, at.get(item.id), places, unmade.get(item.id))
            there = features_of(ref, ref_at.get(item.id), ref_places) if ref is not None else {}
            for metric in metrics:
                if suite is None or _asks_of(suite, metric, item):
                    tables[metric.label].add(metric, item, needs[metric.label], here, paired.get(metric.label), there)
                    counts[metric.label] += 1
            if progress is not None:
                progress("score", number, len(items))
        scores = []
        for metric in metrics:
            table = tables[metric.label]
            reference = standing_in[metric.label] and _standing_in(files, metric, options)
            used = list(dict.fromkeys([*needs[metric.label], *paired.get(metric.label, ())]))
            quoted = signature(metric, used, loaded, suite, seed, len(table.clips), reference)
            table.write(job.folder, metric, quoted)
            made = number_of(metric, table, used, loaded, suite, seed, counts[metric.label], reference)
            if suite is not None and among:
                mine = {name: [i for i in members if _asks_of(suite, metric, i)] for name, members in among.items()}
                made = dataclasses.replace(made, groups=groups.scores(metric, table, mine, suite, reference or None))
            scores.append(made)
    uses_network = any(w.extractor.weights is not None for w in loaded)
    result = Result(
        model=model,
        suite={} if suite is None else _described(suite, items, conformance.checked(less, suite)),
        request=job.request,
        metrics=tuple(scores),
        clips={
            i.id: {
                "sha256": got.sha256.get(n, ""),
                "flags": [*got.flags.get(n, ()), *(conformance.FLAGS[key] for key in less.get(i.id, ()))],
            }
            for n, i in enumerate(present)
        },
        others=dict(sorted(others.items())),
        versions=versions(loaded),
        device=choose_device(options.device) if uses_network else "cpu",
        hashes={
            "ids": _hash([i.id for i in items]),
            "clips": _hash([[i.id, got.sha256.get(n, "")] for n, i in enumerate(present)]),
            "references": _hash([[id, ref.sha256.get(n, "")] for id, n in sorted(ref_at.items())]) if ref is not None else "",
        },
        folder=job.folder,
    )
    results.write(result, job.folder)
    write_info(job, [got] + ([ref] if ref is not None else []), options)
    return result


def _asks_of(suite: Suite, metric: Metric, item: Item) -> bool:
    """Whether the protocol computes the metric for the item."""
    tags = suite.only.get(metric.label)
    return tags is None or not set(tags).isdisjoint(item.tags)


def _less(
    suite: Suite | None, present: Sequence[Item], got: engine.Extraction, places: Mapping[str, int]
) -> dict[str, dict[str, tuple[float, float]]]:
    """What of each clip is less than the suite asks for, by id; ends the run where the protocol says so."""
    if suite is None or suite.seconds <= 0:
        return {}
    facts = ((item, got.features(n, places["stream_facts"])) for n, item in enumerate(present))
    found = {
        item.id: conformance.shortfalls(layers, item, suite) for item, layers in facts if not isinstance(layers, engine.Failure)
    }
    less = {id: values for id, values in found.items() if values}
    conformance.checked(less, suite)
    return less


def _described(suite: Suite, items: Sequence[Item], said: Mapping[str, Any]) -> dict[str, Any]:
    """The suite, as a result names it."""
    more: dict[str, Any] = {"protocol": suite.protocol} if suite.protocol else {}
    if suite.not_yet:
        more["not_yet"] = list(suite.not_yet)
    if said:
        more["conformance"] = said
    return {"name": suite.name, "version": suite.version, "items": _items_hash(suite), **more, **coverage(suite, items)}


def in_order(extractors: list[Any], precision: Precision = "float32") -> list[Wanted]:
    """Each extractor once, after those it works on, with its checkpoint and the precision that is asked for."""
    ordered: dict[str, Wanted] = {}

    def add(extractor: Any) -> None:
        for name in extractor.after:
            add(registry.extractor(name))
        if extractor.label not in ordered:
            path, digest = weights.resolve(extractor, None)
            ordered[extractor.label] = Wanted(extractor, path, digest, precision)

    for extractor in extractors:
        add(extractor)
    return list(ordered.values())


def _items_hash(suite: Suite) -> str:
    return _hash([dataclasses.asdict(i) for i in suite.items])


def _hash(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def versions(wanted: Sequence[Wanted]) -> dict[str, str]:
    """Of avbench, Python and every package that a number of this run stands on."""
    packages = sorted({p for w in wanted for p in w.extractor.packages} | {"numpy", "scipy", "av"})
    return {"avbench": __version__, "python": platform.python_version(), **package_versions(tuple(packages))}
