"""Standard MIDI Files of format 1, with times in ticks. https://midi.org/standard-midi-files"""

import struct
from collections.abc import Iterable, Sequence

TICKS_PER_QUARTER = 480
DRUM_CHANNEL = 9
MELODIC_CHANNELS = (*range(DRUM_CHANNEL), *range(DRUM_CHANNEL + 1, 16))

Event = tuple[int, bytes]
"""Ticks from the beginning, and a message."""

_LONGEST_QUARTER_MICROSECONDS = 2**24 - 1


def midi_file(tracks: Sequence[Iterable[Event]], end: int) -> bytes:
    """Return a file whose tracks end at the tick ``end``, or at their last event if that is later."""
    chunks = b"".join(_chunk(track, end) for track in tracks)
    return struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), TICKS_PER_QUARTER) + chunks


def text(words: str) -> bytes:
    return _meta(0x01, words.encode())


def track_name(name: str) -> bytes:
    return _meta(0x03, name.encode())


def marker(name: str) -> bytes:
    return _meta(0x06, name.encode())


def tempo(seconds_per_quarter: float) -> bytes:
    return _meta(0x51, min(max(1, round(seconds_per_quarter * 1e6)), _LONGEST_QUARTER_MICROSECONDS).to_bytes(3, "big"))


def time_signature(beats_per_bar: int, unit_exponent: int = 2) -> bytes:
    """Return a metre. The unit is 2 to the power of ``unit_exponent``: 2 for quarters, 3 for eighths."""
    return _meta(0x58, bytes((beats_per_bar, unit_exponent, 24, 8)))


def key_signature(sharps: int, is_minor: bool) -> bytes:
    """Return a key: the number of its sharps, or of its flats below 0."""
    return _meta(0x59, struct.pack("bB", sharps, is_minor))


def program(channel: int, number: int) -> bytes:
    """Return the choice of an instrument, 0 to 127 as General MIDI counts from 1."""
    return bytes((0xC0 | channel, number))


def control(channel: int, number: int, value: int) -> bytes:
    return bytes((0xB0 | channel, number, value))


def note(channel: int, start: int, end: int, pitch: int, velocity: int) -> Iterable[Event]:
    yield start, bytes((0x90 | channel, pitch, velocity))
    yield end, bytes((0x80 | channel, pitch, 0))


def _chunk(events: Iterable[Event], end: int) -> bytes:
    body, before = bytearray(), 0
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
