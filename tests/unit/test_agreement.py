"""Agreement statistics: equal to SciPy where it has them, hand-made toys elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as reference

from avbench.agreement import annotators, correlation, pairs, permutation, resampling, votes
from avbench.errors import BadParameter

ONCE = np.ones((1, 40))


def noisy(seed: int, n: int = 40, steps: int = 5) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """People on a scale of a few steps, and a metric that sees some of it, with ties of its own."""
    rng = np.random.default_rng(seed)
    human = rng.integers(0, steps, n).astype(float)
    return human, np.round(human + rng.normal(0, 2, n), 1)


# ------------------------------------------------------------------ correlations


@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_scipy(seed: int) -> None:
    human, metric = noisy(seed)
    assert correlation.pearson(human, metric)(ONCE)[0] == pytest.approx(reference.pearsonr(human, metric).statistic, abs=1e-12)
    assert correlation.spearman(human, metric)(ONCE)[0] == pytest.approx(
        reference.spearmanr(human, metric).statistic, abs=1e-12
    )
    assert pairs.kendall(human, metric)(ONCE)[0] == pytest.approx(reference.kendalltau(human, metric).statistic, abs=1e-6)
    label = (human > 2).astype(float)
    u = reference.mannwhitneyu(metric[label == 1], metric[label == 0]).statistic
    assert correlation.auroc(label, metric)(ONCE)[0] == pytest.approx(u / (label.sum() * (1 - label).sum()), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_weight_is_how_often_a_clip_is_there(seed: int) -> None:
    human, metric = noisy(seed)
    times = np.random.default_rng(seed).integers(0, 4, 40)
    x, y = np.repeat(human, times), np.repeat(metric, times)
    weights = times[None].astype(float)
    assert correlation.pearson(human, metric)(weights)[0] == pytest.approx(reference.pearsonr(x, y).statistic, abs=1e-12)
    assert correlation.spearman(human, metric)(weights)[0] == pytest.approx(reference.spearmanr(x, y).statistic, abs=1e-12)
    assert pairs.kendall(human, metric)(weights)[0] == pytest.approx(reference.kendalltau(x, y).statistic, abs=1e-6)
    u = reference.mannwhitneyu(y[x > 2], y[x <= 2]).statistic
    area = correlation.auroc((human > 2).astype(float), metric)(weights)[0]
    assert area == pytest.approx(u / ((x > 2).sum() * (x <= 2).sum()), abs=1e-12)


def test_kendall_of_many_clips_takes_the_other_road_to_the_same_value() -> None:
    human, metric = noisy(1, 2_001)
    found = pairs.kendall(human, metric)(np.ones((1, 2_001)))[0]
    assert found == pytest.approx(reference.kendalltau(human, metric).statistic, abs=1e-12)


def test_a_constant_side_has_no_correlation() -> None:
    human, _ = noisy(0)
    for make in (correlation.pearson, correlation.spearman, pairs.kendall):
        assert np.isnan(make(human, np.full(40, 0.1))(ONCE)[0])
        found = resampling.bootstrap(make(human, np.full(40, 0.1)), 40)
        assert np.isnan([found.value, found.low, found.high]).all()
        assert "constant" in found.how


def test_pearson_survives_a_large_offset() -> None:
    human, metric = noisy(0)
    far = correlation.pearson(human, metric * 1e-6 + 1e6)(ONCE)[0]
    assert far == pytest.approx(reference.pearsonr(human, metric).statistic, abs=1e-4)


@pytest.mark.parametrize("bad", [np.array([1.0, np.nan, 2.0]), np.array([1.0, 2.0]), np.ones((3, 1))])
def test_bad_input_is_refused(bad: NDArray[np.float64]) -> None:
    with pytest.raises(BadParameter):
        correlation.pearson(np.arange(3.0), bad)


def test_labels_are_0_and_1() -> None:
    with pytest.raises(BadParameter, match="labels must be 0 or 1"):
        correlation.auroc(np.array([0.0, 2.0]), np.array([1.0, 2.0]))


# ------------------------------------------------------------------ bootstrap


def test_bca_interval_of_a_mean_is_that_of_scipy_at_the_expanded_level() -> None:
    values = np.random.default_rng(3).exponential(size=30)
    mine = resampling.bootstrap(lambda w: w @ values / w.sum(axis=1), 30, resamples=20_000)
    level = 1 - 2 * float(reference.norm.cdf(-np.sqrt(30 / 29) * reference.t.ppf(0.975, 29)))
    theirs = reference.bootstrap(
        (values,), np.mean, n_resamples=20_000, confidence_level=level, method="BCa", rng=np.random.default_rng(0)
    )
    assert mine.low == pytest.approx(theirs.confidence_interval.low, rel=0.01)
    assert mine.high == pytest.approx(theirs.confidence_interval.high, rel=0.01)


def test_clips_of_one_prompt_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    prompts = np.repeat(np.arange(20), 10)
    human = rng.normal(size=20)[prompts]
    metric = human + rng.normal(size=20)[prompts]
    alone = resampling.bootstrap(correlation.pearson(human, metric), 200)
    together = resampling.bootstrap(correlation.pearson(human, metric), 200, clusters=prompts, unit="prompts")
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert "20 prompts" in together.how


def test_too_few_clusters_have_no_interval() -> None:
    found = resampling.bootstrap(correlation.pearson(np.arange(6.0), np.arange(6.0) ** 2), 6, clusters=np.arange(6) // 2)
    assert np.isnan(found.low)
    assert "3 clips, 4 are needed" in found.how


# ------------------------------------------------------------------ pairs


def test_pairwise_accuracy_of_the_published_examples() -> None:
    # The four pairs of equal ratings become right at epsilon 4, at the price of one of the others.
    toy = pairs.Pairs(np.array([1.0, 1, 1, 4]), np.array([0.0, 2, 6, 8]))
    assert [toy.accuracy(e) for e in (0, 2, 4, 6, 8)] == pytest.approx([3 / 6, 3 / 6, 4 / 6, 4 / 6, 3 / 6])
    value, epsilon = toy.calibrated()
    assert value == pytest.approx(4 / 6)
    assert epsilon == 4.0
    straight = pairs.Pairs(np.arange(1.0, 5), np.array([0.0, 2, 6, 8]))
    assert straight.calibrated() == (1.0, 0.0)


def test_groups_count_alike_as_rows_do_in_mt_metrics_eval() -> None:
    # Two prompts: three clips, all right (3 pairs); two clips, wrong (1 pair).
    human, metric = np.array([1.0, 2, 3, 1, 2]), np.array([1.0, 2, 3, 9, 7])
    prompt = np.array(["a", "a", "a", "b", "b"])
    assert pairs.Pairs(human, metric, prompt).accuracy(0.0) == pytest.approx(0.5)
    assert pairs.Pairs(human, metric).accuracy(0.0) == pytest.approx(4 / 10)


def plain_accuracy(human: NDArray[np.float64], metric: NDArray[np.float64], groups: NDArray[np.intp], epsilon: float) -> float:
    """The definition, pair by pair."""
    per_group = []
    for g in np.unique(groups):
        h, m = human[groups == g], metric[groups == g]
        right = []
        for i in range(len(h)):
            for j in range(i + 1, len(h)):
                verdict = 0.0 if abs(m[i] - m[j]) <= epsilon else np.sign(m[i] - m[j])
                right.append(verdict == np.sign(h[i] - h[j]))
        per_group.append(np.mean(right))
    return float(np.mean(per_group))


@pytest.mark.parametrize("seed", range(4))
def test_calibration_finds_the_best_epsilon(seed: int) -> None:
    human, metric = noisy(seed)
    groups = np.arange(40) % 7
    value, epsilon = pairs.Pairs(human, metric, groups).calibrated()
    apart = np.abs(metric[:, None] - metric)
    candidates = [0.0, *np.unique(apart)]
    curve = [plain_accuracy(human, metric, groups, e) for e in candidates]
    assert value == pytest.approx(max(curve))
    assert plain_accuracy(human, metric, groups, epsilon) == pytest.approx(max(curve))
    assert epsilon == pytest.approx(candidates[int(np.argmax(np.round(curve, 12)))])


def test_pair_accuracy_reports_interval_and_cross_fit() -> None:
    human, metric = noisy(0)
    found = pairs.pair_accuracy(human, metric, groups=np.arange(40) % 10)
    assert found.value.low < found.value.value < found.value.high
    assert found.cross_fit <= found.value.value + 0.05
    assert found.without_ties <= found.value.value
    assert (found.pairs, found.groups) == (10 * 6, 10)
    assert "10 prompts" in found.value.how


def test_resampled_accuracy_is_the_accuracy_of_the_resample() -> None:
    human, metric = noisy(2)
    toy = pairs.Pairs(human, metric)
    times = np.random.default_rng(1).integers(0, 3, 40)
    right = total = 0.0
    for i in range(40):
        for j in range(i + 1, 40):
            weight = times[i] * times[j]
            total += weight
            right += weight * (np.sign(metric[i] - metric[j]) == np.sign(human[i] - human[j]))
    assert toy.statistic(0.0)(times[None].astype(float))[0] == pytest.approx(right / total)


def test_many_pairs_are_thinned_out_to_pairs_that_exist() -> None:
    codes = np.random.default_rng(0).integers(0, 5, 200)
    first, second = pairs.pair_indices(codes, most=500)
    assert len(first) == 500
    assert (codes[first] == codes[second]).all()
    assert (first != second).all()
    assert len({frozenset(p) for p in zip(first.tolist(), second.tolist(), strict=True)}) == 500
    whole = pairs.pair_indices(codes)
    every = {frozenset(p) for p in zip(whole[0].tolist(), whole[1].tolist(), strict=True)}
    nearly, other = pairs.pair_indices(codes, most=len(every) - 1)
    assert {frozenset(p) for p in zip(nearly.tolist(), other.tolist(), strict=True)} < every


def test_clusters_may_not_cut_through_groups() -> None:
    human, metric = noisy(0)
    with pytest.raises(BadParameter, match="one cluster"):
        pairs.pair_accuracy(human, metric, groups=np.arange(40) % 4, clusters=np.arange(40))


# ------------------------------------------------------------------ permutation tests


def test_perm_both_sees_the_better_metric() -> None:
    rng = np.random.default_rng(0)
    human = rng.normal(size=100)
    good, poor = human + 0.3 * rng.normal(size=100), human + 3 * rng.normal(size=100)
    statistics: tuple[permutation.Statistic, ...] = ("pearson", "spearman")
    for statistic in statistics:
        found = permutation.perm_both(human, good, poor, statistic=statistic, permutations=999)
        assert found.difference > 0.3
        assert found.p == pytest.approx(1 / 1000)  # (0 + 1) / (999 + 1), never 0
        other = permutation.perm_both(human, poor, good, statistic=statistic, permutations=999)
        assert other.difference == pytest.approx(-found.difference)
        assert other.p == found.p


def test_perm_both_of_a_metric_with_itself_is_sure_of_nothing() -> None:
    human, metric = noisy(0)
    found = permutation.perm_both(human, metric, metric * 2 + 1)
    assert found.difference == pytest.approx(0, abs=1e-12)
    assert found.p == 1.0
    assert permutation.perm_pairs(human, metric, metric).p == 1.0


def test_perm_pairs_agrees_with_the_difference_of_accuracies() -> None:
    human, good = noisy(0, 60)
    poor = np.random.default_rng(9).normal(size=60)
    found = permutation.perm_pairs(human, good, poor)
    assert found.difference == pytest.approx(
        pairs.Pairs(human, good).calibrated()[0] - pairs.Pairs(human, poor).calibrated()[0]
    )
    assert found.p < 0.01


def mean_difference(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Of two samples."""
    return float((x - y).mean())


def test_paired_test_is_that_of_scipy() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=12), rng.normal(0.6, 1, size=12)
    exact = reference.permutation_test((a, b), mean_difference, permutation_type="samples", n_resamples=10_000)
    assert permutation.paired(a, b, permutations=50_000).p == pytest.approx(exact.pvalue, abs=0.01)


def test_soft_pairwise_accuracy_by_hand() -> None:
    scores = np.array([[0.8, 0.9, 0.7, 1.0, 0.6], [0.2, 0.3, 0.1, 0.4, 0.0]])
    assert permutation.soft_pairwise_accuracy(scores, scores * 3 - 1) == 1.0
    # People are sure (only all five signs + reach 3.0: 1 in 32), a metric that says the opposite is sure of that (32 in 32).
    assert permutation.soft_pairwise_accuracy(scores, -scores, permutations=100_000) == pytest.approx(1 / 32, abs=0.005)
    # A metric without a difference reaches it always: p = 1 against 1 in 32.
    assert permutation.soft_pairwise_accuracy(scores, np.zeros((2, 5)), permutations=100_000) == pytest.approx(
        1 / 32, abs=0.005
    )
    with pytest.raises(BadParameter, match="two systems"):
        permutation.soft_pairwise_accuracy(scores[:1], scores[:1])


def test_holm_by_hand() -> None:
    assert permutation.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert permutation.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert permutation.holm([]) == []


# ------------------------------------------------------------------ annotators


def published_example() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Krippendorff 2011, section D: 4 observers, 12 units, values missing."""
    nan = np.nan
    table = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
            [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
        ]
    )
    units = np.broadcast_to(np.arange(12), table.shape)
    there = ~np.isnan(table)
    return units[there], table[there]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example(level: str, alpha: float) -> None:
    units, values = published_example()
    found = annotators.krippendorff_alpha(units, values, level=level)  # type: ignore[arg-type]
    assert found.value == pytest.approx(alpha, abs=5e-4)
    assert found.low < found.value < found.high


def test_alpha_at_its_ends() -> None:
    units = np.repeat(np.arange(50), 3)
    same = np.repeat(np.arange(50) % 5, 3).astype(float)
    assert annotators.krippendorff_alpha(units, same).value == 1.0
    chance = np.random.default_rng(0).integers(1, 6, 150).astype(float)
    assert abs(annotators.krippendorff_alpha(units, chance).value) < 0.15
    assert np.isnan(annotators.krippendorff_alpha(np.arange(5), np.arange(5.0)).value)
    assert np.isnan(annotators.krippendorff_alpha(units, np.ones(150)).value)
    with pytest.raises(BadParameter, match="different values"):
        annotators.krippendorff_alpha(units, np.random.default_rng(0).random(150))


def test_the_ceiling_finds_how_reliable_the_ratings_were_made() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    clips, people = np.repeat(np.arange(400), 10), np.tile(np.arange(10), 400)
    rated = truth[clips] + rng.normal(0, 1.5, 4_000)
    found = annotators.human_ceiling(clips, people, rated, splits=50)
    of_five, of_ten = 1 / (1 + 1.5**2 / 5), 1 / (1 + 1.5**2 / 10)
    assert found.split_half.value == pytest.approx(of_five, abs=0.06)
    assert found.reliability == pytest.approx(of_ten, abs=0.04)
    assert found.one_against_rest_pearson.value == pytest.approx(np.sqrt(1 / (1 + 1.5**2) / (1 + 1.5**2 / 9)), abs=0.05)
    assert found.annotators == 10
    assert found.one_against_rest_spearman.low < found.one_against_rest_spearman.value


def test_one_annotator_sets_no_ceiling() -> None:
    found = annotators.human_ceiling(np.arange(20), np.zeros(20), np.arange(20.0))
    assert np.isnan(found.split_half.value)
    assert "two ratings" in found.split_half.how


# ------------------------------------------------------------------ votes


def test_two_systems_have_the_odds_that_were_counted() -> None:
    outcome = np.r_[np.ones(30), np.zeros(10)]
    found = votes.bradley_terry(np.full(40, "x"), np.full(40, "y"), outcome)
    assert found.names == ("x", "y")
    assert found.strength[0] - found.strength[1] == pytest.approx(np.log(3), abs=1e-5)
    assert found.tie == 0
    assert found.low[0] < found.strength[0] < found.high[0]
    assert found.best[0] > 0.95


def test_davidson_ties_by_hand() -> None:
    # 40 : 10 : 20 ties; p_x / p_y = 4, and t sqrt(p_x p_y) / p_y = 2 gives t = 1.
    outcome = np.r_[np.ones(40), np.zeros(10), np.full(20, 0.5)]
    found = votes.bradley_terry(np.full(70, "x"), np.full(70, "y"), outcome, resamples=20)
    assert found.strength[0] - found.strength[1] == pytest.approx(np.log(4), abs=1e-4)
    assert found.tie == pytest.approx(1.0, abs=1e-4)


def test_strengths_and_the_advantage_of_the_first_are_found_again() -> None:
    rng = np.random.default_rng(0)
    true = np.array([1.0, 0.3, -0.2, -1.1])
    a, b = rng.integers(0, 4, (2, 20_000))
    a, b = a[a != b], b[a != b]
    odds = np.exp(np.stack([true[a] + 0.4, true[b], np.log(0.5) + (true[a] + true[b]) / 2]))
    pick = (rng.random(len(a)) * odds.sum(axis=0) > np.cumsum(odds, axis=0)).sum(axis=0)
    found = votes.bradley_terry(a, b, np.array([1.0, 0.0, 0.5])[pick], order_effect=True, resamples=0)
    assert found.names == ("0", "1", "2", "3")
    assert found.strength == pytest.approx(true, abs=0.06)
    assert found.first == pytest.approx(0.4, abs=0.06)
    assert found.tie == pytest.approx(0.5, abs=0.05)
    assert np.isnan(found.low).all()


def test_votes_that_say_nothing_of_strength_are_refused() -> None:
    with pytest.raises(BadParameter, match="infinite"):
        votes.bradley_terry(np.array(["x", "x"]), np.array(["y", "z"]), np.array([1.0, 0.5]))
    with pytest.raises(BadParameter, match="with itself"):
        votes.bradley_terry(np.array(["x"]), np.array(["x"]), np.array([1.0]))
    with pytest.raises(BadParameter, match="an outcome"):
        votes.bradley_terry(np.array(["x"]), np.array(["y"]), np.array([2.0]))


def test_vote_accuracy_by_hand() -> None:
    apart, outcome = np.array([2.0, -1.0, 0.1, -0.2, 3.0]), np.array([1.0, 0.0, 0.5, 0.5, 0.0])
    found = votes.vote_accuracy(apart, outcome)
    assert found.decided == pytest.approx(2 / 3)
    assert found.three_way == pytest.approx(4 / 5)
    assert found.epsilon == pytest.approx(0.2)
    assert (found.votes, found.ties) == (5, 2)
    assert np.isnan(found.cross_fit)


def test_calibration_over_rows_of_different_length_is_that_of_mt_metrics_eval() -> None:
    # Its regression example (tau_optimization_test.py at 68a481a), with the missing scores left out.
    metric = [[0, 5, 2, 3, 2], [2, 1, 5, 3], [9, 1, 5, 3, 8], [9, 3, 4, 1]]
    human = [[1, 5, 2, 1, 1], [2, 2, 1, 4], [5, 9, 2, 8, 7], [7, 6, 3, 2]]
    rows = np.repeat(np.arange(4), [len(r) for r in metric])
    toy = pairs.Pairs(np.concatenate(human).astype(float), np.concatenate(metric).astype(float), rows)
    expected = [0.4666666666666667, 0.4916666666666668, 0.38333333333333347, 0.29166666666666674, 0.2666666666666667, 0.2]
    assert [toy.accuracy(e) for e in range(6)] == pytest.approx(expected)
    value, epsilon = toy.calibrated()
    assert value == pytest.approx(0.4916666666666668)
    assert epsilon == 1.0
