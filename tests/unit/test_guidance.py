"""Guidance as linear combinations: the published forms, and what they must have in common."""

from __future__ import annotations

import pytest
import torch

from avbench.errors import BadParameter
from avbench.models.guidance import FORMS, Term, guided, terms
from avbench.models.joint_attention import JointMode

PREDICTIONS = {
    (conditioned, mode): (torch.tensor([1.0 + k, 2.0 * k]), torch.tensor([3.0 - k]))
    for k, (conditioned, mode) in enumerate((c, m) for c in (True, False) for m in ("full", "blockdiag", "removed"))
}


def predict(conditioned: bool, mode: JointMode) -> tuple[torch.Tensor, torch.Tensor]:
    return PREDICTIONS[conditioned, mode]


@pytest.mark.parametrize(("form", "negative"), [("cfg", "full"), ("joint_cfg", "blockdiag"), ("joint_cfg_star", "removed")])
@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 4.0])
def test_a_form_is_the_positive_prediction_and_w_times_its_distance_to_the_negative(form: str, negative: str, w: float) -> None:
    got = guided(predict, terms(form, w))  # type: ignore[arg-type]
    for k in (0, 1):
        positive, other = PREDICTIONS[True, "full"][k], PREDICTIONS[False, negative][k]
        torch.testing.assert_close(got[k], positive + w * (positive - other))


def test_the_dual_form_has_separate_strengths_of_condition_and_interaction() -> None:
    got = guided(predict, terms("dual", 0.5, interaction=2.5))
    for k in (0, 1):
        off, on, both = (PREDICTIONS[key][k] for key in ((False, "blockdiag"), (False, "full"), (True, "full")))
        torch.testing.assert_close(got[k], off + 3.5 * (on - off) + 1.5 * (both - on))
    # Equal strengths: the middle term is gone, and JointCFG is what is left.
    assert set(terms("dual", 1.0, interaction=1.0)) == set(terms("joint_cfg", 1.0))


@pytest.mark.parametrize("form", FORMS)
def test_without_strength_there_is_one_evaluation_and_coefficients_always_sum_to_one(form: str) -> None:
    assert terms(form, 0.0, interaction=0.0) == (Term(1.0, 1.0, True, "full"),)  # type: ignore[arg-type]
    many = terms(form, 2.0, interaction=0.7)  # type: ignore[arg-type]
    assert sum(term.video for term in many) == pytest.approx(1.0)
    assert sum(term.audio for term in many) == pytest.approx(1.0)


def test_predictions_that_agree_are_left_alone_by_every_form() -> None:
    same = (torch.tensor([1.5, -2.0]), torch.tensor([0.25]))
    for form in FORMS:
        for got, wanted in zip(guided(lambda _c, _m: same, terms(form, 3.0, interaction=2.0)), same, strict=True):
            torch.testing.assert_close(got, wanted)


def test_what_is_no_guidance_is_refused() -> None:
    with pytest.raises(BadParameter, match="guidance must be one of none, cfg"):
        terms("magic")  # type: ignore[arg-type]
    with pytest.raises(BadParameter, match="finite"):
        terms("cfg", float("nan"))
    for combination in ((), (Term(1.0, 0.5, True, "full"),)):
        with pytest.raises(BadParameter, match="sum to 1"):
            guided(predict, combination)
