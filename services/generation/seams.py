"""Where a clip goes over into another or into its own beginning: cross-fades without click, dip or bump."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from services.generation.level import metered

__all__ = ["JOIN_SECONDS", "crossfade", "joined", "loop_fade_seconds", "looped"]

Samples = NDArray[np.float32]

JOIN_SECONDS = 0.2
_LOOP_FADE_SECONDS = 0.5
# Where the ends cancel each other, no gain brings back what is not there: it would only raise the noise.
_LEAST_CORRELATION = -0.5
_SAME_LEVEL_DB = 3.0
_NEAR_SECONDS = 0.5
_GAIN_LIMIT_DB = 12.0
_SILENCE_RMS = 1e-4


def crossfade(ending: Samples, beginning: Samples) -> Samples:
    """From one signal to another, at a power that follows theirs.

    The curves are a sine and a cosine, divided by what the correlation of the two signals adds to or takes from the power
    (M. Fink, M. Holters, U. Zölzer, "Signal-matched power-complementary cross-fading and dry-wet mixing", DAFx 2016): equal
    power for signals that have nothing in common, equal gain for equal signals.

    Args:
        ending, beginning: float32 [channels, frames], of one shape.

    Returns:
        float32 [channels, frames]; the first frame is all but ``ending``'s, the last all but ``beginning``'s.
    """
    frames = ending.shape[1]
    progress = (np.arange(frames) + 0.5) / max(1, frames)
    angle = 0.5 * math.pi * np.sin(0.5 * math.pi * progress) ** 2  # so that both curves begin and end level
    out, into = np.cos(angle), np.sin(angle)
    a, b = ending.astype(np.float64), beginning.astype(np.float64)
    energy = math.sqrt(float(np.sum(a * a)) * float(np.sum(b * b)))
    correlation = max(_LEAST_CORRELATION, float(np.sum(a * b)) / energy) if energy > 0 else 0.0
    scale = 1.0 / np.sqrt(1.0 + 2.0 * correlation * out * into)
    return np.asarray((a * out + b * into) * scale, dtype=np.float32)


def loop_fade_seconds(duration_seconds: float) -> float:
    """How much more than its length a clip must have to become a loop."""
    return min(_LOOP_FADE_SECONDS, duration_seconds / 4)


def looped(samples: Samples, fade_frames: int) -> Samples:
    """A clip that can be played in a circle: what goes beyond its length is laid over its beginning.

    The last frame is followed in the clip by the first that is laid over, so the circle has no step where it closes.

    Args:
        samples: float32 [channels, frames], at least twice ``fade_frames`` long.
        fade_frames: how many frames at the end go beyond the clip's length.

    Returns:
        float32 [channels, frames - fade_frames].
    """
    length = samples.shape[1] - fade_frames
    head = crossfade(samples[:, length:], samples[:, :fade_frames])
    return np.concatenate([head, samples[:, fade_frames:length]], axis=1)


def joined(before: Samples, after: Samples, sample_rate_hz: int, overlap_frames: int) -> Samples:
    """A clip and what goes on from it as one.

    If the levels differ where they meet, as when ``after`` was made without hearing ``before``, it is brought to the
    loudness (ITU-R BS.1770) of ``before``.

    Args:
        before, after: float32 [channels, frames], of equally many channels.
        overlap_frames: how many frames at the beginning of ``after`` repeat the end of ``before``.

    Returns:
        float32 [channels, frames of both - overlap_frames].
    """
    near = round(_NEAR_SECONDS * sample_rate_hz)
    if abs(_level_db(before[:, -near:]) - _level_db(after[:, :near])) > _SAME_LEVEL_DB:
        ours, theirs = metered(after, sample_rate_hz).loudness_lufs(), metered(before, sample_rate_hz).loudness_lufs()
        if ours is not None and theirs is not None:
            gain_db = min(max(theirs - ours, -_GAIN_LIMIT_DB), _GAIN_LIMIT_DB)
            after = after * np.float32(10.0 ** (gain_db / 20.0))
    length = before.shape[1] - overlap_frames
    middle = crossfade(before[:, length:], after[:, :overlap_frames])
    return np.concatenate([before[:, :length], middle, after[:, overlap_frames:]], axis=1)


def _level_db(samples: Samples) -> float:
    rms = math.sqrt(float(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0
    return 20.0 * math.log10(max(rms, _SILENCE_RMS))
