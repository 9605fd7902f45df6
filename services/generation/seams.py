"""Joins clips and closes loops with cross-fades that cause no click, dip or bump."""

import math

import numpy as np
from numpy.typing import NDArray

from soundwright.services.generation.level import metered

Samples = NDArray[np.float32]
Weights = NDArray[np.float64]

JOIN_SECONDS = 0.2
_LOOP_FADE_SECONDS = 0.5
# If the signals cancel each other, a higher gain would only amplify noise.
_LEAST_CORRELATION = -0.5
_SAME_LEVEL_DB = 3.0
_NEAR_SECONDS = 0.5
_GAIN_LIMIT_DB = 12.0
_SILENCE_RMS = 1e-4


def crossfade(ending: Samples, beginning: Samples) -> Samples:
    """Fade from one signal to another with a power that follows the signals.

    The curves are a sine and a cosine, divided by what the correlation of the two signals adds to the power (M. Fink,
    M. Holters, U. Zölzer, "Signal-matched power-complementary cross-fading and dry-wet mixing", DAFx 2016).
    Uncorrelated signals are faded with equal power, and identical signals with equal gain.

    Args:
        ending, beginning: float32 [channels, frames], of the same shape.

    Returns float32 [channels, frames]. The first frame is almost that of ``ending``, and the last almost that of
    ``beginning``.
    """
    out, into = _fade_weights(ending, beginning)
    return np.asarray(ending * out + beginning * into, dtype=np.float32)


def _fade_weights(ending: Samples, beginning: Samples) -> tuple[Weights, Weights]:
    """Return the weights of :func:`crossfade`, float64 [frames]."""
    frames = ending.shape[1]
    progress = (np.arange(frames) + 0.5) / max(1, frames)
    angle = 0.5 * math.pi * np.sin(0.5 * math.pi * progress) ** 2  # both curves start and end with slope 0
    out, into = np.cos(angle), np.sin(angle)
    a, b = ending.astype(np.float64), beginning.astype(np.float64)
    energy = math.sqrt(float(np.sum(a * a)) * float(np.sum(b * b)))
    correlation = max(_LEAST_CORRELATION, float(np.sum(a * b)) / energy) if energy > 0 else 0.0
    scale = 1.0 / np.sqrt(1.0 + 2.0 * correlation * out * into)
    return out * scale, into * scale


def loop_fade_seconds(duration_seconds: float) -> float:
    """Return by how much a take must be longer than the clip so that it can be made into a loop."""
    return min(_LOOP_FADE_SECONDS, duration_seconds / 4)


def looped(samples: Samples, fade_frames: int, mix: Samples | None = None) -> Samples:
    """Make a loop: the frames after the length of the clip are cross-faded into its beginning.

    In the take, the last frame of the clip is followed by the first frame of the fade, so the loop has no step where it
    closes.

    Args:
        samples: float32 [channels, frames], at least twice ``fade_frames`` long.
        fade_frames: number of frames at the end that exceed the length of the clip.
        mix: for a part of a clip, the whole clip, whose loop is made alike.

    Returns float32 [channels, frames - fade_frames].
    """
    length = samples.shape[1] - fade_frames
    whole = samples if mix is None else mix
    out, into = _fade_weights(whole[:, length:], whole[:, :fade_frames])
    head = np.asarray(samples[:, length:] * out + samples[:, :fade_frames] * into, dtype=np.float32)
    return np.concatenate([head, samples[:, fade_frames:length]], axis=1)


def joined(before: Samples, after: Samples, sample_rate_hz: int, overlap_frames: int) -> Samples:
    """Join a clip and its continuation.

    If the levels at the joint differ, for example because the engine did not use ``before``, ``after`` is brought to
    the loudness of ``before`` (ITU-R BS.1770).

    Args:
        before, after: float32 [channels, frames], with the same number of channels.
        overlap_frames: number of frames at the beginning of ``after`` that repeat the end of ``before``.

    Returns float32 [channels, frames of both - overlap_frames].
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
