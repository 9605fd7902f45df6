"""The networks of chord recognition. This module imports PyTorch.

Jiang, Chen, Li, Xia, "Large-vocabulary chord transcription via chord structure decomposition", ISMIR 2019: convolutions over the
constant-Q spectrum, then a bidirectional LSTM, then probabilities of the parts of a chord. The authors trained five networks on
different parts of their data, and average the probabilities. Three are as good on our songs, and cost less (docs/BENCHMARKS.md).
"""

from collections.abc import Sequence

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from soundwright.services.analysis.engines.chords.decoder import PART_SIZES

# Output channels and kernel padding (time, frequency) of the convolutions of each stage. Stages end with a pooling of bins.
_STAGES = (((16, 1), (16, 1), (16, 1)), ((32, 1), (32, 1), (32, 1)), ((64, 1), (64, 1)), ((80, 0), (80, 0)))
_POOLS = (3, 3, 4)
_LSTM_UNITS = 96
_REMAINING_BINS = 3


class ChordNetwork(nn.Module):
    """Estimates the chord in each frame."""

    def __init__(self) -> None:
        super().__init__()
        channels = 1
        stages = []
        for stage in _STAGES:
            convolutions = nn.ModuleList()
            for count, padding in stage:
                convolutions.append(nn.Conv2d(channels, count, 3, padding=(1, padding)))
                channels = count
            stages.append(convolutions)
        self.stages = nn.ModuleList(stages)
        self.lstm = nn.LSTM(channels * _REMAINING_BINS, _LSTM_UNITS, batch_first=True, bidirectional=True)
        self.parts = nn.Linear(2 * _LSTM_UNITS, sum(PART_SIZES))

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Return probabilities, float32 [frames, 100], the parts side by side, for magnitudes, float32 [frames, 252]."""
        x = magnitudes[None, None]
        for index, stage in enumerate(self.stages):
            for convolution in stage:
                x = functional.selu_(functional.instance_norm(convolution(x)))
            if index < len(_POOLS):
                x = functional.max_pool2d(x, (1, _POOLS[index]))
        # As in training, where the LSTM received channels and bins in the order of the memory.
        features = x.transpose(1, 2).flatten(2)
        logits = self.parts(self.lstm(features)[0])[0]
        return torch.cat([part.softmax(dim=1) for part in logits.split(PART_SIZES, dim=1)], dim=1)


class Ensemble(nn.Module):
    """Averages the probabilities of several networks."""

    def __init__(self, networks: Sequence[ChordNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """See :meth:`ChordNetwork.forward`."""
        return torch.stack([network(magnitudes) for network in self.networks]).mean(dim=0)


def read_ensemble(content: bytes, count: int) -> Ensemble:
    """Return the first ``count`` networks in a safetensors file.

    Raises ``RuntimeError``: these are the parameters of another network.
    """
    state = safetensors.torch.load(content)
    networks = []
    for number in range(count):
        prefix = f"{number}."
        network = ChordNetwork()
        network.load_state_dict(
            {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        )
        networks.append(network)
    return Ensemble(networks).requires_grad_(False).eval()
