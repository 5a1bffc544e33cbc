"""What a run writes of its suite, clips and settings, made again from an entry."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

from avbench import __version__, media, registry, rows
from avbench.options import Wanted
from avbench.results import Result, Score
from avbench.types import Extractor, Metric, Suite, canonical


def _hash(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def items_hash(suite: Suite) -> str:
    """Of everything that the suite says of its items."""
    return _hash([dataclasses.asdict(item) for item in suite.items])


def ids_hash(suite: Suite) -> str:
    """Of the ids in order."""
    return _hash([item.id for item in suite.items])


def clips_hash(result: Result, suite: Suite) -> str:
    """Of ids and hashes of the clips that are there, in the suite's order."""
    return _hash([[item.id, result.clips[item.id].get("sha256", "")] for item in suite.items if item.id in result.clips])


def used_extractors(metric: Metric) -> list[Extractor]:
    """The extractors of a metric in the order in which a run lists them, those of reference clips included."""
    needs = [*metric.extractors(), *(metric.reference_extractors() if metric.needs_reference else ())]
    return list(dict.fromkeys(registry.needed(need) for need in needs))


def signature_of(result: Result, score: Score, metric: Metric, suite: Suite) -> str:
    """The signature that a run with these settings, weights and versions prints; the versions are the run's own."""
    extractors = used_extractors(metric)
    wanted = [
        Wanted(e, None, about.get("weights"), about.get("precision", "float32"))
        for e, about in zip(extractors, score.extractors, strict=True)
    ]
    seed = result.request.get("seed", 0)
    text = rows.signature(metric, extractors, wanted, suite, seed, score.n_scored)
    here = f"|reader:{media.READER}|v:{__version__}"
    return f"{text.removesuffix(here)}|reader:pyav-{result.versions.get('av')}|v:{result.versions.get('avbench')}"
