"""One process that renders items: `python -m avbench.synth15.worker`.

Reads one JSON object a line, `{"path", "item", "options"}`, and answers each with one, `{"path", "error"}`, where `error` is
null when the file is there. Ends when its input ends, and thus with the process that started it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from avbench.errors import AvbenchError
from avbench.synth15.rendering import frames, sound
from avbench.types import Item

QP = 18


def make(path: Path, item: Item, options: dict[str, Any]) -> None:
    """Render one item to an mp4 file, with `options` as in `write`."""
    from avbench.encode import write_frames

    audio = sound(item, sample_rate=options["sample_rate"], seconds=options["seconds"])
    write_frames(
        path,
        frames(
            item,
            width=options["width"],
            height=options["height"],
            frame_rate=options["frame_rate"],
            seconds=options["seconds"],
        ),
        frame_rate=options["frame_rate"],
        audio=audio,
        sample_rate=options["sample_rate"],
        qp=QP,
    )


def main() -> None:
    """Serve until the input ends."""
    import cv2

    cv2.setNumThreads(1)
    for line in sys.stdin:
        job = json.loads(line)
        error = None
        try:
            fields = {**job["item"], "events": tuple(job["item"]["events"])}
            make(Path(job["path"]), Item(**fields), job["options"])
        except (AvbenchError, OSError, MemoryError) as problem:
            error = f"{type(problem).__name__}: {problem}"
        sys.stdout.write(json.dumps({"path": job["path"], "error": error}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
