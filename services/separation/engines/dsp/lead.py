"""The lead (a voice or a solo instrument): its position in the stereo image, and its pitch.

* Position: a lead is mixed to the centre. Sources that are spread wide have as much power in the side signal (left
  minus right) as in the mid signal. The scaled power of the side is therefore subtracted from that of the mid (after
  Avendano and Jot, 2004; Barry, Lawlor and Coyle, 2004).
* Pitch: the lead is the predominant melody. The salience of a fundamental is the weighted sum of compressed magnitudes
  at its harmonics (Klapuri, 2006; Salamon and Gómez, 2012). A Viterbi search finds the best continuous track, and a
  mask keeps its harmonics (after Durrieu, David and Richard, 2011).

In a wide mix the position alone contributes to the mask. In a narrow mix the pitch decides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.separation.engines.dsp.spectral import EPSILON, Real, Stft

_LOWEST_HZ = 200.0
_HIGHEST_HZ = 9000.0
_FUNDAMENTAL_HZ = (85.0, 1050.0)
_STEPS_PER_OCTAVE = 48
_HARMONICS = 12
_SIDE_SCALE = 2.0
_PLACE_ALONE = 0.35
_HALF_WIDTH_BINS = 2.5


def lead_share(mid: Real, side: Real, stft: Stft) -> Real:
    """Return the share of the mid signal that belongs to the lead, float32 [hops, bins] in [0, 1].

    Args:
        mid, side: power spectra, float32 [hops, bins]; the mid without drums and bass.
        stft: transform that produced them.
    """
    hz = stft.bin_hz
    band = 1 / (1 + (_LOWEST_HZ / np.maximum(hz, 1)) ** 8) * (hz < _HIGHEST_HZ)
    centre = np.maximum(mid - _SIDE_SCALE * side, 0) / (mid + EPSILON)
    voiced = slice(*np.searchsorted(hz, (_LOWEST_HZ, _HIGHEST_HZ)))
    width = float(side[:, voiced].sum() / (mid[:, voiced].sum() + EPSILON))
    trust = _PLACE_ALONE * min(1.0, width / 0.1)
    comb = harmonic_mask(np.sqrt(mid * centre), stft)
    return np.asarray(centre * band * (trust + (1 - trust) * comb), dtype=np.float32)


def harmonic_mask(magnitude: Real, stft: Stft) -> Real:
    """Return a mask that is near 1 around the harmonics of the predominant melody, float32 [hops, bins] in [0, 1]."""
    hz = stft.bin_hz
    top = int(np.searchsorted(hz, _HIGHEST_HZ))
    low, high = _FUNDAMENTAL_HZ
    fundamentals = low * 2.0 ** (np.arange(int(np.log2(high / low) * _STEPS_PER_OCTAVE)) / _STEPS_PER_OCTAVE)
    # The main lobe of the window is four bins wide, and so is the mask. Every second hop is sufficient for a melody.
    compressed = np.sqrt(magnitude[::2, :top])
    salience = np.zeros((compressed.shape[0], fundamentals.size), dtype=np.float32)
    for harmonic in range(1, _HARMONICS + 1):
        place = fundamentals * harmonic / hz[1]
        left = np.minimum(place.astype(np.intp), top - 2)
        share = (place - left).astype(np.float32)
        inside = (place < top - 1).astype(np.float32) * np.float32(0.85 ** (harmonic - 1))
        salience += inside * ((1 - share) * compressed[:, left] + share * compressed[:, left + 1])
    track = fundamentals[follow(salience)]
    track = np.repeat(track, 2)[: magnitude.shape[0]].astype(np.float32)
    distance = np.abs(hz / track[:, None] - np.round(hz / track[:, None])) * track[:, None] / hz[1]
    return np.asarray(1 / (1 + (distance / _HALF_WIDTH_BINS) ** 4), dtype=np.float32)


def follow(salience: Real) -> NDArray[np.intp]:
    """Return the best track through ``salience``, float32 [times, candidates], as intp [times]."""
    salience = salience / (salience.mean() + EPSILON)
    jump = 6
    drop = np.float32(0.15) * np.abs(np.arange(-jump, jump + 1)).astype(np.float32)
    count = salience.shape[1]
    total = salience[0].copy()
    origins = np.zeros(salience.shape, dtype=np.int32)
    for time in range(1, salience.shape[0]):
        padded = np.pad(total, jump, constant_values=-np.inf)
        reach = np.lib.stride_tricks.sliding_window_view(padded, 2 * jump + 1) - drop
        step = np.argmax(reach, axis=1)
        value = reach[np.arange(count), step]
        # A new note may start at any candidate, at a cost.
        best = int(np.argmax(total))
        leap = total[best] - np.float32(3.0)
        origins[time] = np.where(value >= leap, np.arange(count) + step - jump, best)
        total = np.maximum(value, leap) + salience[time]
        total -= total.max()
    track = np.empty(salience.shape[0], dtype=np.intp)
    track[-1] = int(np.argmax(total))
    for time in range(salience.shape[0] - 1, 0, -1):
        track[time - 1] = origins[time, track[time]]
    return track
