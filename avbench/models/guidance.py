"""Guidance as a list of terms: how often, with or without the condition, with or without interaction of the two streams.

For a fixed noisy input, predictions of noise, of v and of the clean tokens are affine in each other, so the combination is
written once, on clean estimates. `w = 0` is no guidance; the usual "scale" is `1 + w`. All coefficients of a form sum to 1.

Sources: classifier-free guidance (arXiv 2207.12598); JointDiT (CVPR 2025) for `joint_cfg` and `joint_cfg_star`; MOVA
(arXiv 2602.08794) for the dual form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from avbench.errors import BadParameter
from avbench.models.joint_attention import JointMode

Form = Literal["none", "cfg", "joint_cfg", "joint_cfg_star", "dual"]
FORMS: tuple[Form, ...] = ("none", "cfg", "joint_cfg", "joint_cfg_star", "dual")

Predict = Callable[[bool, JointMode], tuple[Tensor, Tensor]]
"""From (with the condition?, interaction) to the clean estimates of video and audio."""


@dataclass(frozen=True)
class Term:
    """One evaluation of the network and what it counts for.

    Args:
        video: Coefficient of its clean video.
        audio: Coefficient of its clean audio.
        conditioned: Whether the network sees the image; else the null condition.
        mode: Interaction of the two streams.
    """

    video: float
    audio: float
    conditioned: bool
    mode: JointMode


def terms(form: Form, w: float = 1.0, *, interaction: float = 1.0) -> tuple[Term, ...]:
    """The terms of a published form.

    Args:
        form: `none`; `cfg` (negative: null image); `joint_cfg` (negative: null image, and full attention masked to blocks, so
            that each modality attends to itself); `joint_cfg_star` (negative: null image, attention of the joint blocks
            removed, their feed-forward layers kept); `dual` (MOVA: separate strengths of condition and interaction).
        w: Strength: `D_pos + w (D_pos - D_neg)`.
        interaction: For `dual` alone: strength of the step from masked to full attention, where `w` is that of the condition.

    Raises:
        BadParameter: for an unknown form or a strength that is not a finite number.
    """
    if form not in FORMS:
        raise BadParameter(f"guidance must be one of {', '.join(FORMS)}, got '{form}'")
    if not (math.isfinite(w) and math.isfinite(interaction)):
        raise BadParameter(f"guidance {form}: the strength must be a finite number, got {w} and {interaction}")
    positive = Term(1.0 + w, 1.0 + w, True, "full")
    if form == "none" or (w == 0.0 and form != "dual"):
        return (Term(1.0, 1.0, True, "full"),)
    if form == "dual":
        scale_b, scale_t = 1.0 + interaction, 1.0 + w
        middle = scale_b - scale_t
        out = (
            Term(scale_t, scale_t, True, "full"),
            Term(middle, middle, False, "full"),
            Term(1.0 - scale_b, 1.0 - scale_b, False, "blockdiag"),
        )
        return tuple(term for term in out if term.video or term.audio)
    modes: dict[str, JointMode] = {"cfg": "full", "joint_cfg": "blockdiag", "joint_cfg_star": "removed"}
    return positive, Term(-w, -w, False, modes[form])


def guided(predict: Predict, combination: Sequence[Term]) -> tuple[Tensor, Tensor]:
    """Clean video and audio of a combination; each term costs one evaluation of the network.

    Raises:
        BadParameter: if there is no term, or the coefficients of a modality do not sum to 1.
    """
    sums = (sum(term.video for term in combination), sum(term.audio for term in combination))
    if not combination or any(abs(total - 1.0) > 1e-9 for total in sums):
        raise BadParameter(f"guidance: the coefficients of each modality must sum to 1, got {sums} for {combination}")
    first, *others = combination
    seen, heard = predict(first.conditioned, first.mode)
    video, audio = first.video * seen, first.audio * heard
    for term in others:
        seen, heard = predict(term.conditioned, term.mode)
        video, audio = video + term.video * seen, audio + term.audio * heard
    return video, audio
