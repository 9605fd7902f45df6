"""Renders a score: the stems of a song, at levels so that their sum is the mix."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.audio.loudness import LoudnessMeter
from soundwright.services.generation.engines.procedural import effects
from soundwright.services.generation.engines.procedural.instruments import INSTRUMENTS, LEAD, Instrument
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
_ROOM_PRESENCE = 1.4
_EACH_STEM: Mapping[str, Sequence[str]] = {stem: (stem,) for stem in STEMS}
_KIT_RMS = 0.2
_DEEP = 2.2  # peaks 7 dB above the limiter's threshold; limiting them takes some loudness away
_PUSH = 4.0  # the loudest peaks may exceed the threshold by about 12 dB
_LOUDNESS_LUFS = -13.9  # that of finished clips, whose last fade it includes
_VELOCITY_LEVELS = 5


def render_stems(
    song: Song,
    sample_rate_hz: int = 44100,
    seed: int = 0,
    report: Callable[[float], None] = lambda share: None,
    groups: Mapping[str, Sequence[str]] = _EACH_STEM,
) -> dict[str, Samples]:
    """Render a song.

    Args:
        song: the score.
        sample_rate_hz: sample rate.
        seed: seed of noise and rooms; the score contains all notes.
        report: called with the share of the work that is done, 0 to 1.
        groups: names of what to return, each with the stems in it: by default, each of :data:`score.STEMS` alone. One group is
            the quickest.

    Returns:
        float32 [2, frames] for each group, silent if the song has no such track. Their sum is the mix, whose peak is below 0.9.
        The same arguments give the same samples.
    """
    done = count()

    def played() -> None:
        report((next(done) + 1) / (len(song.tracks) + 1))

    seeds = {stem: np.random.SeedSequence([seed, number]) for number, stem in enumerate(STEMS)}
    rendered = {}
    for name, stems in groups.items():
        dry, bright = (np.zeros((2, song.frames(sample_rate_hz)), dtype=np.float32) for _ in range(2))
        send = np.zeros(dry.shape[1], dtype=np.float32)
        for stem in stems:
            tracks = [track for track in song.tracks if track.stem == stem and track.notes]
            for track, track_seed in zip(tracks, seeds[stem].spawn(len(tracks)), strict=True):
                sound = _render_track(track, song, sample_rate_hz, track_seed)
                played()
                dry += sound
                bright += np.float32(song.brightness * _PRESENCE[stem]) * sound
                if reverb := INSTRUMENTS[track.instrument].reverb:
                    send += np.float32(0.5 * reverb) * (sound[0] + sound[1])
        if send.any():  # all tracks are in the same room
            room = np.random.default_rng([seed, len(STEMS)])
            wet = effects.reverb(send, sample_rate_hz, _ROOM_SECONDS, room)
            dry += wet
            bright += np.float32(song.brightness * _ROOM_PRESENCE) * wet
        rendered[name] = dry + effects.treble(bright, sample_rate_hz) if song.brightness else dry
    return _mastered(rendered, sample_rate_hz)


def mix(stems: Mapping[str, Samples]) -> Samples:
    """Return the sum of stems, float32 [2, frames]."""
    return functools.reduce(np.add, stems.values())


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
        dry[:, start:end] += np.float32(note.velocity**2) * sound[:, : end - start]
    return dry


def _tone(note: Note, before: Note | None, instrument: Instrument, number: int, song: Song) -> Tone:
    """Return the tone of a note with its timbre rounded to a few steps, so that repeated notes are rendered once."""
    glide = None
    if instrument.role == LEAD and before is not None:
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


def _mastered(groups: dict[str, Samples], rate_hz: int) -> dict[str, Samples]:
    """Return groups of stems at the loudness of finished clips, by one gain curve for all. It limits what exceeds the peak there."""
    total = mix(groups)
    peak = float(np.max(np.abs(total), initial=0.0))
    if peak < 1e-6:
        return groups
    wanted = _gain_to_loudness(total, rate_hz)
    scale = np.float32(min(_PUSH * _PEAK / peak, wanted))
    gain = scale * effects.limiter_gain(total * scale, _PEAK, rate_hz)
    if scale * peak > _DEEP * _PEAK:
        scale = np.float32(min(_PUSH * _PEAK / peak, wanted * _gain_to_loudness(total * gain, rate_hz)))
        gain = scale * effects.limiter_gain(total * scale, _PEAK, rate_hz)
    gain *= fade(gain.size, rate_hz, 0.002, min(0.6, 0.05 * gain.size / rate_hz))
    for samples in groups.values():
        samples *= gain
    return groups


def _gain_to_loudness(samples: Samples, rate_hz: int) -> float:
    """Return the gain to the loudness of finished clips. It is measured at half the sample rate, where little is missing."""
    even = samples.shape[1] // 2 * 2
    meter = LoudnessMeter(rate_hz // 2, samples.shape[0], finds_peak=False)
    meter.push(np.float32(0.5) * (samples[:, :even:2] + samples[:, 1:even:2]))
    loudness = meter.loudness_lufs()
    return 10.0 ** ((_LOUDNESS_LUFS - loudness) / 20.0) if loudness is not None else np.inf
