"""Drum kits.

A drum is identified by its General MIDI pitch. A kit is a set of parameters of the same synthesis methods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.generation.engines.procedural.waves import (
    Wave,
    decay,
    fade,
    noise,
    peak_normalised,
    phase,
    seconds,
    sine,
)

KICK, RIM, SNARE, CLAP, HAT, OPEN_HAT, CRASH, RIDE = 36, 37, 38, 39, 42, 46, 49, 51
LOW_TOM, MID_TOM, HIGH_TOM, SHAKER, CONGA, COWBELL = 45, 47, 50, 70, 63, 56


@dataclass(frozen=True)
class Kit:
    """Parameters of a drum kit.

    Args:
        kick_hz: resting pitch of the kick.
        kick_half_life_seconds: half-life of the kick.
        kick_click: level of the beater.
        snare_hz: pitch of the snare's shell.
        snare_half_life_seconds: half-life of the snare wires.
        brightness: factor of the upper edge of all noise, 1 is neutral.
        drive: saturation, 0 is clean.
        metal: share of metallic tone in the cymbals; the rest is noise.
        cymbals: level of hats and cymbals.
    """

    kick_hz: float = 52.0
    kick_half_life_seconds: float = 0.07
    kick_click: float = 0.35
    snare_hz: float = 190.0
    snare_half_life_seconds: float = 0.05
    brightness: float = 1.0
    drive: float = 0.5
    metal: float = 0.5
    cymbals: float = 1.0


KITS = {
    "kit_acoustic": Kit(),
    "kit_rock": Kit(kick_hz=58.0, kick_click=0.6, snare_hz=205.0, snare_half_life_seconds=0.075, drive=1.2),
    "kit_electronic": Kit(
        kick_hz=47.0, kick_half_life_seconds=0.1, kick_click=0.3, snare_hz=180.0, metal=0.75, cymbals=1.7
    ),
    "kit_808": Kit(
        kick_hz=49.0, kick_half_life_seconds=0.16, kick_click=0.15, snare_hz=208.0, metal=0.9, drive=0.8, cymbals=1.4
    ),
    "kit_lofi": Kit(kick_hz=55.0, kick_click=0.12, snare_hz=175.0, brightness=0.45, drive=1.5, metal=0.3),
    "kit_soft": Kit(kick_hz=60.0, kick_click=0.08, snare_hz=200.0, brightness=0.7, drive=0.0, metal=0.35),
}

# Inharmonic square-wave cluster of classic analogue cymbals.
_METAL_HZ = (263.0, 400.0, 421.0, 474.0, 587.0, 845.0)


def _kick(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
    frames = round(min(0.9, kit.kick_half_life_seconds * 7.0) * rate_hz)
    sweep = kit.kick_hz * (1.0 + 3.2 * decay(frames, rate_hz, 0.011) + 0.5 * decay(frames, rate_hz, 0.05))
    body = sine(phase(sweep, frames, rate_hz)) * decay(frames, rate_hz, kit.kick_half_life_seconds)
    click = noise(frames, rate_hz, rng, 1500.0, 7000.0 * kit.brightness) * decay(frames, rate_hz, 0.003)
    return np.tanh((1.2 + kit.drive) * (body + kit.kick_click * velocity * 0.4 * click))


def _snare(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
    frames = round(kit.snare_half_life_seconds * 8.0 * rate_hz)
    drop = 1.0 + 0.5 * decay(frames, rate_hz, 0.008)
    shell = sine(phase(kit.snare_hz * drop, frames, rate_hz)) + 0.5 * sine(
        phase(kit.snare_hz * 1.78 * drop, frames, rate_hz)
    )
    wires = noise(frames, rate_hz, rng, 900.0, 9000.0 * kit.brightness)
    rattle = wires * decay(frames, rate_hz, kit.snare_half_life_seconds * (0.7 + 0.3 * velocity))
    crack = noise(frames, rate_hz, rng, 2500.0, 12000.0 * kit.brightness) * decay(frames, rate_hz, 0.004)
    mixed = 0.75 * shell * decay(frames, rate_hz, 0.035) + 0.42 * rattle + 0.35 * velocity * crack
    return np.asarray(np.tanh((1.0 + 0.7 * kit.drive) * mixed), dtype=np.float32)


def _rim(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
    frames = round(0.12 * rate_hz)
    tones = sine(phase(1710.0, frames, rate_hz)) + 0.7 * sine(phase(820.0, frames, rate_hz))
    tones = tones + 0.4 * noise(frames, rate_hz, rng, 1000.0, 8000.0)
    return np.asarray(tones * decay(frames, rate_hz, 0.008), dtype=np.float32)


def _clap(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
    frames = round(0.35 * rate_hz)
    time = seconds(frames, rate_hz)
    # A clap of several hands: three short bursts, then the room.
    bursts = sum(np.where(time >= start, np.exp2(-(time - start) / 0.004), 0.0) for start in (0.0, 0.011, 0.021))
    tail = np.where(time >= 0.028, np.exp2(-(time - 0.028) / 0.035), 0.0)
    return noise(frames, rate_hz, rng, 900.0, 5500.0 * kit.brightness) * (0.6 * bursts + tail).astype(np.float32)


def _metal(frames: int, rate_hz: int, scale: float) -> Wave:
    square = [np.sign(sine(phase(hz * scale, frames, rate_hz))) for hz in _METAL_HZ]
    mixed = np.mean(np.stack(square), axis=0)
    # Two first differences are a high-pass of 12 dB per octave.
    return np.asarray(np.diff(mixed, n=2, prepend=mixed[:2]), dtype=np.float32)


def _cymbal(half_life_seconds: float, low_hz: float, scale: float, stick: float) -> Callable[..., Wave]:
    def strike(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
        frames = round(min(2.5, half_life_seconds * 7.0 + 0.03) * rate_hz)
        hiss = noise(frames, rate_hz, rng, low_hz, 15000.0 * kit.brightness)
        metal = peak_normalised(_metal(frames, rate_hz, scale), 2.0)
        wash = (1.0 - kit.metal) * hiss + kit.metal * metal * kit.brightness
        tap = noise(frames, rate_hz, rng, 2500.0, 9000.0) * decay(frames, rate_hz, 0.004)
        return wash * decay(frames, rate_hz, half_life_seconds * (0.7 + 0.3 * velocity)) + stick * tap

    return strike


def _tom(hz: float) -> Callable[..., Wave]:
    def strike(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
        frames = round(0.55 * rate_hz)
        sweep = hz * (1.0 + 0.6 * decay(frames, rate_hz, 0.03))
        body = sine(phase(sweep, frames, rate_hz)) * decay(frames, rate_hz, 0.09)
        skin = noise(frames, rate_hz, rng, 300.0, 4000.0 * kit.brightness) * decay(frames, rate_hz, 0.012)
        return np.tanh((1.0 + kit.drive) * (body + 0.2 * skin))

    return strike


def _shaker(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
    frames = round(0.09 * rate_hz)
    return noise(frames, rate_hz, rng, 5000.0, 12000.0) * fade(frames, rate_hz, 0.02, 0.065)


def _conga(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
    frames = round(0.3 * rate_hz)
    sweep = 320.0 * (1.0 + 0.15 * decay(frames, rate_hz, 0.02))
    slap = noise(frames, rate_hz, rng, 800.0, 5000.0) * decay(frames, rate_hz, 0.006)
    return sine(phase(sweep, frames, rate_hz)) * decay(frames, rate_hz, 0.045) + 0.25 * slap


def _cowbell(kit: Kit, rate_hz: int, velocity: float, rng: np.random.Generator) -> Wave:
    frames = round(0.3 * rate_hz)
    tones = np.sign(sine(phase(562.0, frames, rate_hz))) + np.sign(sine(phase(845.0, frames, rate_hz)))
    return (tones * decay(frames, rate_hz, 0.04)).astype(np.float32)


@dataclass(frozen=True)
class _Piece:
    strike: Callable[..., Wave]
    level: float
    pan: float = 0.0


_PIECES = {
    KICK: _Piece(_kick, 1.0),
    RIM: _Piece(_rim, 0.4, -0.1),
    SNARE: _Piece(_snare, 0.85),
    CLAP: _Piece(_clap, 0.65),
    HAT: _Piece(_cymbal(0.018, 6500.0, 1.0, 0.15), 0.3, 0.22),
    OPEN_HAT: _Piece(_cymbal(0.11, 6000.0, 1.0, 0.1), 0.28, 0.22),
    CRASH: _Piece(_cymbal(0.45, 3500.0, 0.83, 0.2), 0.42, -0.3),
    RIDE: _Piece(_cymbal(0.22, 5000.0, 1.31, 0.35), 0.24, -0.3),
    LOW_TOM: _Piece(_tom(92.0), 0.8, 0.3),
    MID_TOM: _Piece(_tom(128.0), 0.75, 0.0),
    HIGH_TOM: _Piece(_tom(172.0), 0.7, -0.3),
    SHAKER: _Piece(_shaker, 0.2, -0.25),
    CONGA: _Piece(_conga, 0.45, 0.3),
    COWBELL: _Piece(_cowbell, 0.22, 0.25),
}


_CYMBALS = frozenset((HAT, OPEN_HAT, CRASH, RIDE, SHAKER))


def strike(kit: Kit, pitch_midi: int, velocity: float, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Return one hit, float32 [2, frames], with a peak of at most 1.

    An unknown pitch sounds as the rim of the snare.
    """
    piece = _PIECES.get(pitch_midi, _PIECES[RIM])
    level = piece.level * (kit.cymbals if pitch_midi in _CYMBALS else 1.0)
    wave = peak_normalised(np.asarray(piece.strike(kit, rate_hz, velocity, rng), dtype=np.float32), level)
    wave = wave * fade(wave.size, rate_hz, 0.0003, 0.015)
    angle = (piece.pan + 1.0) * np.pi / 4.0
    sides = np.sqrt(2.0) * np.array([[np.cos(angle)], [np.sin(angle)]], dtype=np.float32)
    return np.asarray(sides * wave, dtype=np.float32)
