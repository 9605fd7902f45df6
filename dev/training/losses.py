"""The training losses of both stages, and the measure of a validation."""

from __future__ import annotations

import torch
from torch import Tensor

from soundwright.services.separation.engines.small.network import BandMasks, LowFrequencies

_FLOOR = 1e-3


def masking_loss(stage: BandMasks, masks: Tensor, spectra: Tensor) -> Tensor:
    """Return the error of masked mixes relative to the mix in dB, the mean of all stems and items, a scalar.

    The error of a stem is |mx - s|² = m²|x|² - 2m Re(x*s) + |s|², with the mask m, the mix x and the stem s. All bins of a
    band have one mask, so sums in bands give its exact energy. Errors below -30 dB hardly count.

    Args:
        masks: float32 [items, stems, channels, bands, frames], of the sum of the stems.
        spectra: complex64 [items, stems, channels, bins, frames], the stems.
    """
    mix = spectra.sum(dim=1, keepdim=True)
    of_mix = stage.in_bands(_energy(mix))
    of_both = stage.in_bands(spectra.real * mix.real + spectra.imag * mix.imag)
    of_stems = stage.in_bands(_energy(spectra))
    # Rounding can make a sum slightly negative.
    errors = (masks.square() * of_mix - 2 * masks * of_both + of_stems).clamp_min(0)
    return _relative_db(errors, of_mix)


def moving_loss(stage: LowFrequencies, shares: Tensor, estimates: Tensor, spectra: Tensor) -> Tensor:
    """Return the error of estimates whose low sounds have moved, as :func:`masking_loss` does.

    Args:
        shares: float32 [items, channels, to stem, from stem, bins, frames], of the low bins of ``estimates``.
        estimates: complex64 [items, stems, channels, bins, frames], the stems before.
        spectra: complex64 of the same shape, the stems.
    """
    low, high = stage.divided(estimates)
    low_truth, high_truth = stage.divided(spectra)
    errors = torch.cat([_energy(stage.moved(low, shares) - low_truth), _energy(high - high_truth)], dim=3)
    return _relative_db(errors, _energy(spectra.sum(dim=1, keepdim=True)))


def _relative_db(errors: Tensor, of_mix: Tensor) -> Tensor:
    whole = of_mix.flatten(2).sum(dim=2).clamp_min(1e-6)
    return 10 * torch.log10(errors.flatten(2).sum(dim=2) / whole + _FLOOR).mean()


def _energy(spectra: Tensor) -> Tensor:
    return spectra.real.square() + spectra.imag.square()


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
