"""Drum kits: a synthetic kick with recorded drums.

A drum is identified by its General MIDI pitch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundwright.services.generation.engines.procedural.soundfont import DRUMS_BANK, font
from soundwright.services.generation.engines.procedural.waves import (
    Wave,
    decay,
    fade,
    noise,
    peak_normalised,
    phase,
    sine,
)

KICK, RIM, SNARE, CLAP, HAT, OPEN_HAT, CRASH, RIDE = 36, 37, 38, 39, 42, 46, 49, 51
LOW_TOM, MID_TOM, HIGH_TOM, SHAKER, CONGA, COWBELL = 45, 47, 50, 70, 63, 56


@dataclass(frozen=True)
class Kit:
    """A drum kit."""

    program: int  # kit of the font, for all but the kick
    kick_hz: float = 52.0  # resting pitch of the kick
    kick_half_life_seconds: float = 0.07  # half-life of the kick
    kick_click: float = 0.35  # level of the beater
    drive: float = 0.5  # saturation of the kick, 0 is clean
    cymbals: float = 1.0  # level of hats and cymbals


KITS = {
    "kit_acoustic": Kit(0),
    "kit_rock": Kit(16, kick_hz=58.0, kick_click=0.6, drive=1.2),
    "kit_electronic": Kit(24, kick_hz=47.0, kick_half_life_seconds=0.1, kick_click=0.3, cymbals=1.7),
    "kit_808": Kit(25, kick_hz=49.0, kick_half_life_seconds=0.09, kick_click=0.15, cymbals=1.4),
    "kit_lofi": Kit(8, kick_hz=55.0, kick_click=0.12, drive=1.5, cymbals=0.8),
    "kit_soft": Kit(32, kick_hz=60.0, kick_click=0.08, drive=0.0),
}
_LEVELS = {
    RIM: 0.4, SNARE: 0.85, CLAP: 0.65, HAT: 0.3, OPEN_HAT: 0.28, CRASH: 0.42, RIDE: 0.24,
    LOW_TOM: 0.8, MID_TOM: 0.75, HIGH_TOM: 0.7, SHAKER: 0.2, CONGA: 0.45, COWBELL: 0.22,
}  # fmt: skip
_OTHER_LEVEL = 0.4
_CYMBALS = frozenset((HAT, OPEN_HAT, CRASH, RIDE, SHAKER))
_RING_SECONDS = 1.5


def _kick(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
    frames = round(min(0.9, kit.kick_half_life_seconds * 7.0) * rate_hz)
    sweep = kit.kick_hz * (1.0 + 3.2 * decay(frames, rate_hz, 0.011) + 0.5 * decay(frames, rate_hz, 0.05))
    body = sine(phase(sweep, frames, rate_hz)) * decay(frames, rate_hz, kit.kick_half_life_seconds)
    click = noise(frames, rate_hz, rng, 1500.0, 7000.0) * decay(frames, rate_hz, 0.003)
    return np.tanh((1.2 + kit.drive) * (body + kit.kick_click * velocity * 0.4 * click))


def strike(kit: Kit, pitch_midi: int, velocity: float, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Return one hit, float32 [2, frames], with a peak of at most 1."""
    if pitch_midi == KICK:
        wave, level = np.stack([_kick(kit, rate_hz, velocity, rng)] * 2), 1.0
    else:
        steady = np.ones(1)
        wave = font().play(DRUMS_BANK, kit.program, pitch_midi, velocity, steady, _RING_SECONDS, rate_hz)
        level = _LEVELS.get(pitch_midi, _OTHER_LEVEL) * (kit.cymbals if pitch_midi in _CYMBALS else 1.0)
    return peak_normalised(wave, level) * fade(wave.shape[1], rate_hz, 0.0003, 0.015)
