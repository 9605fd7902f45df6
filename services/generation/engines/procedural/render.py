"""Renders a score: the stems of a song, at levels so that their sum is the mix."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np
from numpy.typing import NDArray

from soundwright.services.generation.engines.procedural import effects
from soundwright.services.generation.engines.procedural.instruments import INSTRUMENTS, Instrument
from soundwright.services.generation.engines.procedural.score import STEMS, Note, Song, Track
from soundwright.services.generation.engines.procedural.tones import Tone
from soundwright.services.generation.engines.procedural.waves import fade

Samples = NDArray[np.float32]

_PEAK = 0.89
_TRACK_RMS = 0.1
# Level of each stem's tracks before their own gain: a common balance with the voice in front.
_STEM_LEVEL = {"drums": 0.95, "bass": 0.75, "vocals": 1.0, "other": 0.62}
_ROOM_SECONDS = 1.2
_PRESENCE = {"drums": 1.3, "bass": 0.2, "vocals": 1.3, "other": 1.5}
_KIT_RMS = 0.2
_PUSH = 1.8  # the loudest peaks may exceed the limiter's threshold by about 5 dB
_LOUDEST_RMS = 0.18  # upper bound, because dense music would otherwise be louder than other music
_VELOCITY_LEVELS = 5


def render_stems(
    song: Song, sample_rate_hz: int = 44100, seed: int = 0, report: Callable[[float], None] = lambda share: None
) -> dict[str, Samples]:
    """Render a song.

    Args:
        song: the score.
        sample_rate_hz: sample rate.
        seed: seed of noise and rooms; the score contains all notes.
        report: called with the share of the work that is done, 0 to 1.

    Returns:
        float32 [2, frames] for each of :data:`score.STEMS`, silent if the song has no such track. Their sum is the mix,
        whose peak is below 0.9. The same arguments give the same samples.
    """
    done = count()

    def played() -> None:
        report((next(done) + 1) / (len(song.tracks) + 1))

    stems = {
        stem: _render_stem(
            stem, song, sample_rate_hz, np.random.SeedSequence([seed, number]), [seed, len(STEMS)], played
        )
        for number, stem in enumerate(STEMS)
    }
    return _mastered(stems, sample_rate_hz)


def mix(stems: dict[str, Samples]) -> Samples:
    """Return the sum of stems, float32 [2, frames]."""
    return np.asarray(np.sum([stems[stem] for stem in STEMS], axis=0), dtype=np.float32)


def _render_stem(
    stem: str, song: Song, rate_hz: int, seed: np.random.SeedSequence, room: list[int], played: Callable[[], None]
) -> Samples:
    """Return all tracks of a stem in the room, which is the same for all of them, float32 [2, frames]. ``played`` is called after each track."""
    frames = song.frames(rate_hz)
    dry = np.zeros((2, frames), dtype=np.float32)
    send = np.zeros(frames, dtype=np.float32)
    tracks = [track for track in song.tracks if track.stem == stem and track.notes]
    for track, track_seed in zip(tracks, seed.spawn(len(tracks)), strict=True):
        sound = _render_track(track, song, rate_hz, track_seed)
        played()
        dry += sound
        reverb = INSTRUMENTS[track.instrument].reverb
        if reverb:
            send += np.float32(0.5 * reverb) * (sound[0] + sound[1])
    if send.any():
        dry += effects.reverb(send, rate_hz, _ROOM_SECONDS, np.random.default_rng(room))
    return effects.brightened(dry, rate_hz, _PRESENCE[stem])


def _render_track(track: Track, song: Song, rate_hz: int, seed: np.random.SeedSequence) -> Samples:
    instrument = INSTRUMENTS[track.instrument]
    sound = _place_notes(track, instrument, song, rate_hz, seed)
    if instrument.drive:
        sound = effects.saturated(sound, instrument.drive)
    if instrument.cutoff_hz:
        sound = effects.lowpassed(sound, rate_hz, instrument.cutoff_hz)
    sound = effects.panned(sound, track.pan)
    sound = effects.widened(sound, rate_hz, instrument.width)
    level = effects.active_rms(sound, rate_hz)
    if track.stem == "drums":
        # A single shaker is quiet. Do not raise it to the level of a whole kit.
        level = max(level, _KIT_RMS)
    if level > 0:
        sound = sound * np.float32(_TRACK_RMS * _STEM_LEVEL[track.stem] * track.gain / level)
    return sound


def _place_notes(
    track: Track, instrument: Instrument, song: Song, rate_hz: int, seed: np.random.SeedSequence
) -> Samples:
    """Return all notes, float32 [2, frames]. Each different sound is rendered once."""
    frames = song.frames(rate_hz)
    dry = np.zeros((2, frames), dtype=np.float32)
    root = int(seed.generate_state(1)[0])
    rendered: dict[Tone, Samples] = {}
    before: Note | None = None
    for number, note in enumerate(sorted(track.notes, key=lambda note: (note.start_beat, note.pitch_midi))):
        start = round(note.start_beat * song.seconds_per_beat * rate_hz)
        if start >= frames:
            continue
        tone = _tone(note, before, instrument, number, song)
        before = note
        sound = rendered.get(tone)
        if sound is None:
            source = [root, tone.pitch_midi, round(tone.duration_seconds * 1000), tone.variant]
            played = instrument.play(tone, rate_hz, np.random.default_rng(source))
            sound = rendered[tone] = np.atleast_2d(played)
        end = min(frames, start + sound.shape[1])
        dry[:, start:end] += np.float32(note.velocity) * sound[:, : end - start]
    return dry


def _tone(note: Note, before: Note | None, instrument: Instrument, number: int, song: Song) -> Tone:
    """Return the tone of a note with its timbre rounded to a few steps, so that repeated notes are rendered once."""
    glide = None
    if instrument.legato and before is not None:
        gap = note.start_beat - (before.start_beat + before.duration_beats)
        if abs(gap) < 0.06 and before.pitch_midi != note.pitch_midi:
            glide = before.pitch_midi
    return Tone(
        pitch_midi=note.pitch_midi,
        duration_seconds=round(note.duration_beats * song.seconds_per_beat, 2) or 0.01,
        velocity=max(1, round(note.velocity * _VELOCITY_LEVELS)) / _VELOCITY_LEVELS,
        glide_from_midi=glide,
        variant=number % instrument.variants,
    )


def _mastered(stems: dict[str, Samples], rate_hz: int) -> dict[str, Samples]:
    """Return the stems at the level of a finished song. One gain curve for all keeps their sum equal to the mix."""
    total = mix(stems)
    peak = float(np.max(np.abs(total), initial=0.0))
    if peak < 1e-6:
        return stems
    scale = np.float32(min(_PUSH * _PEAK / peak, _LOUDEST_RMS / max(effects.active_rms(total, rate_hz), 1e-9)))
    gain = scale * effects.limiter_gain(total * scale, _PEAK, rate_hz)
    gain *= fade(gain.size, rate_hz, 0.002, min(0.6, 0.05 * gain.size / rate_hz))
    return {stem: np.asarray(samples * gain, dtype=np.float32) for stem, samples in stems.items()}
