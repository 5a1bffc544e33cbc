"""What has to agree for two numbers to be ranked or compared, and in which words they differ."""

from __future__ import annotations

import hashlib

from avbench import registry
from avbench.results import Result, Score
from avbench.tables.model import Kin

CLIPS = ("n", "clip ids")
"""Of a kinship, what says which clips a number stands on."""
_HASHED = ("items", "clip ids", "reference clips")


def kinship(result: Result, score: Score) -> Kin:
    """Name and value of every setting that moves a number.

    It is the signature taken apart, with the hash of the suite's items, of the scored clips' ids and of the reference clips.
    The seed is left out: it chooses which clips a model makes, not how they are measured.
    """
    parts = [part.partition(":")[::2] for part in score.signature.split("|")]
    settings = [(key, value) for key, value in parts if key not in ("n", "seed", "suite", "")]
    suite = f"{result.suite.get('name')}@{result.suite.get('version')}" if result.suite else "none"
    scored = hashlib.sha256("\n".join([result.hashes.get("ids", ""), *sorted(score.unscored)]).encode()).hexdigest()[:12]
    kin = [
        ("suite", suite),
        ("items", str(result.suite.get("items", ""))[:12]),
        ("n", str(score.n_scored)),
        ("clip ids", scored),
    ]
    if _needs_reference(score.metric):
        kin.append(("reference clips", result.hashes.get("references", "")[:12]))
    return (*kin, *settings)


def differences(wanted: Kin, found: Kin) -> list[str]:
    """In words, what keeps two numbers apart: `n 40 instead of 150`; what follows from something said already is left out."""
    a, b = dict(wanted), dict(found)
    differ = [key for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key)]
    follows = {"suite": ("items", "clip ids", "reference clips"), "items": ("clip ids",), "n": ("clip ids",)}
    implied = {key for cause in differ for key in follows.get(cause, ())}
    return [
        f"other {key}" if key in _HASHED else f"{key} {b.get(key, 'none')} instead of {a.get(key, 'none')}"
        for key in differ
        if key not in implied
    ]


def _needs_reference(label: str) -> bool:
    """Whether the reference clips move the metric; so it is taken for one that is not installed here."""
    name = label.split("[")[0]
    return name not in registry.names("metrics") or registry.metric_class(name).needs_reference
