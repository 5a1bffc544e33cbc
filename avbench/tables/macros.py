r"""One LaTeX macro per number of runs, so that text and tables of a paper cannot drift apart.

`\avbReferenceAvAlign` is the value, `...Low` and `...High` its interval, `...N` its clips, `\avbReferenceRun` the run's hash.
Names hold letters only: digits are spelled, other characters part words. Names that would be the same are all followed by
letters made of the hash of run and metric, so that none hides another.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence

from avbench.results import Result
from avbench.tables.latex import comment as commented
from avbench.tables.sources import digest, run_name

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_FIGURES = 4


def render(results: Sequence[Result], names: Sequence[str] = ()) -> str:
    r"""The macros of runs as a file for `\input`.

    Args:
        results: Finished runs.
        names: What each is called; empty for the model's name.
    """
    macros: list[tuple[str, str, str, str]] = []  # name, identity, text, comment
    for k, result in enumerate(results):
        run, name = digest(result), (names[k] if names else "") or run_name(result)
        macros.append((f"avb{_letters(name)}Run", run, run, f"{name}: hash of the run's result"))
        for score in result.metrics:
            stem, identity = f"avb{_letters(name)}{_letters(score.metric)}", f"{run} {score.metric}"
            comment = f"{name}, {score.metric}, run {run}: {score.signature}"
            macros.append((stem, identity, _figure(score.value), comment))
            macros.append((f"{stem}N", identity, str(score.n_scored), ""))
            if math.isfinite(score.low) and math.isfinite(score.high):
                macros.append((f"{stem}Low", identity, _figure(score.low), ""))
                macros.append((f"{stem}High", identity, _figure(score.high), ""))
    counts = Counter(name for name, *_ in macros)
    lines = ["% avbench macros"]
    taken: set[str] = set()
    for name, identity, text, comment in macros:
        final = name if counts[name] == 1 else name + _suffix(f"{identity} {name}")
        if final in taken:  # one run given twice
            continue
        taken.add(final)
        lines += [commented(comment)] if comment else []
        lines.append(rf"\newcommand{{\{final}}}{{{text}}}")
    return "\n".join(lines) + "\n"


def _letters(text: str) -> str:
    """`fd_passt[rate=16000]` to `FdPasstRateOneSixZeroZeroZero`."""
    words = re.findall(r"[A-Za-z]+|[0-9]", text)
    return "".join(_DIGITS[int(w)] if w.isdigit() else w[0].upper() + w[1:] for w in words) or "X"


def _suffix(identity: str) -> str:
    """Eight letters made of a hash."""
    return "X" + "".join(chr(ord("a") + byte % 26) for byte in hashlib.sha256(identity.encode()).digest()[:8])


def _figure(value: float) -> str:
    """Four figures without an exponent; `--` for a number that does not exist."""
    if not math.isfinite(value):
        return "--"
    places = _FIGURES - 1 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{min(12, max(0, places))}f}"
