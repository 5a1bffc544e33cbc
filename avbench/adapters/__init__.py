"""Models that are no class in avbench: folders, programs in other environments, cascades, functions.

    @avbench.adapters.generator(task="I2SV", conditions=("first_frame",), source="...")
    def pulse(first_frame, seed, target): ...

`baselines/README.md` documents all of them.
"""

from avbench.adapters.function import generator

__all__ = ["generator"]
