"""Separates kick drum and bass, which share the lowest octaves.

The magnitude spectrogram below about 300 Hz is modelled as a sum of two kinds of components, fitted with multiplicative
updates for the Kullback-Leibler divergence:

* hits: spectrogram patches that recur at onsets (non-negative matrix factor deconvolution: Smaragdis, 2004; for drums
  Dittmar and Gärtner, 2014), learned from the window itself;
* tones: fixed harmonic combs on a grid of fundamentals (Vincent, Bertin and Badeau, 2010) whose level varies over time.

A patch that sustains is a repeated bass note, not a drum. The decay of a hit decides how much of it counts as drum.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from services.separation.engines.dsp.spectral import Real, Stft

TOP_HZ = 300.0

_PATCH_SECONDS = 0.38
_ATTACK_SECONDS = 0.18
_RISE_HOPS = 8
"""Hops from the onset of a hit to its peak, which the window of the transform smears."""
_KINDS = 5
_ITERATIONS = 12
_EXPONENT = 1.5
"""Exponent of the magnitudes in the mask, between 1 and the 2 of a Wiener filter (Liutkus and Badeau, 2015)."""
_FIRST_LEVEL = np.float32(0.007)
"""Initial level of the tones. It is low, so that hits are fitted first."""
_FALL_OF_NOTES = 0.25
_FALL_OF_DRUMS = 0.45
"""Decay of the sum of magnitudes in ten hops after the peak, as a power of ten: lower is a note, higher is a drum."""
_FLOOR = np.float32(1e-5)


def drum_share(magnitude: Real, stft: Stft) -> Real:
    """Return the share of the low end that belongs to drums, float32 [hops, bins below TOP_HZ] in [0, 1].

    Args:
        magnitude: magnitudes of the mid signal, float32 [hops, at least these bins].
        stft: transform that produced them.
    """
    bins = max(4, int(np.searchsorted(stft.bin_hz, TOP_HZ)))
    low = magnitude[:, :bins]
    peak = float(low.max(initial=0.0))
    onsets = find_onsets(low, stft)
    if peak <= 0 or onsets.size < 2:
        return np.zeros_like(low)
    low = low / np.float32(peak) + _FLOOR
    patch_hops = round(_PATCH_SECONDS * stft.hops_per_second)
    padded = np.pad(low, ((0, patch_hops), (0, 0)), mode="edge")
    patches = np.stack([padded[onset : onset + patch_hops] for onset in onsets])
    kinds, strengths = _cluster(patches, low, onsets, stft)

    templates, activations = [], []
    for kind in range(_KINDS):
        members = kinds == kind
        if not members.any():
            continue
        gains = strengths[members] / strengths[members].max()
        template = np.percentile(patches[members] / gains[:, None, None], 35, axis=0).astype(np.float32)
        template[_RISE_HOPS:] = np.minimum.accumulate(template[_RISE_HOPS:], axis=0)
        templates.append(template + np.float32(1e-6))
        activation = np.zeros(low.shape[0], dtype=np.float32)
        activation[onsets[members]] = gains
        activations.append(activation)
    drumness = [_drumness(template) for template in templates]
    hits, tones = _fit(low, templates, activations, harmonic_combs(stft, bins))
    drums = np.zeros_like(low)
    others = tones**_EXPONENT
    for share, hit in zip(drumness, hits, strict=True):
        drums += share * hit**_EXPONENT
        others += (1 - share) * hit**_EXPONENT
    return np.asarray(drums / (drums + others + np.float32(1e-12)), dtype=np.float32)


def find_onsets(low: Real, stft: Stft) -> NDArray[np.intp]:
    """Return the hops at which ``low``, float32 [hops, bins], rises: peaks of the compressed spectral flux."""
    lag = 3
    compressed = np.log1p(50.0 * low / (low.max(initial=0.0) + 1e-9))
    flux = np.zeros(low.shape[0])
    flux[lag:] = np.maximum(compressed[lag:] - compressed[:-lag], 0).sum(axis=1)
    flux /= flux.max(initial=0.0) + 1e-9
    highest = scipy.ndimage.maximum_filter1d(flux, 13)
    usual = scipy.ndimage.uniform_filter1d(flux, max(3, round(0.5 * stft.hops_per_second)))
    peaks = np.flatnonzero((flux == highest) & (flux > usual + 0.08)) - lag
    return np.unique(np.clip(peaks, 0, low.shape[0] - 4))


def harmonic_combs(stft: Stft, bins: int) -> Real:
    """Return unit-norm combs of a bright and a dull tone for every quarter tone of a bass, float32 [combs, bins]."""
    spacing = float(stft.bin_hz[1])
    fundamentals = 30.0 * 2.0 ** (np.arange(70) / 24)
    harmonics = np.arange(1, 16)
    distance = np.arange(bins)[None, None, :] - (fundamentals[:, None] * harmonics)[:, :, None] / spacing + 1e-4
    lobes = np.where(np.abs(distance) < 2, np.abs(np.sinc(distance) / (1 - distance**2)), 0.0)
    combs = np.concatenate([np.einsum("h,fhb->fb", harmonics**-tilt, lobes) for tilt in (0.5, 2.0)])
    return np.asarray(combs / (np.linalg.norm(combs, axis=1, keepdims=True) + 1e-9), dtype=np.float32)


def _cluster(
    patches: Real, low: Real, onsets: NDArray[np.intp], stft: Stft
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the kind and the strength of every hit: spherical k-means over the rise of energy, with fixed seeds."""
    before = low[np.maximum(onsets - 6, 0)]
    attack = round(_ATTACK_SECONDS * stft.hops_per_second)
    rises = np.maximum(patches[:, :attack] - before[:, None], 0).reshape(onsets.size, -1)
    strengths = np.linalg.norm(rises, axis=1) + np.float32(1e-9)
    directions = rises / strengths[:, None]
    chosen = _representatives(directions @ directions.T, strengths)
    centres = directions[chosen]
    kinds = np.zeros(onsets.size, dtype=np.intp)
    for _ in range(10):
        kinds = np.argmax(directions @ centres.T, axis=1)
        for kind in range(len(centres)):
            if (kinds == kind).any():
                centre = directions[kinds == kind].mean(axis=0)
                centres[kind] = centre / (np.linalg.norm(centre) + 1e-9)
    return kinds, strengths


def _representatives(likeness: Real, weights: Real) -> list[int]:
    """Choose greedily the hits that together resemble all others best. Outliers are not chosen early."""
    chosen: list[int] = []
    covered = np.zeros(likeness.shape[0], dtype=np.float32)
    for _ in range(min(_KINDS, likeness.shape[0])):
        gains = (np.maximum(likeness - covered, 0) * weights).sum(axis=1)
        chosen.append(int(np.argmax(gains)))
        covered = np.maximum(covered, likeness[chosen[-1]])
    return chosen


def _drumness(template: Real) -> np.float32:
    """Return 0 for a patch that sustains like a note, up to 1 for a patch that decays immediately like a drum."""
    levels = template.sum(axis=1) + _FLOOR
    loudest = int(np.argmax(levels[: 2 * _RISE_HOPS]))
    fall = np.log10(levels[loudest] / levels[min(loudest + 10, levels.size - 1)])
    return np.float32(np.clip((fall - _FALL_OF_NOTES) / (_FALL_OF_DRUMS - _FALL_OF_NOTES), 0.0, 1.0))


def _delayed(activation: Real, count: int) -> Real:
    """Return the activation delayed by 0, 1, 2, ... hops, float32 [hops, count]."""
    padded = np.concatenate([np.zeros(count - 1, dtype=np.float32), activation])
    return np.lib.stride_tricks.sliding_window_view(padded, count)[:, ::-1]


def _fit(low: Real, templates: list[Real], activations: list[Real], combs: Real) -> tuple[list[Real], Real]:
    """Fit templates and activations in place. Return the magnitudes of every kind of hit, and of the tones."""
    levels = np.maximum(low @ combs.T, 1e-6) * _FIRST_LEVEL
    comb_sums = combs.sum(axis=1)
    count = templates[0].shape[0]
    for iteration in range(_ITERATIONS):
        delayed = [_delayed(activation, count) for activation in activations]
        hits = [rows @ template for rows, template in zip(delayed, templates, strict=True)]
        ratio = low / (np.sum(hits, axis=0) + levels @ combs + np.float32(1e-7))
        levels *= (ratio @ combs.T) / comb_sums
        if iteration % 5 == 4:
            levels = (np.roll(levels, 1, axis=0) + 2 * levels + np.roll(levels, -1, axis=0)) / 4
        padded = np.pad(ratio, ((0, count), (0, 0)))
        for rows, template, activation in zip(delayed, templates, activations, strict=True):
            template *= (rows.T @ ratio) / (rows.sum(axis=0)[:, None] + np.float32(1e-6))
            for hop in np.flatnonzero(activation):
                activation[hop] *= np.vdot(padded[hop : hop + count], template) / (template.sum() + 1e-9)
    hits = [_delayed(a, count) @ t for a, t in zip(activations, templates, strict=True)]
    return hits, levels @ combs
