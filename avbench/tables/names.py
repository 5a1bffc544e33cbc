"""Text from files and users, before a format escapes it."""

from __future__ import annotations

import unicodedata

_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Control, format (direction overrides, zero-width), surrogate, private, unassigned; line and paragraph separators."""


def visible(text: str) -> str:
    """The text on one line, NFC, with every character that hides or moves others written as `[U+202E]`."""
    out = []
    for character in unicodedata.normalize("NFC", text):
        if character in "\n\r\t":
            out.append(" ")
        elif unicodedata.category(character) in _HIDDEN:
            out.append(f"[U+{ord(character):04X}]")
        else:
            out.append(character)
    return "".join(out)
