"""The rhythm section: one bar of drums, bass and chords at a time, from the patterns of a style.

Each function adds its notes to a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundwright.services.generation.engines.procedural.drums import CRASH, HIGH_TOM, KICK, LOW_TOM, MID_TOM, SNARE
from soundwright.services.generation.engines.procedural.form import Section
from soundwright.services.generation.engines.procedural.harmony import Chord, voicing
from soundwright.services.generation.engines.procedural.score import Note
from soundwright.services.generation.engines.procedural.styles import Layer, Style

BASS_LOWEST_MIDI = 31
_LOUDNESS = {"X": 1.0, "x": 0.85, "o": 0.55, ",": 0.32}


@dataclass(frozen=True)
class Bar:
    """What all players know about a bar."""

    style: Style
    section: Section
    number: int  # in the piece
    index: int  # in the section
    chords: Sequence[Chord]  # which share the bar
    following: Chord  # the first one of the next bar

    @property
    def start_beat(self) -> float:
        return self.number * self.style.beats_per_bar

    def chord_at(self, share: float) -> Chord:
        return self.chords[int(share * len(self.chords))]


def _hits(pattern: str) -> list[tuple[int, str]]:
    return [(step, mark) for step, mark in enumerate(pattern) if mark in _LOUDNESS]


def drum_bar(notes: list[Note], bar: Bar, energy: float, rng: np.random.Generator, *, is_entry: bool) -> None:
    """Add the drums: full in the chorus, light in the verse, timekeeping elsewhere. Sections end with a fill."""
    style, section = bar.style, bar.section
    if not style.groove:
        return
    fills = bar.index == section.bars - 1 > 0 and section.kind != "outro"
    if section.kind == "bridge":
        groove = {piece: line for piece, line in style.light.items() if piece != KICK and piece != SNARE}
    elif section.kind == "intro":
        # The first half of the intro has timekeeping only.
        late = bar.index >= section.bars / 2
        groove = {piece: line for piece, line in style.light.items() if late or piece not in (KICK, SNARE)}
    else:
        groove = dict(style.groove if section.kind == "chorus" and energy > 0.35 else style.light)
    steps = 4 * style.beats_per_bar
    fill_from = steps - 4 if fills and SNARE in style.groove else steps
    for piece, line in groove.items():
        for step, mark in _hits(line):
            if step >= fill_from and piece != KICK:
                continue
            notes.append(Note(bar.start_beat + step / 4, 0.25, piece, _LOUDNESS[mark] * (0.6 + 0.4 * section.energy)))
    if fill_from < steps:
        figure = str(rng.choice(["xxxx", "x.xx", "xx.x", "o.xX"]))
        drums = (
            (SNARE, SNARE, SNARE, SNARE),
            (SNARE, HIGH_TOM, MID_TOM, LOW_TOM),
            (HIGH_TOM, HIGH_TOM, LOW_TOM, LOW_TOM),
        )
        pieces = drums[int(rng.integers(len(drums)))]
        for step, mark in _hits(figure):
            level = _LOUDNESS[mark] * (0.55 + 0.1 * step)
            notes.append(Note(bar.start_beat + (fill_from + step) / 4, 0.25, pieces[step], level))
    if is_entry and bar.index == 0 and energy > 0.4:
        notes.append(Note(bar.start_beat, 1.0, CRASH, 0.9))


def _bar_of(pattern: str, bar: int) -> str:
    lines = pattern.split(" ")
    return lines[bar % len(lines)]


def _length(line: str, step: int) -> int:
    """Return the sixteenths from a strike through the holds after it."""
    end = step + 1
    while end < len(line) and line[end] == "-":
        end += 1
    return end - step


def bass_bar(notes: list[Note], bar: Bar) -> None:
    """Add the bass line of the style, which leads to the next chord. It is silent in an intro."""
    section = bar.section
    if section.kind == "intro" and section.bars > 1:
        return
    line = _bar_of(bar.style.bass_pattern, bar.number)
    if section.kind == "bridge":
        line = "1" + "-" * (len(line) - 1)
    for step, mark in enumerate(line):
        if mark not in "1358a":
            continue
        chord = bar.chord_at(step / len(line))
        root = BASS_LOWEST_MIDI + (chord.root - BASS_LOWEST_MIDI) % 12
        if mark == "a":
            pitch = BASS_LOWEST_MIDI + (bar.following.root - BASS_LOWEST_MIDI) % 12 - 1
        else:
            pitch = root + {"1": 0, "3": chord.intervals[1], "5": chord.intervals[2], "8": 12}[mark]
            # A line that rises too far goes down instead.
            pitch -= 12 if mark in "35" and pitch > BASS_LOWEST_MIDI + 16 else 0
        held = _length(line, step) / 4
        level = (0.95 if step == 0 else 0.8) * (0.6 + 0.4 * section.energy)
        notes.append(Note(bar.start_beat + step / 4, held * 0.93, pitch, level))


def layer_bar(notes: list[Note], bar: Bar, layer: Layer, before: tuple[int, ...]) -> tuple[int, ...]:
    """Add the accompaniment of one player. Return its last voicing."""
    line = _bar_of(layer.pattern, bar.number)
    is_power = layer.instrument == "power_guitar"
    force = 0.65 + 0.35 * bar.section.energy
    pitches = before
    for step, mark in enumerate(line):
        if mark in ".-":
            continue
        chord = bar.chord_at(step / len(line))
        if is_power:
            root = layer.lowest_midi + (chord.root - layer.lowest_midi) % 12
            pitches = (root, root + 7, root + 12)
        else:
            pitches = voicing(chord, layer.lowest_midi, before)
        before = pitches
        # A strike without a hold rings briefly.
        held = max(_length(line, step) / 4, 0.2) * 0.97
        if len(bar.chords) > 1 and step < len(line) // 2:
            held = min(held, bar.style.beats_per_bar / 2 - step / 4)
        if mark.isdigit():
            number = int(mark)
            pitch = pitches[number % len(pitches)] + 12 * (number // len(pitches))
            notes.append(
                Note(bar.start_beat + step / 4, max(held, 0.45), pitch, (0.85 if step % 4 == 0 else 0.7) * force)
            )
            continue
        for voice, pitch in enumerate(pitches):
            # Plucked chords are strummed: low strings first.
            late = 0.012 * voice if "guitar" in layer.instrument and not is_power else 0.0
            notes.append(Note(bar.start_beat + step / 4 + late, held, pitch, _LOUDNESS[mark] * force))
    return pitches
