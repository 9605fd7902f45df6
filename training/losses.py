"""The training loss, and the measure of a validation."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["separation_loss", "si_sdr"]

WINDOWS = (4096, 1024, 256)
_HOP_SHARE = 4


def separation_loss(estimates: Tensor, stems: Tensor, spectral_weight: float = 1.0) -> Tensor:
    """Return the mean absolute error of the waveforms and of their complex spectrograms, a scalar.

    The spectrograms have several resolutions, as for BS-RoFormer (Lu et al., 2023). They are scaled so that both errors
    have the same order of magnitude.

    Args:
        estimates: float32 [items, stems, channels, frames], as ``stems``.
    """
    loss = (estimates - stems).abs().mean()
    difference = (estimates - stems).flatten(0, 2)
    for size in WINDOWS:
        window = torch.hann_window(size, device=difference.device)
        spectrum = torch.stft(difference, size, size // _HOP_SHARE, window=window, normalized=True, return_complex=True)
        loss = loss + spectral_weight / len(WINDOWS) * torch.view_as_real(spectrum).abs().mean()
    return loss


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
