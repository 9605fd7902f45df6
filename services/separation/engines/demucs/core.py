"""Hybrid Transformer Demucs between its transforms, in a form that OpenVINO computes fast.

The result is that of the network; only the form differs:

* All convolutions have two dimensions, so that tensors keep one layout from the first to the last.
* Group normalisation is written as statistics and a product. Gates are two convolutions, instead of one that is split.
* :class:`Plan` names the layers that compute in bfloat16. All others, and all sums between layers, stay in float32.

The transforms between waveform and spectrogram stay outside: they use complex numbers, which exported networks lack.

This module imports PyTorch and Demucs; import it when weights are needed.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from demucs.demucs import DConv, LayerScale
from demucs.hdemucs import HDecLayer, HEncLayer
from demucs.htdemucs import HTDemucs
from demucs.transformer import CrossTransformerEncoder, MyGroupNorm
from torch import Tensor, nn

_STRUCTURE_OF_BRANCH = (nn.Conv1d, nn.GroupNorm, nn.GELU, nn.Conv1d, nn.GroupNorm, nn.GLU, LayerScale)


@dataclass(frozen=True)
class Plan:
    """The layers that compute in bfloat16, by level. Level 0 is next to the input and the output of the network.

    Residual branches never do: they would lose much precision and save little time.

    Attributes:
        transformer: whether the transformer does.
        encoder: levels of the encoder whose convolutions do, outside their residual branches.
        gates: levels of the decoder whose gates do, and ``values`` those where the values that the gates multiply do. Both
            are convolutions, and most of the work of the decoder. An error of a gate is several times as small in the result.
    """

    transformer: bool = True
    encoder: frozenset[int] = frozenset()
    gates: frozenset[int] = frozenset()
    values: frozenset[int] = frozenset()


def can_be_rewritten(network: Any) -> bool:
    """Return whether :class:`Core` knows this form of network, as all published networks of this kind have it."""
    return (
        isinstance(network, HTDemucs)
        and bool(network.cac)
        and bool(network.use_train_segment)
        and isinstance(network.crosstransformer, CrossTransformerEncoder)
        and not any(getattr(module, "sparse", False) for module in network.crosstransformer.modules())
        and bool(network.bottom_channels)
        and len(network.tencoder) == len(network.encoder)
        and all(_is_known(layer, HEncLayer) for layer in (*network.encoder, *network.tencoder))
        and all(_is_known(layer, HDecLayer) for layer in (*network.decoder, *network.tdecoder))
    )


def _is_known(layer: Any, kind: type[Any]) -> bool:
    return (
        isinstance(layer, kind)
        and not layer.empty
        and layer.rewrite is not None
        and not any(isinstance(norm, nn.GroupNorm) for norm in layer.children())
        and all(
            len(branch) == len(_STRUCTURE_OF_BRANCH) and all(map(isinstance, branch, _STRUCTURE_OF_BRANCH))
            for branch in _branches(layer)
        )
    )


def _branches(layer: Any) -> Sequence[Any]:
    return cast(DConv, layer.dconv).layers if layer.dconv is not None else ()


class Core(nn.Module):
    """From the spectrogram and the waveform of one segment to those of its stems.

    Args:
        network: a network that :func:`can_be_rewritten`. It is not changed, and shares no memory.
    """

    def __init__(self, network: HTDemucs, plan: Plan) -> None:
        super().__init__()
        frames = int(network.segment * network.samplerate)
        example = torch.zeros(1, network.audio_channels, frames)
        spectrogram = network._magnitude(network._spec(example))
        self.examples = (spectrogram, example)
        depth = len(network.encoder)
        self.encoders = nn.ModuleList(_Encoder(x, level, plan) for level, x in enumerate(network.encoder))
        self.waveform_encoders = nn.ModuleList(_Encoder(x, level, plan) for level, x in enumerate(network.tencoder))
        self.decoders = nn.ModuleList(_Decoder(x, depth - 1 - i, plan) for i, x in enumerate(network.decoder))
        self.waveform_decoders = nn.ModuleList(_Decoder(x, depth - 1 - i, plan) for i, x in enumerate(network.tdecoder))
        self.widen = _Convolution(network.channel_upsampler)
        self.widen_waveform = _Convolution(network.channel_upsampler_t)
        self.narrow = _Convolution(network.channel_downsampler)
        self.narrow_waveform = _Convolution(network.channel_downsampler_t)
        self.transformer = _transformer(network.crosstransformer, plan.transformer)
        embedding = torch.zeros(())
        if network.freq_emb is not None:
            rows = torch.arange(spectrogram.shape[2] // network.encoder[0].stride)
            embedding = network.freq_emb_scale * network.freq_emb(rows).t()[None, :, :, None]
        self.register_buffer("embedding", embedding.detach().clone())

    def forward(self, spectrogram: Tensor, waveform: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the stems of a segment.

        Args:
            spectrogram: float32 [1, 2 * channels, frequencies, frames], with real and imaginary parts as channels.
            waveform: float32 [1, channels, frames].

        Returns:
            Spectrograms, float32 [frequencies, frames, stems * 2 * channels], waveforms, float32 [stems * channels,
            frames], and a mean and a deviation, float32 [1], for the spectrograms. A stem is the sum of its waveform and the
            waveform of its spectrogram, after that is multiplied with the deviation and the mean is added.
        """
        x, mean, deviation = _normalised(spectrogram, (1, 2, 3))
        xt, mean_t, deviation_t = _normalised(waveform[:, :, None], (1, 2, 3))
        skips, lengths = [], []
        for index, (layer, waveform_layer) in enumerate(zip(self.encoders, self.waveform_encoders, strict=True)):
            lengths.append(xt.shape[-1])
            xt = waveform_layer(xt)
            x = layer(x)
            if index == 0:
                x = x + self.embedding
            skips.append((x, xt))
        shape = x.shape[2:]
        x = self.widen(x.flatten(2)[:, :, None])[:, :, 0].unflatten(2, shape)
        x, xt = self.transformer(x, self.widen_waveform(xt)[:, :, 0])
        x = self.narrow(x.flatten(2)[:, :, None])[:, :, 0].unflatten(2, shape)
        xt = self.narrow_waveform(xt[:, :, None])
        for layer, waveform_layer in zip(self.decoders, self.waveform_decoders, strict=True):
            skip, skip_t = skips.pop()
            x = layer(x + skip, None)
            xt = waveform_layer(xt + skip_t, lengths.pop())
        return x[0].permute(1, 2, 0), (xt * deviation_t + mean_t)[0, :, 0], mean.flatten(), deviation.flatten()


class _Convolution(nn.Module):
    """A convolution over one or two dimensions, as one over two. One dimension becomes the last.

    Args:
        is_short: whether it computes in bfloat16.
    """

    def __init__(self, layer: nn.Conv1d | nn.Conv2d, rows: slice = slice(None), *, is_short: bool = False) -> None:
        super().__init__()
        is_flat = isinstance(layer, nn.Conv1d)
        weight = layer.weight.detach()[rows]
        assert layer.bias is not None
        dtype = torch.bfloat16 if is_short else torch.float32
        self.register_buffer("weight", (weight[:, :, None] if is_flat else weight).to(dtype, copy=True))
        self.register_buffer("bias", layer.bias.detach()[rows].to(dtype, copy=True))
        self.dtype = dtype
        self.stride = _pair(layer.stride, 1)
        self.padding = _pair(cast(tuple[int, ...], layer.padding), 0)
        self.dilation = _pair(layer.dilation, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x.to(self.dtype), self.weight, self.bias, self.stride, self.padding, self.dilation)


class _Gate(nn.Module):
    """A convolution and a gated linear unit."""

    def __init__(self, layer: nn.Conv1d | nn.Conv2d, *, is_value_short: bool, is_gate_short: bool) -> None:
        super().__init__()
        half = layer.weight.shape[0] // 2
        self.value = _Convolution(layer, slice(0, half), is_short=is_value_short)
        self.gate = _Convolution(layer, slice(half, None), is_short=is_gate_short)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(x).float() * torch.sigmoid(self.gate(x).float())


class _Branch(nn.Module):
    """A residual branch over time, added to its input: convolution, normalisation, GELU, convolution, normalisation, gate."""

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        first, norm, _, second, gated_norm, _, scale = layers
        half = second.weight.shape[0] // 2
        self.first = _Convolution(first)
        self.value = _Convolution(second, slice(0, half))
        self.gate = _Convolution(second, slice(half, None))
        self.eps, self.gated_eps = norm.eps, gated_norm.eps
        weight, bias = gated_norm.weight.detach(), gated_norm.bias.detach()
        for name, values in {
            "weight": norm.weight,
            "bias": norm.bias,
            "value_weight": weight[:half] * scale.scale,
            "value_bias": bias[:half] * scale.scale,
            "gate_weight": weight[half:],
            "gate_bias": bias[half:],
        }.items():
            self.register_buffer(name, values.detach()[None, :, None, None].clone())

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).float()
        hidden = hidden - hidden.mean(dim=(1, 3), keepdim=True)
        deviation = torch.rsqrt(_mean_square(hidden) + self.eps)
        hidden = F.gelu(hidden * deviation * self.weight + self.bias)
        value, gate = self.value(hidden).float(), self.gate(hidden).float()
        mean = (value.mean(dim=(1, 3), keepdim=True) + gate.mean(dim=(1, 3), keepdim=True)) * 0.5
        square = (_mean_square(value) + _mean_square(gate)) * 0.5
        deviation = torch.rsqrt(square - mean * mean + self.gated_eps)
        value = (value - mean) * deviation * self.value_weight + self.value_bias
        gate = (gate - mean) * deviation * self.gate_weight + self.gate_bias
        return x + value * torch.sigmoid(gate)


class _Encoder(nn.Module):
    def __init__(self, layer: HEncLayer, level: int, plan: Plan) -> None:
        super().__init__()
        is_short = level in plan.encoder
        self.stride = 1 if layer.freq else layer.stride
        self.convolution = _Convolution(layer.conv, is_short=is_short)
        self.branches = nn.ModuleList(_Branch(each) for each in _branches(layer))
        self.gate = _Gate(layer.rewrite, is_value_short=is_short, is_gate_short=is_short)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, -x.shape[-1] % self.stride))
        x = F.gelu(self.convolution(x).float())
        for branch in self.branches:
            x = branch(x)
        return cast(Tensor, self.gate(x))


class _Decoder(nn.Module):
    def __init__(self, layer: HDecLayer, level: int, plan: Plan) -> None:
        super().__init__()
        self.gate = _Gate(layer.rewrite, is_value_short=level in plan.values, is_gate_short=level in plan.gates)
        self.branches = nn.ModuleList(_Branch(each) for each in _branches(layer))
        self.is_last = layer.last
        self.stride = (layer.stride, 1) if layer.freq else (1, layer.stride)
        self.padding = (layer.pad, 0) if layer.freq else (0, layer.pad)
        weight = layer.conv_tr.weight.detach()
        self.register_buffer("weight", (weight if layer.freq else weight[:, :, None]).clone())
        self.register_buffer("bias", layer.conv_tr.bias.detach().clone())

    def forward(self, x: Tensor, length: int | None) -> Tensor:
        """Return the input of the next layer; ``length``: its number of frames, if padding has to be removed."""
        x = self.gate(x)
        for branch in self.branches:
            x = branch(x)
        x = F.conv_transpose2d(x, self.weight, self.bias, self.stride, self.padding)
        if length is not None and x.shape[-1] != length:
            x = x[..., :length]
        return x if self.is_last else F.gelu(x)


class _Linear(nn.Module):
    """A linear layer, in bfloat16."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().bfloat16())
        self.register_buffer("bias", bias.detach().bfloat16())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.bfloat16(), self.weight, self.bias)


class _Attention(nn.Module):
    """Multi-head attention in bfloat16, called like the one of PyTorch."""

    def __init__(self, layer: nn.MultiheadAttention) -> None:
        super().__init__()
        self.head_count = layer.num_heads
        weights, biases = layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3)
        self.query, self.key, self.value = map(_Linear, weights, biases)
        self.out = _Linear(layer.out_proj.weight, layer.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **_options: Any) -> tuple[Tensor, None]:
        """Return the attention, float32 [1, tokens, channels], and no weights."""
        heads = [
            layer(x).unflatten(2, (self.head_count, -1)).transpose(1, 2)
            for layer, x in ((self.query, query), (self.key, key), (self.value, value))
        ]
        joined = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        return self.out(joined).float(), None


class _FeedForward(nn.Sequential):
    """A linear layer in bfloat16 that returns float32."""

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, super().forward(x)).float()


class _WholeNorm(nn.Module):
    """Group normalisation of float32 [1, tokens, channels] with one group."""

    def __init__(self, norm: MyGroupNorm) -> None:
        super().__init__()
        self.eps = norm.eps
        self.register_buffer("weight", norm.weight.detach().clone())
        self.register_buffer("bias", norm.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        # One dimension after the other, because only the first of these steps uses all cores.
        x = x - x.mean(dim=2, keepdim=True).mean(dim=1, keepdim=True)
        square = (x * x).mean(dim=2, keepdim=True).mean(dim=1, keepdim=True)
        return x * torch.rsqrt(square + self.eps) * self.weight + self.bias


def _transformer(transformer: CrossTransformerEncoder, is_short: bool) -> nn.Module:
    """Return a copy of the transformer, whose products of matrices are in bfloat16 if ``is_short``."""
    copied = copy.deepcopy(transformer).eval()
    for layer in (*copied.layers, *copied.layers_t):
        if isinstance(layer.norm_out, MyGroupNorm) and layer.norm_out.num_groups == 1:
            layer.norm_out = _WholeNorm(layer.norm_out)
        if is_short:
            name = "self_attn" if hasattr(layer, "self_attn") else "cross_attn"
            setattr(layer, name, _Attention(getattr(layer, name)))
            layer.linear1 = _Linear(layer.linear1.weight, layer.linear1.bias)
            layer.linear2 = _FeedForward(_Linear(layer.linear2.weight, layer.linear2.bias))
    return copied


def _pair(values: tuple[int, ...], other: int) -> tuple[int, int]:
    """Return the parameters of two dimensions; ``other``: that of the first, if there is one."""
    return (other, values[0]) if len(values) == 1 else (values[0], values[1])


def _mean_square(x: Tensor) -> Tensor:
    """Return the mean of the squares over channels and frames, float32 [items, 1, rows, 1]."""
    norm = torch.linalg.vector_norm(x, dim=(1, 3), keepdim=True) * (1 / math.sqrt(x.shape[1] * x.shape[3]))
    return norm * norm


def _normalised(signal: Tensor, dimensions: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return a signal of mean 0 and standard deviation 1, its mean and its standard deviation."""
    mean = signal.mean(dim=dimensions, keepdim=True)
    deviation = signal.std(dim=dimensions, keepdim=True)
    return (signal - mean) / (1e-5 + deviation), mean, deviation
