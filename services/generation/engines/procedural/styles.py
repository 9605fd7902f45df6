"""Genres as data: grooves, bass lines, accompaniment, instruments and progressions.

Patterns are one bar in sixteenths. Drums: ``X x o ,`` are hits from loud to soft. Bass: ``1 3 5 8`` are chord degrees,
``a`` is a semitone below the next root, ``-`` holds, ``.`` rests. Chords: ``x o`` strike the chord, digits strike
single tones counted from the lowest (0), ``-`` holds, ``.`` rests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from soundwright.services.generation.engines.procedural import drums

Groove = Mapping[int, str]


@dataclass(frozen=True)
class Layer:
    """One chord instrument."""

    instrument: str  # a name in instruments.INSTRUMENTS
    pattern: str  # one bar, or several separated by spaces that alternate
    lowest_midi: int = 55  # lowest pitch of its voicings
    sections: str = "ivcbo"  # first letters of the sections in which it plays (intro, verse, chorus, bridge, outro)
    gain: float = 1.0  # level
    pan: float = 0.0  # position, -1 (left) to 1 (right)


@dataclass(frozen=True)
class Style:
    """A genre."""

    tempo_bpm: tuple[float, float, float]  # slowest, usual and fastest tempo
    kit: str  # instrument of the drums
    groove: Groove  # drums of the chorus
    light: Groove  # drums of the verse; drums that are missing here rest
    bass: str  # instrument and line
    bass_pattern: str
    layers: tuple[Layer, ...]  # chord instruments
    leads: tuple[str, ...]  # instruments for the melody, most typical first
    major: tuple[str, ...] = ("I V vi IV", "I vi IV V", "I IV vi V")  # progressions
    minor: tuple[str, ...] = ("i VI III VII", "i iv VI V", "i VII VI VII", "i VI iv V")
    beats_per_bar: int = 4  # quarter notes per bar
    swing: float = 0.0  # delay of every second eighth (`swing_beats` 0.5) or sixteenth (0.25), relative to its length
    swing_beats: float = 0.5  # which notes swing
    density: float = 1.0  # density of the melody, about 0.5 (sparse) to 1.5 (busy)
    drums: float = 1.0  # level of the drums
    brightness: float = 1.0  # treble of the mix, 0 to 1
    accents: str = ""  # one bar whose strikes attract the notes of the melody; empty for its beats


# name: slowest, usual and fastest tempo, kit, bass and its line; leads; feel. Drums have the groove of the chorus, "-" for none, and that of
# the verse, "=" for the same, if they play in it. Layers have instrument, lowest pitch, sections, gain, place and
# pattern. Chords are progressions in major; and in minor. What is left out has the defaults of the class.
_STYLES = """
pop: 90 112 132 kit_acoustic bass_electric 1-----1-1---5-1-; voice synth_lead flute
  drums: kick X.......x.x..... x.......x....... | snare ....X.......X... ....x.......x... | hat x.o.x.o.x.o.x.o. = | clap ............o...
  layers: piano 53 ivcbo 1 -0.2 x---x---x---x--- | steel_guitar 55 vc 0.7 0.45 x..ox.oxx..ox.ox | pad 52 cbo 0.8 0 x---------------
rock: 100 126 160 kit_rock bass_pick 1-1-1-1-1-1-1-5-; voice guitar_lead synth_lead
  drums: kick X.......x.x...x. x.......x.x..... | snare ....X.......X... ....x.......x... | open_hat x...x...x...x... | hat ..o...o...o...o. x.o.x.o.x.o.x.o.
  layers: power_guitar 40 co 1 -0.6 x-x-x-x-x-x-x-x- | power_guitar 40 ivcb 1 0.6 x-----x-x------- | organ 55 cb 0.45 0 x---------------
  chords: I V vi IV | I bVII IV I | I IV V IV | I iii IV V ; i VII VI VII | i VI III VII | i III VII iv
punk: 152 176 208 kit_rock bass_pick 1-1-1-1-1-1-1-1-; voice_low voice guitar_lead; density 1.1
  drums: kick X...x...X...x... = | snare ..X...X...X...X. ..x...x...x...x. | hat - x.o.x.o.x.o.x.o. | open_hat x.x.x.x.x.x.x.x.
  layers: power_guitar 40 ivcbo 1.1 -0.6 x-x-x-x-x-x-x-x- | power_guitar 40 co 1.1 0.6 x-x-x-x-x-x-x-x-
  chords: I IV V V | I V vi IV | I IV I V ; i VI VII i | i VI III VII
metal: 120 156 200 kit_rock bass_pick 1.111.111.111.11; voice_low guitar_lead voice; density 0.9
  drums: kick XxxxXxxxXxxxXxxx X..xx..xX..xx... | snare ....X.......X... = | hat - x...x...x...x... | open_hat x...x...x...x...
  layers: power_guitar 38 vcbo 1.2 -0.75 x-xxx-xxx-xxx-xx | power_guitar 38 ivco 1.2 0.75 x-xxx-xxx-xxx-xx | choir 55 c 0.4 0 x---------------
  chords: I bVII bVI V | I IV bVII I ; i VI VII i | i VII VI V | i i VI VII
house: 118 124 130 kit_electronic bass_saw ..1-..1-..1-..81; voice synth_lead square_lead
  drums: kick X...X...X...X... = | clap ....x.......x... | open_hat ..x...x...x...x. | hat o,.,o,.,o,.,o,., ..o...o...o...o. | shaker - x,o,x,o,x,o,x,o,
  layers: epiano 55 ivco 0.9 0.2 ..x-..x...x-...x | saw_chord 57 c 0.75 0 x..x..x.x..x..x. | pad 53 ivcbo 0.7 0 x---------------
  chords: I7 iii7 vi7 IV7 | I7 IV7 vi7 V ; i7 VII VI7 VII | i7 iv7 VI7 v7 | i VI7 III7 VII
techno: 124 132 140 kit_electronic bass_fm ..1.1.1...1.1.18; synth_lead square_lead; density 0.6
  drums: kick X...X...X...X... = | open_hat ..x...x...x...x. | clap ....o.......o... | hat x,o,x,o,x,o,x,o, ..o...o...o...o.
  layers: synth_pluck 60 ivcb 0.9 -0.35 0.2.1.0.2.1.0.1. | dark_pad 50 vcbo 0.8 0 x---------------
  chords: I I bVII bVII | I I IV IV ; i i VI VII | i i iv i | i VI i VII
trance: 132 138 142 kit_electronic bass_saw ..11..11..11..11; synth_lead voice
  drums: kick X...X...X...X... = | hat - ..x...x...x...x. | clap ....x.......x... | open_hat ..x...x...x...x.
  layers: synth_pluck 60 ivcbo 0.9 0.3 0123012301230123 | saw_chord 57 c 0.9 0 x--x--x--x--x-x- | pad 53 vcbo 0.8 0 x---------------
  chords: I V vi IV | I IV vi V ; i VI III VII | i i VI VII | i VI VII III
disco: 108 118 126 kit_acoustic bass_electric 1.8.1.8.1.8.1.8.; voice synth_lead trumpet
  drums: kick X...X...X...X... = | snare ....x.......x... = | open_hat ..x...x...x...x. | hat x...x...x...x... x.o.x.o.x.o.x.o.
  layers: clean_guitar 57 vc 0.8 -0.5 ..x.x.x...x.xx.. | strings 60 ico 0.8 0 x--------------- | epiano 55 ivcbo 0.8 0.3 x--x--x-x--x----
  chords: I7 vi7 ii7 V7 | I7 iii7 ii7 V7 ; i7 iv7 VII III7 | i7 VII VI7 v7
synthwave: 84 100 118 kit_electronic bass_saw 1.1.1.1.1.1.1.1.; synth_lead square_lead voice
  drums: kick X.......X....... = | snare ....X.......X... ....x.......x... | hat x.o.x.o.x.o.x.o. ..o...o...o...o.
  layers: synth_pluck 60 ivcbo 0.9 0.4 0.1.2.3.2.1.2.3. | pad 53 ivcbo 1 0 x---------------
dubstep: 136 140 150 kit_electronic bass_reese 1--1--1-1-1-1111; synth_lead square_lead voice; density 0.6
  drums: kick X.........x..... X............... | snare ........X....... = | hat x.o.x.ooxxo.x.o. x...o...x...o...
  layers: saw_chord 57 c 0.8 0 x-----x--------- | dark_pad 50 ivcbo 0.9 0 x---------------
  chords: I vi IV V ; i VI i VII | i i VI V
drum_and_bass: 168 174 178 kit_electronic bass_reese 1-----------1--- 1-----1---3-5---; voice flute synth_lead; density 0.6
  drums: kick X.........X..... = | snare ....X.......X..o ....X.......X... | shaker - x,o,x,o,x,o,x,o, | hat x.o.x.o.x.o.x.o. | ride o...o...o...o...
  layers: epiano 57 ivcb 0.8 -0.25 x-----------x--- | pad 53 ivcbo 1 0 x--------------- | synth_pluck 64 c 0.6 0.45 0.2.3.2.1.2.3.2.
  chords: I7 I7 vi7 IV7 | I7 IV7 vi7 V ; i7 i7 VI7 VII | i7 VI7 III7 VII
hip_hop: 80 90 102 kit_808 bass_sub 1-----1-1--1-5--; voice_low flute synth_lead; brightness 0, swing 0.16, swing_beats 0.25, density 1.3, drums 2.1
  drums: kick X.....x.x..x.... X.......x..x.... | snare ....X.......X... = | hat x.o.x.ox..o.x.o. x.o.x.o.x.o.x.o.
  layers: epiano 55 ivcbo 0.6 -0.2 x-----x--------- | strings 60 c 0.36 0 x--------------- | bell 67 ic 0.3 0.4 ..3...2...1.....
  chords: I7 vi7 ii7 V7 | I7 iii7 vi7 IV7 ; i7 VI7 iv7 v7 | i VI III7 VII
trap: 130 142 152 kit_808 bass_sub 1---------1-----; voice_low flute square_lead; brightness 0, density 0.9, drums 1.8
  drums: kick X.........x..... = | clap ........X....... ........x....... | hat x.x.x.x.x.xxx.x. x.x.x.x.x.x.x.x.
  layers: bell 65 ivcbo 0.55 0.25 0...2...1...3... | dark_pad 50 ivcbo 0.55 0 x---------------
  chords: I iii vi IV ; i VI i V | i i VI V | i iv VI V
lofi: 70 78 88 kit_lofi bass_upright 1-----1---5-----; flute voice_soft sax; brightness 0, swing 0.2, swing_beats 0.25, density 0.7
  drums: kick x.....o.x....... x.......x....... | rim - ....x.......x... | snare ....x.......x... | hat o.o.o.oo,.o.o.o. o.,.o.,.o.,.o.,.
  layers: epiano 53 ivcbo 1 -0.15 x-------x-----o- | nylon_guitar 57 vcb 0.7 0.4 0...2...3...1...
  chords: I7 vi7 ii7 V7 | I7 IV7 ii7 V7 ; i7 iv7 VII7 III7 | i7 VI7 iv7 V7 | i7 iv7 V7 i7
bossa: 110 128 144 kit_soft bass_upright 1-----5-5-----1-; sax flute voice_soft; brightness 0, density 0.9
  drums: kick x.....x.x.....x. = | rim x..x..x....x..x. = | hat - o.o.o.o.o.o.o.o. | shaker xoxoxoxoxoxoxoxo
  layers: nylon_guitar 55 ivcbo 1 0.3 x..x..x...x..x.. | epiano 57 cb 0.6 -0.35 x-----------x---
  chords: I7 vi7 ii7 V7 | I7 IV7 ii7 V7 ; i7 iv7 VII7 III7 | i7 VI7 iv7 V7 | i7 iv7 V7 i7
latin: 92 104 124 kit_acoustic bass_upright 1-----5---8-5---; trumpet voice sax
  drums: kick x..x..x.x..x..x. x.......x....... | conga x.oxx.oxx.oxx.xx = | cowbell x...x.x.x...x.x. | shaker x,o,x,o,x,o,x,o, =
  layers: piano 60 ivcbo 1 -0.3 x.xx.xx.xx.xx.x. | brass 60 c 0.6 0.3 ......x-....x---
  chords: I IV V IV | I vi ii V ; i iv V i | i VII VI V
funk: 96 106 116 kit_acoustic bass_electric 1..1..8.1..5.8.1; voice sax synth_lead; density 1.2
  drums: kick X..x..x...x..x.. X.....x...x..... | snare ....X..o.o..X... ....x.......x... | hat xoxoxoxoxoxoxoxo x.oox.oox.oox.oo | open_hat ..............x.
  layers: clean_guitar 60 vcb 0.75 0.5 x.xx.x.x..xx.x.x | organ 57 ivcbo 0.8 -0.4 x.....x-..x..... | brass 62 c 0.7 0 ............x.x-
  chords: I7 I7 IV7 IV7 | I7 bVII I7 IV7 ; i7 i7 iv7 iv7 | i7 VII i7 IV7
soul: 78 92 104 kit_acoustic bass_electric 1-----5-1---3-5-; voice sax trumpet; swing 0.1, swing_beats 0.25
  drums: kick x.....x.x....... x.......x....... | rim - ....x.......x... | snare ....x.......x... | hat x.o.x.o.x.o.x.o. =
  layers: epiano 55 ivcbo 1 -0.25 x---..x---x----- | organ 60 cb 0.5 0.3 x--------------- | clean_guitar 60 vc 0.6 0.5 ....x.......x...
  chords: I7 vi7 ii7 V7 | I7 IV7 ii7 V7 ; i7 iv7 VII7 III7 | i7 VI7 iv7 V7 | i7 iv7 V7 i7
jazz: 110 136 180 kit_soft bass_upright 1---3---5---a---; sax trumpet clarinet voice; brightness 0, swing 0.3, density 1.2
  drums: ride x...x.x.x...x.x. = | kick o.......o....... | hat ....x.......x... ....o.......o... | rim ......,.......o.
  layers: piano 55 ivcbo 1 -0.3 x--...x-....x... | clean_guitar 57 vc 0.5 0.45 o...o...o...o...
  chords: I7 vi7 ii7 V7 | I7 IV7 ii7 V7 ; i7 iv7 VII7 III7 | i7 VI7 iv7 V7 | i7 iv7 V7 i7
blues: 76 96 124 kit_acoustic bass_electric 1---3---5---3---; guitar_lead voice_low sax; swing 0.3
  drums: kick x.....x.x.....x. x.......x....... | snare ....x.......x... = | hat - x...x.x.x...x.x. | ride x...x.x.x...x.x.
  layers: clean_guitar 52 ivcbo 0.9 0.35 x.x.x.x.x.x.x.x. | organ 57 cb 0.6 -0.35 x---------------
  chords: I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7 ; i7 i7 i7 i7 iv7 iv7 i7 i7 VI7 V7 i7 V7
reggae: 70 76 88 kit_acoustic bass_sub 1--1..5-..3-5...; voice trumpet sax; swing 0.1, swing_beats 0.25
  drums: kick ........X....... = | rim ........x....... = | hat x.o.x.o.x.o.x.oo x.o.x.o.x.o.x.o. | snare ..............,.
  layers: muted_guitar 60 ivcb 1 -0.4 ....x.......x... | organ 60 vco 0.7 0.4 ..x.x.....x.x... | piano 57 c 0.5 0 ....x.......x...
  chords: I IV I V | I vi IV V | I ii I ii ; i iv i v | i VII VI VII
ballad: 60 72 84 kit_soft bass_electric 1-------1---5---; voice violin flute; brightness 0, density 0.8
  drums: rim - ....o.......o... | kick x.......x.x..... | snare ....x.......x... | hat o.o.o.o.o.o.o.o. o...o...o...o...
  layers: piano 50 ivcbo 1 -0.1 0.1.2.1.3.1.2.1. | strings 57 cbo 0.9 0 x---------------
  chords: I V vi IV | I iii IV V | I vi ii V ; i VI III VII | i iv VI V
waltz: 84 102 168 kit_soft bass_upright 1-----------; violin clarinet flute voice; brightness 0, beats_per_bar 3, density 0.9
  drums: kick x........... = | rim ....o...o... | hat o...x...x... ....o...o...
  layers: piano 57 ivcbo 1 -0.25 ....x-..x-.. | strings 60 cbo 0.8 0 x-----------
  chords: I V vi iii IV I IV V | I vi ii V ; i iv VII III VI iv V i | i VI iv V
country: 96 112 136 kit_acoustic bass_electric 1-------5-------; voice violin guitar_lead
  drums: kick x.......x....... = | rim - ....x.......x... | shaker - x.o.x.o.x.o.x.o. | snare ....x.......x..o | hat x.o.x.o.x.o.x.o.
  layers: steel_guitar 52 ivcbo 1 -0.35 x.x.x.xox.x.x.xo | nylon_guitar 60 vc 0.7 0.4 0.2.1.3.0.2.1.3.
  chords: I IV I V | I V vi IV | I I IV V ; i VII VI VII | i VI VII i
folk: 80 100 126 kit_soft bass_upright 1-------5-------; voice_soft violin flute; density 0.9
  drums: shaker x.o.x.o.x.o.x.o. o...o...o...o... | kick x.......x.......
  layers: steel_guitar 50 ivcbo 1 -0.3 0.2.1.3.0.2.1.2. | nylon_guitar 57 cb 0.6 0.4 x-----o-x---o---
  chords: I V IV I | I IV I V | I vi IV I ; i VII i VII | i III VII i
indian: 70 92 132 kit_soft bass_upright 1---------------; sitar flute; density 1.3
  drums: conga X.oxo.xox.oxo.ox x.o.x.o.x.o.x.o. | kick x.......x.......
  layers: strings 48 ivcbo 0.6 0 x--------------- | harp 60 vcb 0.5 0.35 0.....2.....0...
  chords: I I I IV | I I bVII I ; i i i VII | i i iv i
ambient: 60 72 90 kit_soft bass_sub 1---------------; flute voice_oh cello; brightness 0, density 0.4
  drums: shaker o...,...o...,...
  layers: pad 52 ivcbo 1 0 x--------------- | choir 60 cb 0.5 0 x--------------- | bell 72 ivco 0.5 0.35 0.....2.....3... ....1.....2.....
  chords: I7 IV7 I7 IV7 | I7 iii7 IV7 IV7 | I vi7 IV7 I ; i7 VI7 i7 VI7 | i7 VII VI7 VI7
cinematic: 76 92 140 kit_rock bass_reese 1---------------; violin trumpet voice_ah cello; brightness 0, density 0.6
  drums: low_tom X..x..x.X..x..xx x.......x.....x. | kick X.......X....... | mid_tom ......o.......oo
  layers: strings 52 vcb 0.9 0 x.x.x.x.x.x.x.x. | brass 50 c 0.9 0 x-------x------- | choir 60 co 0.8 0 x--------------- | dark_pad 48 ivb 0.8 0 x---------------
  chords: I V vi IV | I bVII bVI IV | I IV vi V ; i VI III VII | i VI iv V | i VII VI V
classical: 72 96 132 kit_soft cello 1---------------; violin flute clarinet; brightness 0
  layers: piano 53 ivcbo 1 -0.1 0.2.1.2.0.2.1.2. | strings 60 cbo 0.8 0 x---------------
  chords: I IV V I | I vi ii V | I V vi iii IV I ii V ; i iv V i | i VI iv V | i VII III VI iv i V V
chiptune: 120 140 168 kit_electronic bass_saw 1.8.1.8.1.8.1.8.; square_lead; density 1.4
  drums: kick X...x...X...x... x...x...x...x... | snare ....x.......x... | hat x.o.x.o.x.o.x.o. =
  layers: synth_pluck 64 ivcbo 1 0.3 0120120120120120
"""


def _style(head: str, lines: Sequence[str]) -> Style:
    values, leads, *feels = head.split("; ")
    slow, usual, fast, kit, bass, line = values.split(" ", 5)
    fields = dict(line.split(": ", 1) for line in lines)
    played = {
        getattr(drums, name.upper()): grooves
        for name, *grooves in (entry.split(" ") for entry in fields.get("drums", "").split(" | ") if entry)
    }
    major, minor = (part.split(" | ") for part in fields["chords"].split(" ; ")) if "chords" in fields else ((), ())
    feel = {name: float(value) for name, value in (entry.split(" ") for part in feels for entry in part.split(", "))}
    return Style(
        (float(slow), float(usual), float(fast)),
        kit,
        {drum: full for drum, (full, *_) in played.items() if full != "-"},
        {drum: light[0].replace("=", full) for drum, (full, *light) in played.items() if light},
        bass,
        line,
        tuple(_layer(text) for text in fields["layers"].split(" | ")),
        tuple(leads.split(" ")),
        tuple(major) or Style.major,
        tuple(minor) or Style.minor,
        int(feel.pop("beats_per_bar", 4)),
        accents="",
        **feel,
    )


def _layer(text: str) -> Layer:
    instrument, lowest, sections, gain, pan, pattern = text.split(" ", 5)
    return Layer(instrument, pattern, int(lowest), sections, float(gain), float(pan))


def _styles() -> Mapping[str, Style]:
    blocks = (block.split("\n  ") for block in re.split(r"\n(?! )", _STYLES.strip()))
    return {
        name: _style(values, lines)
        for (name, values), lines in ((first.split(": "), lines) for first, *lines in blocks)
    }


STYLES: Mapping[str, Style] = MappingProxyType(_styles())
