"""Every error that avbench raises on purpose.

    AvbenchError            a user's mistake or a missing thing: printed without a traceback, exit 2
    ├── UnknownName         no metric, suite, model ... of that name; the nearest one is offered
    ├── BadParameter        a value that a component, a suite file or a command does not take
    ├── BadManifest         a suite file, item list or result that does not follow its schema
    ├── BadFolder           a folder of clips that is missing, empty or ambiguous
    ├── MissingData         reference clips or weights that are not on this machine
    ├── BadCondition        an item without the condition that a model needs, or with one that cannot be used
    ├── OtherRun            a run folder that holds a different run
    ├── OffProtocol         clips that are less than the protocol demands
    └── BadClip             a clip that is refused; carries a reason code
        └── Unscorable      a sound clip that one metric cannot score; carries a reason code

A `BadClip` never ends a run: the engine turns it into an `unscored` entry of the result. The codes in `REASONS` are the
vocabulary of those entries, so that results of different runs can be counted together.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

REASONS = {
    "empty_file": "the file has no bytes",
    "unreadable": "no demuxer that is allowed here recognises the file",
    "damaged": "the file stops or breaks before its end",
    "no_video": "there is no video stream",
    "no_audio": "there is no audio stream, or it holds no samples",
    "non_finite_audio": "the sound holds NaN or infinite samples",
    "too_short": "the clip is shorter than the metric needs",
    "too_large": "the clip is beyond the size limits",
    "no_peaks": "neither the picture nor the sound has a peak, so the published formula divides by zero",
    "silent": "the sound is silent, so its level has no number",
    "no_text": "the item has no caption",
    "no_face": "no face was found for as long as the metric needs",
    "no_motion": "the picture never changes",
    "no_reference": "the suite has no reference clip for this item, or it could not be read",
    "non_finite": "the features or the row hold NaN or infinite values",
    "missing": "the suite expects this clip and it is not there",
    "timeout": "preparing the clip made no progress within the limit, twice: quarantined",
    "crash": "the decoder process died on the clip, twice: quarantined",
    "memory": "preparing the clip went over the memory limit",
    "error": "an unexpected error; the details are in the run's ledger",
}


class AvbenchError(Exception):
    """Root of the tree above. The message says where, what was expected, what came, what to do."""


class UnknownName(AvbenchError):
    """A name that is not registered.

    Args:
        kind: What was looked for: `metric`, `extractor`, `model`, `suite`.
        name: What was asked for.
        known: Every name there is.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        lower = {n.lower(): n for n in names}
        near = [lower[n] for n in difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.4)]
        guess = f"; did you mean '{near[0]}'?" if near else ";"
        super().__init__(f"no {kind} '{name}'{guess} there are: {', '.join(names) or 'none'}")
        self.nearest = near[0] if near else None


class BadParameter(AvbenchError):
    """A value that is not taken."""


class BadManifest(AvbenchError):
    """A file that does not follow its schema; the message names file, key and line where they are known."""


class BadFolder(AvbenchError):
    """A folder of clips that cannot be scored as it is."""


class MissingData(AvbenchError):
    """Something to download or to make first; the message says what, from where, and where to put it."""


class BadCondition(AvbenchError):
    """A condition of an item that is missing or cannot be used; the message names item, condition and what to do."""


class OtherRun(AvbenchError):
    """A run folder with another run in it."""


class OffProtocol(AvbenchError):
    """Clips that are shorter, smaller or slower than the protocol demands."""


class BadClip(AvbenchError):
    """A clip that is refused.

    Args:
        code: One of `REASONS`.
        detail: What was found in this clip.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        if code not in REASONS:
            raise ValueError(f"'{code}' is not a reason code of avbench.errors.REASONS")
        super().__init__(f"{code}: {detail or REASONS[code]}")
        self.code = code
        self.detail = detail or REASONS[code]


class Unscorable(BadClip):
    """One metric or extractor cannot use this clip."""
