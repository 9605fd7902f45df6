"""Sounds that occur once, as recipes: each renders one occurrence to float32 [frames] with a peak of 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soundwright.services.generation.engines.procedural.textures import Stage
from soundwright.services.generation.engines.procedural.tones import Sung, Tone, sung
from soundwright.services.generation.engines.procedural.waves import (
    Wave,
    decay,
    fade,
    noise,
    peak_normalised,
    seconds,
    sine,
)

Event = Callable[[int, np.random.Generator], Wave]
"""``(sample_rate_hz, rng)`` to float32 [frames]."""


class Shot(Stage):
    """What a recipe is made with."""

    def share(self, end: float = 1.0) -> NDArray[np.float64]:
        """Return a line from 0 to ``end``."""
        return np.linspace(0.0, end, self.frames)

    def square(self, hz: ArrayLike, drive: float) -> Wave:
        """Return an overdriven tone."""
        return np.tanh(drive * self.tone(hz))

    def fall(self, half_life_seconds: float) -> Wave:
        return decay(self.frames, self.rate_hz, half_life_seconds)

    def fade(self, attack_seconds: float, release_seconds: float) -> Wave:
        return fade(self.frames, self.rate_hz, attack_seconds, release_seconds)

    def air(self, low_hz: float, high_hz: float) -> Wave:
        return noise(self.frames, self.rate_hz, self.rng, low_hz, high_hz)

    def burst(self, low_hz: float, high_hz: float, half_life_seconds: float) -> Wave:
        """Return noise that decays."""
        return self.air(low_hz, high_hz) * self.fall(half_life_seconds)

    def ring(self, *partials: tuple[float, float, float]) -> Wave:
        """Return decaying sines, each (Hz, level, half-life in seconds)."""
        out = np.zeros(self.frames, dtype=np.float32)
        for hz, level, half_life in partials:
            if hz < 0.45 * self.rate_hz:
                out += np.float32(level) * self.tone(hz) * self.fall(half_life)
        return out * self.fade(0.001, 0.05)

    def lasting(self, length_seconds: float) -> Shot:
        return replace(self, frames=round(length_seconds * self.rate_hz))

    def after(self, start_seconds: float) -> Shot:
        """Return what is left of it after a time."""
        return replace(self, frames=self.frames - round(start_seconds * self.rate_hz))

    def at(self, start_seconds: float, wave: NDArray[Any]) -> Wave:
        """Return a wave at its time, with silence before and after it."""
        out = np.zeros(self.frames, dtype=np.float32)
        start = round(start_seconds * self.rate_hz)
        out[start : start + wave.size] = wave[: self.frames - start]
        return out


def _thunder(shot: Shot) -> NDArray[Any]:
    time = seconds(shot.frames, shot.rate_hz)
    roll = np.exp2(-time / 1.1)
    for _ in range(6):
        at = shot.rng.uniform(0.1, 3.0)
        roll = roll + shot.rng.uniform(0.2, 0.7) * np.where(time > at, np.exp2(-(time - at) / 0.5), 0.0)
    rumble = shot.air(25, 180) * roll
    body = shot.air(120, 900) * roll * np.exp2(-time / 0.9)
    return np.tanh(0.7 * (rumble + 0.6 * body + 0.9 * shot.burst(600, 7000, 0.07)))


def _explosion(shot: Shot) -> NDArray[Any]:
    boom = shot.tone(38.0 + 70.0 * shot.fall(0.12)) * shot.fall(0.45)
    blast, tail = shot.burst(60, 5000, 0.16), shot.burst(40, 500, 0.7)
    debris = shot.burst(1500, 8000, 0.5) * (shot.rng.random(shot.frames) > 0.995)
    return np.tanh(1.5 * (boom + 0.9 * blast + 0.5 * tail) + 0.8 * debris)


def _beat(shot: Shot, hz: float) -> NDArray[Any]:
    return shot.tone(hz * (1.0 + 0.8 * shot.fall(0.02))) * shot.fall(0.035) + 0.6 * shot.burst(90, 900, 0.014)


def _door(shot: Shot) -> NDArray[Any]:
    """A creak that speeds up, and a slam."""
    creak, rest = shot.lasting(0.9), shot.after(0.9)
    saw = (creak.phase(35.0 + 60.0 * creak.share() ** 2 + 12.0 * np.sin(creak.share(9))) % 1.0).astype(np.float32)
    wood = np.exp2(-saw * 9.0) * creak.air(500, 2200)
    slam, latch = rest.burst(60, 1400, 0.045), rest.burst(1500, 6000, 0.008)
    return shot.at(0.0, 0.35 * wood * creak.fade(0.2, 0.1)) + shot.at(0.9, slam + 0.5 * latch)


def _knocks(shot: Shot) -> NDArray[Any]:
    hit = shot.lasting(0.2).ring((180.0, 1.0, 0.02), (410.0, 0.6, 0.014), (900.0, 0.3, 0.008))
    return sum((shot.at(at + shot.rng.uniform(0, 0.02), hit) for at in (0.0, 0.22, 0.44)), shot.at(0.0, hit[:0]))


def _glass(shot: Shot) -> NDArray[Any]:
    """A pane that breaks and falls in pieces."""
    out = 0.7 * shot.air(2500, 14000) * shot.fall(0.03)
    for _ in range(38):
        start, hz = min(1.3, shot.rng.exponential(0.28)), shot.rng.uniform(2500.0, 9500.0)
        shard = shot.lasting(0.25).ring((hz, 1.0, 0.02), (hz * 1.47, 0.6, 0.015))
        out += shot.at(start, shot.rng.uniform(0.1, 0.5) * shard)
    return out


def _metal(shot: Shot) -> NDArray[Any]:
    """A clang: inharmonic partials of a struck plate."""
    base = shot.rng.uniform(280.0, 480.0)
    ratios = (1.0, 1.59, 2.14, 2.65, 3.4, 4.15, 5.43, 6.8)
    return shot.ring(*((base * ratio, 1.0 / (1 + 0.3 * n), 0.35 / ratio) for n, ratio in enumerate(ratios)))


def _bell(shot: Shot) -> NDArray[Any]:
    """A church bell: hum, prime, tierce, quint, nominal and above."""
    base = 330.0 * 2.0 ** (shot.rng.integers(-3, 4) / 12.0)
    partials = ((0.5, 0.6, 1.5), (1.0, 1.0, 1.0), (1.2, 0.7, 0.7), (1.5, 0.4, 0.6), (2.0, 0.8, 0.5), (2.67, 0.4, 0.3))
    return shot.ring(*((base * ratio, level, life) for ratio, level, life in partials))


def _chime(shot: Shot) -> NDArray[Any]:
    """A sparkle of small bells going up: magic, a reward."""
    out = np.zeros(shot.frames, dtype=np.float32)
    for number, step in enumerate((0, 4, 7, 12, 16, 19, 24)):
        start, hz = 0.065 * number, 880.0 * 2.0 ** (step / 12.0)
        out += shot.at(start, shot.after(start).ring((hz, 0.7, 0.18), (2.76 * hz, 0.2, 0.06)))
    return out


def _notification(shot: Shot) -> NDArray[Any]:
    """Two friendly tones, the second higher."""
    low = 660.0 * 2.0 ** (shot.rng.integers(-2, 3) / 12.0)
    high = shot.ring((low * 1.5, 1.0, 0.14), (low * 3, 0.2, 0.07))
    return shot.ring((low, 0.8, 0.09), (2 * low, 0.2, 0.05)) + shot.at(0.13, high)


def _failure(shot: Shot) -> NDArray[Any]:
    """Two low buzzes going down: an error."""
    place, half = np.arange(shot.frames), shot.frames // 2
    gate = np.where(place % half < 0.42 * shot.frames, 1.0, 0.0).astype(np.float32)
    return shot.square(np.where(place < half, 220.0, 165.0), 2.5) * gate * shot.fade(0.004, 0.03)


def _whistles(shot: Shot) -> NDArray[Any]:
    parts: list[Wave] = []
    base = shot.rng.uniform(2400.0, 4200.0)
    for _ in range(int(shot.rng.integers(2, 7))):
        one = shot.lasting(shot.rng.uniform(0.05, 0.16))
        slide = one.share(shot.rng.uniform(-0.5, 0.5)) + 0.06 * np.sin(one.share(shot.rng.uniform(4, 30)))
        chirp = one.tone(base * 2.0**slide) * np.sin(np.pi * one.share()) ** 0.7
        pause = shot.lasting(shot.rng.uniform(0.02, 0.09))
        parts += [chirp.astype(np.float32), np.zeros(pause.frames, dtype=np.float32)]
    return np.concatenate(parts)


def _bleeps(shot: Shot) -> NDArray[Any]:
    parts: list[Wave] = []
    for _ in range(int(shot.rng.integers(5, 11))):
        one = shot.lasting(shot.rng.uniform(0.04, 0.11))
        slide = 2.0 ** (one.share(shot.rng.uniform(-1, 1)) * 0.7)
        parts.append(one.tone(shot.rng.uniform(350.0, 2300.0) * slide) * one.fade(0.004, 0.01))
    return np.concatenate(parts)


def _voice(shot: Shot, recipe: Sung, low: int, high: int, length_seconds: float, glide_from: int, drive: float = 0.0,
           force: float = 1.0, variant: int = 0) -> NDArray[Any]:  # fmt: skip
    """An animal: a vowel that glides to a random pitch."""
    tone = Tone(int(shot.rng.integers(low, high)), length_seconds, force, glide_from_midi=glide_from, variant=variant)
    voice = sung(recipe, tone, shot.rate_hz, shot.rng)
    return np.tanh(drive * voice) if drive else voice


# name: length in seconds (0 if the recipe decides), and the recipe.
_RECIPES: Mapping[str, tuple[float, Callable[[Shot], NDArray[Any]]]] = {
    "thunder": (6.0, _thunder),  # a crack and a long, uneven roll
    "explosion": (3.5, _explosion),  # a blast, a falling boom and debris
    "gunshot": (1.2, lambda shot: np.tanh(2.0 * (shot.burst(150, 9000, 0.02) + 0.25 * shot.burst(150, 1800, 0.15)))),  # a sharp report and its echo
    "footstep": (0.28, lambda shot: shot.burst(70, 700, 0.014) + 0.45 * shot.at(  # heel, then sole
        late := shot.rng.uniform(0.06, 0.09), shot.after(late).burst(500, 4500, 0.022))),
    "heartbeat": (0.6, lambda shot: _beat(shot, 52.0) + shot.at(0.27, 0.75 * _beat(shot.after(0.27), 66.0))),  # lub and dub
    "door": (1.6, _door),
    "knock": (0.9, _knocks),
    "glass": (1.6, _glass),
    "metal": (1.6, _metal),
    "bell": (4.0, _bell),
    "chime": (1.8, _chime),
    "beep": (0.18, lambda shot: (shot.tone(1000.0) + 0.15 * sine(3 * shot.phase(1000.0))) * shot.fade(0.005, 0.02)),
    "notification": (0.9, _notification),
    "failure": (0.6, _failure),
    "click": (0.12, lambda shot: shot.burst(1800, 9000, 0.0025) + shot.at(  # a button or a mouse: press and release
        0.07, 0.5 * shot.after(0.07).burst(2500, 11000, 0.002))),
    "tick": (0.1, lambda shot: shot.ring((2100.0, 1.0, 0.005), (3900.0, 0.7, 0.004), (900.0, 0.4, 0.008))),  # a clock
    "coin": (0.6, lambda shot: shot.square(  # two square tones of an arcade reward
        np.where(np.arange(shot.frames) < round(0.08 * shot.rate_hz), 988.0, 1319.0), 3.0) * shot.fall(0.12)),
    "jump": (0.3, lambda shot: shot.square(220.0 * 2.0 ** (2.0 * shot.share()), 2.0) * shot.fall(0.12)),  # a quick rise
    "laser": (0.45, lambda shot: np.tanh(1.8 * sine(  # a tone that falls fast
        (base := shot.phase(180.0 + shot.rng.uniform(2200.0, 3400.0) * shot.fall(0.05))) + 0.3 * sine(2.01 * base)
    )) * shot.fall(0.1)),
    "whoosh": (0.9, lambda shot: shot.air(200, 900) * (bump := np.sin(np.pi * shot.share()) ** 2)  # something passes: noise whose band rises and falls
        + 1.2 * (shot.air(900, 5000) * bump**3)),
    "impact": (0.7, lambda shot: np.tanh(1.6 * (  # a punch or a thud
        shot.tone(55.0 + 90.0 * shot.fall(0.02)) * shot.fall(0.08) + 0.5 * shot.burst(300, 4500, 0.018)))),
    "alarm": (1.0, lambda shot: shot.square(  # two alternating tones, one second
        np.where((np.arange(shot.frames) // (shot.rate_hz // 4)) % 2, 960.0, 770.0), 2.0)),
    "siren": (4.0, lambda shot: np.tanh(1.5 * (  # one wail up and down
        sine(base := shot.phase(620.0 * 2.0 ** (0.6 - 0.6 * np.cos(2 * np.pi * shot.share())))) + 0.3 * sine(2 * base)))),
    "horn": (0.9, lambda shot: (shot.square(405.0, 3.0) + shot.square(495.0, 3.0)) * shot.fade(0.03, 0.08)),  # a car or a ship: two buzzing tones
    "phone": (2.0, lambda shot: (shot.tone(440.0) + shot.tone(480.0)) * (0.6 + 0.4 * np.sign(shot.tone(20.0)))  # one ring of two seconds
        * shot.fade(0.01, 0.05)),
    "bird": (0.0, _whistles),  # a phrase of sliding whistles
    "drip": (0.35, lambda shot: shot.tone(shot.rng.uniform(700.0, 1300.0) * (1.0 + 0.8 * shot.share())) * shot.fall(0.03)),  # a drop into still water
    "splash": (1.2, lambda shot: shot.burst(500, 8000, 0.12) * shot.fade(0.02, 0.2) + 0.9 * shot.burst(80, 600, 0.08)),  # something falls into water
    "bark": (0.0, partial(_voice, recipe=Sung("ah", 0.35, 0.9, 0.0), low=57, high=62, length_seconds=0.09, glide_from=66, drive=3.0)),  # a dog: short, rough and falling
    "meow": (0.0, partial(_voice, recipe=Sung("", 0.04, 1.4, 15.0), low=74, high=79, length_seconds=0.55, glide_from=70, force=0.8, variant=2)),  # a cat: high, rising and falling
    "roar": (0.0, partial(_voice, recipe=Sung("oh", 0.6, 0.62, 90.0), low=31, high=36, length_seconds=1.6, glide_from=42, drive=3.5)),  # a beast: very low and torn
    "robot": (0.0, _bleeps),  # a run of random electronic tones
    "typing": (0.09, lambda shot: shot.burst(900, 5500, 0.006)  # one key of a keyboard
        + 0.6 * (shot.tone(shot.rng.uniform(200.0, 280.0)) * shot.fall(0.012))),
    "riser": (3.0, lambda shot: (  # tension that climbs
        0.5 * (shot.tone(110.0 * (climb := 2.0 ** (3.0 * shot.share()))) + shot.tone(111.3 * climb))
        + 0.5 * shot.air(1000, 9000)) * shot.share() ** 2),
}  # fmt: skip


def _rendered(
    length_seconds: float, recipe: Callable[[Shot], NDArray[Any]], rate_hz: int, rng: np.random.Generator
) -> Wave:
    wave = np.asarray(recipe(Shot(round(length_seconds * rate_hz), rate_hz, rng)), dtype=np.float32)
    return peak_normalised(wave * fade(wave.size, rate_hz, 0.001, 0.02))


EVENTS: Mapping[str, Event] = MappingProxyType(
    {name: partial(_rendered, length_seconds, recipe) for name, (length_seconds, recipe) in _RECIPES.items()}
)
