"""From a plan to a score: form, chords, groove, bass, comping and melody in a style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from services.generation.engines.procedural.drums import CRASH, HIGH_TOM, KICK, LOW_TOM, MID_TOM, SNARE
from services.generation.engines.procedural.harmony import Chord, nearest_pitch, progression, voicing
from services.generation.engines.procedural.instruments import INSTRUMENTS
from services.generation.engines.procedural.melody import Motif, compose_motif, sing
from services.generation.engines.procedural.score import STEMS, Key, Note, Song, Track
from services.generation.engines.procedural.styles import STYLES, Layer, Style

__all__ = ["Plan", "Section", "arrange", "form"]

_LOUDNESS = {"X": 1.0, "x": 0.85, "o": 0.55, ",": 0.32}
_ENERGY = {"intro": 0.72, "verse": 0.82, "chorus": 1.0, "bridge": 0.7, "outro": 0.75}
_BASS_LOWEST = 31


@dataclass(frozen=True)
class Plan:
    """Decisions about a piece before any note of it.

    Args:
        name: of the song.
        style: a name in :data:`styles.STYLES`.
        tempo_bpm: quarter notes a minute.
        key: major or minor key.
        duration_seconds: length of the audio.
        seed: of motifs, fills and human touch.
        progression: Roman numerals; empty for one of the style's own.
        lead: instrument of the melody; empty for one of the style's own.
        stems: which of the four play.
        layers: chord players instead of the style's own, if any.
        bass: instrument of the bass; empty for the style's own.
        energy: 0 (calm) to 1 (full), scales the density of melody and drums.
        has_intro, has_outro: whether the form begins and ends apart.
        builds: whether the piece grows from soft to loud.
    """

    name: str
    style: str
    tempo_bpm: float
    key: Key
    duration_seconds: float
    seed: int
    progression: str = ""
    lead: str = ""
    stems: frozenset[str] = frozenset(STEMS)
    layers: tuple[Layer, ...] = ()
    bass: str = ""
    energy: float = 0.8
    has_intro: bool = True
    has_outro: bool = True
    builds: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the form.

    Args:
        kind: intro, verse, chorus, bridge or outro.
        bars: its length.
    """

    kind: str
    bars: int


@dataclass
class _Score:
    """Notes gathered while arranging; turned into tracks at the end."""

    drums: list[Note] = field(default_factory=list)
    bass: list[Note] = field(default_factory=list)
    lead: list[Note] = field(default_factory=list)
    layers: list[list[Note]] = field(default_factory=list)


def form(bars: int, *, has_intro: bool = True, has_outro: bool = True) -> tuple[Section, ...]:
    """A form of exactly ``bars`` bars, at least 1: parts of four or eight bars, an intro and an outro where they fit."""
    if bars <= 3:
        return (Section("chorus", bars),)
    intro = 0 if not has_intro else 1 if bars < 6 else 2 if bars < 20 else 4
    outro = 0 if not has_outro or bars < 12 else 2 if bars < 28 else 4
    left = bars - intro - outro
    unit = 2 if left < 8 else 4 if left < 24 else 8
    cycle = ("verse", "chorus", "verse", "chorus", "bridge", "chorus")
    sections = [Section("intro", intro)] if intro else []
    turn = 0
    while left > 0:
        kind = cycle[turn % len(cycle)]
        length = min(left, unit // 2 if kind == "bridge" and unit > 2 else unit)
        if left - length < unit // 2:
            length = left  # no crumbs at the end
        if left == length:
            kind = "chorus"
        sections.append(Section(kind, length))
        left -= length
        turn += 1
    if outro:
        sections.append(Section("outro", outro))
    return tuple(sections)


def arrange(plan: Plan) -> Song:
    """The score of a plan. The same plan gives the same score."""
    style = STYLES[plan.style]
    style = replace(style, layers=plan.layers or style.layers, bass=plan.bass or style.bass)
    rng = np.random.default_rng([plan.seed, 1])
    beats = plan.duration_seconds * plan.tempo_bpm / 60.0
    bars = max(1, int(beats / style.beats_per_bar + 1e-6))
    # The last bar is left for the closing chord, if the piece is long enough to have one.
    ending = bars >= 4
    sections = form(bars - 1 if ending else bars, has_intro=plan.has_intro, has_outro=plan.has_outro)
    numerals = plan.progression or str(rng.choice(style.minor if plan.key.is_minor else style.major))
    loop = progression(numerals, plan.key)
    lead = plan.lead or style.leads[0]
    score = _Score(layers=[[] for _ in style.layers])
    motifs = {kind: _motifs(rng, style, plan, high=kind == "chorus") for kind in ("verse", "chorus", "bridge")}
    bar = 0
    voicings: list[tuple[int, ...]] = [() for _ in style.layers]
    for number, section in enumerate(sections):
        chords = [loop[index % len(loop)] for index in range(section.bars + 1)]
        entry = number > 0 and section.kind in ("chorus", "verse")
        for index in range(section.bars):
            start = (bar + index) * style.beats_per_bar
            fills = index == section.bars - 1 and section.bars >= 2 and section.kind != "outro"
            _drum_bar(score.drums, style, section, start, index, plan, rng, crash=entry and index == 0, fill=fills)
            _bass_bar(score.bass, style, section, start, bar + index, chords[index], chords[index + 1][0], plan)
            for place, layer in enumerate(style.layers):
                if section.kind[0] in layer.sections:
                    voicings[place] = _layer_bar(
                        score.layers[place], layer, style, section, start, bar + index, chords[index], voicings[place]
                    )
        if section.kind in motifs:
            score.lead += _melody(motifs[section.kind], section, chords, bar * style.beats_per_bar, style, lead, plan)
        bar += section.bars
    if ending:
        _close(score, style, loop[0][0], bar * style.beats_per_bar, beats, voicings)
    return Song(
        plan.name,
        plan.tempo_bpm,
        str(plan.key),
        style.beats_per_bar,
        plan.duration_seconds,
        _tracks(score, style, lead, plan, rng),
    )


def _motifs(rng: np.random.Generator, style: Style, plan: Plan, *, high: bool) -> tuple[Motif, Motif]:
    density = style.density * (0.75 + 0.35 * plan.energy) * (0.9 if high else 1.0)
    span = 4 if high else 3
    return (
        compose_motif(rng, style.beats_per_bar, density, span),
        compose_motif(rng, style.beats_per_bar, 0.8 * density, span),
    )


def _melody(
    motifs: tuple[Motif, Motif],
    section: Section,
    chords: Sequence[Sequence[Chord]],
    start_beat: float,
    style: Style,
    lead: str,
    plan: Plan,
) -> list[Note]:
    """Question and answer in two-bar phrases; verses leave some of the answers to the band."""
    instrument = INSTRUMENTS[lead]
    centre = (instrument.lowest_midi + instrument.highest_midi) // 2 + (1 if section.kind == "chorus" else -4)
    notes: list[Note] = []
    for phrase in range(section.bars // 2):
        if section.kind == "bridge" and phrase % 2 == 0:
            continue
        motif = motifs[1] if phrase % 4 == 2 else motifs[0]
        under = chords[2 * phrase : 2 * phrase + 2]
        start = start_beat + 2 * phrase * style.beats_per_bar
        notes += sing(
            motif,
            under,
            plan.key,
            start,
            style.beats_per_bar,
            centre,
            closing=phrase % 2 == 1,
            loudness=0.8 * _ENERGY[section.kind],
        )
    return notes


def _hits(pattern: str) -> list[tuple[int, str]]:
    return [(step, mark) for step, mark in enumerate(pattern) if mark in _LOUDNESS]


def _drum_bar(
    notes: list[Note],
    style: Style,
    section: Section,
    start_beat: float,
    index: int,
    plan: Plan,
    rng: np.random.Generator,
    *,
    crash: bool,
    fill: bool,
) -> None:
    if section.kind == "bridge":
        groove = {piece: line for piece, line in style.light.items() if piece != KICK and piece != SNARE}
    elif section.kind == "intro":
        # Half of the intro only keeps time.
        late = index >= section.bars / 2
        groove = {piece: line for piece, line in style.light.items() if late or piece not in (KICK, SNARE)}
    else:
        groove = dict(style.groove if section.kind == "chorus" and plan.energy > 0.35 else style.light)
    if not style.groove:
        return
    steps = 4 * style.beats_per_bar
    fill_from = steps - 4 if fill and SNARE in style.groove else steps
    force = _ENERGY[section.kind]
    for piece, line in groove.items():
        for step, mark in _hits(line):
            if step >= fill_from and piece != KICK:
                continue
            notes.append(Note(start_beat + step / 4, 0.25, piece, _LOUDNESS[mark] * (0.6 + 0.4 * force)))
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
            notes.append(Note(start_beat + (fill_from + step) / 4, 0.25, pieces[step], level))
    if crash and plan.energy > 0.4:
        notes.append(Note(start_beat, 1.0, CRASH, 0.9))


def _bar_of(pattern: str, bar: int) -> str:
    lines = pattern.split(" ")
    return lines[bar % len(lines)]


def _length(line: str, step: int) -> int:
    """Sixteenths from a strike through the holds after it."""
    end = step + 1
    while end < len(line) and line[end] == "-":
        end += 1
    return end - step


def _bass_bar(
    notes: list[Note],
    style: Style,
    section: Section,
    start_beat: float,
    bar: int,
    chords: Sequence[Chord],
    following: Chord,
    plan: Plan,
) -> None:
    if section.kind == "intro" and section.bars > 1:
        return
    line = _bar_of(style.bass_pattern, bar)
    if section.kind == "bridge":
        line = "1" + "-" * (len(line) - 1)
    for step, mark in enumerate(line):
        if mark not in "1358a":
            continue
        chord = chords[min(len(chords) - 1, step * len(chords) // len(line))]
        root = _BASS_LOWEST + (chord.root - _BASS_LOWEST) % 12
        if mark == "a":
            pitch = _BASS_LOWEST + (following.root - _BASS_LOWEST) % 12 - 1
        else:
            pitch = root + {"1": 0, "3": chord.intervals[1], "5": chord.intervals[2], "8": 12}[mark]
            # A line that climbs too far turns down instead.
            pitch -= 12 if mark in "35" and pitch > _BASS_LOWEST + 16 else 0
        held = _length(line, step) / 4
        level = (0.95 if step == 0 else 0.8) * (0.6 + 0.4 * _ENERGY[section.kind])
        notes.append(Note(start_beat + step / 4, held * 0.93, pitch, level))


def _layer_bar(
    notes: list[Note],
    layer: Layer,
    style: Style,
    section: Section,
    start_beat: float,
    bar: int,
    chords: Sequence[Chord],
    before: tuple[int, ...],
) -> tuple[int, ...]:
    """Adds one bar of comping; returns its last voicing."""
    line = _bar_of(layer.pattern, bar)
    is_power = layer.instrument == "power_guitar"
    force = 0.65 + 0.35 * _ENERGY[section.kind]
    pitches = before
    for step, mark in enumerate(line):
        if mark in ".-":
            continue
        chord = chords[min(len(chords) - 1, step * len(chords) // len(line))]
        if is_power:
            root = layer.lowest_midi + (chord.root - layer.lowest_midi) % 12
            pitches = (root, root + 7, root + 12)
        else:
            pitches = voicing(chord, layer.lowest_midi, before)
        before = pitches
        # A strike that nothing holds still rings for a moment.
        held = max(_length(line, step) / 4, 0.2) * 0.97
        if len(chords) > 1 and step < len(line) // 2:
            held = min(held, style.beats_per_bar / 2 - step / 4)
        if mark.isdigit():
            number = int(mark)
            pitch = pitches[number % len(pitches)] + 12 * (number // len(pitches))
            notes.append(Note(start_beat + step / 4, max(held, 0.45), pitch, (0.85 if step % 4 == 0 else 0.7) * force))
            continue
        for voice, pitch in enumerate(pitches):
            # Plucked chords are strummed: low strings first.
            late = 0.012 * voice if "guitar" in layer.instrument and not is_power else 0.0
            notes.append(Note(start_beat + step / 4 + late, held, pitch, _LOUDNESS[mark] * force))
    return pitches


def _close(
    score: _Score, style: Style, chord: Chord, start_beat: float, beats: float, voicings: Sequence[tuple[int, ...]]
) -> None:
    """The last chord, rung out."""
    held = max(0.5, beats - start_beat)
    if KICK in style.groove:
        score.drums += [Note(start_beat, 0.5, KICK, 0.8), Note(start_beat, 1.0, CRASH, 0.6)]
    score.bass.append(Note(start_beat, held * 0.9, _BASS_LOWEST + (chord.root - _BASS_LOWEST) % 12, 0.85))
    for notes, layer, before in zip(score.layers, style.layers, voicings, strict=True):
        if "o" in layer.sections or len(style.layers) == 1:
            for pitch in voicing(chord, layer.lowest_midi, before):
                notes.append(Note(start_beat, held * 0.9, pitch, 0.7))


def _swung(start_beat: float, style: Style) -> float:
    """The beat with every second of the swung notes late."""
    if not style.swing:
        return start_beat
    pair = 2 * style.swing_beats
    whole, part = divmod(start_beat, pair)
    middle = 0.5 + style.swing / 2
    share = part / pair
    warped = share * 2 * middle if share <= 0.5 else middle + (share - 0.5) * 2 * (1 - middle)
    return (whole + warped) * pair


def _human(
    notes: Sequence[Note], style: Style, rng: np.random.Generator, late_beats: float, uneven: float
) -> tuple[Note, ...]:
    """Swing, a little looseness in time and a little unevenness in force; notes before beat 0 are moved to it."""
    shifts = np.clip(rng.normal(0.0, 1.0, len(notes)), -2, 2) * late_beats
    forces = np.clip(rng.normal(1.0, uneven, len(notes)), 0.8, 1.2)
    return tuple(
        replace(
            note,
            start_beat=max(0.0, _swung(note.start_beat, style) + float(shift)),
            duration_beats=_swung(note.start_beat + note.duration_beats, style) - _swung(note.start_beat, style),
            velocity=float(np.clip(note.velocity * force, 0.05, 1.0)),
        )
        for note, shift, force in zip(notes, shifts, forces, strict=True)
    )


def _tracks(score: _Score, style: Style, lead: str, plan: Plan, rng: np.random.Generator) -> tuple[Track, ...]:
    if plan.builds:
        score = _grown(score, plan)
    loose = 0.003 * plan.tempo_bpm / 60.0  # 3 ms
    tracks = [
        Track("drums", style.kit, _human(score.drums, style, rng, loose / 3, 0.05)),
        Track("bass", style.bass, _human(score.bass, style, rng, loose / 2, 0.04)),
    ]
    for layer, notes in zip(style.layers, score.layers, strict=True):
        played = _human(notes, style, rng, loose, 0.05)
        tracks.append(Track("other", layer.instrument, played, layer.gain, layer.pan))
    # A singer's phrase is one breath: the notes keep touching, so only the force varies.
    tracks.append(Track("vocals", lead, _human(_fitting(score.lead, lead), style, rng, 0.0, 0.05)))
    beats = plan.duration_seconds * plan.tempo_bpm / 60.0
    # A piece shorter than a bar is cut within it.
    heard = (replace(track, notes=tuple(note for note in track.notes if note.start_beat < beats)) for track in tracks)
    return tuple(track for track in heard if track.stem in plan.stems and track.notes)


def _grown(score: _Score, plan: Plan) -> _Score:
    """The score with a long crescendo."""
    beats = plan.duration_seconds * plan.tempo_bpm / 60.0

    def louder(notes: list[Note]) -> list[Note]:
        return [
            replace(note, velocity=note.velocity * (0.3 + 0.7 * min(1.0, note.start_beat / beats))) for note in notes
        ]

    return _Score(
        louder(score.drums), louder(score.bass), louder(score.lead), [louder(notes) for notes in score.layers]
    )


def _fitting(notes: Sequence[Note], lead: str) -> list[Note]:
    """The melody inside the instrument's range, one note at a time."""
    instrument = INSTRUMENTS[lead]
    ordered = sorted(notes, key=lambda note: note.start_beat)
    fitted = []
    for note, after in pairwise([*ordered, None]):
        assert note is not None
        pitch = note.pitch_midi
        if not instrument.lowest_midi <= pitch <= instrument.highest_midi:
            pitch = nearest_pitch(
                pitch % 12, float(np.clip(pitch, instrument.lowest_midi + 6, instrument.highest_midi - 6))
            )
        room = after.start_beat - note.start_beat if after else note.duration_beats
        fitted.append(replace(note, pitch_midi=pitch, duration_beats=max(0.1, min(note.duration_beats, room))))
    return fitted
