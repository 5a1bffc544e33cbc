"""The table resampler against resampy 0.4.3 and 0.2.2."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from avbench.resampling import ResampyVersion, resampy_resample

from .harness import Case, cases, module


@pytest.mark.parametrize("case", cases("audio/resampy*", "cases"))
def test_samples(case: Case) -> None:
    waveforms = module("audio/waveforms.py")
    rate, pcm = waveforms.pcm(getattr(waveforms, case.name))
    first, last = (int(word) for word in case["slice"].split() if word.isdigit())
    made = {}
    for version in get_args(ResampyVersion):
        golden = case[f"v{version.replace('.', '_')}"]
        made[version] = resampy_resample(pcm.mean(axis=1) / 32768, rate, 16000, version)
        assert len(made[version]) == case["samples"]
        case.family.close(made[version][first : last + 1], case.family.arrays[golden["array"]], "samples", version)
    difference = made["0.4.3"] - made["0.2.2"]
    np.testing.assert_allclose(np.sqrt(np.mean(difference**2)), case["difference"]["rms"], rtol=1e-4)
