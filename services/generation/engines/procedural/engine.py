"""The engine that needs no weights: music from the composer, sound effects from the sound designer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kit.errors import AppError, Code
from services.generation.engines.procedural import effects
from services.generation.engines.procedural.compose import compose, compose_loop, seed_for
from services.generation.engines.procedural.render import mix, render_stems
from services.generation.engines.procedural.sounds import ambience_cues, design, render_cue
from services.generation.engines.procedural.waves import fade
from services.generation.service import MODELS, Clip, Take, is_music

__all__ = ["ProceduralEngine"]

Samples = NDArray[np.float32]

_RATE_HZ = 44100
_LIMIT_SECONDS = (1.0, 300.0)
_PEAK = 0.89
_SOUND_RMS = 0.14
_AMBIENCE_LEVEL = 0.35
_LOOP_TAIL_SECONDS = 0.5


class ProceduralEngine:
    """Text to audio by rules and synthesis, in stereo at 44100 Hz; no weights, no network, seconds for minutes.

    Implements :class:`services.generation.service.Engine`. It composes music for the models of music, designs sounds for
    the others, and does not listen to lead-ins.
    """

    name = "procedural"

    def load(self, model: str) -> None:
        """There is nothing to load.

        Raises:
            AppError: ``MODEL_UNKNOWN``.
        """
        if model not in MODELS:
            raise AppError(
                Code.INVALID_ARGUMENT,
                "MODEL_UNKNOWN",
                f"The built-in engine has the models {', '.join(MODELS)}: use one.",
            )

    def unload(self, model: str) -> None:
        """There is nothing to give back."""

    def generate(self, model: str, takes: Sequence[Take], report: Callable[[float], None]) -> list[Clip]:
        """A clip for each take: float32 [2, round(duration_seconds * 44100)], peak below 0.9.

        What a prompt may hold: for music tempo ("120 bpm", "slow"), key ("in C minor"), mood, genre, instruments ("with
        piano", "no drums", "solo cello"), "build up", "loop"; for sounds those of the scene and how they are ("heavy rain
        with distant thunder"). A clip has no click at either end; one that is to be a loop goes on at its end instead.

        Args:
            model: see :meth:`load`.
            takes: of 1 to 300 seconds; any integer is a seed.
            report: called with the rising share done, 0 to 1; may raise to stop the work.

        Raises:
            AppError: an unknown model or a length out of range.
        """
        self.load(model)
        low, high = _LIMIT_SECONDS
        if not all(low <= take.duration_seconds <= high for take in takes):
            raise AppError(
                Code.INVALID_ARGUMENT, "DURATION_OUT_OF_RANGE", f"Ask for a duration from {low:g} to {high:g} seconds."
            )
        report(0.0)
        make = _music if is_music(model) else _sound
        clips = []
        for number, take in enumerate(takes):
            # A share of the work for each take, of which the last hundredths are mastering.
            one = functools.partial(_report_part, report, number / len(takes), 1.0 / len(takes))
            clips.append(Clip(make(take, one), _RATE_HZ))
        report(1.0)
        return clips


def _report_part(report: Callable[[float], None], begin: float, span: float, share: float) -> None:
    report(begin + span * (0.02 + 0.96 * share))


def _music(take: Take, report: Callable[[float], None]) -> Samples:
    root = seed_for(take.prompt, take.seed)
    if take.loop_seconds is None:
        song = compose(take.prompt, take.duration_seconds, take.seed)
    else:
        song = compose_loop(take.prompt, take.loop_seconds, take.duration_seconds, take.seed)
    music = mix(render_stems(song, _RATE_HZ, root, report))
    backgrounds = ambience_cues(take.prompt)
    if backgrounds:
        rng = np.random.default_rng([root, 2])
        behind = sum(render_cue(cue, music.shape[1], _RATE_HZ, rng) for cue in backgrounds)
        music = _finished(music + np.float32(_AMBIENCE_LEVEL) * behind, effects.active_rms(music, _RATE_HZ))
    return music[:, : _frames(take.duration_seconds)]


def _sound(take: Take, report: Callable[[float], None]) -> Samples:
    rng = np.random.default_rng([seed_for(take.prompt, take.seed), 3])
    # The fade at the end belongs to what a loop does not keep.
    made_seconds = take.duration_seconds + (_LOOP_TAIL_SECONDS if take.loop_seconds is not None else 0.0)
    sound = _finished(design(take.prompt, _frames(made_seconds), _RATE_HZ, rng, report), _SOUND_RMS)
    return sound[:, : _frames(take.duration_seconds)]


def _frames(duration_seconds: float) -> int:
    return round(duration_seconds * _RATE_HZ)


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
