"""Turns a plan into a score: form, chords, groove, bass, accompaniment and melody in a style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from soundwright.services.generation.engines.procedural.drums import CRASH, HAT, KICK, OPEN_HAT
from soundwright.services.generation.engines.procedural.form import Section, form
from soundwright.services.generation.engines.procedural.harmony import Chord, nearest_pitch, progression, voicing
from soundwright.services.generation.engines.procedural.instruments import INSTRUMENTS
from soundwright.services.generation.engines.procedural.melody import Motif, compose_motif, sing
from soundwright.services.generation.engines.procedural.players import (
    BASS_LOWEST_MIDI,
    Bar,
    bass_bar,
    drum_bar,
    layer_bar,
)
from soundwright.services.generation.engines.procedural.score import STEMS, Key, Note, Song, Track
from soundwright.services.generation.engines.procedural.styles import STYLES, Layer, Style
from soundwright.services.generation.engines.procedural.variety import varied

_INTRO_LEAST_SECONDS = 20.0
_SHORTEST_BAR = 0.15  # of a whole bar; what is left of a piece after its last whole bar is a bar if it is longer
_CALM_ENERGY, _CALM_BRIGHTNESS = 0.45, -0.5
_PHRASE_BARS, _PHRASE_DEPTH = 4, 0.45  # of music without a beat
_HELD_LEAST_BARS = 8  # in shorter pieces, the band plays on through the last bar


@dataclass(frozen=True)
class Plan:
    """Decisions about a piece before its notes are written."""

    name: str  # name of the song
    style: str  # a name in styles.STYLES
    tempo_bpm: float  # quarter notes per minute
    key: Key  # major or minor key
    duration_seconds: float  # length of the audio
    seed: int  # seed of motifs, fills and humanisation
    progression: str = ""  # Roman numerals; empty for one of the style's own
    lead: str = ""  # instrument of the melody; empty for one of the style's own
    lead_gain: float = 1.0  # level of the melody
    stems: frozenset[str] = frozenset(STEMS)  # which of the four stems play
    layers: tuple[Layer, ...] = ()  # chord instruments that replace those of the style, if any
    bass: str = ""  # instrument of the bass; empty for the style's own
    energy: float = 0.8  # 0 (calm) to 1 (full); scales the density of melody and drums
    has_intro: bool = True  # whether the form has an intro and an outro
    has_outro: bool = True
    builds: bool = False  # whether the piece grows from soft to loud
    ends: bool = True  # whether the piece comes to an end; if not, its last bar is complete and leads on
    variation: int = 0  # seed of all but chords and refrain; 0 for `seed`
    is_varied: bool = False  # whether grooves, lines and players are drawn by `seed`


@dataclass
class _Score:
    """Notes collected while arranging. They become tracks at the end."""

    drums: list[Note] = field(default_factory=list)
    bass: list[Note] = field(default_factory=list)
    lead: list[Note] = field(default_factory=list)
    layers: list[list[Note]] = field(default_factory=list)


def arrange(plan: Plan) -> Song:
    """Return the score of a plan. The same plan gives the same score."""
    style = style_of(plan)
    style = replace(style, layers=plan.layers or style.layers, bass=plan.bass or style.bass)
    rng = np.random.default_rng([plan.seed, 1])
    bars = bar_count(plan)
    beats = _beats(plan)
    has_intro = plan.has_intro and plan.duration_seconds >= _INTRO_LEAST_SECONDS
    sections = form(bars, has_intro=has_intro, has_outro=plan.has_outro, follows=plan.variation > 0)
    if not plan.ends:  # a continuation is as loud
        sections = (*sections[:-1], replace(sections[-1], kind="chorus"))
    numerals = plan.progression or str(rng.choice(style.minor if plan.key.is_minor else style.major))
    loop = progression(numerals, plan.key)
    tonic = next((chords for chords in loop if chords[0].root == plan.key.tonic), loop[0])
    lead = plan.lead or style.leads[0]
    score = _Score(layers=[[] for _ in style.layers])
    motifs = {kind: _motifs(rng, style, plan, high=kind == "chorus") for kind in ("verse", "chorus", "bridge")}
    if plan.variation:
        rng = np.random.default_rng([plan.variation, 1])
        motifs |= {kind: _motifs(rng, style, plan, high=False) for kind in ("verse", "bridge")}
    motifs["outro"] = motifs["verse"]
    closing_bar = bars - 1 if plan.ends and bars >= _HELD_LEAST_BARS else bars
    bar = 0
    voicings: list[tuple[int, ...]] = [() for _ in style.layers]
    for number, section in enumerate(sections):
        chords = [loop[index % len(loop)] for index in range(section.bars + 1)]
        if plan.ends and bar + section.bars == bars > 1:
            chords[section.bars - 1 :] = [tonic, tonic]
        entry = number > 0 and section.kind in ("chorus", "verse")
        for index in range(min(section.bars, closing_bar - bar)):
            now = Bar(style, section, bar + index, index, chords[index], chords[index + 1][0])
            drum_bar(score.drums, now, plan.energy, rng, is_entry=entry)
            bass_bar(score.bass, now)
            for place, layer in enumerate(style.layers):
                if section.kind[0] in layer.sections:
                    voicings[place] = layer_bar(score.layers[place], now, layer, voicings[place])
        if section.kind in motifs:
            start = bar * style.beats_per_bar
            until = beats if bar + section.bars == bars else start + section.bars * style.beats_per_bar
            score.lead += _melody(motifs[section.kind], section, chords, start, until, style, lead, plan)
        bar += section.bars
    if plan.stems == {"vocals"}:  # a soloist does not wait
        first, *rest = score.lead
        score.lead = [replace(first, start_beat=0.0, duration_beats=first.start_beat + first.duration_beats), *rest]
    if closing_bar < bars:
        _close(score, style, tonic[0], closing_bar * style.beats_per_bar, beats, voicings)
    return Song(
        plan.name,
        plan.tempo_bpm,
        str(plan.key),
        style.beats_per_bar,
        plan.duration_seconds,
        _tracks(score, style, lead, plan, rng),
        # Calm music is played softly, which is dull.
        _CALM_BRIGHTNESS if plan.energy < _CALM_ENERGY else style.brightness,
    )


def style_of(plan: Plan) -> Style:
    """Return the style of a plan, with the lines and players of this piece."""
    style = STYLES[plan.style]
    return varied(plan.style, style, plan.seed) if plan.is_varied else style


def bar_count(plan: Plan) -> int:
    """Return the number of bars of a plan. The last one may be cut short."""
    beats = plan.duration_seconds * plan.tempo_bpm / 60.0
    return max(1, math.ceil(beats / STYLES[plan.style].beats_per_bar - _SHORTEST_BAR))


def _beats(plan: Plan) -> float:
    """Return the length of a plan in beats, with all of the last bar if the piece goes on."""
    beats = plan.duration_seconds * plan.tempo_bpm / 60.0
    return beats if plan.ends else float(bar_count(plan) * STYLES[plan.style].beats_per_bar)


def _motifs(rng: np.random.Generator, style: Style, plan: Plan, *, high: bool) -> tuple[Motif, Motif]:
    density = style.density * (0.75 + 0.35 * plan.energy) * (0.9 if high else 1.0)
    span = 4 if high else 3
    return (
        compose_motif(rng, style.beats_per_bar, density, span, style.accents),
        compose_motif(rng, style.beats_per_bar, 0.8 * density, span, style.accents),
    )


def _melody(
    motifs: tuple[Motif, Motif],
    section: Section,
    chords: Sequence[Sequence[Chord]],
    start_beat: float,
    until_beat: float,
    style: Style,
    lead: str,
    plan: Plan,
) -> list[Note]:
    """Return question and answer in two-bar phrases. The last note of a section lasts until ``until_beat``."""
    instrument = INSTRUMENTS[lead]
    centre = (instrument.lowest_midi + instrument.highest_midi) // 2 + (1 if section.kind == "chorus" else -4)
    notes: list[Note] = []
    phrases = math.ceil(section.bars / 2)
    for phrase in range(phrases):
        if section.kind == "bridge" and phrase % 2 == 0:
            continue
        motif = motifs[1] if phrase % 4 == 2 else motifs[0]
        under = chords[2 * phrase : min(2 * phrase + 2, section.bars)]
        start = start_beat + 2 * phrase * style.beats_per_bar
        notes += sing(
            motif,
            under,
            plan.key,
            start,
            style.beats_per_bar,
            centre,
            closing=phrase % 2 == 1,
            until_beat=until_beat if phrase == phrases - 1 else None,
            loudness=0.8 * section.energy,
        )
    return notes


def _close(
    score: _Score, style: Style, chord: Chord, start_beat: float, beats: float, voicings: Sequence[tuple[int, ...]]
) -> None:
    """Add the final chord, over which the melody ends."""
    held = max(0.5, beats - start_beat)
    if KICK in style.groove:
        score.drums += [Note(start_beat, 0.5, KICK, 0.8), Note(start_beat, 1.0, CRASH, 0.6)]
    score.bass.append(Note(start_beat, held * 0.9, BASS_LOWEST_MIDI + (chord.root - BASS_LOWEST_MIDI) % 12, 0.85))
    for notes, layer, before in zip(score.layers, style.layers, voicings, strict=True):
        if "o" in layer.sections or len(style.layers) == 1:
            for pitch in voicing(chord, layer.lowest_midi, before):
                notes.append(Note(start_beat, held * 0.9, pitch, 0.7))


def _swung(start_beat: float, style: Style) -> float:
    """Return the beat with swing: every second of the swung notes is late."""
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
    """Return the notes with swing and small variations of time and velocity. Notes before beat 0 are moved to it.

    The variations of a note do not depend on the notes after it.
    """
    draws = rng.normal(size=(len(notes), 2))
    shifts = np.clip(draws[:, 0], -2, 2) * late_beats
    forces = np.clip(1.0 + uneven * draws[:, 1], 0.8, 1.2)
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
    score = _with_dynamics(score, plan)
    loose = 0.003 * plan.tempo_bpm / 60.0  # 3 ms
    drummer, bassist, singer, *others = rng.spawn(3 + len(score.layers))
    tracks = [
        Track("drums", style.kit, _human(score.drums, style, drummer, loose / 3, 0.05), style.drums),
        Track("bass", style.bass, _human(score.bass, style, bassist, loose / 2, 0.04)),
    ]
    for layer, notes, player in zip(style.layers, score.layers, others, strict=True):
        played = _human(notes, style, player, loose, 0.05)
        tracks.append(Track("other", layer.instrument, played, layer.gain, layer.pan))
    # A sung phrase is legato: its notes stay adjacent, so only the velocity varies.
    tracks.append(Track("vocals", lead, _human(_fitting(score.lead, lead), style, singer, 0.0, 0.05), plan.lead_gain))
    beats = _beats(plan)
    # A piece shorter than a bar ends within it.
    heard = (replace(track, notes=tuple(note for note in track.notes if note.start_beat < beats)) for track in tracks)
    return tuple(track for track in heard if track.stem in plan.stems and track.notes)


def _with_dynamics(score: _Score, plan: Plan) -> _Score:
    """Return the score as loud as the piece is energetic, growing if it builds. Phrases without a beat swell, calm pieces have no crashes."""
    force = min(1.0, 0.5 + 0.625 * plan.energy)
    style, beats = STYLES[plan.style], _beats(plan)
    is_calm = plan.energy < _CALM_ENERGY or style.kit == "kit_soft"
    depth = 0.0 if KICK in style.groove else _PHRASE_DEPTH
    bars = bar_count(plan)
    turns = math.pi * max(1, round(bars / _PHRASE_BARS)) / (bars * style.beats_per_bar)

    def level(note: Note) -> float:
        if plan.builds:
            return 0.3 + 0.7 * note.start_beat / beats
        return 1.0 - depth * math.cos(turns * (note.start_beat + note.duration_beats / 2)) ** 2

    def played(notes: list[Note]) -> list[Note]:
        return [replace(note, velocity=note.velocity * force * level(note)) for note in notes]

    drums = [
        replace(note, pitch_midi=HAT) if is_calm and note.pitch_midi == OPEN_HAT else note
        for note in score.drums
        if not (is_calm and note.pitch_midi == CRASH)
    ]
    return _Score(played(drums), played(score.bass), played(score.lead), [played(notes) for notes in score.layers])


def _fitting(notes: Sequence[Note], lead: str) -> list[Note]:
    """Return the melody within the range of the instrument, one note at a time."""
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
