"""The training loss, and the measure of a validation."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["separation_loss", "si_sdr"]


def separation_loss(estimates: Tensor, stems: Tensor) -> Tensor:
    """Return the mean absolute error of the spectrograms of stems relative to that of silence for the mix, a scalar.

    Each item counts the same, loud or not. The error of the spectrograms that the network masks needs no inverse
    transform, which would take as long on a CPU as a small network.

    Args:
        estimates: complex64 [items, stems, frames, bins, channels], as ``stems``.
    """
    errors = _size(estimates - stems)
    return (errors / _size(stems.sum(dim=1)).clamp_min(1e-3)).mean()


def _size(spectra: Tensor) -> Tensor:
    """Return the mean absolute real and imaginary part of each item."""
    return torch.view_as_real(spectra).abs().flatten(1).mean(dim=1)


def si_sdr(estimates: Tensor, stems: Tensor) -> Tensor:
    """Return scale-invariant signal-to-distortion ratios in dB (Le Roux et al., "SDR - half-baked or well done?", 2019).

    Args:
        estimates: float32 [..., channels, frames], as ``stems``.

    Returns:
        float32 [...]. Without meaning where a stem is silent.
    """
    estimates, stems = estimates.flatten(-2), stems.flatten(-2)
    scale = (estimates * stems).sum(-1, keepdim=True) / stems.square().sum(-1, keepdim=True).clamp_min(1e-10)
    target = scale * stems
    noise = estimates - target
    return 10 * torch.log10(target.square().sum(-1).clamp_min(1e-10) / noise.square().sum(-1).clamp_min(1e-10))
