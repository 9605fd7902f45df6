"""Voices: spoken syllables, analysed once into spectral envelopes, from which :mod:`dev.training.singing` builds sung notes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE_HZ = 44_100
FRAME_SECONDS = 0.005
FFT_FRAMES = 2048
CEPSTRUM_SIZE = 128
_HOP = RATE_HZ * FRAME_SECONDS
_LOWEST_HZ, _HIGHEST_HZ = 70.0, 480.0
_VOICED_STRENGTH = 0.5
_SHORTEST_VOWEL_FRAMES, _LONGEST_ONSET_FRAMES, _LONGEST_CODA_FRAMES = 12, 30, 40
_BLOCK = 512


@dataclass(frozen=True)
class VoiceBank:
    """The syllables of a voice.

    Attributes:
        cepstra: log spectral envelopes as real cepstra, float16 [frames, :data:`CEPSTRUM_SIZE`], of frames 5 ms apart.
        voiced: how periodic each frame is, from 0 to 1, float16 [frames].
        syllables: first frame, first and last frame of the vowel, and end of each syllable, int32 [count, 4].
        pitch_hz: median pitch of the speech.
    """

    cepstra: NDArray[np.float16]
    voiced: NDArray[np.float16]
    syllables: NDArray[np.int32]
    pitch_hz: float


def save_bank(path: Path, bank: VoiceBank) -> None:
    """Write a bank, so that a reader finds the whole file or none."""
    draft = path.with_suffix(".draft.npz")
    np.savez(draft, cepstra=bank.cepstra, voiced=bank.voiced, syllables=bank.syllables, pitch_hz=bank.pitch_hz)
    draft.rename(path)


@lru_cache(maxsize=64)
def load_bank(path: Path) -> VoiceBank:
    """Read a bank. Banks stay in memory, because all songs of a process share them."""
    with np.load(path) as stored:
        return VoiceBank(stored["cepstra"], stored["voiced"], stored["syllables"], float(stored["pitch_hz"]))


def analyse(recordings: Sequence[Samples], bandwidth_hz: float) -> VoiceBank:
    """Build a bank from speech, float32 [frames] at :data:`RATE_HZ`.

    Above ``bandwidth_hz``, where recordings of telephone quality are silent, the envelope falls at a constant rate.

    Raises:
        ValueError: the recordings contain no usable syllable.
    """
    cepstra, voiced, syllables, pitches = [], [], [], []
    offset = 0
    for samples in recordings:
        pitch_hz, strength = _pitch(samples)
        log_power = _envelopes(samples, pitch_hz, strength)
        found = _syllables(log_power, strength)
        if not found:
            continue
        log_power = _extended(log_power, strength, bandwidth_hz)
        for first, vowel, vowel_end, end in found:
            # All vowels have the same power, so that the notes of a melody are equally loud.
            level = np.log(np.mean(np.exp(log_power[vowel:vowel_end])))
            power = np.clip(log_power[first:end] - level, -16.0, 6.0)
            cepstra.append(np.fft.irfft(power / 2, axis=1)[:, :CEPSTRUM_SIZE].astype(np.float16))
            voiced.append(strength[first:end].astype(np.float16))
            syllables.append((offset, offset + vowel - first, offset + vowel_end - first, offset + end - first))
            pitches.append(pitch_hz[vowel:vowel_end])
            offset += end - first
    if not syllables:
        raise ValueError("The recordings contain no syllables.")
    return VoiceBank(
        np.concatenate(cepstra),
        np.concatenate(voiced),
        np.array(syllables, np.int32),
        float(np.median(np.concatenate(pitches))),
    )


def _frames(samples: Samples, size: int) -> NDArray[np.float32]:
    """Return a view of frames [count, size], centred 5 ms apart."""
    count = int(len(samples) / _HOP)
    padded = np.pad(samples, size)
    starts = (np.arange(count) * _HOP).astype(int) + size - size // 2
    return np.lib.stride_tricks.sliding_window_view(padded, size)[starts]


def _pitch(samples: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pitch of each frame in Hz, and how periodic it is, by autocorrelation (Boersma, 1993)."""
    reduced = scipy.signal.decimate(samples, 4, ftype="fir").astype(np.float32)
    rate, size = RATE_HZ / 4, 512
    count = int(len(samples) / _HOP)
    padded = np.pad(reduced, size)
    starts = (np.arange(count) * _HOP / 4).astype(int) + size - size // 2
    window = np.hanning(size).astype(np.float32)
    spectrum = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[starts] * window, 2 * size, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :size]
    ideal = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * size)) ** 2)[:size]
    energy = correlation[:, :1]
    floor = np.max(energy) * 1e-4 + 1e-12
    ratio = correlation / (energy + floor) / (ideal / ideal[0])
    low, high = int(rate / _HIGHEST_HZ), int(rate / _LOWEST_HZ)
    # A small preference for short periods avoids octave errors.
    weights = 1.0 - 0.15 * np.log2(np.arange(low, high) / low) / np.log2(high / low)
    best = np.argmax(ratio[:, low:high] * weights, axis=1) + low
    strength = np.clip(np.take_along_axis(ratio, best[:, None], axis=1)[:, 0], 0.0, 1.0)
    pitch = scipy.signal.medfilt(rate / best, 7)
    return pitch, scipy.signal.medfilt(strength, 5)


def _envelopes(samples: Samples, pitch_hz: NDArray[np.float64], strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log power envelope of each frame [frames, bins], after the CheapTrick method (Morise, 2015)."""
    effective = np.where(strength > _VOICED_STRENGTH, pitch_hz, 250.0)
    frames = _frames(samples, FFT_FRAMES)
    time = (np.arange(FFT_FRAMES) - FFT_FRAMES // 2) / RATE_HZ
    bins = np.arange(FFT_FRAMES // 2 + 1)
    quefrency = np.arange(FFT_FRAMES // 2 + 1) / RATE_HZ
    width_hz = RATE_HZ / FFT_FRAMES
    result = np.empty((len(frames), len(bins)))
    for start in range(0, len(frames), _BLOCK):
        f0 = effective[start : start + _BLOCK, None]
        inside = np.abs(time) < 1.5 / f0
        window = np.where(inside, 0.5 + 0.5 * np.cos(2 * np.pi * time * f0 / 3), 0.0)
        window /= np.sqrt(np.sum(window**2, axis=1, keepdims=True))
        power = np.abs(np.fft.rfft(frames[start : start + _BLOCK] * window, axis=1)) ** 2 + 1e-12
        smooth = _smoothed(power, f0[:, 0] / width_hz * 2 / 3)
        cepstrum = np.fft.irfft(np.log(smooth), axis=1)[:, : len(bins)]
        lifter = np.sinc(f0 * quefrency) * (1.18 - 0.18 * np.cos(2 * np.pi * f0 * quefrency))
        lifter[:, CEPSTRUM_SIZE:] = 0.0
        folded = cepstrum * lifter
        folded[:, 1:-1] *= 2
        result[start : start + _BLOCK] = np.fft.rfft(folded, FFT_FRAMES, axis=1).real
    return result


def _smoothed(power: NDArray[np.float64], widths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return averages over ``widths`` bins, which need not be whole numbers."""
    bins = power.shape[1]
    margin = 32
    mirrored = np.pad(power, ((0, 0), (margin, margin)), mode="reflect")
    total = np.pad(np.cumsum(mirrored, axis=1), ((0, 0), (1, 0)))

    def at(position: NDArray[Any]) -> NDArray[np.float64]:
        whole = np.clip(position.astype(int), 0, total.shape[1] - 2)
        part = position - whole
        return np.take_along_axis(total, whole, 1) * (1 - part) + np.take_along_axis(total, whole + 1, 1) * part

    half: NDArray[np.float64] = np.minimum(widths[:, None] / 2, margin - 1.0)
    centre = np.arange(bins, dtype=np.float64)[None] + margin + 0.5
    return np.maximum((at(centre + half) - at(centre - half)) / (2 * half), 1e-12)


def _extended(
    log_power: NDArray[np.float64], strength: NDArray[np.float64], bandwidth_hz: float
) -> NDArray[np.float64]:
    """Continue envelopes above the bandwidth of the recording, steeper for voiced frames."""
    hertz = np.arange(log_power.shape[1]) * RATE_HZ / FFT_FRAMES
    edge = int(bandwidth_hz * FFT_FRAMES / RATE_HZ)
    if edge >= log_power.shape[1] - 1:
        return log_power
    inside = log_power[:, int(0.8 * edge) : edge].mean(axis=1, keepdims=True)
    slope_db = np.where(strength > _VOICED_STRENGTH, 3.5, 1.8)[:, None]
    outside = inside - slope_db * np.log(10) / 10 * (hertz[edge:] - hertz[edge]) / 1000
    blend = np.clip((np.arange(log_power.shape[1]) - 0.9 * edge) / (0.1 * edge), 0.0, 1.0)
    continued = np.concatenate([np.repeat(inside, edge, axis=1), outside], axis=1)
    return log_power * (1 - blend) + continued * blend


def _syllables(log_power: NDArray[np.float64], strength: NDArray[np.float64]) -> list[tuple[int, int, int, int]]:
    """Return the first frame, the vowel and the end of each syllable: a peak of the energy of vowels between two valleys."""
    low, high = (int(hertz * FFT_FRAMES / RATE_HZ) for hertz in (300, 3000))
    energy = np.log(np.mean(np.exp(log_power[:, low:high]), axis=1))
    contour = scipy.ndimage.gaussian_filter1d(energy, 5)
    loudest = np.max(contour)
    peaks, _ = scipy.signal.find_peaks(contour, height=loudest - 5.0, distance=20, prominence=0.7)
    if not len(peaks):
        return []
    quiet = contour < loudest - 9.0
    bounds = [0, *(int(a + np.argmin(contour[a:b])) for a, b in itertools.pairwise(peaks)), len(contour)]
    found = []
    for number, peak in enumerate(peaks):
        vowel, vowel_end = int(peak), int(peak)
        while (
            vowel > bounds[number]
            and strength[vowel - 1] > _VOICED_STRENGTH
            and contour[vowel - 1] > contour[peak] - 2.0
        ):
            vowel -= 1
        while (
            vowel_end < bounds[number + 1]
            and strength[vowel_end] > _VOICED_STRENGTH
            and contour[vowel_end] > contour[peak] - 2.0
        ):
            vowel_end += 1
        if vowel_end - vowel < _SHORTEST_VOWEL_FRAMES:
            continue
        first, end = (
            max(bounds[number], vowel - _LONGEST_ONSET_FRAMES),
            min(bounds[number + 1], vowel_end + _LONGEST_CODA_FRAMES),
        )
        loud = np.flatnonzero(~quiet[first:vowel])
        # Fricatives are quiet in the band of vowels: keep up to 60 ms of them.
        first = max(first, min(vowel, first + int(loud[0]) - 12)) if len(loud) else max(first, vowel - 12)
        loud = np.flatnonzero(~quiet[vowel_end:end])
        end = min(end, vowel_end + int(loud[-1]) + 12) if len(loud) else min(end, vowel_end + 12)
        third = (vowel_end - vowel) // 4
        found.append((first, vowel + third, vowel_end - third, end))
    return found
