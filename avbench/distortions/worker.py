"""One process that distorts clips: `python -m avbench.distortions.worker`.

Reads one JSON object a line and answers each with one: `{"sha256", "error"}`, where `error` is null when the file is there and
otherwise says why there is none. Ends when its input ends, and thus with the process that started it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from avbench.distortions.making import make
from avbench.errors import AvbenchError
from avbench.types import ClipFile


def _clip(given: dict[str, Any]) -> ClipFile:
    return ClipFile(given["id"], Path(given["path"]), Path(given["audio"]) if given["audio"] else None)


def main() -> None:
    """Serve until the input ends."""
    import cv2

    cv2.setNumThreads(1)
    for line in sys.stdin:
        job = json.loads(line)
        answer: dict[str, Any] = {"sha256": None, "error": None}
        try:
            clip, lenders = _clip(job["clip"]), [_clip(c) for c in job["lenders"]]
            answer["sha256"] = make(Path(job["path"]), clip, job["code"], job["level"], seed=job["seed"], lenders=lenders)
        except (AvbenchError, OSError, MemoryError) as problem:
            answer["error"] = str(problem) or type(problem).__name__
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
