"""JavisBench: the list `JavisBench.csv`, and the published features of the reference clips, if they are there.

No clips belong to it: those from YouTube are not published. The features go into the data folder, where runs find them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from avbench import item_tables, suites
from avbench.data.layout import Found, How, Tree
from avbench.errors import BadFolder, BadManifest
from avbench.types import Item, Suite


def how(suite: str, stem: str) -> How:
    """What to get of the data set's page, for the whole list or the small one."""
    return How(
        steps=(
            f"get {stem}.csv and cache/fvd_fad/{stem}-vanilla-max4s.pt from huggingface.co/datasets/JavisVerse/JavisBench "
            "(no log-in)",
            f"run `avbench data prepare {suite} --from FOLDER`, the folder that holds both; the list alone serves for all but "
            "FVD, KVD and FAD",
        )
    )


HOW = how("javisbench", "JavisBench")


def recognise(tree: Tree, suite: Suite, items: tuple[Item, ...]) -> Found:
    """The items of the list; the features are copied to where runs look for them.

    Raises:
        BadFolder: if the list is not there, or several are.
        BadManifest: for the first thing in it that is wrong, or if it is another list.
    """
    stem = suite.statistics.removesuffix("-vanilla-max4s.pt")
    place = tree.the(f"{stem}.csv", f"the list of {suite.name}")
    if place is None:
        raise BadFolder(f"{tree.root}: {stem}.csv is not there; {HOW.steps[0]}")
    found = item_tables.read(tree.files[place])
    if not any(tag for item in found for tag in item.tags):
        raise BadManifest(f"{tree.files[place]}: has no columns cat0_ind to cat4_ind; it is no list of JavisBench")
    features = tree.the(suite.statistics, f"the features of {suite.name}")
    target = suites.data_home() / suite.name / suite.statistics
    if features is None:
        missing = [] if target.is_file() else [f"{suite.statistics} is not here; FVD, KVD and FAD need it"]
        return Found(found, {}, missing)
    _copied(tree.files[features], target)
    return Found(found, {})


def _copied(source: Path, target: Path) -> None:
    """Whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)
