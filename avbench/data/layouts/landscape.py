"""Landscape's test clips: `test/<class>/<name>.mp4` of MM-Diffusion's release, with ASVA's `test.txt` where it is there.

Source: READMEs of github.com/researchmm/MM-Diffusion at 7250222 and github.com/lzhangbj/ASVA at 6587938.
"""

from __future__ import annotations

from avbench.data.layout import Found, How, Tree, class_texts, items_of, listed, placed
from avbench.errors import BadFolder
from avbench.types import Item, Suite

CLASSES = 9

HOW = How(
    steps=(
        "open https://drive.google.com/drive/folders/14A1zaQI5EfShlv3QirgCGeNFzZBzQ3lq and download Landscape (MM-Diffusion's)",
        "open https://drive.google.com/drive/folders/1rGPBiswIVBgZj5BUViGRWePxEEdq21p6 and download test.txt and "
        "class_mapping.json of its folder Landscapes (ASVA's list; without it every clip below test/ is taken)",
        "put the lists beside the videos and run `avbench data prepare landscape --from FOLDER`",
    )
)


def recognise(tree: Tree, suite: Suite, items: tuple[Item, ...]) -> Found:
    """The test clips of the list, or of the folder `test`.

    Raises:
        BadFolder: if there is neither.
    """
    notes = []
    place = tree.the("test.txt", "the list of test clips", near="Landscapes")
    if place is not None:
        clips = listed(tree, place, classes=True)
    else:
        clips = ["/".join(video.split("/")[-2:]) for video in tree.videos(below="test") if video.split("/")[-3:-2] == ["test"]]
        notes.append("no test.txt: every clip below test/ is an item; ASVA's list may be shorter")
    if not clips:
        raise BadFolder(f"{tree.root}: there is neither a test.txt nor test/CLASS/NAME.mp4; expected MM-Diffusion's Landscape")
    made = items_of(clips, class_texts(tree, tree.the("class_mapping.json", "the texts of the classes", near="Landscapes")))
    count = len({clip.split("/")[0] for clip in clips})
    if count != CLASSES:
        notes.append(f"{count} classes among the test clips, {CLASSES} are published")
    files = placed(Tree(tree.root, {p: f for p, f in tree.files.items() if "train" not in p.split("/")[:-1]}), clips)
    by_id = {item.id: files[clip] for item, clip in zip(made, clips, strict=True) if clip in files}
    return Found(made, by_id, notes, first_frames=True)
