"""The procedural engine, which needs no weights: a composer for music and a sound designer for sound effects."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from soundwright.kit import errors
from soundwright.kit.engines import ModelDeclaration
from soundwright.services.generation.engines.procedural import effects
from soundwright.services.generation.engines.procedural.compose import Composition, compose_parts, plan_first, seed_for
from soundwright.services.generation.engines.procedural.midi import midi_file
from soundwright.services.generation.engines.procedural.render import mix, render_stems
from soundwright.services.generation.engines.procedural.score import STEMS
from soundwright.services.generation.engines.procedural.sounds import Heard, ambience, design, render_cue, scene
from soundwright.services.generation.engines.procedural.styles import STYLES
from soundwright.services.generation.engines.procedural.waves import fade
from soundwright.services.generation.service import (
    MAX_SECONDS,
    MIN_SECONDS,
    MUSIC,
    SOUND,
    Clip,
    Engine,
    Interpretation,
    Part,
    Take,
)

Samples = NDArray[np.float32]

_RATE_HZ = 44100
_FADE_LIMIT_SECONDS = 1.0  # by which takes are longer than their clip
_PEAK = 0.89
_SOUND_RMS = 0.14
_LOOP_TAIL_SECONDS = 0.5


def _declared(name: str, output: str, description: str) -> ModelDeclaration:
    return ModelDeclaration(
        name=name,
        description=f"{description} synthesis; runs when the weights of a {output} model are missing",
        architecture="Rules and synthesis",
        outputs=(output,),
        sample_rate_hz=_RATE_HZ,
        code_licence="Apache-2.0",
        needs_weights=False,
        device_memory_bytes=0,
        listed=False,
    )


COMPOSER = _declared("composer", MUSIC, "Music by rules, recorded tones and")
SOUND_DESIGNER = _declared("sound-designer", SOUND, "Sound effects by rules and")


class ProceduralEngine(Engine):
    """Text to audio by rules and synthesis, in stereo at 44100 Hz, much faster than real time.

    The composer continues its own clips exactly: it plays them again, without their ending, and goes on with the next
    bar. It continues those of other versions in their tempo and key, on the beat. Other lead-ins are ignored.
    """

    name = "procedural"
    models = (COMPOSER, SOUND_DESIGNER)

    def generate(self, model: str, takes: Sequence[Take], report: Callable[[float], None]) -> list[Clip]:
        """Return a clip for each take: float32 [2, round(duration_seconds * 44100)], peak below 0.9. Continuations of the
        composer's own clips have all of the clip, and loops of a requested tempo as many bars as fit best.

        Prompts for music can contain a tempo ("120 bpm", "slow"), a key ("in C minor"), a mood, a genre, instruments
        ("with piano", "no drums", "solo cello"), "build up" and "loop". Prompts for sound effects can contain the
        sounds of a scene and their properties ("heavy rain with distant thunder"). A clip has no click at either end. A
        loop continues after its end.

        Args:
            model: ``composer`` or ``sound-designer``.
            takes: takes of 1 to 300 seconds, and their fades; any integer is a valid seed.
            report: called with the share of the work that is done, 0 to 1. An exception that it raises ends the work.

        Raises:
            AppError: ``MODEL_UNKNOWN``, ``DURATION_OUT_OF_RANGE``.
        """
        make = _MAKERS.get(model)
        if make is None:
            raise errors.MODEL_UNKNOWN(model=model, known=", ".join(_MAKERS))
        if not all(MIN_SECONDS <= take.duration_seconds <= MAX_SECONDS + _FADE_LIMIT_SECONDS for take in takes):
            raise errors.DURATION_OUT_OF_RANGE(low=MIN_SECONDS, high=MAX_SECONDS)
        report(0.0)
        clips = []
        for number, take in enumerate(takes):
            # Each take has an equal share of the work. The last 2 % of it are mastering.
            one = functools.partial(_report_part, report, number / len(takes), 1.0 / len(takes))
            clips.append(make(take, one))
        report(1.0)
        return clips


def clip_parts(history: Sequence[Part], fade_seconds: float) -> dict[str, Samples] | None:
    """Return the parts of a clip of the composer, whose sum is its take.

    Args:
        history: what the clip was generated from, as :attr:`Take.parts`.
        fade_seconds: by how much the take of a loop is longer than the clip.

    Returns:
        float32 [2, frames] each: ``drums``, ``bass``, ``lead``, ``other`` and ``ambience``, as far as they sound. None: the
        composer did not make all of the clip.
    """
    if (
        not history
        or any(part.model != COMPOSER.name for part in history)
        or (len(history) > 1 and not _can_follow(history))
    ):
        return None
    last = history[-1]
    take = Take(
        last.prompt,
        last.duration_seconds + fade_seconds,
        last.seed,
        loop_seconds=last.duration_seconds if last.is_loop and len(history) == 1 else None,
        parts=tuple(history) if len(history) > 1 else (),
    )
    _, parts, _, _ = _music_parts(take, lambda share: None, {stem: (stem,) for stem in STEMS})
    # The composer's stem "vocals" has the melody, which an instrument may play.
    return {"lead" if name == "vocals" else name: samples for name, samples in parts.items() if samples.any()}


def _report_part(report: Callable[[float], None], begin: float, span: float, share: float) -> None:
    report(begin + span * (0.02 + 0.96 * share))


def _music(take: Take, report: Callable[[float], None]) -> Clip:
    piece, parts, behind, is_followed = _music_parts(take, report, {"music": STEMS})
    seconds = take.duration_seconds if take.loop_seconds is None else take.loop_seconds
    has_other_length = take.loop_seconds is not None and abs(piece.duration_seconds - seconds) > 0.5 / _RATE_HZ
    ignored = (*(("duration",) if has_other_length else ()), *_unheard(take, is_followed=is_followed))
    return Clip(
        mix(parts),
        _RATE_HZ,
        _with_sounds(replace(piece.interpretation, ignored_parameters=ignored), behind),
        piece.duration_seconds if is_followed or has_other_length else None,
        midi_file(replace(piece.song, duration_seconds=piece.duration_seconds))
        if not take.lead_in or is_followed
        else b"",
    )


def _music_parts(
    take: Take, report: Callable[[float], None], groups: Mapping[str, Sequence[str]]
) -> tuple[Composition, dict[str, Samples], Heard, bool]:
    """Return the score, its groups of stems, float32 [2, frames] each, the sounds behind it, and whether it repeats earlier parts."""
    is_followed = _can_follow(take.parts)
    is_loop = take.loop_seconds is not None
    seconds = take.duration_seconds if take.loop_seconds is None else take.loop_seconds
    like, begun_seconds = (None, 0.0) if is_followed or is_loop else _joined_to(take)
    parts = take.parts if is_followed else (Part(take.prompt, begun_seconds + seconds, take.seed, is_loop),)
    piece = compose_parts(parts, like)
    if parts[-1].is_loop:
        tail_seconds = _LOOP_TAIL_SECONDS if is_followed else take.duration_seconds - seconds
    else:
        tail_seconds = 0.0
    root = seed_for(parts[0].prompt, parts[0].seed)
    stems = render_stems(piece.song, _RATE_HZ, root, report, groups)
    behind = ambience(take.prompt)
    if behind.cues:
        music, rng = mix(stems), np.random.default_rng([root, 2])
        sound = sum(render_cue(cue, music.shape[1], _RATE_HZ, rng) for cue in behind.cues)
        stems["ambience"] = np.asarray(np.float32(behind.level) * sound, dtype=np.float32)
        gain = _final_gain(music + stems["ambience"], effects.active_rms(music, _RATE_HZ))
        stems = {name: np.asarray(samples * gain, dtype=np.float32) for name, samples in stems.items()}
    begin, end = _frames(begun_seconds), _frames(piece.duration_seconds + tail_seconds)
    if begin:
        end = begin + _frames(take.duration_seconds)
    return piece, {name: samples[:, begin:end] for name, samples in stems.items()}, behind, is_followed


def _joined_to(take: Take) -> tuple[Interpretation | None, float]:
    """Return tempo and key of the clip of another version that a take continues, and how much of a bar is over when the take begins."""
    like = take.parts[0].interpretation if take.parts else None
    if take.lead_in is None or like is None or not like.tempo_bpm:
        return None, 0.0
    before_seconds = take.lead_in.samples.shape[1] / take.lead_in.sample_rate_hz
    beats = STYLES[plan_first(Part(take.prompt, take.duration_seconds, take.seed)).style].beats_per_bar
    return like, before_seconds % (60.0 * beats / like.tempo_bpm)


def _can_follow(parts: Sequence[Part]) -> bool:
    """Return whether this composer would make the earlier parts as they are."""
    if not parts or any(part.model != COMPOSER.name for part in parts[:-1]):
        return False
    made, plan = parts[0].interpretation, plan_first(parts[0])
    return made is not None and (round(plan.tempo_bpm, 2), str(plan.key)) == (made.tempo_bpm, made.key)


def _unheard(take: Take, *, is_followed: bool = False) -> tuple[str, ...]:
    return () if take.lead_in is None or is_followed else ("continue_from",)


def _with_sounds(interpretation: Interpretation, heard: Heard) -> Interpretation:
    ignored = tuple(word for word in interpretation.ignored_words if word not in heard.words)
    return replace(interpretation, sounds=tuple(cue.source for cue in heard.cues), ignored_words=ignored)


def _sound(take: Take, report: Callable[[float], None]) -> Clip:
    rng = np.random.default_rng([seed_for(take.prompt, take.seed), 3])
    # The fade-out is in the part that a loop discards.
    made_seconds = take.duration_seconds + (_LOOP_TAIL_SECONDS if take.loop_seconds is not None else 0.0)
    heard = scene(take.prompt)
    sound = _finished(design(heard, _frames(made_seconds), _RATE_HZ, rng, report), _SOUND_RMS)
    understood = Interpretation(
        chosen=() if heard.is_named else ("sounds",),
        ignored_words=heard.ignored_words,
        ignored_parameters=_unheard(take),
    )
    return Clip(sound[:, : _frames(take.duration_seconds)], _RATE_HZ, _with_sounds(understood, heard))


def _frames(duration_seconds: float) -> int:
    return round(duration_seconds * _RATE_HZ)


def _finished(samples: Samples, rms: float) -> Samples:
    """Return the samples at a level, limited by at most 6 dB and faded at both ends."""
    return np.asarray(samples * _final_gain(samples, rms), dtype=np.float32)


def _final_gain(samples: Samples, rms: float) -> Samples:
    """Return the gain of :func:`_finished`, float32 [frames]."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    level = effects.active_rms(samples, _RATE_HZ)
    if peak < 1e-6 or level == 0.0:
        return np.ones(samples.shape[1], dtype=np.float32)
    # Short events may be louder than their average level, but long tones may not.
    least = min(0.6 * _PEAK / peak, 0.25 / level)
    scale = np.float32(np.clip(rms / level, least, 2.0 * _PEAK / peak))
    frames = samples.shape[1]
    gain = scale * effects.limiter_gain(samples * scale, _PEAK, _RATE_HZ)
    return np.asarray(gain * fade(frames, _RATE_HZ, 0.008, min(0.4, 0.08 * frames / _RATE_HZ)), dtype=np.float32)


_MAKERS = {COMPOSER.name: _music, SOUND_DESIGNER.name: _sound}
