"""Spleeter's network for vocals and accompaniment, as convolutions that read spectrograms of any length.

Hennequin, Khlif, Voituret, Moussallam, "Spleeter: a fast and efficient music source separation tool with pre-trained
models", Journal of Open Source Software 5(50), 2020. The U-Net is that of Jansson et al., "Singing Voice Separation with Deep
U-Net Convolutional Networks", ISMIR 2017. This module imports PyTorch.
"""

import itertools
from collections.abc import Sequence

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from soundwright.services.separation.engines.networks.precision import precision

_N_FFT = 4096
_HOP_LENGTH = 1024
_BIN_COUNT = 1536  # the network reads up to 16.5 kHz; it was trained with 1,024 bins; above, there are no vocals
_BELOW_VOCALS = 2  # bins of an offset
_LEVEL = 0.1  # standard deviation of the recordings that the U-Nets read

_CHANNELS = (2, 16, 32, 64, 128, 256, 512)
_FACTOR = 2 ** (len(_CHANNELS) - 1)
_NORM_EPSILON = 1e-3  # as in Keras
_MASK_EPSILON = 1e-10

GRID_FRAMES = _FACTOR * _HOP_LENGTH
"""Windows that begin at multiples of so many frames give the same, because the U-Net halves time six times."""


class UNet(nn.Module):
    """Estimates the magnitudes of one stem.

    Convolutions with stride 2 pad one value before and two after, as TensorFlow does.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(_CHANNELS))
        self.down = nn.ModuleList(nn.Conv2d(fewer, more, 5, stride=2) for fewer, more in pairs)
        self.down_norms = nn.ModuleList(nn.BatchNorm2d(more, _NORM_EPSILON) for _, more in pairs[:-1])
        # All but the deepest one also read the output of the convolution of their size.
        outputs = (*_CHANNELS[-2:0:-1], 1)
        inputs = (_CHANNELS[-1], *(2 * count for count in outputs[:-1]))
        self.up = nn.ModuleList(
            nn.Conv2d(more, 4 * fewer, 3, padding=1) for more, fewer in zip(inputs, outputs, strict=True)
        )
        self.up_norms = nn.ModuleList(nn.BatchNorm2d(count, _NORM_EPSILON) for count in outputs)
        self.mask = nn.Conv2d(1, 2, 4, padding=3, dilation=2)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Return magnitudes, float32 [items, 2, frames, bins], of a stem, for those of a recording.

        Frames and bins are multiples of 64.
        """
        x = magnitudes
        skipped = []
        for index, down in enumerate(self.down):
            x = down(functional.pad(x, (1, 2, 1, 2)))
            if index < len(self.down_norms):
                skipped.append(x)
                x = functional.leaky_relu(self.down_norms[index](x), 0.2)
        for index, (up, norm) in enumerate(zip(self.up, self.up_norms, strict=True)):
            if index:
                x = torch.cat([skipped.pop(), x], dim=1)
            x = norm(functional.relu(functional.pixel_shuffle(up(x), 2)))
        return torch.sigmoid(self.mask(x)) * magnitudes


class SpleeterNetwork(nn.Module):
    """Estimates the vocals of stereo recordings at 44.1 kHz.

    Args:
        margin_frames: frames around a window that the network reads, a multiple of :data:`GRID_FRAMES`.
        in_bfloat16: whether a CPU computes the convolutions in bfloat16.
    """

    window: Tensor

    def __init__(self, margin_frames: int, in_bfloat16: bool = False) -> None:
        super().__init__()
        self.margin_frames = margin_frames
        self._in_bfloat16 = in_bfloat16
        self.register_buffer("window", torch.hann_window(_N_FFT, device="cpu"), persistent=False)
        self.vocals = UNet()
        self.accompaniment = UNet()

    def valid_length(self, length: int) -> int:
        """Return how many frames the network reads for a window of ``length`` frames."""
        return length + 2 * self.margin_frames

    def forward(self, audio: Tensor) -> Tensor:
        """Return vocals, float32 [items, 1, 2, frames], of ``audio``, float32 [items, 2, frames], whose standard deviation is about 1."""
        length = audio.shape[-1]
        padded = functional.pad(audio, (0, -length % GRID_FRAMES)).flatten(0, 1)
        spectrum = torch.stft(
            padded, _N_FFT, _HOP_LENGTH, window=self.window, pad_mode="constant", return_complex=True
        ).unflatten(0, audio.shape[:2])[..., :-1]  # the last frame lies in the margin
        low = spectrum[:, :, :_BIN_COUNT]
        masked = low * self.masks(low.abs().transpose(2, 3) * _LEVEL).transpose(2, 3)
        masked = functional.pad(masked, (0, 0, 0, spectrum.shape[2] - _BIN_COUNT))
        vocals = torch.istft(masked.flatten(0, 1), _N_FFT, _HOP_LENGTH, window=self.window, length=padded.shape[-1])
        return vocals.unflatten(0, audio.shape[:2])[:, None, :, :length]

    def masks(self, magnitudes: Tensor) -> Tensor:
        """Return the share of vocals in the energy of each bin, for magnitudes float32 [items, 2, frames, bins]."""
        with precision(self._in_bfloat16):
            vocals, accompaniment = self.vocals(magnitudes), self.accompaniment(magnitudes)
        vocals, accompaniment = vocals.float().square(), accompaniment.float().square()
        shares = (vocals + _MASK_EPSILON / 2) / (vocals + accompaniment + _MASK_EPSILON)
        return functional.pad(shares[..., _BELOW_VOCALS:], (_BELOW_VOCALS, 0))


class VocalsFirst(nn.Module):
    """Estimates vocals with one network, and then other stems with a second one, which reads the recording without the vocals.

    Args:
        others: the second network. Its margin is at most that of the first one.
        rows: indices of the stems in the outputs of the second network.
    """

    takes_rows = True

    def __init__(self, vocals: SpleeterNetwork, others: nn.Module, rows: Sequence[int]) -> None:
        super().__init__()
        self.vocals = vocals
        self.others = others
        self._rows = list(rows)
        self._skipped_frames = vocals.margin_frames - others.valid_length(0) // 2

    def valid_length(self, length: int) -> int:
        """Return how many frames the networks read for a window of ``length`` frames."""
        return self.vocals.valid_length(length)

    def forward(self, audio: Tensor, rows: Sequence[int] = ()) -> Tensor:
        """Return the other stems and the vocals, float32 [items, stems, 2, frames], of ``audio``, float32 [items, 2, frames].

        Args:
            rows: indices of the wanted stems; empty: all. For the vocals alone, the second network does not run.
        """
        vocals = self.vocals(audio)
        if list(rows) == [len(self._rows)]:
            return vocals
        skipped = self._skipped_frames
        rest = (audio - vocals[:, 0])[..., skipped : audio.shape[-1] - skipped]
        others = functional.pad(self.others(rest, self._rows), (skipped, skipped))
        stems = torch.cat([others, vocals], dim=1)
        return stems[:, list(rows)] if rows else stems


def read_network(content: bytes, margin_frames: int, in_bfloat16: bool) -> SpleeterNetwork:
    """Return the network in a safetensors file.

    Raises ``RuntimeError``: these are the parameters of another network.
    """
    state = safetensors.torch.load(content)
    for name in [name for name in state if ".up." in name]:
        state[name] = _as_convolution(state[name])
    network = SpleeterNetwork(margin_frames, in_bfloat16)
    network.load_state_dict(state)
    return network.to(memory_format=torch.channels_last).requires_grad_(False).eval()


def _as_convolution(parameter: Tensor) -> Tensor:
    """Return a parameter of a convolution that computes the four outputs at each input of a transposed convolution.

    The latter has a kernel of 5 x 5, stride 2 and an output that is cropped as TensorFlow does: one value before, two after.

    Args:
        parameter: the bias, float32 [outputs], or the kernel, float32 [inputs, outputs, 5, 5].
    """
    if parameter.ndim == 1:
        return parameter.repeat_interleave(4)
    # Along each axis, input i + 1 - d contributes to output 2i + p with the value 2d - 1 + p of the kernel.
    by_input = functional.pad(parameter, (1, 0, 1, 0)).unflatten(3, (3, 2)).unflatten(2, (3, 2)).flip(2, 4)
    return by_input.permute(1, 3, 5, 0, 2, 4).flatten(0, 2)
