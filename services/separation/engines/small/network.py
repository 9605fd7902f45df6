"""The network: it estimates four stems, and then divides their low frequencies anew.

Both stages read levels of a spectrogram with a :class:`UNet`. The first one has short windows and masks the whole
recording. The second one has long windows, which tell the low notes of a bass from a bass drum, and moves what the first
one gave to the wrong stem. This module imports PyTorch.
"""

from collections.abc import Sequence

import safetensors.torch
import torch
from torch import Tensor, nn

from soundwright.services.separation.engines.networks.precision import precision
from soundwright.services.separation.engines.small.unet import FACTOR, UNet
from soundwright.services.separation.service import STEMS

_N_FFT = 2048
_HOP_LENGTH = 1024
_BIN_COUNT = _N_FFT // 2 + 1
# Bins of a band, and the bin before which such bands end.
_WIDTHS = ((1, 64), (2, 160), (4, 352), (8, 608), (32, _BIN_COUNT))
_QUIET = 1e-2  # energy of a band below which levels do not differ; a recording has a mean of about 1e3

_LOW_N_FFT = 8192
_LOW_HOP_LENGTH = 2048
_LOW_BIN_COUNT = 192  # below 1,034 Hz
_LOW_QUIET = 4e-2
# First bins of the second stage above the body of a bass drum: 43 Hz, and 65 Hz.
_SUB_BIN, _HARMONIC_BIN = 8, 12
_OVERTONES = 10.0  # times these are compared with the body
_KEPT = 4.0  # score, before training, of leaving a sound in its stem: 95 %


def _bands() -> list[int]:
    """Return the number of bins of each band. Their number is a multiple of the factor by which the U-Net divides it."""
    sizes: list[int] = []
    for width, end in _WIDTHS:
        first = sum(sizes)
        sizes += [min(width, end - start) for start in range(first, end, width)]
    while len(sizes) % FACTOR:
        last = sizes.pop()
        sizes[-1] += last
    return sizes


_SIZES = _bands()
_BAND_COUNT = len(_SIZES)


class BandMasks(nn.Module):
    """The first stage: masks of four stems for bands of the spectrogram.

    The bands have from one bin at low frequencies to 32 at high ones. The masks of the stems add up to one (softmax), so the
    stems add up to the recording.

    Args:
        channel_count: size of the features of a band at the first level.
    """

    window: Tensor
    bands: Tensor

    def __init__(self, channel_count: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(_N_FFT, device="cpu"), persistent=False)
        bands = torch.repeat_interleave(torch.arange(_BAND_COUNT, device="cpu"), torch.tensor(_SIZES, device="cpu"))
        self.register_buffer("bands", bands, persistent=False)
        self.unet = UNet(4, 2 * len(STEMS), channel_count, _BAND_COUNT)

    def forward(self, audio: Tensor) -> Tensor:
        """Return stems [items, stems, 2, frames] of ``audio``, float32 [items, 2, frames]."""
        spectrum = self.spectrum(audio)
        return self.masked(spectrum, self.masks(spectrum), audio.shape[-1])

    def spectrum(self, audio: Tensor) -> Tensor:
        """Return the spectrogram, complex64 [..., bins, frames of the spectrogram], of float32 [..., frames]."""
        return _spectrum(audio, _HOP_LENGTH, self.window)

    def in_bands(self, energy: Tensor) -> Tensor:
        """Return the sums of ``energy`` [..., bins, frames] in bands: [..., bands, frames]."""
        sums = energy.new_zeros(*energy.shape[:-2], _BAND_COUNT, energy.shape[-1])
        return sums.index_add_(energy.ndim - 2, self.bands, energy)

    def masks(self, spectrum: Tensor) -> Tensor:
        """Return masks, float32 [items, stems, 2, bands, frames], for a spectrogram [items, 2, bins, frames]."""
        left, right = spectrum.unbind(1)
        of_left, of_right = self.in_bands(_energy(left)), self.in_bands(_energy(right))
        both = self.in_bands(left.real * right.real + left.imag * right.imag)
        mean = (of_left + of_right) / 2
        energies = torch.stack([of_left, of_right, mean + both, mean - both], dim=1).clamp_min(0)
        scores: Tensor = self.unet(_levels(energies, _QUIET))
        return scores.unflatten(1, (len(STEMS), 2)).softmax(dim=1).transpose(3, 4)

    def masked(self, spectrum: Tensor, masks: Tensor, length: int) -> Tensor:
        """Return the stems, float32 [items, stems, 2, length], of a spectrogram and :meth:`masks` of it."""
        stems = spectrum.unsqueeze(1) * masks.index_select(3, self.bands)
        return _samples(stems, _HOP_LENGTH, self.window, length)


class LowFrequencies(nn.Module):
    """The second stage: it divides the low bins of four estimates among the stems anew, with long windows.

    For each stem, channel and bin, it finds which share goes to which stem. The shares add up to one (softmax), so the
    stems still add up to the recording.

    Args:
        channel_count: size of the features of a bin at the first level.
    """

    window: Tensor

    def __init__(self, channel_count: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(_LOW_N_FFT, device="cpu"), persistent=False)
        self.unet = UNet(4 + 2 * len(STEMS), 2 * len(STEMS) ** 2, channel_count, _LOW_BIN_COUNT)
        with torch.no_grad():  # before training, each stem keeps its sounds
            self.unet.last[1].weight.mul_(0.1)
            bias = self.unet.last[1].bias.zero_()
            bias.view(2, len(STEMS), len(STEMS)).diagonal(dim1=1, dim2=2).fill_(_KEPT)

    def forward(self, estimates: Tensor, rows: Sequence[int]) -> Tensor:
        """Return better stems, float32 [items, rows, 2, frames], for estimates of all stems.

        Args:
            rows: indices of the wanted stems.
        """
        spectra = self.spectrum(estimates)
        low, high = self.divided(spectra)
        moved = bodies_to_drums(self.moved(low, self.shares(low)))
        better = torch.cat([moved[:, rows], high[:, rows]], dim=3)
        return _samples(better, _LOW_HOP_LENGTH, self.window, estimates.shape[-1])

    def spectrum(self, audio: Tensor) -> Tensor:
        """Return the spectrogram, complex64 [..., bins, frames of the spectrogram], of float32 [..., frames]."""
        return _spectrum(audio, _LOW_HOP_LENGTH, self.window)

    @staticmethod
    def divided(spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Return the low bins, which this stage changes, and the others, of spectrograms [..., bins, frames]."""
        return spectra[..., :_LOW_BIN_COUNT, :], spectra[..., _LOW_BIN_COUNT:, :]

    def shares(self, low: Tensor) -> Tensor:
        """Return shares, float32 [items, 2, to stem, from stem, bins, frames].

        Args:
            low: complex64 [items, stems, 2, bins, frames].
        """
        left, right = low.sum(dim=1).unbind(1)
        of_mix = torch.stack(
            [_energy(left), _energy(right), _energy(left + right) / 2, _energy(left - right) / 2], dim=1
        )
        energies = torch.cat([of_mix, _energy(low).flatten(1, 2)], dim=1)
        scores: Tensor = self.unet(_levels(energies, _LOW_QUIET)).transpose(2, 3)
        return scores.unflatten(1, (2, len(STEMS), len(STEMS))).softmax(dim=2)

    @staticmethod
    def moved(low: Tensor, shares: Tensor) -> Tensor:
        """Return the low bins of the stems, complex64 [items, stems, 2, bins, frames], after sounds have moved."""
        by_source = low.transpose(1, 2).unsqueeze(2)  # [items, 2, 1, from stem, bins, frames]
        return (shares * by_source).sum(dim=3).transpose(1, 2)


def bodies_to_drums(low: Tensor) -> Tensor:
    """Return the low bins of the stems after the long bodies of electronic bass drums have moved from the bass to the drums.

    The training songs have no bass drum that sounds as long as a note, so the network gives it to the bass. A tone below 43 Hz
    with almost nothing above 65 Hz is such a body: the notes of a bass have overtones, or a higher fundamental.

    Args:
        low: complex64 [items, stems, 2, bins, frames].
    """
    drums, bass = STEMS.index("drums"), STEMS.index("bass")
    energy = _energy(low[:, bass]).sum(dim=1, keepdim=True)  # of both channels
    body = energy[:, :, :_SUB_BIN].sum(dim=2, keepdim=True)
    overtones = _OVERTONES * energy[:, :, _HARMONIC_BIN:].sum(dim=2, keepdim=True)
    share = body**2 / (body**2 + overtones**2 + _LOW_QUIET)
    moving = low[:, bass, :, :_HARMONIC_BIN] * share
    result = low.clone()
    result[:, bass, :, :_HARMONIC_BIN] -= moving
    result[:, drums, :, :_HARMONIC_BIN] += moving
    return result


class SmallNetwork(nn.Module):
    """A network that estimates the four stems of :data:`STEMS` from stereo recordings at 44.1 kHz.

    Args:
        channel_count: size of both stages.
        margin_frames: frames around a window that the network reads, because its estimates are worse at the ends.
        in_bfloat16: whether a CPU computes convolutions and products of matrices in bfloat16.
    """

    def __init__(self, channel_count: int, margin_frames: int = 48 * _HOP_LENGTH, *, in_bfloat16: bool = False) -> None:
        super().__init__()
        self._margin_frames = margin_frames
        self._in_bfloat16 = in_bfloat16
        self.masks = BandMasks(channel_count)
        self.low = LowFrequencies(channel_count)

    def valid_length(self, length: int) -> int:
        """Return how many frames the network reads for a window of ``length`` frames."""
        return length + 2 * self._margin_frames

    def forward(self, audio: Tensor, rows: Sequence[int] = range(len(STEMS))) -> Tensor:
        """Return stems [items, rows, 2, frames] of ``audio``, float32 [items, 2, frames], whose standard deviation is about 1.

        Args:
            rows: indices of the wanted stems.
        """
        with precision(self._in_bfloat16):
            stems: Tensor = self.low(self.masks(audio), rows)
        return stems


def _spectrum(audio: Tensor, hop_length: int, window: Tensor) -> Tensor:
    spectrum = torch.stft(audio.flatten(0, -2), len(window), hop_length, window=window, return_complex=True)
    return spectrum.unflatten(0, audio.shape[:-1])


def _samples(spectra: Tensor, hop_length: int, window: Tensor, length: int) -> Tensor:
    # Each recording by itself: the intermediate values of all of them need hundreds of megabytes.
    samples = [
        torch.istft(each, len(window), hop_length, window=window, length=length) for each in spectra.flatten(0, -3)
    ]
    return torch.stack(samples).unflatten(0, spectra.shape[:-2])


def _energy(spectrum: Tensor) -> Tensor:
    return spectrum.real.square() + spectrum.imag.square()


def _levels(energies: Tensor, quiet: float) -> Tensor:
    """Return the levels, float32 [items, inputs, frames, bands], of energies [items, inputs, bands, frames]."""
    return torch.log(energies + quiet).transpose(2, 3) / 6 - 0.5


def read_network(content: bytes, channel_count: int, *, in_bfloat16: bool = False) -> SmallNetwork:
    """Return the network in a safetensors file.

    Raises ``RuntimeError``: these are the parameters of another network.
    """
    network = SmallNetwork(channel_count, in_bfloat16=in_bfloat16)
    network.load_state_dict({name: value.float() for name, value in safetensors.torch.load(content).items()})
    return network.to(memory_format=torch.channels_last).requires_grad_(False).eval()
