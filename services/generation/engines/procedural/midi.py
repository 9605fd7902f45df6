"""Writes a score as a Standard MIDI File, with one track for each player."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import count

from services.generation.engines.procedural.instruments import DRUMS, INSTRUMENTS
from services.generation.engines.procedural.score import Key, Song, Track

_TICKS_PER_BEAT = 480
_DRUM_CHANNEL = 9
_CHANNELS = (*range(_DRUM_CHANNEL), *range(_DRUM_CHANNEL + 1, 16))
_PAN = 10
# Sharps, or flats below 0, by tonic of a major key.
_SIGNATURES = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)

Event = tuple[int, bytes]
"""Ticks from the beginning, and a message."""


def midi_file(song: Song) -> bytes:
    """Return a file of format 1, with the notes that begin within the song, and end with it at the latest. Drums are on channel 10, and other players have programs of General MIDI."""
    key = Key.parse(song.key)
    signature = _SIGNATURES[(key.tonic + (3 if key.is_minor else 0)) % 12]
    header = [
        (0, _meta(0x51, round(60e6 / song.tempo_bpm).to_bytes(3, "big"))),
        (0, _meta(0x58, bytes((song.beats_per_bar, 2, 24, 8)))),
        (0, _meta(0x59, struct.pack("bB", signature, key.is_minor))),
    ]
    end = round(song.duration_seconds / song.seconds_per_beat * _TICKS_PER_BEAT)
    numbers = count()
    tracks = [_chunk(header, end)]
    for track in song.tracks:
        is_drums = INSTRUMENTS[track.instrument].role == DRUMS
        channel = _DRUM_CHANNEL if is_drums else _CHANNELS[next(numbers) % len(_CHANNELS)]
        tracks.append(_chunk(_events(track, channel, end), end))
    return struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), _TICKS_PER_BEAT) + b"".join(tracks)


def _events(track: Track, channel: int, end: int) -> Iterable[Event]:
    yield 0, _meta(0x03, track.instrument.replace("_", " ").encode())
    yield 0, bytes((0xC0 | channel, INSTRUMENTS[track.instrument].program))
    yield 0, bytes((0xB0 | channel, _PAN, round(63.5 + 63.5 * track.pan)))
    for note in track.notes:
        start = round(note.start_beat * _TICKS_PER_BEAT)
        if start < end:
            length = max(1, round(note.duration_beats * _TICKS_PER_BEAT))
            yield start, bytes((0x90 | channel, note.pitch_midi, max(1, round(127 * note.velocity))))
            yield min(start + length, end), bytes((0x80 | channel, note.pitch_midi, 0))


def _chunk(events: Iterable[Event], end: int) -> bytes:
    body, before = b"", 0
    # A note that ends comes before one that begins.
    for tick, message in sorted(events, key=lambda event: (event[0], event[1][0] & 0xF0 == 0x90)):
        body += _variable(tick - before) + message
        before = tick
    body += _variable(max(0, end - before)) + _meta(0x2F, b"")
    return struct.pack(">4sI", b"MTrk", len(body)) + body


def _meta(kind: int, content: bytes) -> bytes:
    return bytes((0xFF, kind)) + _variable(len(content)) + content


def _variable(number: int) -> bytes:
    """Return a number in groups of 7 bits, the highest first."""
    groups = [number & 127]
    while number := number >> 7:
        groups.append(128 | number & 127)
    return bytes(reversed(groups))
