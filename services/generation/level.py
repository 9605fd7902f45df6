"""Brings all clips to the same loudness."""

import math

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.audio.loudness import LoudnessMeter

Samples = NDArray[np.float32]

TARGET_LUFS = -14.0
TRUE_PEAK_LIMIT_DBTP = -1.0
_FLOOR_RMS = 2e-3  # -54 dBFS: quieter clips are almost silent, and a gain would only amplify their noise
_BLOCK_FRAMES = 1 << 16
_FADE_SECONDS = (0.001, 0.02)


def levelled(samples: Samples, sample_rate_hz: int) -> Samples:
    """Return the clip at -14 LUFS (ITU-R BS.1770-4, integrated), with one gain for the whole clip.

    The peak has precedence: if that gain would raise the true peak above -1 dBTP, as for single hits in silence, the
    clip stays quieter. There is no limiter and no compressor. A clip below -54 dBFS RMS, or without any block above the
    standard's gate, is unchanged unless its peak exceeds the limit.

    Args:
        samples: float32 [channels, frames]; values above full scale are allowed.
    """
    return np.asarray(samples * level_gain(samples, sample_rate_hz), dtype=np.float32)


def level_gain(samples: Samples, sample_rate_hz: int) -> np.float32:
    """Return the gain of :func:`levelled`."""
    meter = metered(samples, sample_rate_hz)
    loudness, peak = meter.loudness_lufs(), meter.true_peak_dbtp()
    if peak is None:
        return np.float32(1.0)
    rms = math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))
    wanted_db = TARGET_LUFS - loudness if loudness is not None and rms >= _FLOOR_RMS else 0.0
    gain_db = min(wanted_db, TRUE_PEAK_LIMIT_DBTP - peak)
    return np.float32(10.0 ** (gain_db / 20.0))


def metered(samples: Samples, sample_rate_hz: int) -> LoudnessMeter:
    """Return a meter that has processed the clip, float32 [channels, frames]."""
    meter = LoudnessMeter(sample_rate_hz, samples.shape[0])
    for start in range(0, samples.shape[1], _BLOCK_FRAMES):
        meter.push(samples[:, start : start + _BLOCK_FRAMES])
    return meter


def without_clicks(samples: Samples, sample_rate_hz: int) -> Samples:
    """Return the clip with raised-cosine fades at both ends, 1 and 20 ms long, which prevent clicks."""
    faded = samples.copy()
    for seconds, end in zip(_FADE_SECONDS, (faded, faded[:, ::-1]), strict=True):
        frames = min(round(seconds * sample_rate_hz), samples.shape[1])
        end[:, :frames] *= np.asarray(0.5 - 0.5 * np.cos(np.pi * (np.arange(frames) + 0.5) / frames), dtype=np.float32)
    return faded
