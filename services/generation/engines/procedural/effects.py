"""Effects on tracks and mixes: pure functions over float32 [channels, frames]."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.services.generation.engines.procedural.waves import lines

Samples = NDArray[np.float32]


def reverb(send: NDArray[np.float32], rate_hz: int, decay_seconds: float, rng: np.random.Generator) -> Samples:
    """Return the reverb of a mono ``send`` [frames] without the dry signal, float32 [2, frames].

    The impulse response is exponentially decaying noise, different on each side and duller towards its end (Moorer,
    1979). It is computed at half the sample rate, since rooms have little energy above 10 kHz. Averaging is a
    sufficient filter for that.
    """
    frames = send.size
    half = np.zeros(frames // 2 + 1, dtype=np.float32)
    half[: -(-frames // 2)] = send[::2]
    half[: frames // 2] += send[1::2]
    half *= np.float32(0.5)
    wet = scipy.signal.oaconvolve(half[None, :], _room(rate_hz // 2, decay_seconds, rng), axes=1)[:, : half.size + 1]
    full = np.empty((2, 2 * half.size), dtype=np.float32)
    full[:, ::2] = wet[:, :-1]
    full[:, 1::2] = 0.5 * (wet[:, :-1] + wet[:, 1:])
    return full[:, :frames]


def _room(rate_hz: int, decay_seconds: float, rng: np.random.Generator) -> Samples:
    """Return an impulse response of unit energy per side, without bass and direct sound, float32 [2, frames]."""
    length = max(64, round(decay_seconds * rate_hz))
    time = np.arange(length, dtype=np.float32) / rate_hz
    room = rng.standard_normal((2, length), dtype=np.float32) * np.exp2(-time * np.float32(10.0 / decay_seconds))
    dull = scipy.signal.lfilter([0.45], [1.0, -0.55], room, axis=1).astype(np.float32)
    share = (time / time[-1]) ** 0.5
    room = highpassed((1.0 - share) * room + share * dull * 1.6, rate_hz, 200.0)
    room[:, : round(0.012 * rate_hz)] = 0.0
    return np.asarray(room / np.sqrt(np.sum(room**2, axis=1, keepdims=True)), dtype=np.float32)


def panned(stereo: Samples, pan: float) -> Samples:
    """Pan with constant power from -1 (left) to 1 (right), unity at the centre."""
    if pan == 0.0 and stereo.ndim == 2:
        return stereo
    angle = (np.clip(pan, -1.0, 1.0) + 1.0) * np.pi / 4.0
    sides = np.sqrt(2.0) * np.array([[np.cos(angle)], [np.sin(angle)]], dtype=np.float32)
    return np.asarray(sides * stereo, dtype=np.float32)


def widened(stereo: Samples, rate_hz: int, amount: float) -> Samples:
    """Add a delayed copy to one side and subtract it from the other. The mono sum does not change."""
    delay = round(0.013 * rate_hz)
    if amount <= 0 or stereo.shape[1] <= delay:
        return stereo
    side = np.zeros(stereo.shape[1], dtype=np.float32)
    side[delay:] = np.float32(0.5 * amount) * (stereo[0] + stereo[1])[:-delay]
    # Keep bass in the centre: remove low frequencies from the side.
    side = side - scipy.ndimage.uniform_filter1d(side, max(3, rate_hz // 500), mode="constant")
    return np.stack([stereo[0] + side, stereo[1] - side])


def treble(samples: Samples, rate_hz: int) -> Samples:
    """Return the signal above about 1.5 kHz, with a gentle slope."""
    below = scipy.ndimage.uniform_filter1d(samples, max(3, rate_hz // 3000), axis=1, mode="nearest")
    return np.asarray(samples - below, dtype=np.float32)


def saturated(samples: Samples, drive: float) -> Samples:
    """Saturate relative to the signal's own level: peaks are rounded, and quiet parts keep their level."""
    if drive <= 0:
        return samples
    peak = float(np.max(np.abs(samples), initial=0.0))
    if peak < 1e-9:
        return samples
    amount = np.float32((0.5 + drive) / peak)
    return np.asarray(np.tanh(samples * amount) / amount, dtype=np.float32)


def lowpassed(samples: Samples, rate_hz: int, cutoff_hz: float) -> Samples:
    """Apply a Butterworth low-pass of 24 dB per octave."""
    sections = scipy.signal.butter(4, min(cutoff_hz, 0.45 * rate_hz), fs=rate_hz, output="sos")
    return np.asarray(scipy.signal.sosfilt(sections, samples, axis=-1), dtype=np.float32)


def highpassed(samples: Samples, rate_hz: int, cutoff_hz: float) -> Samples:
    """Apply a Butterworth high-pass of 12 dB per octave."""
    sections = scipy.signal.butter(2, cutoff_hz, btype="highpass", fs=rate_hz, output="sos")
    return np.asarray(scipy.signal.sosfilt(sections, samples, axis=-1), dtype=np.float32)


def limiter_gain(samples: Samples, ceiling: float, rate_hz: int) -> NDArray[np.float32]:
    """Return a smooth gain in (0, 1] with look-ahead that keeps ``samples`` at or below ``ceiling``, float32 [frames].

    The gain can be applied to the stems instead of their mix, so that they still add up to it.
    """
    hop = 64
    frames = samples.shape[1]
    blocks = -(-frames // hop)
    peaks = np.zeros(blocks * hop, dtype=np.float32)
    peaks[:frames] = np.max(np.abs(samples), axis=0)
    needed = np.minimum(1.0, ceiling / np.maximum(peaks.reshape(blocks, hop).max(axis=1), 1e-9))
    span = 2 * round(0.04 * rate_hz / hop) + 1
    # The minimum over a window one block wider than the average: the average never exceeds what any frame needs.
    lowest = scipy.ndimage.minimum_filter1d(needed, span + 2, mode="nearest")
    smooth = scipy.ndimage.uniform_filter1d(lowest, span, mode="nearest")
    # Interpolate linearly between the centres of the blocks.
    points = np.concatenate([smooth[:1], smooth, smooth[-1:]]).astype(np.float32)
    return lines(points, hop)[hop // 2 : hop // 2 + frames]


def active_rms(samples: Samples, rate_hz: int) -> float:
    """Return the RMS of the louder parts: the 80th percentile over windows of 0.4 s that are not silent."""
    frames = samples.shape[1]
    window = max(1, min(round(0.4 * rate_hz), frames))
    count = frames // window
    if count == 0:
        return 0.0
    windows = samples[:, : count * window].reshape(len(samples), count, window)
    power = np.einsum("cwf,cwf->w", windows, windows) / (len(samples) * window)
    loud = power[power > 1e-8]
    return float(np.sqrt(np.percentile(loud, 80))) if loud.size else 0.0
