"""A U-Net of convolutions and of dense layers along frequency.

TFC-TDF: Choi, Kim, Chung, Jung, "Investigating U-Nets with Various Intermediate Blocks for Spectrogram-based Singing
Voice Separation", 2020. This module imports PyTorch.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEVEL_COUNT = 2  # below the first one; each halves frames and bands
FACTOR = 1 << _LEVEL_COUNT
"""The number of bands is a multiple of it. Windows that begin on one grid of so many spectrogram frames give the same."""

_EPSILON = 2.0**-7  # in norms, the same in 16 and in 32 bits


class Norm(nn.Module):
    """Scales the channels at each place to a root mean square of 1, and by learned weights."""

    def __init__(self, channel_count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channel_count))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` [items, channels, frames, bands] normalised."""
        last = x.permute(0, 2, 3, 1)
        return functional.rms_norm(last, last.shape[-1:], self.weight.to(x.dtype), _EPSILON).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Adds what dense layers along the bands, and then two convolutions, find.

    Args:
        dilation: distance in frames of what the first convolution reads.
    """

    def __init__(self, channel_count: int, band_count: int, dilation: int = 1) -> None:
        super().__init__()
        self.dense = nn.Sequential(
            Norm(channel_count),
            nn.Linear(band_count, band_count // 4),
            nn.GELU(),
            nn.Linear(band_count // 4, band_count),
        )
        self.convolutions = nn.Sequential(
            Norm(channel_count),
            nn.GELU(),
            nn.Conv2d(channel_count, channel_count, 3, padding=(dilation, 1), dilation=(dilation, 1)),
            Norm(channel_count),
            nn.GELU(),
            nn.Conv2d(channel_count, channel_count, 3, padding=1),
        )
        with torch.no_grad():  # at first, a block changes little
            for last in (self.dense[-1], self.convolutions[-1]):
                last.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for ``x`` [items, channels, frames, bands]."""
        x = x + self.dense(x)
        output: Tensor = x + self.convolutions(x)
        return output


class UNet(nn.Module):
    """Turns levels of bands into values for each band.

    Args:
        channel_count: size of the features of a band at the first level.
        band_count: a multiple of :data:`FACTOR`.
    """

    def __init__(self, input_count: int, output_count: int, channel_count: int, band_count: int) -> None:
        super().__init__()
        counts = [channel_count << level for level in range(_LEVEL_COUNT + 1)]
        widths = [band_count >> level for level in range(_LEVEL_COUNT + 1)]
        self.position = nn.Parameter(torch.randn(channel_count, 1, band_count) * 0.1)
        self.first = nn.Conv2d(input_count, channel_count, 1)
        self.encoder = nn.ModuleList(map(Block, counts[:-1], widths[:-1]))
        self.down = nn.ModuleList(nn.Conv2d(low, high, 2, stride=2) for low, high in itertools.pairwise(counts))
        self.middle = nn.Sequential(*(Block(counts[-1], widths[-1], dilation) for dilation in (1, 4, 2)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(high, low, 2, stride=2) for low, high in itertools.pairwise(counts))
        self.decoder = nn.ModuleList(map(Block, counts[:-1], widths[:-1]))
        self.last = nn.Sequential(Norm(channel_count), nn.Conv2d(channel_count, output_count, 1))

    def forward(self, levels: Tensor) -> Tensor:
        """Return values, float32 [items, outputs, frames, bands], for levels [items, inputs, frames, bands]."""
        frame_count = levels.shape[2]
        padded = functional.pad(levels, (0, 0, 0, -frame_count % FACTOR))
        x = self.first(padded.to(memory_format=torch.channels_last)) + self.position
        skipped = []
        for block, down in zip(self.encoder, self.down, strict=True):
            x = block(x)
            skipped.append(x)
            x = down(x)
        x = self.middle(x)
        for block, up in zip(reversed(self.decoder), reversed(self.up), strict=True):
            x = block(up(x) + skipped.pop())
        values: Tensor = self.last(x)[:, :, :frame_count].float()
        return values
