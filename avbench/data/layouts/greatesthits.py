"""The Greatest Hits: `<recording>_denoised_thumb.mp4` of `vis-data-256.zip`, or `<recording>_denoised.mp4`.

Source: andrewowens.com/vis; ASVA's README at 6587938 for the file that is used. Size of the archive as served in August 2026.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from avbench.data.layout import Download, Found, How, Tree
from avbench.errors import BadFolder
from avbench.types import Item, Suite

ENDINGS = ("_denoised_thumb.mp4", "_denoised.mp4", ".mp4")
"""In order of preference."""

HOW = How(
    steps=(
        "`avbench data prepare greatesthits` fetches vis-data-256.zip (21 GB) and prepares it, or",
        "get https://web.eecs.umich.edu/~ahowens/vis/vis-data-256.zip by other means (its server has sent an incomplete chain "
        "of certificates, which programs refuse)",
        "run `avbench data prepare greatesthits --from vis-data-256.zip` (or the folder it holds)",
    ),
    downloads=(Download("https://web.eecs.umich.edu/~ahowens/vis/vis-data-256.zip", 21_142_601_241),),
)


def recognise(tree: Tree, suite: Suite, items: tuple[Item, ...]) -> Found:
    """Each recording's video.

    Raises:
        BadFolder: if there is none.
    """
    names: dict[str, str] = {}
    for place in tree.videos():
        names.setdefault(PurePosixPath(place).name, place)
    clips, endings = {}, set()
    for item in items:
        for ending in ENDINGS:
            if item.id + ending in names:
                clips[item.id] = tree.files[names[item.id + ending]]
                endings.add(ending)
                break
    if not clips:
        raise BadFolder(
            f"{tree.root}: none of its {len(names)} videos is a recording of the suite; expected names like "
            f"{items[0].id}{ENDINGS[0]}"
        )
    notes = [] if len(endings) == 1 else [f"files of several kinds were used: {', '.join(sorted(endings))}"]
    beside = tree.the("test.txt", "the list of test clips", near="TheGreatestHits")
    if beside is not None:
        notes += _compared(tree, beside, items)
    return Found(None, clips, notes, first_frames=True)


def _compared(tree: Tree, place: str, items: tuple[Item, ...]) -> list[str]:
    """How a list that lies beside the clips differs from the suite's."""
    from avbench import tabular

    listed = {PurePosixPath(text).name for _, text in tabular.lines(tree.files[place])}
    theirs = {next((n.removesuffix(e) for e in ENDINGS if n.endswith(e)), n) for n in listed}
    ours = {item.id for item in items}
    if theirs == ours:
        return []
    return [
        f"{place} has {len(theirs - ours)} recordings that the suite has not, and lacks {len(ours - theirs)} of its {len(ours)}"
    ]
