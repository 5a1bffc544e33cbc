"""The 60,000 ratings of the AVS Benchmark, which are kept beside the repository."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from avbench.agreement.annotators import human_ceiling, krippendorff_alpha
from avbench.agreement.cells import cells_of
from avbench.agreement.ratings import Ratings, read_ratings

HUMAN = Path(os.environ.get("AVBENCH_HUMAN", Path(__file__).resolve().parents[3] / "shared" / "human"))

pytestmark = [pytest.mark.real_media, pytest.mark.skipif(not HUMAN.is_dir(), reason="the AVS ratings are not here")]


@pytest.fixture(scope="module")
def raw() -> Ratings:
    """All pair ratings."""
    return read_ratings([HUMAN / "batch1_cleaned.csv", HUMAN / "batch2_cleaned.csv"])


def test_mean_opinion_scores_per_cell_are_the_published_table() -> None:
    published: dict[tuple[str, int], float] = {}
    for line in (HUMAN / "README.md").read_text(encoding="utf-8").splitlines():
        numbers = re.findall(r"\d\.\d\d", line)
        code = re.match(r"\| (\d\d) \|", line)
        if code and len(numbers) == 10:
            published |= {(code[1], level): float(n) for level, n in enumerate(numbers)}
    found = read_ratings([HUMAN / f"{s}_set.csv" for s in ("train", "development", "test")])
    assert found.counted["rows"] == 10_545 + 2_249 + 2_299 + 1
    cells = cells_of({str(c): float(s) for c, s in found.per_clip("")["score"].items()})
    means = dict(zip(cells.names, cells.means(np.ones((1, len(cells.values))))[0], strict=True))
    assert set(published) == set(means)
    assert max(abs(means[c] - published[c]) for c in published) <= 0.005 + 1e-9


def test_sixty_thousand_ratings_are_read_and_none_is_lost(raw: Ratings) -> None:
    counted = raw.counted
    assert counted["rows"] == 60_000
    assert counted["ratings"] + counted["duplicate"] + counted["empty"] == 120_000
    assert (counted["clips"], counted["annotators"]) == (15_938, 88)
    assert str(raw.scale) == "1 to 5 in steps of 1"


def test_annotators_agree_moderately(raw: Ratings) -> None:
    table = raw.table.drop_duplicates(["unit", "clip", "annotator"])
    units = (table["unit"] + " " + table["clip"]).to_numpy(dtype=str)
    alpha = krippendorff_alpha(units, table["score"].to_numpy(), resamples=100)
    assert alpha.value == pytest.approx(0.548, abs=0.002)
    own = raw.table.groupby(["clip", "annotator"])["score"].mean().reset_index()
    clips, people = own["clip"].to_numpy(dtype=str), own["annotator"].to_numpy(dtype=str)
    ceiling = human_ceiling(clips, people, own["score"].to_numpy(), splits=20)
    assert ceiling.reliability == pytest.approx(0.829, abs=0.005)
    assert ceiling.one_against_rest_spearman.value == pytest.approx(0.560, abs=0.002)
