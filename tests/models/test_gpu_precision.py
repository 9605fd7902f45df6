"""The arithmetic of GPUs, on a CPU: 16 bits where they suffice, and 32 where they do not. The choice of the device."""

import math
from typing import Any

import pytest
import torch
from demucs.htdemucs import HTDemucs
from test_demucs_engine import network

from soundwright.kit import gpu
from soundwright.kit.errors import AppError
from soundwright.services.separation.engines.networks import Bag
from soundwright.services.separation.engines.small import SmallEngine
from soundwright.services.separation.engines.small.engine import SMALL
from soundwright.services.separation.settings import SeparationSettings
from tests.models.recordings import song


class Amplifier(torch.nn.Module):
    """A network that multiplies each item by a number, which 16 bits may not be able to hold."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.full((1, 1, 1), gain), requires_grad=False)

    def forward(self, mix: Any) -> Any:
        return torch.nn.functional.conv1d(mix, self.gain)[:, None] / self.gain


@pytest.mark.parametrize(("gain", "least_db", "most_db"), [(3.0, 50, 90), (1e6, math.inf, math.inf)])
def test_what_16_bits_cannot_hold_is_computed_in_32(gain: float, least_db: float, most_db: float) -> None:
    mix = torch.from_numpy(song(1, 10_000))[None]
    outputs = SmallEngine(gpu_mode="mixed")._outputs("cpu", Amplifier(gain), mix, None)
    assert outputs.dtype == torch.float32
    exact = SmallEngine(gpu_mode="exact")._outputs("cpu", Amplifier(gain), mix, None)
    assert least_db <= agreement_db(exact, outputs) <= most_db


def test_demucs_in_16_bits_agrees_with_demucs_in_32() -> None:
    demucs = network(HTDemucs, 1)
    mix = torch.from_numpy(song(2, demucs.valid_length(10_000)))[None]
    with torch.inference_mode():
        exact, mixed = (SmallEngine(gpu_mode=mode)._outputs("cpu", demucs, mix, (0, 3)) for mode in ("exact", "mixed"))  # type: ignore[arg-type]
    assert exact.shape == (1, 2, 2, mix.shape[2])
    assert 40 < agreement_db(exact, mixed) < 120


def agreement_db(expected: Any, actual: Any) -> float:
    error = float((expected - actual).square().sum())
    return 10 * math.log10(float(expected.square().sum()) / error) if error else math.inf


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    ],
)
def test_a_device_without_room_for_the_weights_is_reported(error: RuntimeError) -> None:
    class Crowded(SmallEngine):
        def load_bag(self, model: str, device: str) -> Bag:
            raise error

    with pytest.raises(AppError, match="OUT_OF_MEMORY") as caught:
        Crowded(device="cpu").load(SMALL.name)
    assert caught.value.retryable


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_reported() -> None:
    with pytest.raises(AppError, match=r"MODEL_UNSUPPORTED: .*'cuda:0': PyTorch finds no GPU"):
        SmallEngine(device="cuda:0").load(SMALL.name)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "cpu"])
async def test_the_operator_says_what_networks_run_on(device: str) -> None:
    assert await gpu.has_gpu(device) == device.startswith("cuda")
    with pytest.raises(ValueError, match="separation_device"):
        SeparationSettings(separation_device=f"{device}!")


async def test_without_a_choice_pytorch_says_what_networks_run_on() -> None:
    assert await gpu.has_gpu("") == gpu._finds_gpu() == torch.cuda.is_available()
    assert gpu._is_built_for_gpus() == bool(torch.version.cuda or torch.version.hip)
