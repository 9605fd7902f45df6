"""What differs between pieces of one style: grooves, bass lines, accompaniment and instruments, drawn by a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soundwright.services.generation.engines.procedural.drums import HAT, KICK, OPEN_HAT, RIDE, SHAKER, SNARE
from soundwright.services.generation.engines.procedural.styles import Style

# Lines of one bar by family of styles, in the notation of styles. Each line is for one drum, or for the bass.
_KICKS = {
    "song": "X.......x.x..... X.....x.x....... X..x....x....... X.......x..x..x. X.x.....x.x...x. X.....x...x..... X..x..x.x....... X.........x.....",
    "dance": "X...X...X...X... X...X...X...X.x. X...X...X..xX... X..xX...X...X...",
    "break": "X.........X..... X.x.......X..... X.....x...X..... X..x......x.....",
}  # fmt: skip
_SNARES = {
    "song": "....X.......X... ....X.......X..o ....X..o.o..X... ....X.o.....X.., ....X.......X.o.",
}
_HATS = {
    "song": "x.o.x.o.x.o.x.o. xoxoxoxoxoxoxoxo x...x...x...x... ..x...x...x...x. x.oox.oox.oox.oo x.o.x.oox.o.x.ox",
    "dance": "..o...o...o...o. x,o,x,o,x,o,x,o, o,.,o,.,o,.,o,., ..oo..oo..oo..oo",
    "break": "x.o.x.o.x.o.x.o. x.o.x.ooxxo.x.o. x.x.x.x.x.xxx.x. xoxoxoxoxoxoxoxo",
}
_BASSES = {
    "song": "1-----1-1---5-1- 1---1---1---5--- 1-1-1-1-1-1-1-5- 1--1--1-1-----5- 1-----5-1-----8- 1.11..5.1.11..a. 1-------1-5-3-5- 1-1---1-5---3---",
    "dance": "..1-..1-..1-..81 1.1.1.1.1.1.1.1. ..11..11..11..11 1..1..1.1..1..18 1...1..8..1.1... 1.8.1.8.1.8.1.8.",
    "break": "1-----------1--- 1-----1---3-5--- 1--1--1-1-1-1111 1---------1-----",
    "walking": "1---3---5---a--- 1---5---3---a--- 1---1---5---a--- 1---3---5---8--- 1---8---5---a---",
}  # fmt: skip
_STRIKES = {
    "song": "x---x---x---x--- x-----x-x-----x- x--x--x-x--x--x- ..x-..x-..x-..x- x-------x---x--- x---..x---x-----",
    "dance": "..x-..x...x-...x x..x..x.x..x..x. x--x--x---x--x-- ..x...x...x...x. x.....x...x.....",
    "break": "x-----------x--- x-----x--------- ......x-......x- x--x--x---------",
    "walking": "x--...x-....x... ..x.....x--..... ....x-....x-.... x.....x-..x-.... x-..x.......x-..",
}
_BROKEN = "0.1.2.1.3.1.2.1. 0.2.1.3.0.2.1.3. 0.1.2.3.2.1.2.3. 0.2.1.2.0.2.1.2. 0...2.1.3...2.1."
_FAMILIES = {
    "song": "pop rock indie synthwave soul country blues ballad chiptune hip_hop lofi funk",
    "dance": "house techno trance disco",
    "break": "dubstep drum_and_bass trap",
    "walking": "jazz",
}
_FAMILY_OF = {style: family for family, styles in _FAMILIES.items() for style in styles.split()}
# Instruments that take each other's place.
_ALIKE = (
    ("piano", "epiano"), ("steel_guitar", "clean_guitar", "nylon_guitar"), ("clean_guitar", "jazz_guitar"),
    ("epiano", "vibraphone", "clean_guitar"), ("synth_pluck", "saw_chord"), ("pad", "strings"), ("bell", "vibraphone", "celesta"),
)  # fmt: skip
_CHANGE = 0.7  # share of lines that are drawn anew
_SWAP = 0.3  # share of instruments
_REST = 0.2  # share of further players who do not play


def varied(name: str, style: Style, seed: int) -> Style:
    """Return a style with lines and players of one piece. The same arguments give the same style.

    The tempo, the kit, the leads and the progressions stay, and so do all lines of styles that live on them.
    """
    rng = np.random.default_rng([seed, 4])
    family = _FAMILY_OF.get(name, "")

    def drawn(lines: str | None, own: str) -> str:
        return str(rng.choice(lines.split())) if lines and rng.random() < _CHANGE else own

    groove = dict(style.groove)
    for drum, lines in ((KICK, _KICKS), (SNARE, _SNARES), (HAT, _HATS)):
        if drum in groove:
            groove[drum] = drawn(lines.get(family), groove[drum])
    light = {**style.light, **({KICK: groove[KICK]} if KICK in style.light and KICK in groove else {})}
    if family in ("song", "dance") and HAT in light and rng.random() < _SWAP:
        light[RIDE if rng.random() < 0.5 else SHAKER] = light.pop(HAT)
    if family == "song" and HAT in groove and rng.random() < _SWAP:
        groove[OPEN_HAT if OPEN_HAT not in groove else RIDE] = "x...x...x...x..."
    players = []
    for layer in style.layers:
        is_riff = layer.instrument == "power_guitar"
        is_long = set(layer.pattern) <= {"x", "-", " "} and layer.pattern.count("x") <= layer.pattern.count(" ") + 1
        figures = (
            None if is_long or is_riff else _BROKEN if any(map(str.isdigit, layer.pattern)) else _STRIKES.get(family)
        )
        others = next((group for group in _ALIKE if group[0] == layer.instrument), ())
        name = str(rng.choice(others)) if others and rng.random() < _SWAP else layer.instrument
        players.append(replace(layer, instrument=name, pattern=drawn(figures, layer.pattern)))
    played = [
        layer
        for number, layer in enumerate(players)
        if rng.random() >= _REST or number == 0 or layer.instrument == "power_guitar"
    ]
    return replace(
        style,
        groove=groove,
        light=light,
        bass_pattern=drawn(_BASSES.get(family), style.bass_pattern),
        layers=tuple(played if family else style.layers),
    )
