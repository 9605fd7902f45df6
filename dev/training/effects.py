"""Effects of the mix: equaliser, compressor, distortion, reverberation and limiter. Samples are float32 [2, frames]."""

from __future__ import annotations

import math

import numpy as np
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

from dev.training.compiled import compiled

Samples = NDArray[np.float32]

_HOP = 64
# Lengths of the delay lines in milliseconds: mutually prime numbers of frames at 44.1 kHz, to avoid coinciding echoes.
_DELAYS = np.array([1433, 1601, 1867, 2053, 2251, 2399, 2617, 2797])


def equalised(
    samples: Samples,
    rate_hz: int,
    low_db: float,
    middle_hz: float,
    middle_db: float,
    high_db: float,
    cut_hz: float = 0.0,
) -> Samples:
    """Apply a low shelf at 150 Hz, a peak, a high shelf at 5 kHz and, with ``cut_hz``, a high-pass filter."""
    sections = [
        _shelf(rate_hz, 150.0, low_db, False),
        peaking(rate_hz, middle_hz, middle_db),
        _shelf(rate_hz, 5000.0, high_db, True),
    ]
    filters = np.array(sections)
    if cut_hz:
        filters = np.concatenate([scipy.signal.butter(2, cut_hz, "highpass", fs=rate_hz, output="sos"), filters])
    return np.asarray(scipy.signal.sosfilt(filters, samples, axis=1), np.float32)


def _shelf(rate_hz: int, hertz: float, gain_db: float, high: bool) -> list[float]:
    """Return a biquad of the Audio EQ Cookbook with slope 1."""
    a = 10 ** (gain_db / 40)
    omega = 2 * math.pi * hertz / rate_hz
    cosine, alpha = math.cos(omega) * (-1 if high else 1), math.sin(omega) / math.sqrt(2)
    root = 2 * math.sqrt(a) * alpha
    sign = -1 if high else 1
    b0, b1, b2 = (
        a * (a + 1 - (a - 1) * cosine + root),
        2 * a * (a - 1 - (a + 1) * cosine) * sign,
        a * (a + 1 - (a - 1) * cosine - root),
    )
    a0, a1, a2 = (
        a + 1 + (a - 1) * cosine + root,
        -2 * (a - 1 + (a + 1) * cosine) * sign,
        a + 1 + (a - 1) * cosine - root,
    )
    return [b0 / a0, b1 / a0, b2 / a0, 1.0, a1 / a0, a2 / a0]


def peaking(rate_hz: int, hertz: float, gain_db: float, quality: float = 1.0) -> list[float]:
    """Return a peaking biquad of the Audio EQ Cookbook (Bristow-Johnson)."""
    a = 10 ** (gain_db / 40)
    omega = 2 * math.pi * hertz / rate_hz
    alpha = math.sin(omega) / (2 * quality)
    a0 = 1 + alpha / a
    cosine = -2 * math.cos(omega) / a0
    return [(1 + alpha * a) / a0, cosine, (1 - alpha * a) / a0, 1.0, cosine, (1 - alpha / a) / a0]


def panned(samples: Samples, pan: float) -> Samples:
    """Balance the two channels: -1 is left, and 1 is right."""
    angle = (pan + 1) * math.pi / 4
    gains = np.array([[math.cos(angle)], [math.sin(angle)]], np.float32) * np.float32(math.sqrt(2))
    return samples * gains


def driven(samples: Samples, rate_hz: int, drive_db: float) -> Samples:
    """Distort like a guitar amplifier with its loudspeaker."""
    level = float(np.sqrt(np.mean(samples**2))) + 1e-9
    tight = scipy.signal.sosfilt(scipy.signal.butter(1, 120, "highpass", fs=rate_hz, output="sos"), samples, axis=1)
    loud = np.tanh(tight / level * 10 ** (drive_db / 20) * 0.2)
    speaker = scipy.signal.butter(3, [80, 4800], "bandpass", fs=rate_hz, output="sos")
    return np.asarray(scipy.signal.sosfilt(speaker, loud, axis=1), np.float32)


def granulated(samples: Samples, random: np.random.Generator, rate_hz: int) -> Samples:
    """Return a texture: grains of what sounded before, some of them backwards, an octave higher or lower (Roads, "Microsound", 2001)."""
    longest, past = math.exp(random.uniform(math.log(0.04), math.log(0.5))), random.uniform(0.3, 3.0)
    dry, density = random.uniform(0.0, 0.7), random.uniform(1.0, 4.0)
    frame_count = samples.shape[1]
    out = samples * np.float32(dry)
    for _ in range(round(density * frame_count / (longest * rate_hz))):
        length = round(longest * random.uniform(0.3, 1.0) * rate_hz)
        first = int(random.integers(frame_count))
        source = max(0, first - int(random.uniform(0, past) * rate_hz))
        speed = float(random.choice([0.5, 1.0, 2.0], p=[0.15, 0.65, 0.2]))
        grain = samples[:, source + (np.arange(length) * speed).astype(np.int64).clip(max=frame_count - 1 - source)]
        if random.random() < 0.3:
            grain = grain[:, ::-1]
        grain = panned(grain * np.hanning(length).astype(np.float32), float(random.uniform(-1, 1)))
        out[:, first : first + length] += grain[:, : frame_count - first]
    return out


def saturated(samples: Samples, amount: float) -> Samples:
    """Bend loud samples a little; ``amount`` is a share from 0 to 1 of the peak."""
    peak = float(np.max(np.abs(samples))) + 1e-9
    scale = np.float32(amount / peak)
    return np.asarray(np.tanh(samples * scale) / scale if amount > 0 else samples, np.float32)


def compressed(
    samples: Samples, rate_hz: int, threshold_db: float, ratio: float, attack: float = 0.01, release: float = 0.15
) -> Samples:
    """Reduce levels above a threshold, which is relative to the level of the whole part."""
    level = _levels(samples)
    whole = float(np.sqrt(np.mean(level[level > 0] ** 2))) if np.any(level > 0) else 1.0
    over_db = np.maximum(20 * np.log10(level / whole + 1e-9) - threshold_db, 0.0)
    smooth = _followed(over_db, *(math.exp(-_HOP / rate_hz / time) for time in (attack, release)))
    return samples * _spread(10 ** (-smooth * (1 - 1 / ratio) / 20), samples.shape[1])


def limiter_gain(mix: Samples, rate_hz: int, ceiling: float) -> Samples:
    """Return the gain of each frame, float32 [frames], which keeps the mix below ``ceiling``. It looks 5 ms ahead."""
    peaks = np.max(np.abs(mix), axis=0)
    padded = np.pad(peaks, (0, -len(peaks) % _HOP)).reshape(-1, _HOP).max(axis=1)
    needed = np.minimum(1.0, ceiling / np.maximum(padded, 1e-9))
    ahead = scipy.ndimage.minimum_filter1d(needed, 2 * round(0.005 * rate_hz / _HOP) + 3)
    reduction = _followed(1.0 - ahead, 0.0, math.exp(-_HOP / rate_hz / 0.12))
    # The filter is wider than the average, so that the gain is low enough at each peak.
    return _spread(scipy.ndimage.uniform_filter1d(1.0 - reduction, 3), len(peaks))


def _levels(samples: Samples) -> NDArray[np.float64]:
    """Return the RMS level of each hop over both channels."""
    power = np.mean(samples.astype(np.float64) ** 2, axis=0)
    return np.sqrt(np.pad(power, (0, -len(power) % _HOP)).reshape(-1, _HOP).mean(axis=1))


def _spread(gains: NDArray[np.float64], frames: int) -> Samples:
    """Interpolate the gains of hops for all frames."""
    return np.interp(np.arange(frames), np.arange(len(gains)) * _HOP + _HOP / 2, gains).astype(np.float32)


@compiled
def _followed(values: NDArray[np.float64], attack: float, release: float) -> NDArray[np.float64]:
    out = np.empty_like(values)
    state = 0.0
    for index in range(len(values)):
        keep = attack if values[index] > state else release
        state = keep * state + (1 - keep) * values[index]
        out[index] = state
    return out


def reverberated(send: Samples, rate_hz: int, seconds: float, damping_hz: float) -> Samples:
    """Return the reverberation of a send: a feedback delay network with eight lines."""
    gains = 10.0 ** (-3.0 * _DELAYS / rate_hz / seconds)
    damping = math.exp(-2 * math.pi * damping_hz / rate_hz)
    out = np.zeros_like(send)
    _network(send, out, _DELAYS, gains, damping)
    return out


@compiled
def _network(
    send: Samples, out: Samples, delays: NDArray[np.int64], gains: NDArray[np.float64], damping: float
) -> None:
    lines = len(delays)
    memory = np.zeros((lines, np.max(delays)))
    state = np.zeros(lines)
    ends = np.zeros(lines)
    for frame in range(send.shape[1]):
        left, right, total = 0.0, 0.0, 0.0
        for line in range(lines):
            value = memory[line, frame % delays[line]] * gains[line]
            state[line] = (1 - damping) * value + damping * state[line]
            ends[line] = state[line]
            total += state[line]
            if line % 2:
                right += state[line] if line % 4 == 1 else -state[line]
            else:
                left += state[line] if line % 4 == 0 else -state[line]
        for line in range(lines):
            # A Householder matrix mixes the lines without loss.
            entry = send[line % 2, frame] + ends[line] - 2.0 / lines * total
            memory[line, frame % delays[line]] = entry
        out[0, frame] = left * 0.5
        out[1, frame] = right * 0.5
