"""A composer: the same seed, split and palette give the same song.

Songs are composed in beats. A tempo map with a slow drift turns beats into seconds at the end, so that the beats of
:class:`~dev.training.score.Truth` are exact.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dev.training.score import PITCH_CLASSES, Note, Part, Score, Truth
from dev.training.styles import EVALUATION_STYLES, MODES, STYLES, Pattern, Style

T = TypeVar("T")

HELD_OUT_PROGRAMS = frozenset({2, 5, 11, 17, 24, 27, 35, 39, 45, 50, 54, 60, 65, 71, 75, 84, 91})
"""General MIDI programs that only validation plays, because it has the SoundFonts of training."""

_DRUM_KEYS = {
    "kick": 36, "rim": 37, "snare": 38, "clap": 39, "low_tom": 41, "closed": 42, "pedal": 44, "open": 46, "crash": 49,
    "ride": 51, "tambourine": 54, "cowbell": 56, "conga": 63, "timbale": 65, "agogo": 67, "shaker": 70, "clave": 75,
}  # fmt: skip
_HATS = frozenset({42, 44, 46})
# Songs for training also have the deep basses of electronic music and strings of any colour, which SoundFonts lack, and
# percussion of all kinds.
_SYNTHESIZER_BASS_SHARE = 0.3
_STRING_BASS_SHARE = 0.25
_PERCUSSION_SHARE = 0.5
_MODELLED_PERCUSSION_SHARE = 0.5
# Their other parts also have any instrument of the SoundFonts, and textures.
_ANY_PROGRAM_SHARE = 0.3
_GRAINS_SHARE = 0.12
_MELODIC_PROGRAMS = (*range(32), *range(40, 52), *range(55, 113), 114)
_PERCUSSION_KEYS = (45, 54, 56, 58, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 75, 76, 77)
_VELOCITIES = {"X": 116, "x": 94, "o": 68, "g": 44}
_FORMS = (
    ("intro", "verse", "chorus", "verse", "chorus", "solo", "chorus", "outro"),
    ("intro", "verse", "verse", "chorus", "break", "chorus", "outro"),
    ("verse", "chorus", "solo", "verse", "chorus"),
    ("intro", "solo", "verse", "chorus", "break", "verse", "chorus", "outro"),
    ("chorus", "verse", "chorus", "solo", "break", "chorus"),
)
_BASS_LINES = {
    "roots": "1-------1-------", "eighths": "1.1.1.1.1.1.1.1.", "octaves": "1.8.1.8.1.8.1.8.", "offbeat": "..1...1...1...1.",
    "syncopated": "1--1--1---5-8-1.", "funk": "1..1..8...5.1..8", "slap": "1..8..1.8..1..58", "gallop": "1.111.111.111.11",
    "reggae": "1---1-5---8-5...", "bossa": "1-----5-5-----1-", "tumbao": "......5-----1---", "two_feel": "1-----..5-----..",
    "long": "1---------------", "waltz": "1-------5---", "riff": "1.1..5.8..7.5.1.", "sixteenths": "1111811111118111",
}  # fmt: skip
_BASS_TRIPLETS = {
    "shuffle": "1.13.35.56.5", "arpeggio": "1--3--5--8--", "roots": "1-----1----1", "long": "1-----------", "walking": "1..3..5..6..",
}  # fmt: skip
# Rhythm, share of the time to the next hit that a chord sounds, and how its notes are played.
_COMPS = {
    "block": ("X.......x.......", 0.95, "chord"), "strum": ("X...x.xx..xxx.xx", 0.9, "strum"), "pad": ("X---------------", 1.0, "chord"),
    "offbeat": ("..X...X...X...X.", 0.5, "chord"), "arpeggio": ("x.x.x.x.x.x.x.x.", 1.2, "arpeggio"),
    "power": ("X--x--x-X--x--x-", 0.95, "power"), "chug": ("XooXooXoXooXooXo", 0.5, "power"), "eighth_power": ("XxxxXxxxXxxxXxxx", 0.9, "power"),
    "fingerpick": ("x.xoxoxox.xoxoxo", 1.5, "arpeggio"), "skank": ("....X.......X...", 0.35, "chord"), "bubble": ("..x.x.....x.x...", 0.4, "chord"),
    "stabs": ("X.....X.......x.", 0.4, "chord"), "scratch": ("x.xo.xx.x.xo.xx.", 0.3, "chord"), "syncopated": ("X..x..x...x..x..", 0.6, "chord"),
    "jazz_comp": ("X.....x.......x.", 0.4, "chord"), "quarters": ("x...x...x...x...", 0.6, "chord"), "bossa": ("X..x..x...x..x..", 0.7, "chord"),
    "montuno": ("X.xx.xx.xx.xx.xx", 0.7, "octaves"), "shuffle": ("X.xX.xX.xX.xX.xX", 0.6, "power"), "triplets": ("xxxxxxxxxxxxxxxx", 0.9, "chord"),
    "boom_chick": ("....x.......x...", 0.4, "strum"), "oom_pah": ("....x...x...x...", 0.4, "chord"), "sparse": ("x.........x.....", 1.5, "arpeggio"),
    "ostinato": ("XoxoXoxoXoxoXoxo", 0.6, "arpeggio"),
}  # fmt: skip
_LEVELS_DB = {"pad": -5.0, "strings": -3.5, "arp": -4.0, "brass": -2.5}


@dataclass(frozen=True)
class Voice:
    """What the composer knows about a voice."""

    name: str
    pitch_hz: float
    syllables: int


@dataclass(frozen=True)
class Palette:
    """Names of the instruments, kits (with their families) and voices that a split may use."""

    fonts: tuple[str, ...]
    kits: tuple[tuple[str, str], ...]
    voices: tuple[Voice, ...]


@dataclass(frozen=True)
class _Chord:
    root: int
    tones: tuple[int, ...]
    name: str


@dataclass(frozen=True)
class _Section:
    name: str
    first_bar: int
    bars: int


@dataclass(frozen=True)
class _Tone:
    """A note in beats."""

    beat: float
    beats: float
    pitch: int
    velocity: int
    slide: float = 0.0
    syllable: int = 0


@dataclass
class _Song:
    """The state of a composition."""

    rng: np.random.Generator
    split: str
    style_name: str
    style: Style
    palette: Palette
    beats_per_bar: int
    parts_per_beat: int
    tonic: int
    mode: str
    sections: tuple[_Section, ...]
    chords: tuple[tuple[float, float, _Chord], ...]
    swing: float

    @property
    def scale(self) -> tuple[int, ...]:
        return tuple((self.tonic + step) % 12 for step in MODES[self.mode])

    def chord_at(self, beat: float) -> _Chord:
        number = bisect.bisect_right(self.chords, beat + 1e-6, key=lambda chord: chord[0]) - 1
        return self.chords[max(0, number)][2]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def choose(self, options: Sequence[T]) -> T:
        return options[int(self.rng.integers(len(options)))]

    def own(self, options: Sequence[T]) -> Sequence[T]:
        """Return the options of this split: the last one is for evaluation alone."""
        if len(options) < 2:
            return options
        return options[-1:] if self.split == "evaluation" else options[:-1]


def compose(seed: int, split: str, seconds: float, palette: Palette, style_name: str | None = None) -> Score:
    """Compose a song.

    Args:
        seed: of all choices. For evaluation, it also numbers the style.
        split: ``train``, ``validation`` or ``evaluation``.
        seconds: length of the song.
        palette: what the song may use.
        style_name: a name of :data:`~dev.training.styles.STYLES`; by default, the seed decides.
    """
    rng = np.random.default_rng([("train", "validation", "evaluation").index(split), seed])
    if style_name is None:
        names = EVALUATION_STYLES if split == "evaluation" else tuple(STYLES)
        style_name = names[seed % len(names)] if split == "evaluation" else names[int(rng.integers(len(names)))]
    style = STYLES[style_name]
    bpm = float(rng.uniform(*style.bpm))
    beats_per_bar, parts = style.meter
    tonic = int(rng.integers(12))
    names, weights = zip(*style.modes.items(), strict=True)
    mode = str(names[int(rng.choice(len(names), p=np.array(weights) / sum(weights)))])
    swing = float(rng.uniform(*style.swing))
    bar_seconds = beats_per_bar * 60 / bpm
    bars = int(np.ceil(seconds / bar_seconds)) + 1
    song = _Song(rng, split, style_name, style, palette, beats_per_bar, parts, tonic, mode, (), (), swing)
    song.sections = _form(song, bars, bar_seconds)
    song.chords = _harmony(song)
    clock, beats = _tempo_map(song, bpm, bars * beats_per_bar)
    made: list[tuple[Part, list[_Tone]]] = [*_drums(song), *_bass(song), *_accompaniment(song), *_melodies(song)]
    written = [_write(song, part, tones, clock, seconds) for part, tones in made]
    inside = beats[beats < seconds]
    starts = [(float(clock(section.first_bar * beats_per_bar)), section.name) for section in song.sections]
    chords = [(float(clock(start)), chord.name) for start, _, chord in song.chords]
    truth = Truth(
        style=style_name,
        tempo_bpm=round(60 / float(np.median(np.diff(inside))), 3),
        key=f"{PITCH_CLASSES[tonic]} {'minor' if MODES[mode][2] == 3 else 'major'}",
        mode=mode,
        meter=(beats_per_bar, 3 if parts == 3 else 2),
        beats=tuple(round(float(beat), 5) for beat in inside),
        downbeats=tuple(round(float(beat), 5) for beat in beats[::beats_per_bar] if beat < seconds),
        sections=tuple((round(start, 5), name) for start, name in starts if start < seconds),
        chords=tuple((round(start, 5), name) for start, name in chords if start < seconds),
    )
    return Score(seed, seconds, truth, tuple(part for part in written if part.notes))


def _form(song: _Song, bars: int, bar_seconds: float) -> tuple[_Section, ...]:
    """Return sections that fill the song. Half of the songs start in the middle of the form."""
    form = song.choose(_FORMS)
    offset = int(song.rng.integers(len(form) - 2)) if song.chance(0.5) else 0
    long = 4 if bar_seconds > 2.2 or song.chance(0.5) else 8
    sections: list[_Section] = []
    first = 0
    while first < bars:
        name = form[(offset + len(sections)) % len(form)]
        length = max(2, long // 2) if name in ("intro", "break", "outro") else long
        sections.append(_Section(name, first, min(length, bars - first)))
        first += length
    return tuple(sections)


def _chord(song: _Song, token: str) -> _Chord:
    """Read a chord such as ``5d``: its degree in the scale, and its quality."""
    match = re.fullmatch(r"(\d)(.*)", token)
    assert match is not None
    degree, quality = int(match[1]) - 1, match[2]
    scale = MODES[song.mode]
    root = song.tonic + scale[degree]
    fixed = {"d": (0, 4, 7, 10), "M": (0, 4, 7), "m": (0, 3, 7), "5": (0, 7), "s": (0, 5, 7)}
    if quality in fixed:
        intervals = fixed[quality]
    else:
        above = [scale[(degree + step) % 7] + 12 * ((degree + step) // 7) - scale[degree] for step in (0, 2, 4, 6)]
        intervals = tuple(above if quality == "7" else above[:3])
    third = "m" if 3 in intervals else "dim" if 6 in intervals else ""
    return _Chord(
        root % 12,
        tuple((root + step) % 12 for step in intervals),
        f"{PITCH_CLASSES[root % 12]}{third}{'' if len(intervals) < 4 else '7'}",
    )


def _harmony(song: _Song) -> tuple[tuple[float, float, _Chord], ...]:
    """Return start and length in beats of each chord: one progression per kind of section."""
    known = song.style.progressions.get(song.mode) or next(iter(song.style.progressions.values()))
    options = song.own(known)
    chosen: dict[str, list[_Chord]] = {}
    quick = song.beats_per_bar == 4 and song.chance(0.15)
    found = []
    for section in song.sections:
        kind = section.name if section.name in ("verse", "chorus", "break") else "verse"
        if kind not in chosen:
            chosen[kind] = [_chord(song, token) for token in song.choose(options).split()]
        length = song.beats_per_bar / 2 if quick and kind == "chorus" else song.beats_per_bar
        count = round(section.bars * song.beats_per_bar / length)
        start = section.first_bar * song.beats_per_bar
        found += [
            (start + number * length, float(length), chosen[kind][number % len(chosen[kind])])
            for number in range(count)
        ]
    return tuple(found)


def _tempo_map(song: _Song, bpm: float, beats: int) -> tuple[Callable[[float], float], NDArray[np.float64]]:
    """Return a function from beats to seconds, and the times of all beats."""
    drift = np.cumsum(song.rng.standard_normal(beats + 9)) * song.style.drift
    drift -= np.linspace(0, 1, len(drift)) * drift[-1]
    lengths = 60 / bpm * (1 + np.clip(drift, -0.03, 0.03))
    # Notes before the first beat, such as consonants, need time too.
    times = np.concatenate([[0.0], np.cumsum(lengths)]) + float(song.rng.uniform(0.02, 0.25))
    grid = np.arange(len(times), dtype=np.float64)
    return (lambda beat: float(np.interp(beat, grid, times))), times[:beats]


def _plays(song: _Song, role: str, section: _Section, eagerness: float = 1.0) -> bool:
    """Decide whether a part plays in a section."""
    shares = {
        "drums": {"intro": 0.5, "break": 0.25, "outro": 0.7},
        "bass": {"intro": 0.55, "break": 0.4, "outro": 0.8},
        "comp": {"intro": 0.8, "verse": 0.85, "break": 0.7},
        "voice": {"intro": 0.0, "solo": 0.0, "break": 0.25, "outro": 0.2},
        "lead": {"intro": 0.5, "verse": 0.08, "chorus": 0.15, "solo": 1.0, "break": 0.3, "outro": 0.4},
        "backing": {"intro": 0.0, "verse": 0.2, "solo": 0.0, "break": 0.3, "chorus": 0.9, "outro": 0.3},
    }
    return song.chance(shares[role].get(section.name, 1.0) * eagerness)


def _program(song: _Song, programs: Sequence[int]) -> int:
    """Choose a program that this split may play, of the same family if necessary."""
    if song.split == "evaluation":
        return song.choose(programs)
    wanted = song.split == "validation"
    family = range(programs[0] // 8 * 8, programs[0] // 8 * 8 + 8)
    for options in (programs, family, range(24, 32)):
        usable = [program for program in options if (program in HELD_OUT_PROGRAMS) == wanted]
        if usable:
            return song.choose(usable)
    raise AssertionError("Each split has guitars.")


def _other_program(song: _Song, programs: Sequence[int]) -> int:
    """Choose a program for the stem ``other``."""
    if song.split == "train" and song.chance(_ANY_PROGRAM_SHARE):
        return _program(song, [program for program in _MELODIC_PROGRAMS if program not in HELD_OUT_PROGRAMS])
    return _program(song, programs)


def _other_effects(song: _Song, program: int) -> dict[str, float]:
    """Choose effects for a part of the stem ``other``. Distorted guitars have an amplifier."""
    effects = {"drive": 1.0} if program in (29, 30) else {}
    if song.split == "train" and song.chance(_GRAINS_SHARE):
        effects["grains"] = 1.0
    return effects


def _steps(song: _Song, line: str) -> str:
    """Fit a line of steps to the meter: lines for four beats of four steps become those for other meters."""
    total = song.beats_per_bar * song.parts_per_beat
    if song.parts_per_beat == 3 and len(line) == 16:
        line = "".join(
            line[at] + "." + (line[at + 2] if line[at + 2] != "." else line[at + 3]) for at in range(0, 16, 4)
        )
    return (line * (total // len(line) + 1))[:total]


def _beat_of(song: _Song, bar: int, step: int) -> float:
    """Return the beat of a step, with swing."""
    beat = bar * song.beats_per_bar + step / song.parts_per_beat
    if song.parts_per_beat == 4 and song.swing:
        # Jazz swings eighth notes, and other styles sixteenth notes.
        if song.style.swing[0] >= 0.2:
            beat += song.swing / 2 if step % 4 == 2 else song.swing / 4 if step % 4 == 3 else 0.0
        elif step % 2:
            beat += song.swing / 4
    return beat


def _hits(song: _Song, line: str, bar: int) -> list[tuple[float, float, str]]:
    """Return beat, beats to the next hit and symbol of each hit of a line. ``-`` holds a note."""
    steps = _steps(song, line)
    places = [place for place, symbol in enumerate(steps) if symbol not in ".-"]
    found = []
    for number, place in enumerate(places):
        after = places[number + 1] if number + 1 < len(places) else len(steps)
        rest = steps.find(".", place + 1, after)
        held = rest if "-" in steps[place + 1 : place + 2] and rest > 0 else after
        found.append((_beat_of(song, bar, place), (held - place) / song.parts_per_beat, steps[place]))
    return found


def _mutated(song: _Song, pattern: Pattern) -> dict[str, str]:
    """Vary a drum pattern: some hits go, and some come."""
    varied = {}
    for name, line in pattern.items():
        symbols = list(line)
        for place, symbol in enumerate(symbols):
            if place and symbol in "xog" and song.chance(0.06):
                symbols[place] = "."
            elif symbol == "." and place % 2 == 0 and name in ("kick", "closed", "snare") and song.chance(0.03):
                symbols[place] = "o"
        varied[name] = "".join(symbols)
    return varied


def _drums(song: _Song) -> list[tuple[Part, list[_Tone]]]:
    kits = [name for name, family in song.palette.kits if family in song.style.kits]
    # A kit of percussion lacks cymbals, so it joins another kit.
    kits = kits or [name for name, _ in song.palette.kits]
    if not song.style.drums or not kits or song.chance(0.04):
        return []
    grooves = {name: _mutated(song, song.choose(song.own(song.style.drums))) for name in ("verse", "chorus")}
    if song.chance(0.5):
        grooves["chorus"] = grooves["verse"]
    tones: list[_Tone] = []
    for section in song.sections:
        if not _plays(song, "drums", section):
            continue
        groove = dict(grooves["chorus" if section.name == "chorus" else "verse"])
        if section.name in ("intro", "break") and song.chance(0.5):
            dropped = song.choose(("kick", "snare", "clap"))
            groove = {name: line for name, line in groove.items() if name != dropped} or groove
        if section.name == "chorus" and "closed" in groove and song.chance(0.3):
            groove["ride"] = groove.pop("closed")
        if song.chance(0.6) and "acoustic" in song.style.kits:
            tones.append(_Tone(section.first_bar * song.beats_per_bar, 8.0, _DRUM_KEYS["crash"], 105))
        for bar in range(section.first_bar, section.first_bar + section.bars):
            last = bar == section.first_bar + section.bars - 1
            fill = last and song.chance(0.6)
            until = (bar + 1) * song.beats_per_bar - (song.choose((1, 2)) if fill else 0)
            for name, line in groove.items():
                for beat, _, symbol in _hits(song, line, bar):
                    if beat < until:
                        tones.append(_Tone(beat, 4.0, _DRUM_KEYS[name], _VELOCITIES[symbol]))
            if fill:
                tones += _fill(song, until, (bar + 1) * song.beats_per_bar)
    tones = _choked(sorted(tones, key=lambda tone: tone.beat))
    part = Part("kit", "drums", "kit", song.choose(kits), (), reverb=float(song.rng.uniform(0.02, 0.2)))
    if song.split == "train" and song.chance(_PERCUSSION_SHARE):
        return [(part, tones), _percussion(song)]
    return [(part, tones)]


def _percussion(song: _Song) -> tuple[Part, list[_Tone]]:
    """Return a part that repeats a random bar, on one to four instruments of any kit or of the model of percussion."""
    keys = song.rng.choice(_PERCUSSION_KEYS, int(song.rng.integers(1, 5)), replace=False)
    steps = song.beats_per_bar * song.parts_per_beat
    density = float(song.rng.uniform(0.2, 0.6))
    bar = [
        (step, int(key), int(song.rng.integers(50, 120)))
        for key in keys
        for step in range(steps)
        if song.chance(density / len(keys) ** 0.5)
    ]
    tones = [
        _Tone(_beat_of(song, number, step), 2.0, key, velocity)
        for section in song.sections
        if _plays(song, "drums", section)
        for number in range(section.first_bar, section.first_bar + section.bars)
        for step, key, velocity in bar
    ]
    kit = song.choose([name for name, _ in song.palette.kits])
    level_db, pan = float(song.rng.uniform(-8, 0)), float(song.rng.uniform(-0.6, 0.6))
    kind = "percussion" if song.chance(_MODELLED_PERCUSSION_SHARE) else "kit"
    part = Part("kit", "drums", kind, kit if kind == "kit" else "", (), level_db=level_db, pan=pan, reverb=float(song.rng.uniform(0.02, 0.3)))  # fmt: skip
    return part, tones


def _fill(song: _Song, start: float, end: float) -> list[_Tone]:
    """Return a fill on snare and toms."""
    step = 1 / song.parts_per_beat
    count = round((end - start) / step)
    keys = sorted(
        (song.choose((38, 38, 48, 45, 41)) for _ in range(count)), key=lambda key: (38, 48, 45, 41).index(key)
    )
    return [
        _Tone(start + number * step, 4.0, key, int(song.rng.integers(70, 115)))
        for number, key in enumerate(keys)
        if song.chance(0.8)
    ]


def _choked(tones: list[_Tone]) -> list[_Tone]:
    """End each sound of the hi-hat at its next one."""
    hats = [tone.beat for tone in tones if tone.pitch in _HATS]
    found = []
    for tone in tones:
        if tone.pitch in _HATS:
            later = [beat for beat in hats if beat > tone.beat + 1e-6]
            tone = replace(tone, beats=min(later, default=tone.beat + 4.0) - tone.beat)
            hats = later or hats
        found.append(tone)
    return found


def _near(pitch_class: int, around: float) -> int:
    """Return the pitch of a pitch class that is nearest to ``around``."""
    return int(pitch_class + 12 * round((around - pitch_class) / 12))


def _bass(song: _Song) -> list[tuple[Part, list[_Tone]]]:
    if song.chance(0.04):
        return []
    kind = _bass_kind(song)
    is_synthesizer = kind == "synthesizer"
    ways = ("long",) if is_synthesizer and song.chance(0.4) else song.own(song.style.bass)
    way, other = song.choose(ways), song.choose(ways)
    around = float(song.rng.uniform(27 if is_synthesizer else 34, 40))
    tones: list[_Tone] = []
    for section in song.sections:
        if not _plays(song, "bass", section):
            continue
        for bar in range(section.first_bar, section.first_bar + section.bars):
            tones += _bass_bar(song, other if section.name == "chorus" else way, bar, around)
    if kind != "font":
        return [(Part("bass", "bass", kind, "", (), reverb=float(song.rng.uniform(0, 0.05))), tones)]
    program = _program(song, song.style.bass_programs)
    slides = program in (33, 35, 36, 38) and song.chance(0.5)
    if slides:
        tones = [replace(tone, slide=float(song.choose((-2, -1, 1)))) if song.chance(0.12) else tone for tone in tones]
    part = Part(
        "bass", "bass", "font", song.choose(song.palette.fonts), (), program, reverb=float(song.rng.uniform(0, 0.05))
    )
    return [(part, tones)]


def _bass_kind(song: _Song) -> str:
    """Choose the kind of the part."""
    if song.split != "train":
        return "font"
    if song.chance(_SYNTHESIZER_BASS_SHARE):
        return "synthesizer"
    return "string" if song.chance(_STRING_BASS_SHARE) else "font"


def _bass_bar(song: _Song, way: str, bar: int, around: float) -> list[_Tone]:
    if song.parts_per_beat == 3 and way in _BASS_TRIPLETS:
        line = _BASS_TRIPLETS[way]
    elif way == "walking":
        return _walk(song, bar, around)
    else:
        line = _BASS_LINES.get(way, _BASS_LINES["roots"])
    tones = []
    previous: _Chord | None = None
    for beat, beats, symbol in _hits(song, line, bar):
        chord = song.chord_at(beat)
        root = _near(chord.root, around)
        third = (chord.tones[1] - chord.root) % 12 if len(chord.tones) > 2 else 7
        degrees = {"1": 0, "3": third, "5": 7, "6": 9, "7": 10, "8": 12}
        # A new chord starts on its root.
        step = 0 if chord is not previous and symbol != "8" else degrees[symbol]
        previous = chord
        if song.chance(0.04):
            continue
        tones.append(
            _Tone(beat, beats * float(song.rng.uniform(0.75, 0.98)), root + step, int(song.rng.integers(84, 112)))
        )
    return tones


def _walk(song: _Song, bar: int, around: float) -> list[_Tone]:
    """Return a walking bass: chord tones on the beats, and a step to the root of the next chord."""
    tones = []
    for number in range(song.beats_per_bar):
        beat = bar * song.beats_per_bar + number
        chord, following = song.chord_at(beat), song.chord_at(beat + 1)
        if number == 0 or song.chord_at(beat - 1) is not chord:
            pitch = _near(chord.root, around)
        elif following is not chord or number == song.beats_per_bar - 1:
            pitch = _near(following.root, around) + song.choose((-1, 1, -2, 2))
        else:
            pitch = _near(song.choose(chord.tones), around + float(song.rng.uniform(-3, 6)))
        tones.append(_Tone(float(beat), 0.92, pitch, int(song.rng.integers(84, 106))))
        if song.chance(0.1):
            tones.append(_Tone(_beat_of(song, bar, 0) + number + 0.5 + song.swing / 2, 0.3, pitch, 70))
    return tones


def _voicing(chord: _Chord, around: float, previous: list[int]) -> list[int]:
    """Return the tones of a chord near the previous voicing."""
    centre = float(np.mean(previous)) * 0.6 + around * 0.4 if previous else around
    tones = [_near(tone, centre + offset) for tone, offset in zip(chord.tones, (-3, 1, 4, 7), strict=False)]
    return sorted(set(tones))


def _accompaniment(song: _Song) -> list[tuple[Part, list[_Tone]]]:
    options = list(song.style.comps)
    options = [options[int(place)] for place in song.rng.permutation(len(options))]
    count = int(song.rng.integers(2, len(options) + 1)) if len(options) > 2 else len(options)
    made = []
    for place, (role, programs, way) in enumerate(options[: min(count, 4)]):
        program = _other_program(song, programs)
        around = float(
            song.rng.uniform(52, 58)
            if way in ("power", "chug", "eighth_power", "shuffle")
            else song.rng.uniform(57, 67)
        )
        tones: list[_Tone] = []
        for section in song.sections:
            # The first part plays nearly always, so that few songs have silent passages.
            if place == 0 or _plays(song, "comp", section, 0.9):
                tones += _comp(song, way, section, around)
        part = Part(
            role, "other", "font", song.choose(song.palette.fonts), (), program,
            level_db=_LEVELS_DB.get(role, -1.5) + float(song.rng.uniform(-3, 3)),
            pan=float(song.rng.uniform(-0.8, 0.8)) if place else float(song.rng.uniform(-0.3, 0.3)),
            reverb=float(song.rng.uniform(0.05, 0.35)),
            effects=_other_effects(song, program),
        )  # fmt: skip
        made.append((part, tones))
    return made


def _comp(song: _Song, way: str, section: _Section, around: float) -> list[_Tone]:
    line, share, playing = _COMPS[way]
    tones: list[_Tone] = []
    pitches: list[int] = []
    direction, place = song.choose((1, -1)), 0
    for bar in range(section.first_bar, section.first_bar + section.bars):
        for beat, beats, symbol in _comp_hits(song, way, line, bar):
            chord = song.chord_at(beat)
            pitches = _voicing(chord, around, pitches)
            velocity = int(np.clip(_VELOCITIES[symbol] * 0.9 + song.rng.normal(0, 6), 20, 127))
            length = beats * share
            if playing == "power":
                root = _near(chord.root, around - 6)
                muted = 0.4 if way == "chug" and symbol == "o" else 1.0
                tones += [_Tone(beat, length * muted, root + step, velocity) for step in (0, 7, 12)]
            elif playing == "arpeggio":
                ladder = [*pitches, pitches[0] + 12]
                tones.append(_Tone(beat, length, ladder[place % len(ladder)], velocity))
                place += direction
            elif playing == "octaves":
                tone = pitches[place % len(pitches)]
                tones += [_Tone(beat, length, tone + step, velocity) for step in (0, 12)]
                place += 1
            else:
                spread = 0.02 if playing == "strum" else 0.0
                full = [*pitches, pitches[0] + 12] if playing == "strum" else pitches
                tones += [_Tone(beat + spread * number, length, pitch, velocity) for number, pitch in enumerate(full)]
    return tones


def _comp_hits(song: _Song, way: str, line: str, bar: int) -> list[tuple[float, float, str]]:
    """Return the hits of an accompaniment. A pad holds each chord, and others drop a hit now and then."""
    if way == "pad":
        start, end = bar * song.beats_per_bar, (bar + 1) * song.beats_per_bar
        return [(beat, length, "x") for beat, length, _ in song.chords if start <= beat < end]
    if song.parts_per_beat == 3 and way in ("shuffle", "triplets"):
        line = "X.xX.xX.xX.x" if way == "shuffle" else "xxxxxxxxxxxx"
    return [hit for hit in _hits(song, line, bar) if song.chance(0.94)]


def _rhythm(song: _Song, singing: str) -> list[tuple[float, float]]:
    """Return start and length in beats of the notes of a phrase of two bars, with a rest at its end."""
    span = 2 * song.beats_per_bar
    grid = {"rap": 0.25, "vowels": 1.0}.get(singing, 0.5)
    if song.parts_per_beat == 3:
        grid = max(grid, 0.5) if singing != "vowels" else 1.0
        grid = 1 / 3 if grid == 0.5 else grid
    density = float(song.rng.uniform(0.45, 0.75)) + (0.15 if singing == "rap" else 0.0)
    sung = span - float(song.rng.uniform(0.5, 0.25 * span))
    places = [
        float(place)
        for place in np.arange(0, sung, grid)
        if song.chance(density if place % 1 else min(1.0, density + 0.2))
    ]
    places = places or [0.0]
    ends = [*places[1:], sung + grid]
    return [
        (place, max(grid, (end - place)) * (0.95 if singing != "rap" else 0.8))
        for place, end in zip(places, ends, strict=True)
    ]


def _line(
    song: _Song, section: _Section, singing: str, centre: float, motifs: dict[str, list[tuple[float, float]]]
) -> list[list[_Tone]]:
    """Return the phrases of a melody for a section. Sections of the same name repeat their rhythms."""
    span = 2 * song.beats_per_bar
    width = 2.5 if singing == "rap" else 7.0
    scale = song.scale
    pitch = centre
    phrases = []
    for number in range(max(1, section.bars // 2)):
        name = f"{section.name} {('A', 'A', 'B', 'A')[number % 4]}"
        if name not in motifs:
            motifs[name] = _rhythm(song, singing)
        start = (section.first_bar + 2 * number) * song.beats_per_bar
        tones = []
        for place, length in motifs[name]:
            beat = start + place
            if song.swing and song.style.swing[0] >= 0.2 and place % 1 == 0.5:
                beat += song.swing / 2
            pitch += float(song.rng.normal(0, 2.2)) + 0.15 * (centre - pitch)
            pitch = float(np.clip(pitch, centre - width, centre + width))
            classes = song.chord_at(beat).tones if place % 1 == 0 and song.chance(0.7) else scale
            sounding = min((_near(tone, pitch) for tone in classes), key=lambda candidate: abs(candidate - pitch))
            tones.append(_Tone(beat, length, sounding, int(np.clip(song.rng.normal(98, 9), 50, 124))))
        if song.chance(0.94) and start < (section.first_bar + section.bars) * song.beats_per_bar - span / 4:
            phrases.append(tones)
    return phrases


def _melodies(song: _Song) -> list[tuple[Part, list[_Tone]]]:
    """Return the lead voice with its doubles, harmonies and choirs, and the lead instrument."""
    made: list[tuple[Part, list[_Tone]]] = []
    motifs: dict[str, list[tuple[float, float]]] = {}
    sung = [section for section in song.sections if _plays(song, "voice", section)]
    if song.palette.voices and song.chance(song.style.voice):
        sung = sung or [song.sections[-1]]
        made += _voices(song, sung, motifs)
    else:
        sung = []
    lead: list[_Tone] = []
    centre = float(song.rng.uniform(67, 76))
    for section in song.sections:
        if _plays(song, "lead", section, 1.0 if section not in sung else 0.3):
            kind = song.choose(("song", "song", "rap")) if song.style.singing != "vowels" else "song"
            lead += [tone for phrase in _line(song, section, kind, centre, {}) for tone in phrase]
    if lead:
        program = _other_program(song, song.style.leads)
        part = Part(
            "lead", "other", "font", song.choose(song.palette.fonts), (), program, level_db=float(song.rng.uniform(-2, 2)),
            pan=float(song.rng.uniform(-0.3, 0.3)), reverb=float(song.rng.uniform(0.1, 0.4)),
            effects=_other_effects(song, program),
        )  # fmt: skip
        made.append((part, lead))
    return made


def _voices(
    song: _Song, sung: list[_Section], motifs: dict[str, list[tuple[float, float]]]
) -> list[tuple[Part, list[_Tone]]]:
    voice = song.choose(song.palette.voices)
    singing = song.style.singing
    # Singers use the upper part of the range of their speech and above.
    speech = 69 + 12 * np.log2(voice.pitch_hz / 440)
    centre = float(speech + (song.rng.uniform(-1, 2) if singing == "rap" else song.rng.uniform(3, 8)))
    lyrics = [int(number) for number in song.rng.integers(voice.syllables, size=24)]
    phrases: list[tuple[_Section, list[_Tone]]] = []
    for section in sung:
        for phrase in _line(song, section, singing, centre, motifs):
            start = int(song.rng.integers(len(lyrics))) if section.name != "chorus" else 0
            phrases.append(
                (
                    section,
                    [replace(tone, syllable=lyrics[(start + at) % len(lyrics)]) for at, tone in enumerate(phrase)],
                )
            )
    everything = [tone for _, phrase in phrases for tone in phrase]
    effects = {
        "formant": float(song.rng.uniform(0.88, 1.14)),
        "vibrato": 0.0 if singing == "rap" else float(song.rng.uniform(10, 55)),
        "vibrato_hz": float(song.rng.uniform(4.8, 6.4)),
        "portamento": float(song.rng.uniform(0.03, 0.12)),
        "breath": float(song.rng.uniform(0.03, 0.25)),
        "brightness": float(song.rng.uniform(0, 8)),
    }
    reverb = float(song.rng.uniform(0.05, 0.3))
    lead = Part(
        "voice",
        "vocals",
        "voice",
        voice.name,
        (),
        level_db=float(song.rng.uniform(0, 4)),
        reverb=reverb,
        effects=effects,
    )
    made = [(lead, everything)]
    backed = [phrase for section, phrase in phrases if _plays(song, "backing", section)]
    if backed and song.chance(0.5):
        for side in (-1, 1) if song.chance(0.5) else (song.choose((-1, 1)),):
            part = replace(
                lead,
                role="backing",
                level_db=-7.0,
                pan=0.6 * side,
                reverb=reverb + 0.1,
                effects={**effects, "formant": effects["formant"] * float(song.rng.uniform(0.97, 1.03))},
            )
            made.append((part, [tone for phrase in backed for tone in phrase]))
    if backed and singing != "rap" and song.chance(0.5):
        other = song.choose(song.palette.voices)
        steps = song.choose((2, -3, 4))
        tones = [
            replace(_shifted(song, tone, steps), syllable=tone.syllable % other.syllables)
            for phrase in backed
            for tone in phrase
        ]
        part = replace(
            lead,
            role="backing",
            source=other.name,
            level_db=-6.0,
            pan=float(song.rng.uniform(-0.7, 0.7)),
            reverb=reverb + 0.15,
            effects={**effects, "formant": float(song.rng.uniform(0.9, 1.1))},
        )
        made.append((part, tones))
    if singing != "rap" and song.chance(0.3):
        held = [
            _Tone(beat, length, pitch, 84)
            for section in sung
            for beat, length, chord in song.chords
            if section.first_bar <= beat / song.beats_per_bar < section.first_bar + section.bars
            for pitch in _voicing(chord, 64, [])
        ]
        program = _program(song, (52, 53))
        made.append(
            (
                Part(
                    "choir", "vocals", "font", song.choose(song.palette.fonts), (), program, level_db=-8.0, reverb=0.4
                ),
                held,
            )
        )
    return made


def _shifted(song: _Song, tone: _Tone, steps: int) -> _Tone:
    """Move a tone by steps of the scale."""
    ladder = [pitch for pitch in range(24, 108) if pitch % 12 in song.scale]
    place = int(np.argmin([abs(pitch - tone.pitch) for pitch in ladder]))
    return replace(tone, pitch=ladder[max(0, min(len(ladder) - 1, place + steps))])


def _write(song: _Song, part: Part, tones: list[_Tone], clock: Callable[[float], float], seconds: float) -> Part:
    """Turn tones into notes in seconds, with human timing."""
    notes = []
    spread = song.style.humanise
    late = float(song.rng.normal(0, spread / 2))
    end = clock(song.sections[-1].first_bar * song.beats_per_bar + song.sections[-1].bars * song.beats_per_bar)
    for tone in sorted(tones, key=lambda tone: (tone.beat, tone.pitch)):
        start = clock(tone.beat) + late + min(max(song.rng.normal(0, spread), -2.5 * spread), 2.5 * spread)
        length = clock(tone.beat + tone.beats) - clock(tone.beat)
        velocity = int(min(max(tone.velocity + song.rng.normal(0, 4), 1), 127))
        if 0 <= start < min(seconds, end):
            notes.append(
                Note(round(start, 5), round(max(0.03, length), 5), tone.pitch, velocity, tone.slide, tone.syllable)
            )
    if part.kind == "voice":
        notes = one_at_a_time(notes)
    seed = int(song.rng.integers(2**31))
    return replace(part, notes=tuple(notes), phrases=phrases_of(notes) if part.kind == "voice" else (), seed=seed)


def phrases_of(notes: Sequence[Note]) -> tuple[tuple[Note, ...], ...]:
    """Divide the notes of a singer where the breath is: at pauses of at least 0.3 seconds."""
    phrases: list[list[Note]] = []
    for note in notes:
        if phrases and note.start_seconds - phrases[-1][-1].start_seconds - phrases[-1][-1].duration_seconds < 0.3:
            phrases[-1].append(note)
        else:
            phrases.append([note])
    return tuple(map(tuple, phrases))


def one_at_a_time(notes: Sequence[Note]) -> list[Note]:
    """End each note of a singer before the next one starts."""
    ordered = sorted(notes, key=lambda note: note.start_seconds)
    apart = [
        note
        for number, note in enumerate(ordered)
        if not number or note.start_seconds - ordered[number - 1].start_seconds > 0.06
    ]
    ends = [*(note.start_seconds for note in apart[1:]), float("inf")][: len(apart)]
    return [
        replace(note, duration_seconds=min(note.duration_seconds, end - note.start_seconds))
        for note, end in zip(apart, ends, strict=True)
    ]
