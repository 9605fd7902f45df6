"""Writes a score as a Standard MIDI File, with one track for each player."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from soundwright.kit import midi
from soundwright.kit.midi import DRUM_CHANNEL, MELODIC_CHANNELS, TICKS_PER_QUARTER, Event
from soundwright.services.generation.engines.procedural.instruments import DRUMS, INSTRUMENTS
from soundwright.services.generation.engines.procedural.score import Key, Song, Track

_PAN = 10
# Sharps, or flats below 0, by tonic of a major key.
_SIGNATURES = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)


def midi_file(song: Song) -> bytes:
    """Return a file of format 1, with the notes that begin within the song, and end with it at the latest. Drums are on channel 10, and other players have programs of General MIDI."""
    key = Key.parse(song.key)
    signature = _SIGNATURES[(key.tonic + (3 if key.is_minor else 0)) % 12]
    header = [
        (0, midi.tempo(60 / song.tempo_bpm)),
        (0, midi.time_signature(song.beats_per_bar)),
        (0, midi.key_signature(signature, key.is_minor)),
    ]
    end = round(song.duration_seconds / song.seconds_per_beat * TICKS_PER_QUARTER)
    numbers = count()
    tracks: list[Iterable[Event]] = [header]
    for track in song.tracks:
        is_drums = INSTRUMENTS[track.instrument].role == DRUMS
        channel = DRUM_CHANNEL if is_drums else MELODIC_CHANNELS[next(numbers) % len(MELODIC_CHANNELS)]
        tracks.append(_events(track, channel, end))
    return midi.midi_file(tracks, end)


def _events(track: Track, channel: int, end: int) -> Iterable[Event]:
    yield 0, midi.track_name(track.instrument.replace("_", " "))
    yield 0, midi.program(channel, INSTRUMENTS[track.instrument].program)
    yield 0, midi.control(channel, _PAN, round(63.5 + 63.5 * track.pan))
    for note in track.notes:
        start = round(note.start_beat * TICKS_PER_QUARTER)
        if start < end:
            length = max(1, round(note.duration_beats * TICKS_PER_QUARTER))
            velocity = max(1, round(127 * note.velocity))
            yield from midi.note(channel, start, min(start + length, end), note.pitch_midi, velocity)
