"""What differs between pieces of one style: grooves, bass lines, accompaniment and instruments, drawn by a seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from soundwright.services.generation.engines.procedural.drums import CLAP, HAT, KICK, OPEN_HAT, RIDE, RIM, SHAKER, SNARE
from soundwright.services.generation.engines.procedural.styles import Style

# Grooves by family of styles: its styles, its columns, and one groove a line, each in the notation of styles. The backbeat is that of the style.
_GROOVES = """
pop rock indie synthwave country blues ballad chiptune: kick back hat bass chords
  X.......x.x..... ....X.......X... x.o.x.o.x.o.x.o. 1-1-1-1-1-1-1-5- x---x---x---x---
  X...X...X...X... ....X.......X... ..x...x...x...x. ..1-..1-..1-..5- ..x-..x-..x-..x-
  X..X..X.X..X..X. ....X.......X... x..x..x.x..x..x. 1--1--1-1--1--5- x--x--x-x--x--x-
  X.....x......... ........X....... x.......x....... 1-------------a- x---------------
  X.......X......x x...X...X...X... x...x...x...x... 1---1---3---5--- x...x...x...x...
  X...X...X...X... ..X...X...X...X. x...x...x...x... 1---5---1---5--- ..x...x...x...x.
  X..x..x.x....... ....X..o.o..X..o xoxoxoxoxoxoxoxo 1.11..5.1.11..a. x.xxx.xxx.xxx.xx
  X.....X...X..... ....X.......X.o. x.....x...x..... 1-----1---5----- x-----x---x-----
  X............... ............X... ....x.......x... 1-------1-5-3-5- ....x-......x-..
  X..x..x...x..... ......X.......X. x.o.x.o.x.o.x.oo 1--1--1---5---8- x--x--x---x-----
  X......X..x....x ....X.......X... x.o.x.ox..x.x.ox 1------1--1----5 x------x--x----x
  X..X......X..... ....X.......X..o ...x..x...x...x. 1--1--1---1---5- ...x--x---x---x-
  X.....X.......X. ....X.......X... x.....x...x...x. 1-----1-------5- x-----x-------x-
  X.X.....X.X..... ....X.......X... x.x.....x.x..... 1-1-----5-5----- x-x-----x-x-----
hip_hop lofi funk soul: kick back hat bass chords
  X..x..x.X..x.... ....X.......X... x.o.x.o.x.o.x.o. 1--1--1---5-8-1- x-----x---x-----
  X.........x..... ....X..o.o..X... xoxoxoxoxoxoxoxo 1-------1-1--5-8 x.xx.x.x..xx.x.x
  X.x.......x..x.. ....X.......X..o ..x...x...x...x. ..1-..1-..1-5-a- ..x-..x-..x-..x-
  X.....x.x....... ........X....... x.......x....... 1-----1-1------- x------------...
  X..x......x..... ....X....o..X... x..x..x.x..x..x. 1--1--8-1--5-8-1 x--x--x-x--x--x-
  X...x...x...x... ....X.......X... x...x...x...x... 1---1---5---8--- x...x...x...x...
  X.......X......x ....X.......X... o.xoo.xoo.xoo.xo 1-------..1-..5- ....x-......x-..
  X.....x...x..x.. ....X.o.....X... x.oox.oox.oox.oo 1-1-1-1-5-5-8-8- ...x..x....x..x.
house techno trance disco: kick open_hat hat bass chords
  X...X...X...X... ..x...x...x...x. o,.,o,.,o,.,o,., ..1-..1-..1-..81 ..x...x...x...x.
  X...X...X...X.x. ......x.......x. x,o,x,o,x,o,x,o, 1.1.1.1.1.1.1.1. x.x.x.x.x.x.x.x.
  X...X...X..xX... ..............x. x..x..x.x..x..x. 1..1..1.1..1..18 x--x--x-x--x--x-
  X..xX...X...X... ..x...x...x..x.x ................ ..11..11..11..11 ..xx..xx..xx..xx
  X...X...X...X... ..x.......x..... ..oo..oo..oo..oo 1-----1-..1-..1- x.....x...x.....
  X...X...X.x.X... ...x..x....x..x. o...o...o...o... 1-------1------- x--x--x---x--x--
  X...X..xX...X..x ....x.......x... xoxoxoxoxoxoxoxo 1.8.1.8.1.8.1.8. x...x...x...x...
dubstep drum_and_bass trap: kick hat bass chords
  X.........X..... x.o.x.o.x.o.x.o. 1---------1----- x-----x---------
  X.x.......X..... x.o.x.ooxxo.x.o. 1-----1---3-5--- x-----------x---
  X.....x...X..... ..x...x...x...x. ..1---..1---5--- ..x...x...x...x.
  X..x......x..... x..x..x..x..x.x. 1--1--1--------- x--x--x---------
  X............x.. xoxoxoxoxoxoxoxo 1-----------1--- ......x-......x-
  X.......x....... x...x...x...x... 1--1--1-1-1-1111 x...x...x...x...
jazz: kick back ride hat bass chords
  o.......o....... ......,.......o. x...x.x.x...x.x. ....x.......x... 1---3---5---a--- x-....x---....x-
  o...o...o...o... ............x... x...x...x...x... ....x.......x... 1---5---3---a--- o...o...o...o...
  ......o......... ....x.......x... ................ ..o...o...o...o. 1-------5------- ..x...x...x...x.
  o.....o.o.....o. x.....x.....x... x.x.x.x.x.x.x.x. ....x.......x... 1-----5-5-----a- x.....x.....x---
  o............... ......o.....o... x.......x....... ....x.......x... 1---------5---a- x-----------....
  ........o....... ..o...o...o...o. x...x.x...x.x... ....x.......x... 1---8---5---a--- ..x.....x-......
  o.....o...o..... x..x..x...x..... x.....x.x.....x. ................ 1-----1---5----- x-....x---x-....
  ......o.......o. ......x.......x. ..x...x...x...x. x.......x....... 1---3---5---8--- ......x-......x-
reggae: kick back hat bass chords
  ........X....... ........x....... x.o.x.o.x.o.x.oo 1--1..5-..3-5... ....x.......x...
  X.......X....... ....x.......x... x...x...x...x... 1-----1-..3-5--- ..x...x...x...x.
  X...X...X...X... ........x....... ..x...x...x...x. ..1-1-..5-..3-1- ..x.x.....x.x...
  ........X..x.... ........x..o..o. x.oox.oox.oox.oo 1---....1-3-5--- ..xx..xx..xx..xx
  X.....x.X....... ....x.......x..o xoxoxoxoxoxoxoxo 1.1...5...8...5. ....x.x.....x.x.
  ....X.......X... ....x.......x... ..x.......x..... ....1-1-..5-3-1- ....x.......x...
"""
_BROKEN = "0.1.2.1.3.1.2.1. 0.2.1.3.0.2.1.3. 0123210101232101 0...2.1.3...2.1. 0..1..2.3..2..1. 0---1---2---3---"
_ALIKE = (  # instruments that take each other's place
    ("piano", "epiano"), ("steel_guitar", "clean_guitar", "nylon_guitar"), ("clean_guitar", "jazz_guitar"),
    ("epiano", "vibraphone", "clean_guitar"), ("synth_pluck", "saw_chord"), ("pad", "strings"), ("bell", "vibraphone", "celesta"),
)  # fmt: skip
_COLUMNS = {KICK: "kick", HAT: "hat", OPEN_HAT: "open_hat", RIDE: "ride"}
_BREAK = 0.5  # share of broken chords that stay broken
_SWAP = 0.3  # share of instruments
_PAUSES = 0.5  # share of power guitars that stop between accents
_REST = 0.2  # share of further players who do not play


def _grooves() -> Mapping[str, tuple[Mapping[str, str], ...]]:
    """Return the grooves of each style: a line by column."""
    found: dict[str, tuple[Mapping[str, str], ...]] = {}
    for block in re.split(r"\n(?! )", _GROOVES.strip()):
        head, *rows = block.split("\n")
        styles, columns = head.split(": ")
        grooves = tuple(dict(zip(columns.split(), row.split(), strict=True)) for row in rows)
        found |= dict.fromkeys(styles.split(), grooves)
    return found


_GROOVES_OF = _grooves()


def _guitar(own: str, accents: str, rng: np.random.Generator) -> str:
    """Return a figure of a power guitar: its own eighths, or the accents, which ring on; or accents with pauses between them."""
    ringing = "x" + re.sub("[^x]", "-", accents.replace("o", "x"))[1:]
    if rng.random() < _PAUSES:
        return re.sub("(?<=x-)-+(?=x)", lambda held: "." * len(held[0]), ringing)
    return own or ringing


def varied(name: str, style: Style, seed: int) -> Style:
    """Return a style with lines and players of one piece. The same arguments give the same style.

    All players and the melody share the accents of one groove. The tempo, the kit, the leads and the progressions
    stay, and so do all lines of styles that live on them.
    """
    if name not in _GROOVES_OF:
        return style
    rng = np.random.default_rng([seed, 4])
    lines = _GROOVES_OF[name][rng.integers(len(_GROOVES_OF[name]))]
    backbeat = next(drum for drum in (SNARE, CLAP, RIM) if drum in style.groove)
    drawn = {drum: lines[column] for drum, column in _COLUMNS.items() if column in lines}
    if "back" in lines:
        accents = re.sub("[o,]", ".", lines["hat"])
        drawn = {OPEN_HAT: accents, RIDE: accents, backbeat: lines["back"], **drawn}
    groove = {drum: drawn.get(drum, line) for drum, line in style.groove.items() if drum != CLAP or backbeat == CLAP}
    light = {
        drum: drawn.get(backbeat if drum == RIM else drum, line).replace("X", "x") for drum, line in style.light.items()
    }
    if HAT in light and rng.random() < _SWAP:
        light[RIDE if rng.random() < 0.5 else SHAKER] = light.pop(HAT)
    players = []
    for number, layer in enumerate(style.layers):
        if rng.random() < _REST and number > 0 and layer.instrument != "power_guitar":
            continue
        is_long = set(layer.pattern) <= {"x", "-", " "} and layer.pattern.count("x") <= layer.pattern.count(" ") + 1
        figure = layer.pattern if is_long else lines["chords"]
        if layer.instrument == "power_guitar":
            figure = _guitar(layer.pattern if layer.sections == "co" else "", figure, rng)
        if any(map(str.isdigit, layer.pattern)) and rng.random() < _BREAK:
            figure = str(rng.choice(_BROKEN.split()))
        others = next((group for group in _ALIKE if group[0] == layer.instrument), ())
        instrument = str(rng.choice(others)) if others and rng.random() < _SWAP else layer.instrument
        players.append(replace(layer, instrument=instrument, pattern=figure))
    return replace(
        style, groove=groove, light=light, bass_pattern=lines["bass"], layers=tuple(players), accents=lines["chords"]
    )
