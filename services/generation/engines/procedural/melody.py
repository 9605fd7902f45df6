"""Melodies from motifs: a rhythm and a contour that recur, adapted to the chords."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from soundwright.services.generation.engines.procedural.harmony import Chord, scale_pitches
from soundwright.services.generation.engines.procedural.score import Key, Note

_LAST_SIXTEENTHS = 8.0  # longest last note of a phrase
_BREATH_SIXTEENTHS = 4.0  # after it
_SWELL = 0.12  # loudness of the middle of a phrase above its ends


@dataclass(frozen=True)
class Motif:
    """Two bars of melody without pitches."""

    starts: tuple[int, ...]  # sixteenths from the start of the motif
    lengths: tuple[int, ...]  # lengths in sixteenths
    contour: tuple[int, ...]  # scale steps from the centre, for each note


def compose_motif(rng: np.random.Generator, beats_per_bar: int, density: float, span: int, accents: str = "") -> Motif:
    """Return a motif: notes mostly on eighths, a rest at the end, and a contour that arches or falls.

    Args:
        rng: random generator.
        beats_per_bar: quarter notes per bar.
        density: about 0.5 (sparse) to 1.5 (busy).
        span: approximate scale steps between the lowest and the highest note.
        accents: one bar whose strikes attract the notes; empty for the beats.
    """
    bar = 4 * beats_per_bar
    last = 2 * bar - max(4, round(6 / max(density, 0.6)))  # a rest at the end
    weight = np.zeros(last)
    for step in range(last):
        place = step % bar
        weight[step] = 0.95 if place == 0 else 0.7 if place % 4 == 0 else 0.5 if place % 2 == 0 else 0.06
        if accents and place:
            weight[step] = 0.8 if accents[place] in "xo" else 0.2 * weight[step]
    chosen = np.flatnonzero(rng.random(last) < np.clip(weight * density, 0.0, 0.97))
    first = int(rng.choice([0, 0, 2, 4]))
    starts = sorted({first, *(int(step) for step in chosen if step > first)})
    ends = [*starts[1:], min(last + 2, starts[-1] + 6)]
    lengths = [max(1, min(end - start, 8)) for start, end in zip(starts, ends, strict=True)]

    arch = np.sin(np.linspace(0.0, np.pi * rng.choice([0.8, 1.0, 1.4]), len(starts))) * span * 0.6
    if rng.random() < 0.3:
        arch = arch[::-1]
    walk = np.cumsum(rng.choice([-1, -1, 0, 1, 1, 2, -2], len(starts)))
    contour = [int(step) for step in np.clip(np.round(arch + 0.8 * walk - 0.15 * span), -span, span)]
    for index in range(2, len(contour)):
        # Avoid three equal pitches: move the third towards the centre.
        if contour[index] == contour[index - 1] == contour[index - 2]:
            contour[index] += -1 if contour[index] > 0 else 1
    return Motif(tuple(starts), tuple(lengths), tuple(contour))


def _distance(tone: int, wished: int, before: int) -> tuple[int, int]:
    """Return the cost of a chord tone: its distance from the target, and a repetition where the contour moves."""
    return abs(tone - wished) + (3 if tone == before else 0), tone


def sing(
    motif: Motif,
    chords: Sequence[Sequence[Chord]],
    key: Key,
    start_beat: float,
    beats_per_bar: int,
    centre_midi: int,
    *,
    closing: bool,
    until_beat: float | None,
    loudness: float,
) -> list[Note]:
    """Return the motif as notes over one or two bars of chords.

    Notes on beats are chord tones, and others stay in the scale. With ``closing``, the last note is long, and it is the
    root of its chord. With ``until_beat``, it lasts until that beat, and so it begins at least half a beat earlier.
    """
    bar = 4 * beats_per_bar
    closing = closing or until_beat is not None
    end = 4 * (until_beat - start_beat) if until_beat is not None else math.inf
    all_notes = list(zip(motif.starts, motif.lengths, motif.contour, strict=True))
    sung = [note for note in all_notes if note[0] < len(chords) * bar and note[0] <= end - 2]
    if until_beat is not None and not sung:
        sung = [(0, math.ceil(end), 0)]
    notes: list[Note] = []
    for index, (start, length, step) in enumerate(sung):
        ends_phrase = index == len(sung) - 1
        within = chords[-1 if ends_phrase and until_beat is not None else start // bar]  # it lasts to the last bar
        chord = within[min(len(within) - 1, (start % bar) * len(within) // bar)]
        ladder = scale_pitches(key, chord, centre_midi - 14, centre_midi + 16)
        base = min(range(len(ladder)), key=lambda place: abs(ladder[place] - centre_midi))
        pitch = ladder[int(np.clip(base + step, 0, len(ladder) - 1))]
        if start % 4 == 0 or length >= 4 or ends_phrase:
            pool = [tone for tone in ladder if tone % 12 in chord.pitch_classes[:3]]
            if closing and ends_phrase:
                pool = [tone for tone in pool if tone % 12 == chord.root] or pool
            moved = index > 0 and step != motif.contour[index - 1]
            pitch = min(
                pool, key=partial(_distance, wished=pitch, before=notes[-1].pitch_midi if moved and notes else 0)
            )
        rest = len(chords) * bar - start - _BREATH_SIXTEENTHS
        held: float = max(length, min(rest, _LAST_SIXTEENTHS)) if closing and ends_phrase else length
        if ends_phrase and until_beat is not None:
            held = end - start
        swell = _SWELL * math.sin(math.pi * (index + 1) / (len(sung) + 1))
        accent = swell + (0.08 if start % bar == 0 else 0.0)
        notes.append(
            Note(
                start_beat + start / 4,
                held / 4 * 0.98,
                pitch,
                float(np.clip(loudness + accent + 0.02 * step, 0.3, 1.0)),
            )
        )
    return notes
