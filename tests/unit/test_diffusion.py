"""Noise processes of JointDiT against direct evaluation of their formulas, number by number."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
import torch

from avbench.errors import BadParameter
from avbench.models.diffusion import Ddpm, Edm, grid, joint_loss

U = torch.tensor([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], dtype=torch.float64)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_unified_timestep_gives_the_published_noise_levels_of_the_video() -> None:
    got = Edm(0.7, 1.6).sigma(U)
    assert got.tolist() == pytest.approx([math.exp(0.7 + 1.6 * NormalDist().inv_cdf(u)) for u in U.tolist()], rel=1e-9)
    # Table of noise levels that both base models have at the same u.
    assert [float(f"{s:.2g}") for s in got.tolist()] == [0.049, 0.14, 0.68, 2.0, 5.9, 28.0, 83.0]


def test_the_unified_timestep_gives_the_published_noise_levels_of_the_audio() -> None:
    ddpm = Ddpm()
    assert ddpm.timestep(torch.tensor([0.0005, 0.001, 0.0011, 0.5, 1.0])).tolist() == [1, 1, 2, 500, 1000]
    betas = [(math.sqrt(0.0015) + k / 999 * (math.sqrt(0.0195) - math.sqrt(0.0015))) ** 2 for k in range(1000)]
    kept = ddpm.kept(ddpm.timestep(U)).tolist()
    direct = [math.prod(1.0 - beta for beta in betas[: math.ceil(1000 * u)]) for u in U.tolist()]
    assert kept == pytest.approx(direct, rel=1e-5)
    levels = [math.sqrt((1.0 - a) / a) for a in kept]
    assert levels == pytest.approx([0.124, 0.30, 0.98, 2.76, 10.8, 52.1, 76.0], rel=0.03)


def test_edm_noises_and_preconditions_as_written() -> None:
    clean, noise, output = drawn(3, 4, 5), drawn(3, 4, 5, seed=1), drawn(3, 4, 5, seed=2)
    sigma = torch.tensor([0.05, 1.0, 30.0], dtype=torch.float64)
    noisy = Edm.noised(clean, sigma, noise)
    for n, s in enumerate(sigma.tolist()):
        assert torch.equal(noisy[n], clean[n] + s * noise[n])
        root = math.sqrt(s * s + 1.0)
        torch.testing.assert_close(Edm.network_input(noisy, sigma)[n], noisy[n] / root)
        torch.testing.assert_close(Edm.clean(output, noisy, sigma)[n], noisy[n] / (s * s + 1.0) - s / root * output[n])
    assert Edm.time_input(sigma).tolist() == pytest.approx([0.25 * math.log(s) for s in sigma.tolist()])


def test_the_loss_of_edm_is_that_of_its_network_output() -> None:
    clean, noise, output = drawn(3, 4), drawn(3, 4, seed=1), drawn(3, 4, seed=2)
    sigma = torch.tensor([0.05, 1.0, 30.0], dtype=torch.float64)
    noisy = Edm.noised(clean, sigma, noise)
    weighted = Edm.weight(sigma)[:, None] * (Edm.clean(output, noisy, sigma) - clean) ** 2
    wanted = Edm.target(clean, noisy, sigma)
    torch.testing.assert_close(weighted, (output - wanted) ** 2)
    torch.testing.assert_close(Edm.clean(wanted, noisy, sigma), clean)


@pytest.mark.parametrize(("schedule", "prediction"), [("scaled_linear", "eps"), ("scaled_linear", "v"), ("cosine", "v")])
def test_ddpm_noises_as_written_and_its_target_leads_back(schedule: str, prediction: str) -> None:
    ddpm = Ddpm(schedule, prediction)  # type: ignore[arg-type]
    clean, noise = drawn(3, 4), drawn(3, 4, seed=1)
    at = torch.tensor([1, 400, 999])
    noisy = ddpm.noised(clean, at, noise)
    for n, abar in enumerate(ddpm.kept(at).tolist()):
        torch.testing.assert_close(noisy[n], math.sqrt(abar) * clean[n] + math.sqrt(1.0 - abar) * noise[n])
    target = ddpm.target(clean, noise, at)
    if prediction == "eps":
        assert torch.equal(target, noise)
    torch.testing.assert_close(ddpm.clean(target, noisy, at), clean, rtol=1e-4, atol=1e-4)


def test_the_cosine_schedule_is_what_it_says() -> None:
    kept = Ddpm("cosine", "v").kept(torch.tensor([0, 250, 500, 1000]))
    assert kept.tolist() == pytest.approx([1.0, math.cos(math.pi / 8) ** 2, 0.5, 0.0], abs=1e-7)


def test_a_step_of_either_sampler_with_the_true_clean_tokens_lands_on_the_same_noise() -> None:
    clean, noise = drawn(2, 4), drawn(2, 4, seed=1)
    high, low = torch.tensor([5.0, 2.0], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(Edm.step(Edm.noised(clean, high, noise), clean, high, low), Edm.noised(clean, low, noise))
    ddpm, now, then = Ddpm("cosine", "v"), torch.tensor([900, 300]), torch.tensor([500, 0])
    torch.testing.assert_close(ddpm.step(ddpm.noised(clean, now, noise), clean, now, then), ddpm.noised(clean, then, noise))


@pytest.mark.parametrize("spacing", ["uniform", "cosine"])
def test_the_grid_falls_from_its_highest_to_its_lowest(spacing: str) -> None:
    points = grid(30, spacing=spacing)  # type: ignore[arg-type]
    assert len(points) == 30
    assert points[[0, -1]].tolist() == pytest.approx([0.995, 0.005])
    assert (points.diff() < 0).all()
    assert len(grid(1)) == 1


def test_the_joint_loss_is_the_weighted_sum() -> None:
    video, audio = (drawn(2, 3), drawn(2, 3, seed=1)), (drawn(2, 5, seed=2), drawn(2, 5, seed=3))
    total, seen, heard = joint_loss(video, audio, (2.0, 0.5))
    assert seen.item() == pytest.approx(((video[0] - video[1]) ** 2).sum().item() / 6)
    assert heard.item() == pytest.approx(((audio[0] - audio[1]) ** 2).sum().item() / 10)
    assert total.item() == pytest.approx(2.0 * seen.item() + 0.5 * heard.item())


def test_settings_that_make_no_sense_are_refused() -> None:
    for make in (
        lambda: Edm(0.0, 0.0),
        lambda: Edm(float("nan"), 1.0),
        lambda: Ddpm("cosine", "eps"),
        lambda: Ddpm("linear", "v"),  # type: ignore[arg-type]
        lambda: grid(0),
        lambda: grid(5, highest=1.0),
    ):
        with pytest.raises(BadParameter):
            make()
