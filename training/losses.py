"""The training loss, and the measure of a validation."""

from __future__ import annotations

import torch
from torch import Tensor

from services.separation.engines.small.network import SmallNetwork

__all__ = ["separation_loss", "si_sdr"]

_FLOOR = 1e-3


def separation_loss(network: SmallNetwork, masks: Tensor, spectra: Tensor) -> Tensor:
    """Return the error of masked mixes relative to the mix in dB, the mean of all stems and items, a scalar.

    The error of a stem is |mx - s|² = m²|x|² - 2m Re(x*s) + |s|², with the mask m, the mix x and the stem s. All bins of a
    band have one mask, so sums in bands give its exact energy. Errors below -30 dB hardly count.

    Args:
        masks: float32 [items, stems, channels, bands, frames], of the sum of the stems.
        spectra: complex64 [items, stems, channels, bins, frames], the stems.
    """
    mix = spectra.sum(dim=1, keepdim=True)
    of_mix = network.in_bands(mix.real.square() + mix.imag.square())
    of_both = network.in_bands(spectra.real * mix.real + spectra.imag * mix.imag)
    of_stems = network.in_bands(spectra.real.square() + spectra.imag.square())
    # Rounding can make a sum slightly negative.
    errors = (masks.square() * of_mix - 2 * masks * of_both + of_stems).clamp_min(0).flatten(2).sum(dim=2)
    whole = of_mix.flatten(2).sum(dim=2).clamp_min(1e-6)
    return 10 * torch.log10(errors / whole + _FLOOR).mean()


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
