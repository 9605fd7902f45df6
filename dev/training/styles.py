"""Styles: tempi, meters, progressions, drum patterns, and how instruments play. The composer chooses among these.

A drum pattern is a line of steps for each sound, one bar long. ``X`` is an accent, ``x`` a normal hit, ``o`` a soft one,
``g`` a ghost note and ``.`` a rest. A progression is a list of chords, one per bar or half bar: degree, and an optional
quality (``7`` diatonic seventh, ``d`` dominant seventh, ``M`` and ``m`` triads, ``5`` power chord, ``s`` suspended).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Pattern = Mapping[str, str]

MODES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "major": (0, 2, 4, 5, 7, 9, 11),
        "minor": (0, 2, 3, 5, 7, 8, 10),
        "dorian": (0, 2, 3, 5, 7, 9, 10),
        "mixolydian": (0, 2, 4, 5, 7, 9, 10),
        "phrygian": (0, 1, 3, 5, 7, 8, 10),
    }
)


@dataclass(frozen=True)
class Style:
    """A style of music.

    Attributes:
        bpm: lowest and highest tempo.
        meter: beats per bar, and parts of a beat that drum patterns have: 4, or 3 for triplets.
        modes: names of modes with their weights.
        swing: lowest and highest delay of every second half beat, as a share of the half beat.
        drums: patterns of the groove; none if the style has no drums.
        kits: families of drum kits.
        bass: ways to play the bass, and ``bass_programs`` its instruments.
        comps: accompanying parts: role, General MIDI programs and way to play. Each song has some of them.
        leads: General MIDI programs of instruments that play melodies.
        voice: share of songs with a voice, and ``singing``: its way of singing.
        humanise: spread of the times of notes in seconds.
    """

    bpm: tuple[float, float]
    drums: tuple[Pattern, ...]
    bass: tuple[str, ...]
    bass_programs: tuple[int, ...]
    comps: tuple[tuple[str, tuple[int, ...], str], ...]
    leads: tuple[int, ...]
    progressions: Mapping[str, tuple[str, ...]]
    meter: tuple[int, int] = (4, 4)
    modes: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({"major": 1.0, "minor": 1.0}))
    swing: tuple[float, float] = (0.0, 0.0)
    kits: tuple[str, ...] = ("acoustic",)
    voice: float = 0.85
    singing: str = "song"
    humanise: float = 0.006
    drift: float = 0.004


_MAJOR = ("1 5 6 4", "1 4 5 1", "1 6 4 5", "6 4 1 5", "1 4 1 5", "1 3 4 5", "4 1 5 6", "1 2 4 1")
_MINOR = ("1 6 3 7", "1 7 6 7", "1 4 7 3", "1 6 4 5M", "1 4 6 5M", "1 3 7 4", "1 7 1 7")
_JAZZ_MAJOR = ("27 5d 17 67", "17 67 27 5d", "37 67 27 5d", "17 47 37 27", "17 17 27 5d")
_JAZZ_MINOR = ("17 47 27 5d", "17 67 27 5d", "47 7d 37 67", "17 17 47 5d")
_SONG: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "major": _MAJOR,
        "minor": _MINOR,
        "dorian": ("1 4M 1 4M", "1 7 4M 1", "1 1 4M 7"),
        "mixolydian": ("1 7M 4 1", "1 4 7M 1", "1 7M 1 4"),
        "phrygian": ("1 2M 1 2M", "1 7 2M 1"),
    }
)
_JAZZ: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "major": _JAZZ_MAJOR,
        "minor": _JAZZ_MINOR,
        "dorian": ("17 4d 17 4d", "17 17 27 17"),
        "mixolydian": ("1d 7M 4 1d",),
    }
)
_BLUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mixolydian": ("1d 1d 1d 1d 4d 4d 1d 1d 5d 4d 1d 5d", "1d 4d 1d 1d 4d 4d 1d 1d 5d 4d 1d 1d", "1d 4d 1d 5d"),
        "minor": ("17 17 17 17 47 47 17 17 67 5d 17 5d", "17 47 17 5d"),
    }
)
_POWER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "minor": ("15 65 75 15", "15 15 65 75", "15 35 75 45", "15 75 65 75"),
        "phrygian": ("15 25 15 75", "15 15 25 15"),
        "major": ("15 45 55 45", "15 55 65 45", "15 45 15 55"),
    }
)

_ROCK: tuple[Pattern, ...] = (
    {"kick": "X.......X.x.....", "snare": "....X.......X...", "closed": "X.x.x.x.X.x.x.x."},
    {"kick": "X.....x.X.......", "snare": "....X.......X..g", "closed": "X.o.x.o.X.o.x.o."},
    {"kick": "X..x....x.x...x.", "snare": "....X..g.g..X...", "ride": "X.x.X.x.X.x.X.x."},
    {"kick": "X.x.....X.x.....", "snare": "....X.......X...", "open": "X...X...X...X..."},
)
_FOUR: tuple[Pattern, ...] = (
    {"kick": "X...X...X...X...", "clap": "....X.......X...", "open": "..X...X...X...X.", "closed": "x.o.x.o.x.o.x.o."},
    {"kick": "X...X...X...X...", "snare": "....x.......x...", "closed": "oxX.oxX.oxX.oxX."},
    {
        "kick": "X...X...X...X..x",
        "clap": "....X.......X...",
        "closed": "..X...X...X...X.",
        "shaker": "oxoxoxoxoxoxoxox",
    },
)

STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "pop": Style((84, 128), (*_ROCK[:2], {"kick": "X..x..x.X..x....", "snare": "....X.......X...", "closed": "x.x.x.x.x.x.x.xx"}, {"kick": "X...X...X...X...", "clap": "....X.......X...", "shaker": "x.o.x.o.x.o.x.o."}),
            ("roots", "eighths", "syncopated"), (33, 34, 38, 39, 35),
            (("piano", (0, 1, 2), "block"), ("guitar", (25, 27, 24), "strum"), ("pad", (89, 50, 48, 91), "pad"), ("keys", (4, 5, 16), "offbeat"), ("arp", (81, 8, 11, 88), "arpeggio")),
            (80, 81, 73, 66, 40), _SONG, modes={"major": 3.0, "minor": 2.0, "mixolydian": 0.5}, kits=("acoustic", "electronic")),
        "rock": Style((96, 152), _ROCK, ("eighths", "roots", "riff"), (33, 34),
            (("guitar", (29, 30), "power"), ("guitar", (27, 26), "strum"), ("organ", (16, 18), "pad"), ("piano", (0, 1), "block")),
            (29, 30, 27), _SONG, modes={"major": 2.0, "minor": 2.0, "mixolydian": 1.5, "dorian": 0.7}),
        "metal": Style((110, 190), ({"kick": "X.xxX.xxX.xxX.xx", "snare": "....X.......X...", "ride": "X.x.X.x.X.x.X.x."}, {"kick": "XxXxXxXxXxXxXxXx", "snare": "....X.......X...", "crash": "X...X...X...X..."}, {"kick": "X.X...X.X.X...X.", "snare": "....X.......X...", "open": "X...X...X...X..."}),
            ("gallop", "eighths"), (34, 33), (("guitar", (30, 29), "chug"), ("guitar", (30,), "chug"), ("strings", (48, 50), "pad")),
            (30, 29), _POWER, modes={"minor": 3.0, "phrygian": 1.0}, humanise=0.004),
        "punk": Style((150, 200), ({"kick": "X...x...X...x...", "snare": "..X...X...X...X.", "closed": "X.x.X.x.X.x.X.x."}, {"kick": "X.....x.X.......", "snare": "....X.......X...", "open": "X.X.X.X.X.X.X.X."}),
            ("eighths",), (34, 33), (("guitar", (30, 29), "eighth_power"), ("guitar", (29,), "eighth_power")), (29, 30), _POWER, modes={"major": 3.0, "minor": 1.0}),
        "folk": Style((84, 132), ({"kick": "X.......X.......", "rim": "....x.......x...", "shaker": "x.o.x.o.x.o.x.o."}, {"kick": "X...o...X...o...", "tambourine": "....x.......x..."}),
            ("roots", "two_feel"), (32, 33), (("guitar", (25, 24), "fingerpick"), ("guitar", (25,), "strum"), ("banjo", (105,), "arpeggio"), ("strings", (40, 42, 48), "pad"), ("accordion", (21, 22), "block")),
            (40, 73, 22, 75), _SONG, modes={"major": 3.0, "dorian": 1.0, "mixolydian": 1.0, "minor": 1.0}, kits=("acoustic", "percussion")),
        "reggae": Style((66, 92), ({"kick": "........X.......", "rim": "........X.......", "closed": "x.x.X.x.x.x.X.xo"}, {"kick": "X...X...X...X...", "rim": "........X.......", "closed": "..x...x...x...x."}, {"kick": "........X.......", "snare": "........X..g..g.", "closed": "x.xoX.x.x.xoX.x."}),
            ("reggae",), (33, 38, 35), (("guitar", (27, 28), "skank"), ("organ", (16, 17), "bubble"), ("piano", (0, 1), "skank"), ("brass", (61, 62), "stabs")),
            (57, 66, 75), _SONG, modes={"major": 1.0, "minor": 1.5, "dorian": 0.5}, swing=(0.0, 0.15)),
        "funk": Style((92, 118), ({"kick": "X..x..x...x..x..", "snare": "....X..g.g..X..g", "closed": "x.xxx.xxx.xxx.xx"}, {"kick": "X.x.......x..x..", "snare": "....X..g.g.gX...", "closed": "xoxoxoxoxoxoxo.o", "open": "..............x."}),
            ("funk", "slap"), (36, 37, 33), (("guitar", (28, 27), "scratch"), ("keys", (7, 4), "syncopated"), ("organ", (16,), "stabs"), ("brass", (61, 56, 65), "stabs")),
            (65, 66, 56), {"minor": ("17 17 47 47", "17 17 17 17", "17 7d 17 47"), "dorian": ("17 4d 17 4d",), "mixolydian": ("1d 1d 4d 1d",)}, modes={"dorian": 2.0, "minor": 1.0, "mixolydian": 1.0}, swing=(0.0, 0.12)),
        "disco": Style((108, 126), (*_FOUR[:2],), ("octaves", "syncopated"), (33, 36, 38), (("strings", (48, 49, 50), "pad"), ("guitar", (27, 28), "scratch"), ("keys", (4, 7, 0), "offbeat"), ("brass", (61, 62), "stabs")),
            (48, 81, 61), _SONG, modes={"minor": 2.0, "major": 1.0, "dorian": 1.0}, kits=("acoustic", "electronic")),
        "house": Style((118, 130), _FOUR, ("offbeat", "syncopated", "octaves"), (38, 39, 87), (("keys", (4, 0, 16, 90), "stabs"), ("pad", (89, 90, 95, 50), "pad"), ("arp", (81, 80, 84), "arpeggio")),
            (81, 80, 87), _SONG, modes={"minor": 3.0, "dorian": 1.0, "major": 0.7}, kits=("electronic",), voice=0.6, humanise=0.0, drift=0.0),
        "techno": Style((124, 140), ({"kick": "X...X...X...X...", "open": "..X...X...X...X.", "closed": "oooooooooooooooo", "rim": "...x..x....x..x."}, {"kick": "X...X...X...X...", "clap": "....X.......X...", "closed": "x.xxx.xxx.xxx.xx"}),
            ("sixteenths", "offbeat"), (38, 39, 87), (("pad", (95, 94, 89), "pad"), ("arp", (81, 80, 87, 84), "arpeggio"), ("keys", (90, 81), "stabs")),
            (81, 84), {"minor": ("1 1 1 1", "1 1 6 7", "1 1 4 1"), "phrygian": ("1 1 2M 1",)}, modes={"minor": 2.0, "phrygian": 1.0}, kits=("electronic",), voice=0.3, humanise=0.0, drift=0.0),
        "drum_and_bass": Style((160, 178), ({"kick": "X.........X.....", "snare": "....X.......X...", "closed": "x.x.x.x.x.x.x.x."}, {"kick": "X.X.......XX....", "snare": "....X..g.g..X..g", "ride": "x.x.x.x.x.x.x.x."}),
            ("long", "syncopated"), (38, 39, 87), (("pad", (89, 95, 91, 50), "pad"), ("keys", (4, 5, 11), "block"), ("arp", (81, 88, 98), "arpeggio")),
            (81, 80, 73), _SONG, modes={"minor": 3.0, "dorian": 1.0}, kits=("electronic", "acoustic"), voice=0.6, humanise=0.001, drift=0.0),
        "hip_hop": Style((72, 100), ({"kick": "X.....x...X.....", "snare": "....X.......X...", "closed": "x.x.x.x.x.x.x.x."}, {"kick": "X..x....x.X.....", "snare": "....X.......X..g", "closed": "x.xxx.x.x.xxx.xx"}, {"kick": "X......x..x.....", "clap": "....X.......X...", "closed": "xxxxxxoxxxxxooxx"}),
            ("long", "syncopated"), (38, 33, 39), (("keys", (4, 5, 0, 11), "block"), ("strings", (48, 45, 50), "stabs"), ("pad", (89, 91), "pad"), ("guitar", (26, 24), "fingerpick")),
            (73, 66, 80), _SONG, modes={"minor": 3.0, "dorian": 1.0, "phrygian": 0.5}, swing=(0.0, 0.25), kits=("electronic", "acoustic"), singing="rap"),
        "trap": Style((65, 78), ({"kick": "X.....x...x.....", "clap": "........X.......", "closed": "x.x.x.xxx.x.xxxx"}, {"kick": "X..X......X..x..", "snare": "........X.......", "closed": "xxxxxxxxxoxoxxxx"}),
            ("long",), (38, 39), (("keys", (11, 98, 4, 88), "arpeggio"), ("pad", (89, 91, 95), "pad"), ("strings", (45, 48), "stabs")),
            (80, 73, 75), _SONG, modes={"minor": 3.0, "phrygian": 1.0}, kits=("electronic",), singing="rap", humanise=0.001, drift=0.0),
        "jazz_swing": Style((110, 220), ({"kick": "o...o...o...o...", "ride": "X...X.x.X...X.x.", "pedal": "....x.......x..."}, {"kick": "o.......o.....o.", "ride": "X...X.x.X...X.x.", "pedal": "....x.......x...", "snare": "......g.......g."}),
            ("walking",), (32,), (("piano", (0, 1), "jazz_comp"), ("guitar", (26,), "quarters"), ("vibes", (11,), "jazz_comp")),
            (65, 66, 56, 59, 71, 26), _JAZZ, modes={"major": 2.0, "minor": 1.0, "dorian": 1.0}, swing=(0.25, 0.36), voice=0.5, humanise=0.01, drift=0.008),
        "jazz_waltz": Style((110, 180), ({"kick": "o...........", "ride": "X...x.x.x...", "pedal": "....x......."}, {"kick": "o.....g.....", "ride": "X...x.x.x.o.", "pedal": "....x...x...", "snare": "......g....."}),
            ("walking", "waltz"), (32,), (("piano", (0,), "jazz_comp"), ("guitar", (26,), "block"), ("vibes", (11,), "block")),
            (73, 65, 71, 11), _JAZZ, meter=(3, 4), modes={"major": 2.0, "dorian": 1.0}, swing=(0.2, 0.33), voice=0.4, humanise=0.01, drift=0.008),
        "bossa": Style((116, 150), ({"kick": "X..xX..xX..xX..x", "rim": "x..x..x...x..x..", "closed": "oxoxoxoxoxoxoxox"}, {"kick": "X..xX..xX..xX..x", "rim": "..x..x..x..x...x", "shaker": "xoxoxoxoxoxoxoxo"}),
            ("bossa",), (32, 33), (("guitar", (24,), "bossa"), ("piano", (0, 4), "jazz_comp"), ("strings", (48,), "pad")),
            (73, 66, 11, 24), _JAZZ, modes={"major": 2.0, "minor": 1.0}, humanise=0.008),
        "samba": Style((92, 112), ({"kick": "X..xX..xX..xX..x", "snare": "xogxogxgxogxogxg", "shaker": "xooxxooxxooxxoox", "agogo": "x.x..x.x.x..x.x."}, {"kick": "o..xX..xo..xX..x", "tambourine": "xooxxooxxooxxoox", "agogo": "x.x.x..x.x.x.x.."}),
            ("bossa", "syncopated"), (32, 33), (("guitar", (24, 25), "bossa"), ("piano", (0,), "syncopated"), ("brass", (61, 56), "stabs")),
            (56, 73, 75), _JAZZ, modes={"major": 2.0, "minor": 1.0}),
        "latin": Style((90, 124), ({"kick": "X..x....X..x....", "conga": "..x...xx..x...xx", "cowbell": "X...x...X...x...", "clave": "x..x..x...x.x..."}, {"kick": "...x..x....x..x.", "conga": "o.x.o.xxo.x.o.xx", "timbale": "X.xxX.x.xxX.x.xx"}),
            ("tumbao",), (32, 33), (("piano", (0, 1), "montuno"), ("brass", (61, 56, 57), "stabs"), ("guitar", (24,), "syncopated")),
            (56, 73, 57), {"minor": ("1 4 5d 1", "1 4 5d 4", "1 7 6 5d"), "major": ("1 4 5 4", "1 2 5 1")}, modes={"minor": 2.0, "major": 1.0}),
        "blues_shuffle": Style((70, 132), ({"kick": "X.....X.....", "snare": "...X.....X..", "closed": "X.xX.xX.xX.x"}, {"kick": "X.xx..X.x...", "snare": "...X.....X.g", "ride": "X.xX.xX.xX.x"}),
            ("shuffle", "walking"), (33, 34, 32), (("guitar", (27, 29, 26), "shuffle"), ("piano", (0, 3), "block"), ("organ", (16, 17), "pad")),
            (27, 29, 22, 66), _BLUES, meter=(4, 3), modes={"mixolydian": 3.0, "minor": 1.0}, humanise=0.008),
        "slow_12_8": Style((46, 72), ({"kick": "X.....X..x..", "snare": "...X.....X..", "closed": "xxxxxxxxxxxx"}, {"kick": "X....xX.....", "rim": "...X.....X..", "closed": "xooxooxooxoo"}),
            ("roots", "arpeggio"), (33, 32), (("piano", (0, 2), "triplets"), ("guitar", (27, 26), "arpeggio"), ("strings", (48, 49), "pad"), ("organ", (16,), "pad")),
            (40, 66, 56), _SONG, meter=(4, 3), modes={"major": 3.0, "minor": 1.0}),
        "country": Style((92, 148), ({"kick": "X.......X.......", "snare": "....X.......X...", "closed": "x.x.x.x.x.x.x.x."}, {"kick": "X.......X.......", "snare": "ogxgogxgogxgogxg"}),
            ("two_feel",), (32, 33), (("guitar", (25,), "boom_chick"), ("guitar", (27, 25), "fingerpick"), ("banjo", (105,), "arpeggio"), ("piano", (0, 3), "boom_chick")),
            (40, 22, 27, 25), _SONG, modes={"major": 4.0, "mixolydian": 1.0}),
        "ballad": Style((56, 82), ({"kick": "X.......X.x.....", "snare": "....x.......x...", "closed": "x.x.x.x.x.x.x.x."}, {"kick": "X.........x.....", "rim": "........x.......", "ride": "x...x...x...x..."}),
            ("long", "roots"), (33, 35, 32), (("piano", (0, 2, 4), "arpeggio"), ("strings", (48, 49), "pad"), ("guitar", (25, 24), "fingerpick"), ("pad", (89, 91), "pad")),
            (40, 73, 68, 66), _SONG, modes={"major": 2.0, "minor": 1.0}, drift=0.008, humanise=0.01),
        "soul": Style((68, 112), ({"kick": "X..x...xX..x....", "snare": "....X..g.g..X...", "closed": "x.x.x.x.x.x.x.x."}, {"kick": "X.....x.X.......", "snare": "X...X...X...X...", "tambourine": "..x...x...x...x."}),
            ("syncopated", "funk"), (33, 32, 35), (("piano", (0, 4), "block"), ("guitar", (27, 26), "scratch"), ("organ", (16, 17), "pad"), ("brass", (61, 57, 66), "stabs"), ("strings", (48,), "pad")),
            (66, 56), _JAZZ, modes={"major": 2.0, "minor": 1.0, "dorian": 1.0}, swing=(0.0, 0.2)),
        "waltz": Style((84, 150), ({"kick": "X...........", "snare": "....x...x...", "closed": "x...x...x..."}, {"kick": "X...........", "rim": "....x...x..."}),
            ("waltz",), (32, 33), (("accordion", (21,), "oom_pah"), ("guitar", (24, 25), "oom_pah"), ("piano", (0,), "oom_pah"), ("strings", (48,), "pad")),
            (40, 73, 21, 71), _SONG, meter=(3, 4), modes={"major": 2.0, "minor": 1.0}, voice=0.7, drift=0.01, humanise=0.01),
        "ambient": Style((56, 92), (), ("long",), (38, 39, 35), (("pad", (88, 89, 91, 92, 95), "pad"), ("pad", (94, 90, 50), "pad"), ("arp", (11, 98, 88, 10), "sparse"), ("piano", (0, 4), "sparse")),
            (73, 75, 79), _SONG, modes={"major": 1.0, "minor": 1.0, "dorian": 1.0, "mixolydian": 0.5}, voice=0.4, singing="vowels", humanise=0.015, drift=0.0),
        "orchestral": Style((66, 132), ({"low_tom": "X.......X.x.....", "crash": "X..............."}, {"low_tom": "X...x.x.X...x.xx", "snare": "x.xxx.x.x.xxx.x."}),
            ("long", "roots"), (43, 42, 48), (("strings", (48, 49), "pad"), ("strings", (48, 45), "ostinato"), ("brass", (60, 61), "block"), ("harp", (46,), "arpeggio"), ("woodwind", (68, 71, 73), "block")),
            (40, 68, 71, 73, 56, 60), _SONG, modes={"minor": 2.0, "major": 1.0, "dorian": 0.5}, voice=0.35, singing="vowels", humanise=0.015, drift=0.012),
        "synthwave": Style((84, 118), ({"kick": "X...X...X...X...", "snare": "....X.......X...", "closed": "x.x.x.x.x.x.x.x."}, {"kick": "X.......X.......", "snare": "....X.......X...", "closed": "xxxxxxxxxxxxxxxx"}),
            ("sixteenths", "eighths"), (38, 39, 87), (("pad", (90, 50, 89, 91), "pad"), ("arp", (81, 80, 88), "arpeggio"), ("keys", (5, 90), "block")),
            (81, 80, 84), _SONG, modes={"minor": 3.0, "major": 1.0}, kits=("electronic",), voice=0.6, humanise=0.0, drift=0.0),
        "afrobeat": Style((98, 122), ({"kick": "X..x..x.X..x..x.", "snare": "....x..x....x..x", "shaker": "xoxoxoxoxoxoxoxo", "conga": "..x.x..x..x.x..x"}, {"kick": "X.....x.X.....x.", "rim": "...x..x....x..x.", "closed": "x.xxx.xxx.xxx.xx"}),
            ("riff", "funk"), (33, 32), (("guitar", (27, 28), "scratch"), ("keys", (16, 4), "syncopated"), ("brass", (61, 66), "stabs")),
            (66, 65, 56), {"minor": ("17 17 47 17", "17 17 17 17"), "dorian": ("17 4d 17 4d",), "mixolydian": ("1d 7M 1d 4",)}, modes={"dorian": 2.0, "minor": 1.0, "mixolydian": 1.0}),
    }
)  # fmt: skip
"""Styles by name."""

EVALUATION_STYLES: tuple[str, ...] = (
    "folk", "pop", "rock", "metal", "punk", "reggae", "funk", "disco", "house", "drum_and_bass", "hip_hop", "jazz_swing",
    "jazz_waltz", "bossa", "blues_shuffle", "country", "ballad", "soul", "latin", "ambient", "orchestral", "synthwave",
    "slow_12_8", "afrobeat", "pop", "rock", "ballad", "waltz",
)  # fmt: skip
"""The style of each song of the evaluation set, in order. More songs repeat the list."""
