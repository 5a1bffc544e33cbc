"""VGGSound's clips by their names: `ID_SSSSSS.mp4`, as in the published list, or `ID_START_END.mp4` in milliseconds.

Both lie in any folders or archives (the release of the whole set is a folder of `vggsound_NN.tar.gz`). Clips are 10 s; YouTube
removes some every year, so that no copy is complete.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from avbench.data.layout import Found, How, Tree
from avbench.errors import BadFolder
from avbench.types import Item, Suite

SECONDS = (8.0, 10.6)
"""From what the protocol looks at to the published length, with what containers add at the end."""
_MILLISECONDS = re.compile(r"(?P<id>.{11})_(?P<start>\d+)_(?P<end>\d+)")

HOW = How(
    steps=(
        "get the clips, from an institution's copy or from YouTube by the list at "
        "https://www.robots.ox.ac.uk/~vgg/data/vggsound/ (the media cannot be passed on with avbench)",
        "name them ID_SSSSSS.mp4 (YouTube id, start in seconds with six digits) or ID_START_END.mp4 (milliseconds); "
        "tar.gz files may stay as they are",
        "run `avbench data prepare vggsound --from FOLDER`; several folders one after another complete each other",
    )
)


def recognise(tree: Tree, suite: Suite, items: tuple[Item, ...]) -> Found:
    """The clips that are there.

    Raises:
        BadFolder: if there is none.
    """
    known = {item.id for item in items}
    clips: dict[str, Path] = {}
    others = 0
    videos = tree.videos()
    for place in videos:
        stem = PurePosixPath(place).stem
        match = _MILLISECONDS.fullmatch(stem)
        id = stem if stem in known or match is None else f"{match['id']}_{int(match['start']) // 1000:06d}"
        if id in known:
            clips.setdefault(id, tree.files[place])
        else:
            others += 1
    if not clips:
        raise BadFolder(
            f"{tree.root}: none of its {len(videos)} videos is a clip of the suite; expected names like {items[0].id}.mp4"
        )
    notes = [f"{others:,} videos are no clips of this suite"] if others else []
    return Found(None, clips, notes, seconds=SECONDS)
