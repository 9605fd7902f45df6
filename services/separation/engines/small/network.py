"""The network: masks of four stems for bands of the spectrogram.

The spectrogram of a recording is summed up in bands, from one bin at low frequencies to 32 at high ones. A U-Net of
convolutions and of dense layers along frequency (TFC-TDF: Choi, Kim, Chung, Jung, "Investigating U-Nets with Various
Intermediate Blocks for Spectrogram-based Singing Voice Separation", 2020) turns the levels of the bands into masks. The
masks of the stems add up to one (softmax), so the stems add up to the recording.

This module imports PyTorch.
"""

from __future__ import annotations

import itertools

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.separation.service import STEMS

__all__ = ["SmallNetwork", "read_network"]

_N_FFT = 2048
_HOP_LENGTH = 1024
_BIN_COUNT = _N_FFT // 2 + 1
# Bins of a band, and the bin before which such bands end.
_WIDTHS = ((1, 64), (2, 160), (4, 352), (8, 608), (32, _BIN_COUNT))
_LEVEL_COUNT = 2  # of the U-Net, below the first one; each halves frames and bands
_FACTOR = 1 << _LEVEL_COUNT
_EPSILON = 2.0**-7  # in norms, the same in 16 and in 32 bits
_QUIET = 1e-2  # energy of a band below which levels do not differ; a recording has a mean of about 1e3


def _bands() -> list[int]:
    """Return the number of bins of each band. Their number is a multiple of the factor by which the U-Net divides it."""
    sizes: list[int] = []
    for width, end in _WIDTHS:
        first = sum(sizes)
        sizes += [min(width, end - start) for start in range(first, end, width)]
    while len(sizes) % _FACTOR:
        last = sizes.pop()
        sizes[-1] += last
    return sizes


_SIZES = _bands()
_BAND_COUNT = len(_SIZES)


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


class SmallNetwork(nn.Module):
    """A network that estimates the four stems of :data:`STEMS` from stereo recordings at 44.1 kHz.

    Args:
        channel_count: size of the features of a band at the first level.
        margin_frames: frames around a window that the network reads, because its estimates are worse at the ends.
    """

    window: Tensor
    bands: Tensor

    def __init__(self, channel_count: int, margin_frames: int = 44 * _HOP_LENGTH) -> None:
        super().__init__()
        self._margin_frames = margin_frames
        self.register_buffer("window", torch.hann_window(_N_FFT, device="cpu"), persistent=False)
        bands = torch.repeat_interleave(torch.arange(_BAND_COUNT, device="cpu"), torch.tensor(_SIZES, device="cpu"))
        self.register_buffer("bands", bands, persistent=False)
        counts = [channel_count << level for level in range(_LEVEL_COUNT + 1)]
        widths = [_BAND_COUNT >> level for level in range(_LEVEL_COUNT + 1)]
        self.position = nn.Parameter(torch.randn(channel_count, 1, _BAND_COUNT) * 0.1)
        self.first = nn.Conv2d(4, channel_count, 1)
        self.encoder = nn.ModuleList(map(Block, counts[:-1], widths[:-1]))
        self.down = nn.ModuleList(nn.Conv2d(low, high, 2, stride=2) for low, high in itertools.pairwise(counts))
        self.middle = nn.Sequential(*(Block(counts[-1], widths[-1], dilation) for dilation in (1, 4, 2)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(high, low, 2, stride=2) for low, high in itertools.pairwise(counts))
        self.decoder = nn.ModuleList(map(Block, counts[:-1], widths[:-1]))
        self.last = nn.Sequential(Norm(channel_count), nn.Conv2d(channel_count, 2 * len(STEMS), 1))

    def valid_length(self, length: int) -> int:
        """Return how many frames the network reads for a window of ``length`` frames."""
        return length + 2 * self._margin_frames

    def forward(self, audio: Tensor) -> Tensor:
        """Return stems [items, stems, 2, frames] of ``audio``, float32 [items, 2, frames], whose standard deviation is about 1."""
        spectrum = self.spectrum(audio)
        masks = self.masks(spectrum).index_select(3, self.bands)
        stems = (spectrum.unsqueeze(1) * masks).flatten(0, 2)
        samples = torch.istft(stems, _N_FFT, _HOP_LENGTH, window=self.window, length=audio.shape[-1])
        return samples.unflatten(0, masks.shape[:3])

    def spectrum(self, audio: Tensor) -> Tensor:
        """Return the spectrogram, complex64 [..., bins, frames of the spectrogram], of float32 [..., frames]."""
        spectrum = torch.stft(audio.flatten(0, -2), _N_FFT, _HOP_LENGTH, window=self.window, return_complex=True)
        return spectrum.unflatten(0, audio.shape[:-1])

    def in_bands(self, energy: Tensor) -> Tensor:
        """Return the sums of ``energy`` [..., bins, frames] in bands: [..., bands, frames]."""
        sums = energy.new_zeros(*energy.shape[:-2], _BAND_COUNT, energy.shape[-1])
        return sums.index_add_(energy.ndim - 2, self.bands, energy)

    def masks(self, spectrum: Tensor) -> Tensor:
        """Return masks, float32 [items, stems, 2, bands, frames], for a spectrogram [items, 2, bins, frames]."""
        levels = self._levels(spectrum)
        frame_count = levels.shape[2]
        padded = functional.pad(levels, (0, 0, 0, -frame_count % _FACTOR))
        x = self.first(padded.to(memory_format=torch.channels_last)) + self.position
        skipped = []
        for block, down in zip(self.encoder, self.down, strict=True):
            x = block(x)
            skipped.append(x)
            x = down(x)
        x = self.middle(x)
        for block, up in zip(reversed(self.decoder), reversed(self.up), strict=True):
            x = block(up(x) + skipped.pop())
        scores = self.last(x)[:, :, :frame_count].float()
        return scores.unflatten(1, (len(STEMS), 2)).softmax(dim=1).transpose(3, 4)

    def _levels(self, spectrum: Tensor) -> Tensor:
        """Return the levels of left, right, middle and side, float32 [items, 4, frames, bands]."""
        left, right = spectrum.unbind(1)
        of_left = self.in_bands(left.real.square() + left.imag.square())
        of_right = self.in_bands(right.real.square() + right.imag.square())
        both = self.in_bands(left.real * right.real + left.imag * right.imag)
        mean = (of_left + of_right) / 2
        energies = torch.stack([of_left, of_right, mean + both, mean - both], dim=1).clamp_min(0)
        return torch.log(energies + _QUIET).transpose(2, 3) / 6 - 0.5


def read_network(content: bytes, channel_count: int) -> SmallNetwork:
    """Return the network in a safetensors file.

    Raises:
        RuntimeError: these are the parameters of another network.
    """
    network = SmallNetwork(channel_count)
    network.load_state_dict({name: value.float() for name, value in safetensors.torch.load(content).items()})
    return network.to(memory_format=torch.channels_last).requires_grad_(False).eval()
