"""The engine that needs no weights: music from the composer, sound effects from the sound designer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kit.errors import AppError, Code
from services.generation.engines.procedural import effects
from services.generation.engines.procedural.compose import compose, seed_for
from services.generation.engines.procedural.render import mix, render_stems
from services.generation.engines.procedural.sounds import ambience_cues, design, render_cue
from services.generation.engines.procedural.waves import fade
from services.generation.service import Clip

__all__ = ["ProceduralEngine"]

Samples = NDArray[np.float32]

_RATE_HZ = 44100
_LIMIT_SECONDS = (1.0, 300.0)
_PEAK = 0.89
_SOUND_RMS = 0.14
_AMBIENCE_LEVEL = 0.35


class ProceduralEngine:
    """Text to audio by rules and synthesis, in stereo at 44100 Hz; no weights, no network, seconds for minutes.

    Implements :class:`services.generation.service.Engine`.
    """

    name = "procedural"
    models = ("music", "audio")

    def generate(
        self, prompt: str, duration_seconds: float, seed: int, model: str, report: Callable[[float], None]
    ) -> Clip:
        """Audio of exactly ``round(duration_seconds * 44100)`` frames for a prompt.

        Args:
            prompt: free text. For music: tempo ("120 bpm", "slow"), key ("in C minor"), mood, genre, instruments
                ("with piano", "no drums", "solo cello"), "build up", "loop". For audio: the sounds of the scene and
                how they are ("heavy rain with distant thunder").
            duration_seconds: 1 to 300.
            seed: any integer; the same arguments give the same samples.
            model: ``music`` for the composer, ``audio`` for the sound designer.
            report: called with the rising share done, 0 to 1; may raise to stop the work.

        Returns:
            float32 [2, frames], peak below 0.9, without a click at either end.

        Raises:
            AppError: an unknown model or a length out of range.
        """
        if model not in self.models:
            raise AppError(
                Code.INVALID_ARGUMENT,
                "MODEL_UNKNOWN",
                "The built-in engine has the models music and audio: use one of them.",
            )
        low, high = _LIMIT_SECONDS
        if not low <= duration_seconds <= high:
            raise AppError(
                Code.INVALID_ARGUMENT, "DURATION_OUT_OF_RANGE", f"Ask for a duration from {low:g} to {high:g} seconds."
            )
        report(0.0)
        generate = _music if model == "music" else _sound
        samples = generate(prompt, duration_seconds, seed, lambda share: report(0.02 + 0.96 * share))
        report(1.0)
        return Clip(samples, _RATE_HZ)


def _music(prompt: str, duration_seconds: float, seed: int, report: Callable[[float], None]) -> Samples:
    root = seed_for(prompt, seed)
    song = compose(prompt, duration_seconds, seed)
    music = mix(render_stems(song, _RATE_HZ, root, report))
    backgrounds = ambience_cues(prompt)
    if not backgrounds:
        return music
    rng = np.random.default_rng([root, 2])
    behind = sum(render_cue(cue, music.shape[1], _RATE_HZ, rng) for cue in backgrounds)
    return _finished(music + np.float32(_AMBIENCE_LEVEL) * behind, effects.active_rms(music, _RATE_HZ))


def _sound(prompt: str, duration_seconds: float, seed: int, report: Callable[[float], None]) -> Samples:
    rng = np.random.default_rng([seed_for(prompt, seed), 3])
    return _finished(design(prompt, round(duration_seconds * _RATE_HZ), _RATE_HZ, rng, report), _SOUND_RMS)


def _finished(samples: Samples, rms: float) -> Samples:
    """The samples at a level, peaks held by the limiter (6 dB at most), faded at both ends."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    level = effects.active_rms(samples, _RATE_HZ)
    if peak < 1e-6 or level == 0.0:
        return samples
    # Short events may be louder than their average says, long tones not.
    least = min(0.6 * _PEAK / peak, 0.25 / level)
    scale = np.float32(np.clip(rms / level, least, 2.0 * _PEAK / peak))
    frames = samples.shape[1]
    gain = scale * effects.limiter_gain(samples * scale, _PEAK, _RATE_HZ)
    gain *= fade(frames, _RATE_HZ, 0.008, min(0.4, 0.08 * frames / _RATE_HZ))
    return np.asarray(samples * gain, dtype=np.float32)
