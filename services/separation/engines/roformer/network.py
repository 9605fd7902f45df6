"""BS-RoFormer and Mel-Band RoFormer, the networks.

A network splits a spectrogram into bands, runs transformers with rotary positions along time and along the bands in
turn, and estimates one complex mask per stem. The bands of BS-RoFormer lie side by side; those of Mel-Band RoFormer
follow the mel scale and overlap, and their masks are averaged.

The names of parameters are those of the public checkpoints (docs/decisions/0015), so attributes keep the names that the
checkpoints have.

Papers: Lu, Wang, Kong, Hung, "Music Source Separation with Band-Split RoPE Transformer" (2023); Wang, Lu, Won,
"Mel-Band RoFormer for Music Source Separation" (2023).
"""

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from soundwright.services.separation.engines.networks import CpuMode
from soundwright.services.separation.engines.networks.precision import precision
from soundwright.services.separation.engines.roformer.bands import mel_bands
from soundwright.services.separation.engines.roformer.config import RoformerConfig

_TOKENS_AT_ONCE = {"cpu": 1 << 12}
_TOKENS_AT_ONCE_ON_DEVICE = 1 << 20


class Norm(nn.Module):
    """Scales vectors to the length of the square root of their size, and by learned weights."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(x, dim=-1) * (self.gamma * self.gamma.shape[0] ** 0.5)


class Rotary(nn.Module):
    """Rotates neighbouring components of queries and keys by angles that grow with the position (RoPE)."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        # Not learned, but part of the public checkpoints.
        self.freqs = nn.Parameter(10_000 ** -(torch.arange(0, head_dim, 2) / head_dim), requires_grad=False)

    def angles(self, length: int) -> tuple[Tensor, Tensor]:
        """Return cosines and sines, float32 [length, components / 2]."""
        angles = torch.outer(torch.arange(length, device=self.freqs.device, dtype=self.freqs.dtype), self.freqs)
        return angles.cos(), angles.sin()


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return ``x`` [..., length, components] with its pairs of neighbouring components rotated."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2).to(x.dtype)


class Attention(nn.Module):
    """Self-attention whose heads are weighted by gates."""

    in_bfloat16 = False

    def __init__(self, config: RoformerConfig) -> None:
        super().__init__()
        inner = config.head_count * config.head_dim
        self.head_count = config.head_count
        self.norm = Norm(config.dim)
        self.to_qkv = nn.Linear(config.dim, 3 * inner, bias=False)
        self.to_gates = nn.Linear(config.dim, config.head_count)
        self.to_out = nn.Sequential(nn.Linear(inner, config.dim, bias=False))
        self.rotary_embed = Rotary(config.head_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the update of ``x`` [sequences, length, dim]."""
        with precision(self.in_bfloat16):
            return self._update(x)

    def _update(self, x: Tensor) -> Tensor:
        # A CPU multiplies matrices much faster than batches of matrices in bfloat16.
        tokens = self.norm(x).flatten(0, 1)
        parts = self.to_qkv(tokens).view(*x.shape[:2], 3, self.head_count, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        cos, sin = self.rotary_embed.angles(x.shape[1])
        heads = functional.scaled_dot_product_attention(rotated(query, cos, sin), rotated(key, cos, sin), value)
        gates = self.to_gates(tokens).sigmoid().view(*x.shape[:2], -1, 1)
        update: Tensor = self.to_out((heads.transpose(1, 2) * gates).reshape(len(tokens), -1))
        return update.view(x.shape)


class FeedForward(nn.Module):
    """Two layers with a GELU between them."""

    in_bfloat16 = False

    def __init__(self, dim: int) -> None:
        super().__init__()
        # The checkpoints count a dropout layer after the GELU.
        self.net = nn.Sequential(Norm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return the update of ``x`` [sequences, length, dim]."""
        with precision(self.in_bfloat16):
            update: Tensor = self.net(x.flatten(0, 1)).view(x.shape)
        return update


class Transformer(nn.Module):
    """Layers of attention and feed-forward networks along the second dimension."""

    def __init__(self, config: RoformerConfig, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleList([Attention(config), FeedForward(config.dim)]) for _ in range(depth))
        self.norm = Norm(config.dim) if config.is_mel else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for ``x`` [sequences, length, dim].

        Sequences do not depend on each other. A few at a time need little memory, and stay in the cache of a CPU.
        """
        count = max(1, _TOKENS_AT_ONCE.get(x.device.type, _TOKENS_AT_ONCE_ON_DEVICE) // x.shape[1])
        if count >= len(x):
            return self._run(x)
        return torch.cat([self._run(group) for group in x.split(count)])

    def _run(self, x: Tensor) -> Tensor:
        for attention, feed_forward in self.layers:  # type: ignore[misc]
            x = x + attention(x)
            x = x + feed_forward(x)
        output: Tensor = self.norm(x)
        return output


class BandSplit(nn.Module):
    """Turns the numbers of each band into a vector of features."""

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.to_features = nn.ModuleList(nn.Sequential(Norm(size), nn.Linear(size, dim)) for size in sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Return features [items, frames, bands, dim] of ``x`` [items, frames, numbers of all bands]."""
        bands = x.split(self.sizes, dim=-1)
        return torch.stack([layer(band) for layer, band in zip(self.to_features, bands, strict=True)], dim=-2)


class MaskEstimator(nn.Module):
    """Turns features back into the numbers of each band: the mask of one stem."""

    in_bfloat16 = False

    def __init__(self, config: RoformerConfig, sizes: Sequence[int]) -> None:
        super().__init__()
        self.to_freqs = nn.ModuleList(nn.Sequential(self._perceptron(config, size), nn.GLU()) for size in sizes)

    @staticmethod
    def _perceptron(config: RoformerConfig, size: int) -> nn.Sequential:
        hidden = [config.dim * config.mlp_expansion] * config.mask_hidden_layer_count
        sizes = itertools.pairwise([config.dim, *hidden, 2 * size])
        layers = itertools.chain.from_iterable((nn.Linear(before, after), nn.Tanh()) for before, after in sizes)
        return nn.Sequential(*list(layers)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Return the mask [items, frames, numbers of all bands] for features [items, frames, bands, dim]."""
        bands = x.flatten(0, 1).unbind(dim=-2)
        with precision(self.in_bfloat16):
            numbers = torch.cat([layer(band) for layer, band in zip(self.to_freqs, bands, strict=True)], dim=-1)
        return numbers.unflatten(0, x.shape[:2])


class Roformer(nn.Module):
    """A network that estimates stems from recordings."""

    frequencies: Tensor
    band_counts: Tensor
    window: Tensor

    def __init__(self, config: RoformerConfig) -> None:
        super().__init__()
        self.config = config
        bands = mel_bands(config) if config.is_mel else list(_side_by_side(config.freqs_per_bands))
        sizes = [2 * config.channel_count * len(band) for band in bands]
        frequencies = torch.tensor([bin_ for band in bands for bin_ in band], device="cpu")
        self.register_buffer("frequencies", frequencies, persistent=False)
        counts = torch.bincount(frequencies, minlength=config.bin_count)
        self.register_buffer("band_counts", counts.float()[:, None], persistent=False)
        self.register_buffer("window", torch.hann_window(config.win_length, device="cpu"), persistent=False)
        self.band_split = BandSplit(config.dim, sizes)
        self.layers = nn.ModuleList(
            nn.ModuleList([Transformer(config, config.time_depth), Transformer(config, config.freq_depth)])
            for _ in range(config.depth)
        )
        self.final_norm = nn.Identity() if config.is_mel else Norm(config.dim)
        self.mask_estimators = nn.ModuleList(MaskEstimator(config, sizes) for _ in config.stems)

    def set_cpu_mode(self, mode: CpuMode) -> None:
        """Choose which layers a CPU computes in bfloat16: ``exact`` none, ``mixed`` attention, ``fast`` all but the first.

        With random weights, stems agree with ``exact`` to 57 to 63 dB in ``mixed`` and to 45 to 46 dB in ``fast``.
        """
        for module in self.modules():
            if isinstance(module, Attention):
                module.in_bfloat16 = mode != "exact"
            elif isinstance(module, FeedForward | MaskEstimator):
                module.in_bfloat16 = mode == "fast"

    def valid_length(self, length: int) -> int:
        """Return how many frames the network reads for a window of ``length`` frames: always a whole segment.

        It is longer than a window: at its ends the spectrogram mirrors the recording, and the stems are not reliable.
        """
        return max(length, self.config.segment_frames)

    def forward(self, audio: Tensor) -> Tensor:
        """Return stems [items, stems, channels, frames] of ``audio``, float32 [items, channels, frames]."""
        with torch.autocast(audio.device.type, enabled=False):
            spectrum = self._spectrum(audio)
        # All numbers of a band lie together: bins, then channels, then the real and the imaginary part.
        numbers = torch.view_as_real(spectrum.index_select(2, self.frequencies)).flatten(2)
        x = self.band_split(numbers)
        for along_time, along_bands in self.layers:  # type: ignore[misc]
            shape = x.transpose(1, 2).shape
            x = along_time(x.transpose(1, 2).flatten(0, 1)).view(shape).transpose(1, 2)
            shape = x.shape
            x = along_bands(x.flatten(0, 1)).view(shape)
        x = self.final_norm(x)
        masks = (estimator(x).float() for estimator in self.mask_estimators)
        with torch.autocast(audio.device.type, enabled=False):
            return torch.stack([self._masked(spectrum, mask, audio.shape[-1]) for mask in masks], dim=1)

    def _spectrum(self, audio: Tensor) -> Tensor:
        """Return complex64 [items, frames, bins, channels]."""
        config = self.config
        spectrum = torch.stft(
            audio.flatten(0, 1),
            config.n_fft,
            config.hop_length,
            config.win_length,
            self.window,
            normalized=config.is_stft_normalized,
            return_complex=True,
        )
        return spectrum.unflatten(0, audio.shape[:2]).permute(0, 3, 2, 1)

    def _masked(self, spectrum: Tensor, numbers: Tensor, frame_count: int) -> Tensor:
        """Return the audio [items, channels, frames] of one stem."""
        config = self.config
        mask = torch.view_as_complex(numbers.unflatten(-1, (-1, config.channel_count, 2)).contiguous())
        if config.is_mel:
            total = torch.zeros_like(spectrum).index_add_(2, self.frequencies, mask)
            mask = total / self.band_counts
        estimate = (spectrum * mask).permute(0, 3, 2, 1)
        if config.zero_dc:
            estimate = estimate.index_fill(2, torch.zeros(1, dtype=torch.long, device=estimate.device), 0)
        audio = torch.istft(
            estimate.flatten(0, 1),
            config.n_fft,
            config.hop_length,
            config.win_length,
            self.window,
            normalized=config.is_stft_normalized,
            length=frame_count,
        )
        return audio.unflatten(0, (spectrum.shape[0], config.channel_count))


def _side_by_side(sizes: Sequence[int]) -> Iterator[range]:
    for first, last in itertools.pairwise(itertools.accumulate(sizes, initial=0)):
        yield range(first, last)
