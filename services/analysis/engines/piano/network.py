"""The network of piano transcription. This module imports PyTorch.

Yan and Duan, "Scoring intervals using non-hierarchical transformer for automatic piano transcription", ISMIR 2024: convolutions make
patches of a spectrum, and a transformer attends along frequency and along time. Each key and pedal is a further track beside the
patches. The product of what it says about two frames scores a note between them.
"""

import math

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

HOP = 1024  # samples at 44100 Hz
TRACKS = (-64, -67, *range(21, 109))  # the sustain and the soft pedal as negative controllers, and MIDI pitches

_WINDOW = 4096  # samples
_EXTRA_WINDOWS = 5
_BIN_COUNT = 229
_SMALLEST_POWER = 1e-5
_CHANNELS = 64  # of the first convolution
_SIZE = 256  # of a patch
_PATCH_FRAMES = 8
_GROUPS = 4
_LAYER_COUNT = 6
_HEAD_COUNT = 8
_HIDDEN_SIZE = 512
_VELOCITY_COUNT = 128


class PianoNetwork(nn.Module):
    """Describes each key and pedal in each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = Spectrum()
        self.bin_places = Places(1, _CHANNELS)
        self.patch_places = Places(2, _SIZE)
        self.key_places = Places(2, _SIZE)
        self.first = nn.Conv2d(_EXTRA_WINDOWS + 1, _CHANNELS, 3, padding=1)
        self.patches = nn.Sequential(
            nn.ConstantPad2d((2, 1, 4, 3), 0.0),
            *_halved(_CHANNELS, _SIZE // 2, (2, 1)),
            *_halved(_SIZE // 2, _SIZE, (2, 2)),
            *_halved(_SIZE, _SIZE, (2, 2)),
            nn.Conv2d(_SIZE, _SIZE, 3, padding=1),
            nn.GroupNorm(_GROUPS, _SIZE),
        )
        self.layers = nn.ModuleList(Layer() for _ in range(_LAYER_COUNT))
        self.frames = nn.ConvTranspose1d(_SIZE, _SIZE, _PATCH_FRAMES, stride=_PATCH_FRAMES)
        self.scores = nn.Linear(_SIZE, 2 * _SIZE + 1)
        self.velocity = _perceptron(3 * _SIZE, _HIDDEN_SIZE, _VELOCITY_COUNT)
        self.edges = _perceptron(3 * _SIZE, _HIDDEN_SIZE, 4)

    def forward(self, samples: Tensor) -> Tensor:
        """Return features, float32 [tracks, frames, 256], of a signal at 44100 Hz, float32 [channels, samples]."""
        spectra = self.spectrum(samples)
        bins = torch.arange(spectra.shape[2]).float()
        x = self.first(spectra[None]) + self.bin_places(bins).T[:, None]
        x = self.patches(x).permute(0, 2, 3, 1)
        x = functional.pad(x, (0, 0, 1, 0, 1, 0))[0]  # a row and a column that collect from the others
        times, places = (torch.arange(count).float() for count in x.shape[:2])
        keys = self.key_places(times, torch.tensor(TRACKS).float())
        x = torch.cat([x + self.patch_places(times, places), keys], dim=1)
        for layer in self.layers:
            x = layer(x)
        keys = x[1:, -len(TRACKS) :].permute(1, 2, 0)
        return self.frames(keys)[..., : spectra.shape[1]].transpose(1, 2)

    def notes(self, begins: Tensor, ends: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the velocities of notes, 0 to 127, their begin and end relative to their frames, and whether they have them.

        Args:
            begins: features of their first frames, float32 [notes, 256].
            ends: features of their last frames.
        """
        x = torch.cat([begins, ends, begins * ends], dim=1)
        shifts, presence = self.edges(x).chunk(2, dim=1)
        means = torch.distributions.ContinuousBernoulli(logits=shifts).mean
        return self.velocity(x).argmax(dim=1), ((means - 0.5) / 0.99).clamp(-0.5, 0.5), presence > 0


class Spectrum(nn.Module):
    """Logarithmic mel spectra with a Hann window and trained Gaussian windows."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mel_filters", torch.empty(_WINDOW // 2 + 1, _BIN_COUNT))
        self.register_buffer("window", torch.empty(_WINDOW))
        self.sigma = nn.Parameter(torch.empty(_EXTRA_WINDOWS))
        self.center = nn.Parameter(torch.empty(_EXTRA_WINDOWS))

    def forward(self, samples: Tensor) -> Tensor:
        """Return float32 [windows, frames, bins]. Frame ``t`` is centred on sample ``1024 * t``."""
        count = math.ceil(samples.shape[1] / HOP) + 1
        padding = (_WINDOW // 2, (count - 1) * HOP + _WINDOW // 2 - samples.shape[1])
        frames = functional.pad(samples, padding).unfold(1, _WINDOW, HOP)
        frames = (frames - frames.mean()) / (frames.std() + 1e-8)
        spectra = []
        for window in self._windows():
            power = torch.fft.rfft(frames * window, norm="ortho").abs().square().mean(dim=0)
            spectra.append((power @ self.mel_filters + _SMALLEST_POWER).log())
        floor = math.log(_SMALLEST_POWER)
        return (torch.stack(spectra) - floor) / -floor

    def _windows(self) -> Tensor:
        widths, centers = self.sigma.sigmoid()[:, None] * _WINDOW / 2, self.center.sigmoid()[:, None] * _WINDOW
        gaussians = (-0.5 * ((torch.arange(_WINDOW) - centers) / widths).square()).exp()
        return torch.cat([self.window[None], gaussians])


class Places(nn.Module):
    """Vectors for coordinates."""

    def __init__(self, coordinate_count: int, size: int) -> None:
        super().__init__()
        self.proj = nn.Linear(coordinate_count, size)
        self.mlp = _perceptron(size, 4 * size, size)

    def forward(self, *coordinates: Tensor) -> Tensor:
        """Return float32 [len(coordinate), ..., size] for all combinations."""
        phases = self.proj(torch.stack(torch.meshgrid(*coordinates, indexing="ij"), dim=-1))
        return self.mlp(phases.cos() / math.sqrt(phases.shape[-1] / 2))


class Layer(nn.Module):
    """Attends along frequency, then along time. The keys and values of both are what enters the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.bin_attention, self.bin_perceptron = Attention(), Perceptron()
        self.time_attention, self.time_perceptron = Attention(), Perceptron()

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 [times, places, 256] for the same shape."""
        h = self.bin_perceptron(self.bin_attention(x, x))
        h = self.time_attention(h.transpose(0, 1), x.transpose(0, 1))
        return self.time_perceptron(h).transpose(0, 1)


class Attention(nn.Module):
    """Adds to each row what it takes from the rows of a memory."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(_SIZE))
        self.q_proj_weight = nn.Parameter(torch.empty(_SIZE, _SIZE))
        self.k_proj_weight = nn.Parameter(torch.empty(_SIZE, _SIZE))
        self.v_proj_weight = nn.Parameter(torch.empty(_SIZE, _SIZE))
        self.out_proj = nn.Linear(_SIZE, _SIZE)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Return the sum, of the shape of both arguments."""
        weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        heads = (
            (rows @ weight).unflatten(-1, (_HEAD_COUNT, -1)).transpose(1, 2)
            for rows, weight in zip((_normalised(x), memory, memory), weights, strict=True)
        )
        taken = functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        return x + self.out_proj(taken) * self.scale


class Perceptron(nn.Sequential):
    """Adds to each row what two layers make of it."""

    def __init__(self) -> None:
        super().__init__(*_perceptron(_SIZE, 4 * _SIZE, _SIZE))
        self.scale = nn.Parameter(torch.empty(_SIZE))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum, of the shape of the argument."""
        return x + super().forward(_normalised(x)) * self.scale


def _perceptron(size: int, hidden_size: int, output_size: int) -> nn.Sequential:
    # The third place was for dropout in training.
    return nn.Sequential(nn.Linear(size, hidden_size), nn.GELU(), nn.Identity(), nn.Linear(hidden_size, output_size))


def _halved(channels: int, output_channels: int, stride: tuple[int, int]) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels, output_channels, 3, padding=1, stride=stride)
    return convolution, nn.GroupNorm(_GROUPS, output_channels), nn.GELU(), nn.Identity()


def _normalised(x: Tensor) -> Tensor:
    return functional.rms_norm(x, x.shape[-1:], eps=1e-6)


def read_network(content: bytes) -> PianoNetwork:
    """Return the network in a safetensors file.

    Raises ``RuntimeError``: these are the parameters of another network.
    """
    network = PianoNetwork()
    network.load_state_dict(safetensors.torch.load(content))
    return network.requires_grad_(False).eval()
