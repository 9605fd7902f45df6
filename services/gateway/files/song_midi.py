"""The notes of an analysis as a Standard MIDI File that follows the beats of the recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit import midi
from kit.midi import MELODIC_CHANNELS, TICKS_PER_QUARTER, Event

_PROGRAMS: Mapping[str, int] = {"bass": 33, "guitar": 27, "vocals": 53}  # electric bass, clean guitar, voice oohs
_PIANO = 0
_DEFAULT_BPM = 120.0
_LONGEST_BEAT_SECONDS = 4.0  # a longer gap between beats has beats that were not heard


@dataclass(frozen=True)
class Grid:
    """Where musical time is in a recording.

    Attributes:
        seconds: ascending times, the first at 0.
        ticks: the ticks at these times.
        metres: tick, beats per bar and exponent of the unit, where the metre changes.
    """

    seconds: NDArray[np.float64]
    ticks: NDArray[np.int64]
    metres: Sequence[tuple[int, int, int]]

    def tick(self, seconds: float) -> int:
        """Return the tick at a time. After the last beat, the tempo stays."""
        if seconds > self.seconds[-1]:
            pace = (self.ticks[-1] - self.ticks[-2]) / (self.seconds[-1] - self.seconds[-2])
            return round(float(self.ticks[-1] + (seconds - self.seconds[-1]) * pace))
        return round(float(np.interp(seconds, self.seconds, self.ticks)))


def song_grid(values: Mapping[str, Any]) -> Grid:
    """Return the grid of the beats and bars of an analysis. Without beats, the tempo is steady.

    The recording begins on a beat: if the first beat comes late, as many beats precede it as fit.
    """
    bars = values.get("bars") or {}
    downbeats = np.asarray(bars.get("downbeats") or [], np.float64)
    beats = np.unique(np.asarray(values.get("beats") or [], np.float64))
    in_eighths = bars.get("beats_per_bar") == 6
    unit = TICKS_PER_QUARTER // 2 if in_eighths else TICKS_PER_QUARTER
    if len(beats) < 2:
        beat_seconds = 60.0 / (values.get("tempo") or _DEFAULT_BPM)
        return Grid(np.array([0.0, beat_seconds]), np.array([0, unit]), [])
    gaps = np.diff(beats)
    usual = float(np.median(gaps))
    steps = np.where(gaps > _LONGEST_BEAT_SECONDS, np.maximum(1, np.rint(gaps / usual)), 1).astype(np.int64)
    lead = round(float(beats[0]) / usual)
    numbers = lead + np.concatenate([[0], np.cumsum(steps)])
    seconds = beats
    if lead:
        seconds = np.concatenate([[0.0], beats])
        ticks = np.concatenate([[0], numbers]) * unit
    else:
        seconds = np.concatenate([[0.0], beats[1:]])
        ticks = numbers * unit
    firsts = np.unique(np.rint(np.interp(downbeats, beats, numbers)).astype(np.int64))
    return Grid(seconds, ticks, _metres(firsts, unit, 3 if in_eighths else 2))


def _metres(firsts: NDArray[np.int64], unit: int, exponent: int) -> list[tuple[int, int, int]]:
    """Return the metres of bars that begin at the beats ``firsts``. What comes before is a bar of its own, or several."""
    if len(firsts) < 2:
        return []
    lengths = np.diff(firsts)
    pickup = int(firsts[0] % lengths[0])
    bars = [(0, pickup), (pickup, int(lengths[0])), *zip(firsts.tolist(), lengths.tolist(), strict=False)]
    found: list[tuple[int, int, int]] = []
    for beat, beat_count in bars:
        if beat_count and (not found or found[-1][1] != beat_count):
            found.append((beat * unit, min(beat_count, 255), exponent))
    return found


def song_midi(title: str, values: Mapping[str, Any]) -> bytes:
    """Return a file with a track for tempo, metre and sections, one for chords, and one for each part of the notes."""
    grid = song_grid(values)
    tracks: list[Iterable[Event]] = [_conductor(title, grid, values)]
    if chords := (values.get("chords") or {}).get("segments"):
        names = [(grid.tick(chord["start_seconds"]), midi.text(chord["label"])) for chord in chords]
        tracks.append([(0, midi.track_name("Chords")), *names])
    for number, part in enumerate(values["notes"]["parts"]):
        channel = MELODIC_CHANNELS[number % len(MELODIC_CHANNELS)]
        tracks.append(_part(part["name"], part["notes"], channel, grid))
    return midi.midi_file(tracks, grid.tick(values.get("duration_seconds") or 0.0))


def _conductor(title: str, grid: Grid, values: Mapping[str, Any]) -> Iterable[Event]:
    yield 0, midi.track_name(title)
    quarters = np.diff(grid.ticks) / TICKS_PER_QUARTER
    written = b""
    for tick, seconds in zip(grid.ticks, np.diff(grid.seconds) / quarters, strict=False):
        if (event := midi.tempo(float(seconds))) != written:
            yield int(tick), event
        written = event
    for tick, beat_count, exponent in grid.metres:
        yield tick, midi.time_signature(beat_count, exponent)
    for section in (values.get("sections") or {}).get("segments", ()):
        yield grid.tick(section["start_seconds"]), midi.marker(section["label"])


def _part(name: str, notes: Sequence[Sequence[float]], channel: int, grid: Grid) -> Iterable[Event]:
    yield 0, midi.track_name(name)
    yield 0, midi.program(channel, _PROGRAMS.get(name, _PIANO))
    for start_seconds, duration_seconds, pitch, velocity in notes:
        start = grid.tick(start_seconds)
        end = max(start + 1, grid.tick(start_seconds + duration_seconds))
        yield from midi.note(channel, start, end, int(pitch), int(velocity))
