"""The rewritten network against the network itself, with PyTorch."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from demucs.htdemucs import HTDemucs
from torch import Tensor

from soundwright.services.separation.engines.demucs.compiled import PLANS, Mode
from soundwright.services.separation.engines.demucs.core import Core, Plan, can_be_rewritten
from soundwright.services.separation.engines.demucs.transforms import InverseTransform
from tests.models.recordings import song

pytestmark = pytest.mark.usefixtures("one_thread")

STEMS = ["drums", "bass", "other", "vocals"]
FRAMES = 44_100


def network(seed: int, **options: object) -> HTDemucs:
    """Return a network of four levels, with the scales of residual branches that training gives them."""
    torch.manual_seed(seed)
    size = {"channels": 16, "dconv_mode": 3, "bottom_channels": 128, "t_layers": 3, "segment": Fraction(1)}
    network = HTDemucs(STEMS, **{**size, **options}).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".scale"):
                parameter.uniform_(0.05, 0.5)
    return network


def recording(start: int) -> Tensor:
    samples = torch.from_numpy(song(2, FRAMES + start)[:, start:].copy())[None]
    return (samples - samples.mean()) / samples.std()


def stems(network: HTDemucs, core: Core, mix: Tensor) -> Tensor:
    """Return float32 [stems * channels, frames]."""
    spectrograms, waveforms, mean, deviation = core(network._magnitude(network._spec(mix)), mix)
    inverse = InverseTransform(spectrograms.shape[0], spectrograms.shape[1], mix.shape[-1])
    joined: Tensor = inverse(spectrograms, mean, deviation) + waveforms
    return joined


def agreement_db(expected: Tensor, actual: Tensor) -> float:
    """Return the lowest signal-to-noise ratio of all stems."""
    errors = (expected - actual).reshape(len(STEMS), -1).square().sum(dim=1)
    return 10 * math.log10((expected.reshape(len(STEMS), -1).square().sum(dim=1) / errors).min())


@torch.inference_mode()
@pytest.mark.parametrize(("mode", "least_db"), [("exact", 75), ("mixed", 50), ("fast", 35)])
def test_the_rewritten_network_computes_the_same(mode: str, least_db: float) -> None:
    original = network(2)
    assert can_be_rewritten(original)
    plans: dict[Mode, Plan] = dict(PLANS)
    core = Core(original, Plan(transformer=False) if mode == "exact" else plans["fast" if mode == "fast" else "mixed"])
    for start in (0, 20_000):
        mix = recording(start)
        expected = original(mix)[0].reshape(2 * len(STEMS), -1)
        assert least_db < agreement_db(expected, stems(original, core, mix)) < 160


@torch.inference_mode()
def test_silence_gives_what_the_network_gives() -> None:
    original = network(0)
    mix = torch.zeros(1, 2, FRAMES)
    expected = original(mix)[0].reshape(2 * len(STEMS), -1)
    actual = stems(original, Core(original, Plan(transformer=False)), mix)
    assert torch.isfinite(actual).all()
    assert (expected - actual).abs().max() < 1e-4


@pytest.mark.parametrize("options", [{"norm_starts": 1}, {"cac": False, "wiener_iters": 0}, {"rewrite": False}])
def test_networks_of_other_forms_are_left_alone(options: dict[str, object]) -> None:
    assert not can_be_rewritten(network(0, **options))


@torch.inference_mode()
@pytest.mark.parametrize("frames", [44_100, 343_980, 5000])
def test_the_inverse_transform_equals_that_of_demucs(frames: int) -> None:
    original = network(0)
    rng = torch.Generator().manual_seed(1)
    hops = -(-frames // original.hop_length)
    spectrograms = torch.randn(2048, hops, 16, generator=rng)
    mean, deviation = torch.tensor([0.25]), torch.tensor([1.5])
    parts = (spectrograms * deviation + mean).unflatten(2, (8, 2)).permute(2, 0, 1, 3).contiguous()
    expected = original._ispec(torch.view_as_complex(parts), frames)
    actual = InverseTransform(2048, hops, frames)(spectrograms, mean, deviation)
    assert actual.shape == (8, frames)
    assert np.abs((expected - actual).numpy()).max() < 1e-5 * float(expected.abs().max())
