"""Feature and logit matrices by formula, for the distance and divergence goldens.

A recipe is {"seed", "n", "d", "scale", "shift", "dead", "dtype"}; options that are
left out take the defaults below.  Only element-wise float64 arithmetic on
PCG64 normals is used, so the result does not depend on a BLAS library.

    from matrices import features
    x = features({"seed": 11, "n": 400, "d": 32})
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def features(recipe: Mapping[str, Any]) -> NDArray[Any]:
    """Rows are samples.  Columns have unequal spread, neighbours are correlated."""
    n, d = recipe["n"], recipe["d"]
    base = np.random.Generator(np.random.PCG64(recipe["seed"])).standard_normal((n, d))
    column = np.arange(d)
    out = (0.5 + (column % 7) / 7.0) * base + 0.4 * np.roll(base, 1, axis=1)
    out = recipe.get("scale", 1.0) * (out + recipe.get("shift", 0.0) * np.sin(1.0 + column))
    if recipe.get("dead"):
        out[:, column % recipe["dead"] == 0] = 0.0
    return np.asarray(out, dtype=recipe.get("dtype", "float32"))


def logits(recipe: Mapping[str, Any]) -> NDArray[Any]:
    """Classifier-like scores: most classes low, a few high in each row."""
    n, d = recipe["n"], recipe["d"]
    rng = np.random.Generator(np.random.PCG64(recipe["seed"]))
    out = recipe.get("offset", -6.0) + 1.5 * rng.standard_normal((n, d))
    peak = rng.integers(0, d, size=(n, 3))
    np.put_along_axis(out, peak, recipe.get("peak", 4.0) + rng.standard_normal((n, 3)), axis=1)
    return np.asarray(out, dtype=recipe.get("dtype", "float32"))


def digest(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


if __name__ == "__main__":
    import json

    recipe = json.loads(sys.argv[1])
    made = (logits if recipe.get("kind") == "logits" else features)(recipe)
    print(made.shape, made.dtype, digest(made))
