"""Places that a description names without knowing the machine: `{dir}`, `{workers}`, `{python}`, `{env:NAME}`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from avbench import content
from avbench.errors import BadManifest, MissingData

_PLACE = re.compile(r"\{([a-z]+)(?::([A-Za-z_][A-Za-z0-9_]*))?\}")


def filled(text: str, folder: Path) -> str:
    """`{dir}`, `{workers}`, `{python}` and `{env:NAME}` replaced.

    Raises:
        MissingData: for a variable of the environment that is not set.
        BadManifest: for another name in braces.
    """

    def one(match: re.Match[str]) -> str:
        word, variable = match[1], match[2]
        if word == "env" and variable:
            if not os.environ.get(variable):
                raise MissingData(f"the environment variable {variable} is not set")
            return os.environ[variable]
        places = {"dir": folder, "workers": content.folder("baselines"), "python": Path(sys.executable)}
        if word not in places or variable:
            raise BadManifest(f"{folder}: {match[0]} is not known; known are {{dir}}, {{workers}}, {{python}}, {{env:NAME}}")
        return str(places[word])

    return _PLACE.sub(one, text)
