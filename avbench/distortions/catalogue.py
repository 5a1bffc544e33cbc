"""All distortions by code, name and group."""

from __future__ import annotations

from collections.abc import Sequence

from avbench.distortions import content, gaps, quality, timing
from avbench.distortions.base import LEVELS, Distortion
from avbench.errors import BadParameter, UnknownName

DISTORTIONS: dict[str, Distortion] = {
    d.code: d
    for d in sorted((*timing.DISTORTIONS, *gaps.DISTORTIONS, *quality.DISTORTIONS, *content.DISTORTIONS), key=lambda d: d.code)
}
AVS_CODES = tuple(f"{number:02d}" for number in range(1, 10))


def chosen(names: Sequence[str]) -> tuple[Distortion, ...]:
    """Distortions by code (`01`), name (`audio_shift`), or `avs` and `all`; each once, in order of codes.

    Raises:
        UnknownName: with the nearest name.
    """
    by_name = {d.name: d.code for d in DISTORTIONS.values()}
    codes: set[str] = set()
    for name in names:
        if name in ("all", "avs"):
            codes |= set(DISTORTIONS if name == "all" else AVS_CODES)
        elif name in DISTORTIONS or name in by_name:
            codes.add(by_name.get(name, name))
        else:
            raise UnknownName("distortion", name, [*by_name, *DISTORTIONS, "all", "avs"])
    return tuple(DISTORTIONS[c] for c in sorted(codes))


def levels(text: str) -> tuple[int, ...]:
    """`all`, or levels 0 to 9 as in `0,3,5-9`.

    Raises:
        BadParameter: for anything else.
    """
    if text == "all":
        return tuple(range(LEVELS))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            found |= set(range(int(first), int(last if dash else first) + 1))
        except ValueError:
            raise BadParameter(f"levels are all, or 0 to 9 as in 0,3,5-9, got '{text}'") from None
    if not found or not found <= set(range(LEVELS)):
        raise BadParameter(f"levels are all, or 0 to 9 as in 0,3,5-9, got '{text}'")
    return tuple(sorted(found))
