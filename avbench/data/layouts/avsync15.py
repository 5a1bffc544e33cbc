"""AVSync15 as ASVA publishes it: `AVSync15/videos/<class>/<id>.mp4`, `train.txt`, `test.txt`, `class_mapping.json`.

Source: README and `avgen/data/utils.py` of github.com/lzhangbj/ASVA at 6587938.
"""

from __future__ import annotations

from avbench.data.layout import Found, How, Tree, class_texts, items_of, listed, placed
from avbench.errors import BadFolder
from avbench.types import Item, Suite

CLASSES = 15
PER_CLASS = 10
SECONDS = (2.0, 10.5)
"""Published range, with what containers add at the end."""

HOW = How(
    steps=(
        "open https://drive.google.com/drive/folders/1rGPBiswIVBgZj5BUViGRWePxEEdq21p6 (Google Drive wants a person)",
        "download the folder AVSync15 with videos/, test.txt and class_mapping.json (last updated on 2024-07-26)",
        "run `avbench data prepare avsync15 --from AVSync15` (the folder, or the zip files as they came)",
    )
)


def recognise(tree: Tree, suite: Suite, items: tuple[Item, ...]) -> Found:
    """The test clips of the list.

    Raises:
        BadFolder: if there is no list.
    """
    place = tree.the("test.txt", "the list of test clips", near="AVSync15")
    if place is None:
        raise BadFolder(f"{tree.root}: there is no test.txt; expected ASVA's folder AVSync15 with videos/ and test.txt")
    clips = listed(tree, place, classes=True)
    made = items_of(clips, class_texts(tree, tree.the("class_mapping.json", "the texts of the classes", near="AVSync15")))
    notes = []
    counts: dict[str, int] = {}
    for clip in clips:
        counts[clip.split("/")[0]] = counts.get(clip.split("/")[0], 0) + 1
    if len(counts) != CLASSES:
        notes.append(f"{len(counts)} classes in {place}, {CLASSES} are published")
    notes += [f"{n} clips of class {c}, {PER_CLASS} are published" for c, n in sorted(counts.items()) if n != PER_CLASS]
    files = placed(tree, clips)
    by_id = {item.id: files[clip] for item, clip in zip(made, clips, strict=True) if clip in files}
    return Found(made, by_id, notes, first_frames=True, seconds=SECONDS)
