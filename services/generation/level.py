"""One loudness for all clips, so that a listener need not reach for the volume."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kit.audio.loudness import LoudnessMeter

__all__ = ["TARGET_LUFS", "TRUE_PEAK_LIMIT_DBTP", "levelled", "metered", "without_clicks"]

Samples = NDArray[np.float32]

TARGET_LUFS = -14.0
TRUE_PEAK_LIMIT_DBTP = -1.0
_FLOOR_RMS = 2e-3  # -54 dBFS: what lies below is next to silence, and a gain would only make its noise heard
_BLOCK_FRAMES = 1 << 16
_FADE_SECONDS = (0.001, 0.02)


def levelled(samples: Samples, sample_rate_hz: int) -> Samples:
    """The clip at -14 LUFS (ITU-R BS.1770-4, integrated), by one gain for all of it.

    The peak wins: where that gain would lift the true peak above -1 dBTP, as with single hits in silence, the clip stays as
    much quieter. Nothing is limited or compressed. A clip below -54 dBFS RMS, or without any block above the standard's
    gate, is left as it is, unless its peak is above the limit.

    Args:
        samples: float32 [channels, frames]; beyond full scale is allowed.
    """
    meter = metered(samples, sample_rate_hz)
    loudness, peak = meter.loudness_lufs(), meter.true_peak_dbtp()
    if peak is None:
        return samples
    rms = math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))
    wanted_db = TARGET_LUFS - loudness if loudness is not None and rms >= _FLOOR_RMS else 0.0
    gain_db = min(wanted_db, TRUE_PEAK_LIMIT_DBTP - peak)
    return np.asarray(samples * np.float32(10.0 ** (gain_db / 20.0)), dtype=np.float32)


def metered(samples: Samples, sample_rate_hz: int) -> LoudnessMeter:
    """A meter that has heard the clip, float32 [channels, frames]."""
    meter = LoudnessMeter(sample_rate_hz, samples.shape[0])
    for start in range(0, samples.shape[1], _BLOCK_FRAMES):
        meter.push(samples[:, start : start + _BLOCK_FRAMES])
    return meter


def without_clicks(samples: Samples, sample_rate_hz: int) -> Samples:
    """The clip with raised-cosine fades at both ends, 1 and 20 ms long: a clip cut out of a sound else ends with a click."""
    faded = samples.copy()
    for seconds, end in zip(_FADE_SECONDS, (faded, faded[:, ::-1]), strict=True):
        frames = min(round(seconds * sample_rate_hz), samples.shape[1])
        end[:, :frames] *= np.asarray(0.5 - 0.5 * np.cos(np.pi * (np.arange(frames) + 0.5) / frames), dtype=np.float32)
    return faded
