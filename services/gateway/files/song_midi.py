"""The notes of an analysis as a Standard MIDI File that follows the beats of the recording."""

from collections.abc import Iterable, Mapping
from typing import Any

from soundwright.kit import midi
from soundwright.kit.midi import MELODIC_CHANNELS, Event
from soundwright.services.gateway.files.song_grid import Grid, sections_of, song_grid

_PROGRAMS: Mapping[str, int] = {"bass": 33, "guitar": 27, "vocals": 53}  # electric bass, clean guitar, voice oohs
_PIANO = 0
_SUSTAIN_PEDAL = 64  # number of its controller


def song_midi(title: str, values: Mapping[str, Any]) -> bytes:
    """Return a file with a track for tempo, metre and sections, one for chords, and one for each part of the notes."""
    grid = song_grid(values)
    tracks: list[Iterable[Event]] = [_conductor(title, grid, values)]
    if chords := (values.get("chords") or {}).get("segments"):
        names = [(grid.tick(chord["start_seconds"]), midi.text(chord["label"])) for chord in chords]
        tracks.append([(0, midi.track_name("Chords")), *names])
    for number, part in enumerate(_parts(values)):
        channel = MELODIC_CHANNELS[number % len(MELODIC_CHANNELS)]
        tracks.append(_part(part, channel, grid))
    return midi.midi_file(tracks, grid.tick(values.get("duration_seconds") or 0.0))


def _conductor(title: str, grid: Grid, values: Mapping[str, Any]) -> Iterable[Event]:
    yield 0, midi.track_name(title)
    for tick, _, quarter_seconds in grid.tempos():
        yield tick, midi.tempo(quarter_seconds)
    for tick, beat_count, exponent in grid.metres:
        yield tick, midi.time_signature(beat_count, exponent)
    for section in sections_of(values):
        yield grid.tick(section["start_seconds"]), midi.marker(section["label"])


def _parts(values: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    features = (values.get(name) or {} for name in ("piano_notes", "notes"))
    return [part for feature in features for part in feature.get("parts", ())]


def _part(part: Mapping[str, Any], channel: int, grid: Grid) -> Iterable[Event]:
    yield 0, midi.track_name(part["name"])
    yield 0, midi.program(channel, _PROGRAMS.get(part["name"], _PIANO))
    for start_seconds, duration_seconds in part.get("pedals", ()):
        yield grid.tick(start_seconds), midi.control(channel, _SUSTAIN_PEDAL, 127)
        yield grid.tick(start_seconds + duration_seconds), midi.control(channel, _SUSTAIN_PEDAL, 0)
    for start_seconds, duration_seconds, pitch, velocity in part["notes"]:
        start = grid.tick(start_seconds)
        end = max(start + 1, grid.tick(start_seconds + duration_seconds))
        yield from midi.note(channel, start, end, int(pitch), int(velocity))
