"""Hybrid Transformer Demucs in three stages, so that each can be exported and computed with a precision of its own.

The estimates tolerate bfloat16 well in the transformer (about 66 dB of agreement with float32), and badly in the
convolutions before it (about 48 dB). The transforms between waveform and spectrogram stay outside: they use complex
numbers, which formats of exported networks lack.

This module imports PyTorch and Demucs; import it when weights are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from demucs.hdemucs import HDecLayer, HEncLayer
from demucs.htdemucs import HTDemucs
from torch import Tensor, nn

__all__ = ["STAGES", "Stages", "can_be_split"]

STAGES = ("encoder", "transformer", "decoder")


def can_be_split(network: Any) -> bool:
    """Return whether :class:`Stages` knows this form of network, as all published networks of this kind have it."""
    return (
        isinstance(network, HTDemucs)
        and network.cac
        and network.use_train_segment
        and network.crosstransformer is not None
        and bool(network.bottom_channels)
        and len(network.tencoder) == len(network.encoder)
        and all(isinstance(layer, HEncLayer) and not layer.empty for layer in (*network.encoder, *network.tencoder))
        and all(isinstance(layer, HDecLayer) and not layer.empty for layer in (*network.decoder, *network.tdecoder))
    )


class Stages:
    """The stages of a network, float32, for one item: a waveform of the length that the network was trained with.

    Args:
        network: a network that :func:`can_be_split`, in evaluation mode, on the CPU.
    """

    def __init__(self, network: HTDemucs) -> None:
        self.frame_count = int(network.segment * network.samplerate)
        example = torch.zeros(1, network.audio_channels, self.frame_count)
        with torch.inference_mode():
            encoder = _Encoder(network, int(network._spec(example).shape[2]))
            transformer = _Transformer(network)
            encoded = encoder(network._magnitude(network._spec(example)), example)
            decoder = _Decoder(network, encoded)
        self.modules: Mapping[str, nn.Module] = dict(zip(STAGES, (encoder, transformer, decoder), strict=True))
        # Copies, because tensors that were made in inference mode cannot be traced.
        hidden, rest = [tensor.clone() for tensor in encoded[:2]], [tensor.clone() for tensor in encoded[2:]]
        self.examples: Mapping[str, tuple[Tensor, ...]] = {
            "encoder": (network._magnitude(network._spec(example)), example),
            "transformer": tuple(hidden),
            "decoder": (*hidden, *rest),
        }


class _Encoder(nn.Module):
    """From a spectrogram and a waveform to the inputs of the transformer, followed by what the decoder needs.

    Spectrograms are float32 [items, 2 * channels, frequencies, frames], with real and imaginary parts as channels.
    Waveforms are float32 [items, channels, frames].
    """

    def __init__(self, network: HTDemucs, frequency_count: int) -> None:
        super().__init__()
        self.layers = network.encoder
        self.waveform_layers = network.tencoder
        self.widen = network.channel_upsampler
        self.widen_waveform = network.channel_upsampler_t
        embedding = torch.zeros(())
        if network.freq_emb is not None:
            rows = torch.arange(frequency_count // network.encoder[0].stride)
            embedding = network.freq_emb_scale * network.freq_emb(rows).t()[None, :, :, None]
        self.register_buffer("embedding", embedding.detach())

    def forward(self, spectrogram: Tensor, waveform: Tensor) -> tuple[Tensor, ...]:
        x, mean, deviation = _normalised(spectrogram, (1, 2, 3))
        xt, mean_t, deviation_t = _normalised(waveform, (1, 2))
        skips, skips_t = [], []
        for index, (layer, waveform_layer) in enumerate(zip(self.layers, self.waveform_layers, strict=True)):
            xt = waveform_layer(xt)
            x = layer(x)
            if index == 0:
                x = x + self.embedding
            skips.append(x)
            skips_t.append(xt)
        x = self.widen(x.flatten(2)).unflatten(2, x.shape[2:])
        return (x, self.widen_waveform(xt), mean, deviation, mean_t, deviation_t, *skips, *skips_t)


class _Transformer(nn.Module):
    """Both branches of the network attend to each other. Shapes do not change."""

    def __init__(self, network: HTDemucs) -> None:
        super().__init__()
        self.layers = network.crosstransformer

    def forward(self, spectrogram: Tensor, waveform: Tensor) -> tuple[Tensor, ...]:
        x, xt = self.layers(spectrogram, waveform)
        return x, xt


class _Decoder(nn.Module):
    """From the outputs of the transformer, and what the encoder left for it, to stems.

    Returns:
        Spectrograms, float32 [items, stems, 2 * channels, frequencies, frames], and waveforms, float32 [items, stems,
        channels, frames]. A stem is the sum of its waveform and the waveform of its spectrogram.
    """

    def __init__(self, network: HTDemucs, encoded: Sequence[Tensor]) -> None:
        super().__init__()
        self.stem_count = len(network.sources)
        self.layers = network.decoder
        self.waveform_layers = network.tdecoder
        self.narrow = network.channel_downsampler
        self.narrow_waveform = network.channel_downsampler_t
        # Each layer ends with the length that the layer of the encoder on its level began with.
        skips = encoded[6:]
        depth = len(network.decoder)
        frames = int(network.segment * network.samplerate)
        self.lengths = [-(-frames // network.hop_length), *(int(skip.shape[-1]) for skip in skips[: depth - 1])]
        self.lengths_t = [frames, *(int(skip.shape[-1]) for skip in skips[depth:-1])]

    def forward(
        self, spectrogram: Tensor, waveform: Tensor, mean: Tensor, deviation: Tensor, mean_t: Tensor,
        deviation_t: Tensor, *skips: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        depth = len(self.layers)
        x = self.narrow(spectrogram.flatten(2)).unflatten(2, spectrogram.shape[2:])
        xt = self.narrow_waveform(waveform)
        for index, (layer, waveform_layer) in enumerate(zip(self.layers, self.waveform_layers, strict=True)):
            level = depth - 1 - index
            x, _ = layer(x, skips[level], self.lengths[level])
            xt, _ = waveform_layer(xt, skips[depth + level], self.lengths_t[level])
        x = x.unflatten(1, (self.stem_count, -1)) * deviation[:, None] + mean[:, None]
        xt = xt.unflatten(1, (self.stem_count, -1)) * deviation_t[:, None] + mean_t[:, None]
        return x, xt


def _normalised(signal: Tensor, dimensions: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return a signal of mean 0 and standard deviation 1, its mean and its standard deviation."""
    mean = signal.mean(dim=dimensions, keepdim=True)
    deviation = signal.std(dim=dimensions, keepdim=True)
    return (signal - mean) / (1e-5 + deviation), mean, deviation
