"""Genres as data: grooves, bass lines, accompaniment, instruments and progressions.

Patterns are one bar in sixteenths. Drums: ``X x o ,`` are hits from loud to soft. Bass: ``1 3 5 8`` are chord degrees,
``a`` is a semitone below the next root, ``-`` holds, ``.`` rests. Chords: ``x o`` strike the chord, digits strike
single tones counted from the lowest (0), ``-`` holds, ``.`` rests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.generation.engines.procedural.drums import (
    CLAP,
    CONGA,
    COWBELL,
    HAT,
    KICK,
    OPEN_HAT,
    RIDE,
    RIM,
    SHAKER,
    SNARE,
)

Groove = Mapping[int, str]


@dataclass(frozen=True)
class Layer:
    """One chord instrument.

    Args:
        instrument: a name in :data:`instruments.INSTRUMENTS`.
        pattern: one bar, or several separated by spaces that alternate.
        lowest_midi: lowest pitch of its voicings.
        sections: first letters of the sections in which it plays (intro, verse, chorus, bridge, outro).
        gain: level.
        pan: position, -1 (left) to 1 (right).
    """

    instrument: str
    pattern: str
    lowest_midi: int = 55
    sections: str = "ivcbo"
    gain: float = 1.0
    pan: float = 0.0


@dataclass(frozen=True)
class Style:
    """A genre.

    Args:
        tempo_bpm: slowest, usual and fastest tempo.
        kit: instrument of the drums.
        groove: drums of the chorus.
        light: drums of the verse; drums that are missing here rest.
        bass, bass_pattern: instrument and line.
        layers: chord instruments.
        leads: instruments for the melody, most typical first.
        major, minor: progressions.
        beats_per_bar: quarter notes per bar.
        swing: delay of every second eighth (``swing_beats`` 0.5) or sixteenth (0.25), relative to its length.
        swing_beats: which notes swing.
        density: density of the melody, about 0.5 (sparse) to 1.5 (busy).
    """

    tempo_bpm: tuple[float, float, float]
    kit: str
    groove: Groove
    light: Groove
    bass: str
    bass_pattern: str
    layers: tuple[Layer, ...]
    leads: tuple[str, ...]
    major: tuple[str, ...] = ("I V vi IV", "I vi IV V", "I IV vi V")
    minor: tuple[str, ...] = ("i VI III VII", "i iv VI V", "i VII VI VII", "i VI iv V")
    beats_per_bar: int = 4
    swing: float = 0.0
    swing_beats: float = 0.5
    density: float = 1.0


_EIGHTHS = "x.o.x.o.x.o.x.o."
_SIXTEENTHS = "x,o,x,o,x,o,x,o,"
_BACKBEAT = "....x.......x..."
_FOUR = "x...x...x...x..."
_JAZZ_MAJOR = ("I7 vi7 ii7 V7", "I7 IV7 ii7 V7")
_JAZZ_MINOR = ("i7 iv7 VII7 III7", "i7 VI7 iv7 V7", "i7 iv7 V7 i7")

STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "pop": Style(
            (90, 112, 132),
            "kit_acoustic",
            {KICK: "X.......x.x.....", SNARE: "....X.......X...", HAT: _EIGHTHS, CLAP: "............o..."},
            {KICK: "x.......x.......", SNARE: "....x.......x...", HAT: _EIGHTHS},
            "bass_electric",
            "1-----1-1---5-1-",
            (
                Layer("piano", "x---x---x---x---", 53, "ivcbo", 1.0, -0.2),
                Layer("steel_guitar", "x..ox.oxx..ox.ox", 55, "vc", 0.7, 0.45),
                Layer("pad", "x---------------", 52, "cbo", 0.8),
            ),
            ("voice", "synth_lead", "flute"),
        ),
        "rock": Style(
            (100, 126, 160),
            "kit_rock",
            {
                KICK: "X.......x.x...x.",
                SNARE: "....X.......X...",
                OPEN_HAT: "x...x...x...x...",
                HAT: "..o...o...o...o.",
            },
            {KICK: "x.......x.x.....", SNARE: "....x.......x...", HAT: _EIGHTHS},
            "bass_pick",
            "1-1-1-1-1-1-1-5-",
            (
                Layer("power_guitar", "x-x-x-x-x-x-x-x-", 40, "co", 0.75, -0.6),
                Layer("power_guitar", "x-----x-x-------", 40, "ivcb", 0.75, 0.6),
                Layer("organ", "x---------------", 55, "cb", 0.45),
            ),
            ("voice", "guitar_lead", "synth_lead"),
            ("I V vi IV", "I bVII IV I", "I IV V IV", "I iii IV V"),
            ("i VII VI VII", "i VI III VII", "i III VII iv"),
        ),
        "punk": Style(
            (152, 176, 208),
            "kit_rock",
            {KICK: "X...x...X...x...", SNARE: "..X...X...X...X.", OPEN_HAT: "x.x.x.x.x.x.x.x."},
            {KICK: "X...x...X...x...", SNARE: "..x...x...x...x.", HAT: _EIGHTHS},
            "bass_pick",
            "1-1-1-1-1-1-1-1-",
            (
                Layer("power_guitar", "x-x-x-x-x-x-x-x-", 40, "ivcbo", 0.85, -0.6),
                Layer("power_guitar", "x-x-x-x-x-x-x-x-", 40, "co", 0.85, 0.6),
            ),
            ("voice_low", "voice", "guitar_lead"),
            ("I IV V V", "I V vi IV", "I IV I V"),
            ("i VI VII i", "i VI III VII"),
            density=1.1,
        ),
        "metal": Style(
            (120, 156, 200),
            "kit_rock",
            {KICK: "XxxxXxxxXxxxXxxx", SNARE: "....X.......X...", OPEN_HAT: "x...x...x...x..."},
            {KICK: "X..xx..xX..xx...", SNARE: "....X.......X...", HAT: "x...x...x...x..."},
            "bass_pick",
            "1.111.111.111.11",
            (
                Layer("power_guitar", "x.xxx.xxx.xxx.xx", 38, "vcbo", 0.85, -0.75),
                Layer("power_guitar", "x.xxx.xxx.xxx.xx", 38, "ivco", 0.85, 0.75),
                Layer("choir", "x---------------", 55, "c", 0.4),
            ),
            ("voice_low", "guitar_lead", "voice"),
            ("I bVII bVI V", "I IV bVII I"),
            ("i VI VII i", "i VII VI V", "i i VI VII"),
            density=0.9,
        ),
        "house": Style(
            (118, 124, 130),
            "kit_electronic",
            {KICK: "X...X...X...X...", CLAP: "....x.......x...", OPEN_HAT: "..x...x...x...x.", HAT: "o,.,o,.,o,.,o,.,"},
            {KICK: "X...X...X...X...", HAT: "..o...o...o...o.", SHAKER: _SIXTEENTHS},
            "bass_saw",
            "..1-..1-..1-..81",
            (
                Layer("epiano", "..x-..x...x-...x", 55, "ivco", 0.9, 0.2),
                Layer("saw_chord", "x..x..x.x..x..x.", 57, "c", 0.75),
                Layer("pad", "x---------------", 53, "ivcbo", 0.7),
            ),
            ("voice", "synth_lead", "square_lead"),
            ("I7 iii7 vi7 IV7", "I7 IV7 vi7 V"),
            ("i7 VII VI7 VII", "i7 iv7 VI7 v7", "i VI7 III7 VII"),
        ),
        "techno": Style(
            (124, 132, 140),
            "kit_electronic",
            {KICK: "X...X...X...X...", OPEN_HAT: "..x...x...x...x.", CLAP: "....o.......o...", HAT: _SIXTEENTHS},
            {KICK: "X...X...X...X...", HAT: "..o...o...o...o."},
            "bass_fm",
            "..1.1.1...1.1.18",
            (
                Layer("synth_pluck", "0.2.1.0.2.1.0.1.", 60, "ivcb", 0.9, -0.35),
                Layer("dark_pad", "x---------------", 50, "vcbo", 0.8),
            ),
            ("synth_lead", "square_lead"),
            ("I I bVII bVII", "I I IV IV"),
            ("i i VI VII", "i i iv i", "i VI i VII"),
            density=0.6,
        ),
        "trance": Style(
            (132, 138, 142),
            "kit_electronic",
            {KICK: "X...X...X...X...", CLAP: "....x.......x...", OPEN_HAT: "..x...x...x...x."},
            {KICK: "X...X...X...X...", HAT: "..x...x...x...x."},
            "bass_saw",
            "..11..11..11..11",
            (
                Layer("synth_pluck", "0123012301230123", 60, "ivcbo", 0.9, 0.3),
                Layer("saw_chord", "x--x--x--x--x-x-", 57, "c", 0.9),
                Layer("pad", "x---------------", 53, "vcbo", 0.8),
            ),
            ("synth_lead", "voice"),
            ("I V vi IV", "I IV vi V"),
            ("i VI III VII", "i i VI VII", "i VI VII III"),
        ),
        "disco": Style(
            (108, 118, 126),
            "kit_acoustic",
            {
                KICK: "X...X...X...X...",
                SNARE: "....x.......x...",
                OPEN_HAT: "..x...x...x...x.",
                HAT: "x...x...x...x...",
            },
            {KICK: "X...X...X...X...", SNARE: "....x.......x...", HAT: _EIGHTHS},
            "bass_electric",
            "1.8.1.8.1.8.1.8.",
            (
                Layer("clean_guitar", "..x.x.x...x.xx..", 57, "vc", 0.8, -0.5),
                Layer("strings", "x---------------", 60, "ico", 0.8),
                Layer("epiano", "x--x--x-x--x----", 55, "ivcbo", 0.8, 0.3),
            ),
            ("voice", "synth_lead", "trumpet"),
            ("I7 vi7 ii7 V7", "I7 iii7 ii7 V7"),
            ("i7 iv7 VII III7", "i7 VII VI7 v7"),
        ),
        "synthwave": Style(
            (84, 100, 118),
            "kit_electronic",
            {KICK: "X.......X.......", SNARE: "....X.......X...", HAT: _EIGHTHS},
            {KICK: "X.......X.......", SNARE: "....x.......x...", HAT: "..o...o...o...o."},
            "bass_saw",
            "1.1.1.1.1.1.1.1.",
            (
                Layer("synth_pluck", "0.1.2.3.2.1.2.3.", 60, "ivcbo", 0.9, 0.4),
                Layer("pad", "x---------------", 53, "ivcbo", 1.0),
            ),
            ("synth_lead", "square_lead", "voice"),
        ),
        "dubstep": Style(
            (136, 140, 150),
            "kit_electronic",
            {KICK: "X.........x.....", SNARE: "........X.......", HAT: "x.o.x.ooxxo.x.o."},
            {KICK: "X...............", SNARE: "........X.......", HAT: "x...o...x...o..."},
            "bass_reese",
            "1--1--1-1-1-1111",
            (
                Layer("saw_chord", "x-----x---------", 57, "c", 0.8),
                Layer("dark_pad", "x---------------", 50, "ivcbo", 0.9),
            ),
            ("synth_lead", "square_lead", "voice"),
            ("I vi IV V",),
            ("i VI i VII", "i i VI V"),
            density=0.6,
        ),
        "drum_and_bass": Style(
            (168, 174, 178),
            "kit_electronic",
            {KICK: "X.........X.....", SNARE: "....X.......X..o", HAT: "x.o.x.o.x.o.x.o.", RIDE: "o...o...o...o..."},
            {KICK: "X.........X.....", SNARE: "....X.......X...", SHAKER: _SIXTEENTHS},
            "bass_reese",
            "1-----------1--- 1-----1---3-5---",
            (
                Layer("epiano", "x-----------x---", 57, "ivcb", 0.8, -0.25),
                Layer("pad", "x---------------", 53, "ivcbo", 1.0),
                Layer("synth_pluck", "0.2.3.2.1.2.3.2.", 64, "c", 0.6, 0.45),
            ),
            ("voice", "flute", "synth_lead"),
            ("I7 I7 vi7 IV7", "I7 IV7 vi7 V"),
            ("i7 i7 VI7 VII", "i7 VI7 III7 VII"),
            density=0.6,
        ),
        "hip_hop": Style(
            (80, 90, 102),
            "kit_808",
            {KICK: "X.....x.x..x....", SNARE: "....X.......X...", HAT: "x.o.x.ox..o.x.o."},
            {KICK: "X.......x..x....", SNARE: "....X.......X...", HAT: _EIGHTHS},
            "bass_sub",
            "1-----1-1--1-5--",
            (
                Layer("epiano", "x-----x---------", 55, "ivcbo", 1.0, -0.2),
                Layer("strings", "x---------------", 60, "c", 0.6),
                Layer("bell", "..3...2...1.....", 67, "ic", 0.5, 0.4),
            ),
            ("voice_low", "flute", "synth_lead"),
            ("I7 vi7 ii7 V7", "I7 iii7 vi7 IV7"),
            ("i7 VI7 iv7 v7", "i VI III7 VII"),
            swing=0.16,
            swing_beats=0.25,
            density=1.3,
        ),
        "trap": Style(
            (130, 142, 152),
            "kit_808",
            {KICK: "X.........x.....", CLAP: "........X.......", HAT: "x.x.x.x.x.xxx.x."},
            {KICK: "X.........x.....", CLAP: "........x.......", HAT: "x.x.x.x.x.x.x.x."},
            "bass_sub",
            "1---------1-----",
            (
                Layer("bell", "0...2...1...3...", 65, "ivcbo", 0.9, 0.25),
                Layer("dark_pad", "x---------------", 50, "ivcbo", 0.9),
            ),
            ("voice_low", "flute", "square_lead"),
            ("I iii vi IV",),
            ("i VI i V", "i i VI V", "i iv VI V"),
            density=0.9,
        ),
        "lofi": Style(
            (70, 78, 88),
            "kit_lofi",
            {KICK: "x.....o.x.......", SNARE: "....x.......x...", HAT: "o.o.o.oo,.o.o.o."},
            {KICK: "x.......x.......", RIM: "....x.......x...", HAT: "o.,.o.,.o.,.o.,."},
            "bass_upright",
            "1-----1---5-----",
            (
                Layer("epiano", "x-------x-----o-", 53, "ivcbo", 1.0, -0.15),
                Layer("nylon_guitar", "0...2...3...1...", 57, "vcb", 0.7, 0.4),
            ),
            ("flute", "voice_soft", "sax"),
            _JAZZ_MAJOR,
            _JAZZ_MINOR,
            swing=0.2,
            swing_beats=0.25,
            density=0.7,
        ),
        "bossa": Style(
            (110, 128, 144),
            "kit_soft",
            {KICK: "x.....x.x.....x.", RIM: "x..x..x....x..x.", SHAKER: "xoxoxoxoxoxoxoxo"},
            {KICK: "x.....x.x.....x.", RIM: "x..x..x....x..x.", HAT: "o.o.o.o.o.o.o.o."},
            "bass_upright",
            "1-----5-5-----1-",
            (
                Layer("nylon_guitar", "x..x..x...x..x..", 55, "ivcbo", 1.0, 0.3),
                Layer("epiano", "x-----------x---", 57, "cb", 0.6, -0.35),
            ),
            ("sax", "flute", "voice_soft"),
            _JAZZ_MAJOR,
            _JAZZ_MINOR,
            density=0.9,
        ),
        "latin": Style(
            (92, 104, 124),
            "kit_acoustic",
            {KICK: "x..x..x.x..x..x.", CONGA: "x.oxx.oxx.oxx.xx", COWBELL: "x...x.x.x...x.x.", SHAKER: _SIXTEENTHS},
            {KICK: "x.......x.......", CONGA: "x.oxx.oxx.oxx.xx", SHAKER: _SIXTEENTHS},
            "bass_upright",
            "1-----5---8-5---",
            (
                Layer("piano", "x.xx.xx.xx.xx.x.", 60, "ivcbo", 1.0, -0.3),
                Layer("brass", "......x-....x---", 60, "c", 0.6, 0.3),
            ),
            ("trumpet", "voice", "sax"),
            ("I IV V IV", "I vi ii V"),
            ("i iv V i", "i VII VI V"),
        ),
        "funk": Style(
            (96, 106, 116),
            "kit_acoustic",
            {
                KICK: "X..x..x...x..x..",
                SNARE: "....X..o.o..X...",
                HAT: "xoxoxoxoxoxoxoxo",
                OPEN_HAT: "..............x.",
            },
            {KICK: "X.....x...x.....", SNARE: "....x.......x...", HAT: "x.oox.oox.oox.oo"},
            "bass_electric",
            "1..1..8.1..5.8.1",
            (
                Layer("clean_guitar", "x.xx.x.x..xx.x.x", 60, "vcb", 0.75, 0.5),
                Layer("organ", "x.....x-..x.....", 57, "ivcbo", 0.8, -0.4),
                Layer("brass", "............x.x-", 62, "c", 0.7),
            ),
            ("voice", "sax", "synth_lead"),
            ("I7 I7 IV7 IV7", "I7 bVII I7 IV7"),
            ("i7 i7 iv7 iv7", "i7 VII i7 IV7"),
            density=1.2,
        ),
        "soul": Style(
            (78, 92, 104),
            "kit_acoustic",
            {KICK: "x.....x.x.......", SNARE: "....x.......x...", HAT: "x.o.x.o.x.o.x.o."},
            {KICK: "x.......x.......", RIM: "....x.......x...", HAT: _EIGHTHS},
            "bass_electric",
            "1-----5-1---3-5-",
            (
                Layer("epiano", "x---..x---x-----", 55, "ivcbo", 1.0, -0.25),
                Layer("organ", "x---------------", 60, "cb", 0.5, 0.3),
                Layer("clean_guitar", "....x.......x...", 60, "vc", 0.6, 0.5),
            ),
            ("voice", "sax", "trumpet"),
            _JAZZ_MAJOR,
            _JAZZ_MINOR,
            swing=0.1,
            swing_beats=0.25,
        ),
        "jazz": Style(
            (110, 136, 180),
            "kit_soft",
            {RIDE: "x...x.x.x...x.x.", KICK: "o.......o.......", HAT: "....x.......x...", RIM: "......,.......o."},
            {RIDE: "x...x.x.x...x.x.", HAT: "....o.......o..."},
            "bass_upright",
            "1---3---5---a---",
            (
                Layer("piano", "x--...x-....x...", 55, "ivcbo", 1.0, -0.3),
                Layer("clean_guitar", "o...o...o...o...", 57, "vc", 0.5, 0.45),
            ),
            ("sax", "trumpet", "clarinet", "voice"),
            _JAZZ_MAJOR,
            _JAZZ_MINOR,
            swing=0.3,
            density=1.2,
        ),
        "blues": Style(
            (76, 96, 124),
            "kit_acoustic",
            {KICK: "x.....x.x.....x.", SNARE: "....x.......x...", RIDE: "x...x.x.x...x.x."},
            {KICK: "x.......x.......", SNARE: "....x.......x...", HAT: "x...x.x.x...x.x."},
            "bass_electric",
            "1---3---5---3---",
            (
                Layer("clean_guitar", "x.x.x.x.x.x.x.x.", 52, "ivcbo", 0.9, 0.35),
                Layer("organ", "x---------------", 57, "cb", 0.6, -0.35),
            ),
            ("guitar_lead", "voice_low", "sax"),
            ("I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7",),
            ("i7 i7 i7 i7 iv7 iv7 i7 i7 VI7 V7 i7 V7",),
            swing=0.3,
        ),
        "reggae": Style(
            (70, 76, 88),
            "kit_acoustic",
            {KICK: "........X.......", RIM: "........x.......", HAT: "x.o.x.o.x.o.x.oo", SNARE: "..............,."},
            {KICK: "........X.......", RIM: "........x.......", HAT: _EIGHTHS},
            "bass_sub",
            "1--1..5-..3-5...",
            (
                Layer("muted_guitar", "....x.......x...", 60, "ivcb", 1.0, -0.4),
                Layer("organ", "..x.x.....x.x...", 60, "vco", 0.7, 0.4),
                Layer("piano", "....x.......x...", 57, "c", 0.5),
            ),
            ("voice", "trumpet", "sax"),
            ("I IV I V", "I vi IV V", "I ii I ii"),
            ("i iv i v", "i VII VI VII"),
            swing=0.1,
            swing_beats=0.25,
        ),
        "ballad": Style(
            (60, 72, 84),
            "kit_soft",
            {KICK: "x.......x.x.....", SNARE: "....x.......x...", HAT: "o.o.o.o.o.o.o.o."},
            {RIM: "....o.......o...", HAT: "o...o...o...o..."},
            "bass_electric",
            "1-------1---5---",
            (
                Layer("piano", "0.1.2.1.3.1.2.1.", 50, "ivcbo", 1.0, -0.1),
                Layer("strings", "x---------------", 57, "cbo", 0.9),
            ),
            ("voice", "violin", "flute"),
            ("I V vi IV", "I iii IV V", "I vi ii V"),
            ("i VI III VII", "i iv VI V"),
            density=0.8,
        ),
        "waltz": Style(
            (84, 102, 168),
            "kit_soft",
            {KICK: "x...........", RIM: "....o...o...", HAT: "o...x...x..."},
            {KICK: "x...........", HAT: "....o...o..."},
            "bass_upright",
            "1-----------",
            (
                Layer("piano", "....x-..x-..", 57, "ivcbo", 1.0, -0.25),
                Layer("strings", "x-----------", 60, "cbo", 0.8),
            ),
            ("violin", "clarinet", "flute", "voice"),
            ("I V vi iii IV I IV V", "I vi ii V"),
            ("i iv VII III VI iv V i", "i VI iv V"),
            beats_per_bar=3,
            density=0.9,
        ),
        "country": Style(
            (96, 112, 136),
            "kit_acoustic",
            {KICK: "x.......x.......", SNARE: "....x.......x..o", HAT: _EIGHTHS},
            {KICK: "x.......x.......", RIM: "....x.......x...", SHAKER: _EIGHTHS},
            "bass_electric",
            "1-------5-------",
            (
                Layer("steel_guitar", "x.x.x.xox.x.x.xo", 52, "ivcbo", 1.0, -0.35),
                Layer("nylon_guitar", "0.2.1.3.0.2.1.3.", 60, "vc", 0.7, 0.4),
            ),
            ("voice", "violin", "guitar_lead"),
            ("I IV I V", "I V vi IV", "I I IV V"),
            ("i VII VI VII", "i VI VII i"),
        ),
        "folk": Style(
            (80, 100, 126),
            "kit_soft",
            {SHAKER: _EIGHTHS, KICK: "x.......x......."},
            {SHAKER: "o...o...o...o..."},
            "bass_upright",
            "1-------5-------",
            (
                Layer("steel_guitar", "0.2.1.3.0.2.1.2.", 50, "ivcbo", 1.0, -0.3),
                Layer("nylon_guitar", "x-----o-x---o---", 57, "cb", 0.6, 0.4),
            ),
            ("voice_soft", "violin", "flute"),
            ("I V IV I", "I IV I V", "I vi IV I"),
            ("i VII i VII", "i III VII i"),
            density=0.9,
        ),
        "indian": Style(
            (70, 92, 132),
            "kit_soft",
            {CONGA: "X.oxo.xox.oxo.ox", KICK: "x.......x......."},
            {CONGA: "x.o.x.o.x.o.x.o."},
            "bass_upright",
            "1---------------",
            (
                Layer("strings", "x---------------", 48, "ivcbo", 0.6),
                Layer("harp", "0.....2.....0...", 60, "vcb", 0.5, 0.35),
            ),
            ("sitar", "flute"),
            ("I I I IV", "I I bVII I"),
            ("i i i VII", "i i iv i"),
            density=1.3,
        ),
        "ambient": Style(
            (60, 72, 90),
            "kit_soft",
            {SHAKER: "o...,...o...,..."},
            {},
            "bass_sub",
            "1---------------",
            (
                Layer("pad", "x---------------", 52, "ivcbo", 1.0),
                Layer("choir", "x---------------", 60, "cb", 0.5),
                Layer("bell", "0.....2.....3... ....1.....2.....", 72, "ivco", 0.5, 0.35),
            ),
            ("flute", "voice_oh", "cello"),
            ("I7 IV7 I7 IV7", "I7 iii7 IV7 IV7", "I vi7 IV7 I"),
            ("i7 VI7 i7 VI7", "i7 VII VI7 VI7"),
            density=0.4,
        ),
        "cinematic": Style(
            (76, 92, 140),
            "kit_rock",
            {45: "X..x..x.X..x..xx", KICK: "X.......X.......", 47: "......o.......oo"},
            {45: "x.......x.....x."},
            "bass_reese",
            "1---------------",
            (
                Layer("strings", "x.x.x.x.x.x.x.x.", 52, "vcb", 0.9),
                Layer("brass", "x-------x-------", 50, "c", 0.9),
                Layer("choir", "x---------------", 60, "co", 0.8),
                Layer("dark_pad", "x---------------", 48, "ivb", 0.8),
            ),
            ("violin", "trumpet", "voice_ah", "cello"),
            ("I V vi IV", "I bVII bVI IV", "I IV vi V"),
            ("i VI III VII", "i VI iv V", "i VII VI V"),
            density=0.6,
        ),
        "classical": Style(
            (72, 96, 132),
            "kit_soft",
            {},
            {},
            "cello",
            "1---------------",
            (
                Layer("piano", "0.2.1.2.0.2.1.2.", 53, "ivcbo", 1.0, -0.1),
                Layer("strings", "x---------------", 60, "cbo", 0.8),
            ),
            ("violin", "flute", "clarinet"),
            ("I IV V I", "I vi ii V", "I V vi iii IV I ii V"),
            ("i iv V i", "i VI iv V", "i VII III VI iv i V V"),
        ),
        "chiptune": Style(
            (120, 140, 168),
            "kit_electronic",
            {KICK: "X...x...X...x...", SNARE: "....x.......x...", HAT: _EIGHTHS},
            {KICK: "x...x...x...x...", HAT: _EIGHTHS},
            "bass_saw",
            "1.8.1.8.1.8.1.8.",
            (Layer("synth_pluck", "0120120120120120", 64, "ivcbo", 1.0, 0.3),),
            ("square_lead",),
            density=1.4,
        ),
    }
)
