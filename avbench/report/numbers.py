"""Every number with what it takes to make it again and to cite it."""

from __future__ import annotations

import math
from typing import Any

from avbench.report.gather import Column, Found, Run, metric_of, slug
from avbench.results import Score
from avbench.tables.latex import comment, escaped
from avbench.tables.model import number_text
from avbench.tables.names import visible


def collect(found: Found) -> list[list[dict[str, Any] | None]]:
    """By run and metric: value, interval, counts, signature, and texts to copy."""
    return [
        [None if (s := found.score(run, metric)) is None else _number(run, metric, s) for metric in found.metrics]
        for run in found.runs
    ]


def _number(run: Run, metric: Column, score: Score) -> dict[str, Any]:
    return {
        "value": score.value if math.isfinite(score.value) else None,
        "low": score.low if math.isfinite(score.low) else None,
        "high": score.high if math.isfinite(score.high) else None,
        "interval": visible(score.interval),
        "n": score.n_scored,
        "of": score.n_items,
        "signature": visible(score.signature),
        "latex": latex(run, metric, score),
        "bibtex": bibtex(run, score),
    }


def latex(run: Run, metric: Column, score: Score) -> str:
    """The number with its interval for a text, under a comment that says where it is from."""
    lines = [comment(f"{run.name}, {score.metric}, run {run.digest}: {score.signature}")]
    if not math.isfinite(score.value):
        return "\n".join([*lines, "--"])
    text = rf"\num{{{number_text(score.value, metric.digits)}}}"
    if math.isfinite(score.low) and math.isfinite(score.high):
        low, high = (number_text(v, metric.digits) for v in (score.low, score.high))
        text += rf" [\num{{{low}}}, \num{{{high}}}]"
    unit = f"~{escaped(score.unit)}" if score.unit else ""
    return "\n".join([*lines, f"{text}{unit} ($n = {score.n_scored}$)"])


def bibtex(run: Run, score: Score) -> str:
    """The number as something to cite: the metric's source, and the signature that tells it from others of its name."""
    metric = metric_of(score)
    source = metric.source if metric is not None else "not installed where this was written"
    fields = {
        "title": f"{{{escaped(score.title)}}} of {{{escaped(run.name)}}}",
        "howpublished": f"avbench {escaped(run.result.versions.get('avbench', ''))}, run {run.digest}",
        "note": f"Signature: {escaped(score.signature)}. Definition: {escaped(source)}",
    }
    # BibTeX counts braces, also those that LaTeX would print.
    safe = {
        key: value.replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}") for key, value in fields.items()
    }
    body = ",\n".join(f"  {key} = {{{value}}}" for key, value in safe.items())
    return f"@misc{{avbench-{slug(run.name)}-{slug(score.metric)}-{run.digest},\n{body}\n}}"
