"""One process that looks at clips or cuts them: `python -m avbench.data.worker`.

Reads one JSON object a line and answers each with one, `{"made", "error"}`. Ends when its input ends, and thus with the process
that started it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from avbench.data import media_jobs
from avbench.errors import AvbenchError


def main() -> None:
    """Serve until the input ends."""
    import cv2

    cv2.setNumThreads(1)
    for line in sys.stdin:
        job = json.loads(line)
        answer: dict[str, Any] = {"made": None, "error": None}
        try:
            if "windows" in job:
                answer["made"] = media_jobs.cut(Path(job["path"]), job["windows"], job["frames"], job["rate"], job["quantiser"])
            else:
                picture = Path(job["first_frame"]) if job["first_frame"] else None
                answer["made"] = media_jobs.probe(Path(job["path"]), picture)
        except (AvbenchError, OSError, MemoryError) as problem:
            answer["error"] = str(problem) or type(problem).__name__
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
