"""Sounds that occur once: each recipe renders one occurrence to float32 [frames] with a peak of 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from soundwright.services.generation.engines.procedural.tones import Sung, Tone, sung
from soundwright.services.generation.engines.procedural.waves import (
    Wave,
    decay,
    fade,
    noise,
    peak_normalised,
    phase,
    seconds,
    sine,
)

Event = Callable[[int, np.random.Generator], Wave]
"""``(sample_rate_hz, rng)`` to float32 [frames]."""


def _ring(rate_hz: int, length_seconds: float, partials: Sequence[tuple[float, float, float]]) -> Wave:
    """Decaying sines, each (Hz, level, half-life in seconds)."""
    frames = round(length_seconds * rate_hz)
    out = np.zeros(frames, dtype=np.float32)
    for hz, level, half_life in partials:
        if hz < 0.45 * rate_hz:
            out += np.float32(level) * sine(phase(hz, frames, rate_hz)) * decay(frames, rate_hz, half_life)
    return out * fade(frames, rate_hz, 0.001, 0.05)


def _done(wave: Wave, rate_hz: int) -> Wave:
    return peak_normalised(np.asarray(wave * fade(wave.size, rate_hz, 0.001, 0.02), dtype=np.float32))


def thunder(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A crack and a long, uneven roll."""
    frames = round(6.0 * rate_hz)
    time = seconds(frames, rate_hz)
    roll = np.exp2(-time / 1.1)
    for _ in range(6):
        at = rng.uniform(0.1, 3.0)
        roll = roll + rng.uniform(0.2, 0.7) * np.where(time > at, np.exp2(-(time - at) / 0.5), 0.0)
    rumble = noise(frames, rate_hz, rng, 25.0, 180.0) * roll
    body = noise(frames, rate_hz, rng, 120.0, 900.0) * roll * np.exp2(-time / 0.9)
    crack = noise(frames, rate_hz, rng, 600.0, 7000.0) * decay(frames, rate_hz, 0.07)
    return _done(np.tanh(0.7 * (rumble + 0.6 * body + 0.9 * crack)), rate_hz)


def explosion(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A blast, a falling boom and debris."""
    frames = round(3.5 * rate_hz)
    boom = sine(phase(38.0 + 70.0 * decay(frames, rate_hz, 0.12), frames, rate_hz)) * decay(frames, rate_hz, 0.45)
    blast = noise(frames, rate_hz, rng, 60.0, 5000.0) * decay(frames, rate_hz, 0.16)
    tail = noise(frames, rate_hz, rng, 40.0, 500.0) * decay(frames, rate_hz, 0.7)
    debris = noise(frames, rate_hz, rng, 1500.0, 8000.0) * decay(frames, rate_hz, 0.5) * (rng.random(frames) > 0.995)
    return _done(np.tanh(1.5 * (boom + 0.9 * blast + 0.5 * tail) + 0.8 * debris.astype(np.float32)), rate_hz)


def gunshot(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A sharp report and its echo."""
    frames = round(1.2 * rate_hz)
    shot = noise(frames, rate_hz, rng, 150.0, 9000.0) * decay(frames, rate_hz, 0.02)
    echo = noise(frames, rate_hz, rng, 150.0, 1800.0) * decay(frames, rate_hz, 0.15)
    return _done(np.tanh(2.0 * (shot + 0.25 * echo)), rate_hz)


def footstep(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Heel, then sole."""
    frames = round(0.28 * rate_hz)
    heel = noise(frames, rate_hz, rng, 70.0, 700.0) * decay(frames, rate_hz, 0.014)
    late = round(rng.uniform(0.06, 0.09) * rate_hz)
    sole = np.zeros(frames, dtype=np.float32)
    sole[late:] = noise(frames - late, rate_hz, rng, 500.0, 4500.0) * decay(frames - late, rate_hz, 0.022)
    return _done(heel + 0.45 * sole, rate_hz)


def heartbeat(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Lub and dub."""
    frames = round(0.6 * rate_hz)
    out = np.zeros(frames, dtype=np.float32)
    for at, level, hz in ((0.0, 1.0, 52.0), (0.27, 0.75, 66.0)):
        start = round(at * rate_hz)
        rest = frames - start
        thump = sine(phase(hz * (1.0 + 0.8 * decay(rest, rate_hz, 0.02)), rest, rate_hz)) * decay(rest, rate_hz, 0.035)
        knock = noise(rest, rate_hz, rng, 90.0, 900.0) * decay(rest, rate_hz, 0.014)
        out[start:] += np.float32(level) * (thump + 0.6 * knock)
    return _done(out, rate_hz)


def door(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A creak that speeds up, and a slam."""
    frames = round(1.6 * rate_hz)
    creak_frames = round(0.9 * rate_hz)
    rate = 35.0 + 60.0 * np.linspace(0.0, 1.0, creak_frames) ** 2 + 12.0 * np.sin(np.linspace(0, 9, creak_frames))
    saw = (phase(rate, creak_frames, rate_hz) % 1.0).astype(np.float32)
    wood = np.exp2(-saw * 9.0) * noise(creak_frames, rate_hz, rng, 500.0, 2200.0)
    out = np.zeros(frames, dtype=np.float32)
    out[:creak_frames] = 0.35 * wood * fade(creak_frames, rate_hz, 0.2, 0.1)
    rest = frames - creak_frames
    slam = noise(rest, rate_hz, rng, 60.0, 1400.0) * decay(rest, rate_hz, 0.045)
    latch = noise(rest, rate_hz, rng, 1500.0, 6000.0) * decay(rest, rate_hz, 0.008)
    out[creak_frames:] += slam + 0.5 * latch
    return _done(out, rate_hz)


def knock(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Three knocks on wood."""
    frames = round(0.9 * rate_hz)
    out = np.zeros(frames, dtype=np.float32)
    for at in (0.0, 0.22, 0.44):
        start = round((at + rng.uniform(0, 0.02)) * rate_hz)
        hit = _ring(rate_hz, 0.2, ((180.0, 1.0, 0.02), (410.0, 0.6, 0.014), (900.0, 0.3, 0.008)))
        out[start : start + hit.size] += hit[: frames - start]
    return _done(out, rate_hz)


def glass(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A pane that breaks and falls in pieces."""
    frames = round(1.6 * rate_hz)
    out = 0.7 * noise(frames, rate_hz, rng, 2500.0, 14000.0) * decay(frames, rate_hz, 0.03)
    for _ in range(38):
        start = round(min(1.3, rng.exponential(0.28)) * rate_hz)
        hz = rng.uniform(2500.0, 9500.0)
        shard = _ring(rate_hz, 0.25, ((hz, 1.0, 0.02), (hz * 1.47, 0.6, 0.015)))
        end = min(frames, start + shard.size)
        out[start:end] += np.float32(rng.uniform(0.1, 0.5)) * shard[: end - start]
    return _done(out, rate_hz)


def metal(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A clang: inharmonic partials of a struck plate."""
    base = rng.uniform(280.0, 480.0)
    ratios = (1.0, 1.59, 2.14, 2.65, 3.4, 4.15, 5.43, 6.8)
    return _done(
        _ring(rate_hz, 1.6, [(base * ratio, 1.0 / (1 + 0.3 * n), 0.35 / ratio) for n, ratio in enumerate(ratios)]),
        rate_hz,
    )


def bell(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A church bell: hum, prime, tierce, quint, nominal and above."""
    base = 330.0 * 2.0 ** (rng.integers(-3, 4) / 12.0)
    partials = ((0.5, 0.6, 1.5), (1.0, 1.0, 1.0), (1.2, 0.7, 0.7), (1.5, 0.4, 0.6), (2.0, 0.8, 0.5), (2.67, 0.4, 0.3))
    return _done(_ring(rate_hz, 4.0, [(base * ratio, level, life) for ratio, level, life in partials]), rate_hz)


def chime(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A sparkle of small bells going up: magic, a reward."""
    frames = round(1.8 * rate_hz)
    out = np.zeros(frames, dtype=np.float32)
    for number, step in enumerate((0, 4, 7, 12, 16, 19, 24)):
        start = round(0.065 * number * rate_hz)
        hz = 880.0 * 2.0 ** (step / 12.0)
        out[start:] += _ring(rate_hz, (frames - start) / rate_hz, ((hz, 0.7, 0.18), (2.76 * hz, 0.2, 0.06)))[
            : frames - start
        ]
    return _done(out, rate_hz)


def beep(rate_hz: int, rng: np.random.Generator) -> Wave:
    """One plain tone."""
    frames = round(0.18 * rate_hz)
    base = phase(1000.0, frames, rate_hz)
    return _done((sine(base) + 0.15 * sine(3 * base)) * fade(frames, rate_hz, 0.005, 0.02), rate_hz)


def notification(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Two friendly tones, the second higher."""
    frames = round(0.9 * rate_hz)
    low = 660.0 * 2.0 ** (rng.integers(-2, 3) / 12.0)
    out = _ring(rate_hz, 0.9, ((low, 0.8, 0.09), (2 * low, 0.2, 0.05)))
    start = round(0.13 * rate_hz)
    out[start:] += _ring(rate_hz, 0.9, ((low * 1.5, 1.0, 0.14), (low * 3, 0.2, 0.07)))[: frames - start]
    return _done(out, rate_hz)


def failure(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Two low buzzes going down: an error."""
    frames = round(0.6 * rate_hz)
    pitch = np.where(np.arange(frames) < frames // 2, 220.0, 165.0)
    base = phase(pitch, frames, rate_hz)
    gate = np.where(np.arange(frames) % (frames // 2) < 0.42 * frames, 1.0, 0.0).astype(np.float32)
    return _done(np.tanh(2.5 * sine(base)) * gate * fade(frames, rate_hz, 0.004, 0.03), rate_hz)


def click(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A button or a mouse: press and release."""
    frames = round(0.12 * rate_hz)
    out = noise(frames, rate_hz, rng, 1800.0, 9000.0) * decay(frames, rate_hz, 0.0025)
    start = round(0.07 * rate_hz)
    out[start:] += 0.5 * noise(frames - start, rate_hz, rng, 2500.0, 11000.0) * decay(frames - start, rate_hz, 0.002)
    return _done(out, rate_hz)


def tick(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A clock."""
    return _done(_ring(rate_hz, 0.1, ((2100.0, 1.0, 0.005), (3900.0, 0.7, 0.004), (900.0, 0.4, 0.008))), rate_hz)


def coin(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Two square tones of an arcade reward."""
    frames = round(0.6 * rate_hz)
    pitch = np.where(np.arange(frames) < round(0.08 * rate_hz), 988.0, 1319.0)
    return _done(np.tanh(3.0 * sine(phase(pitch, frames, rate_hz))) * decay(frames, rate_hz, 0.12), rate_hz)


def jump(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A quick rise."""
    frames = round(0.3 * rate_hz)
    pitch = 220.0 * 2.0 ** (2.0 * np.linspace(0.0, 1.0, frames))
    return _done(np.tanh(2.0 * sine(phase(pitch, frames, rate_hz))) * decay(frames, rate_hz, 0.12), rate_hz)


def laser(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A tone that falls fast."""
    frames = round(0.45 * rate_hz)
    pitch = 180.0 + rng.uniform(2200.0, 3400.0) * decay(frames, rate_hz, 0.05)
    base = phase(pitch.astype(np.float64), frames, rate_hz)
    return _done(np.tanh(1.8 * sine(base + 0.3 * sine(2.01 * base))) * decay(frames, rate_hz, 0.1), rate_hz)


def whoosh(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Something passes: noise whose band rises and falls."""
    frames = round(0.9 * rate_hz)
    bump = np.sin(np.pi * np.linspace(0.0, 1.0, frames)) ** 2
    low = noise(frames, rate_hz, rng, 200.0, 900.0) * bump
    high = noise(frames, rate_hz, rng, 900.0, 5000.0) * bump**3
    return _done((low + 1.2 * high).astype(np.float32), rate_hz)


def impact(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A punch or a thud."""
    frames = round(0.7 * rate_hz)
    thud = sine(phase(55.0 + 90.0 * decay(frames, rate_hz, 0.02), frames, rate_hz)) * decay(frames, rate_hz, 0.08)
    slap = noise(frames, rate_hz, rng, 300.0, 4500.0) * decay(frames, rate_hz, 0.018)
    return _done(np.tanh(1.6 * (thud + 0.5 * slap)), rate_hz)


def alarm(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Two alternating tones, one second."""
    frames = rate_hz
    high = (np.arange(frames) // (rate_hz // 4)) % 2
    base = phase(np.where(high, 960.0, 770.0), frames, rate_hz)
    return _done(np.tanh(2.0 * sine(base)), rate_hz)


def siren(rate_hz: int, rng: np.random.Generator) -> Wave:
    """One wail up and down, four seconds."""
    frames = 4 * rate_hz
    pitch = 620.0 * 2.0 ** (0.6 - 0.6 * np.cos(2 * np.pi * np.linspace(0.0, 1.0, frames)))
    base = phase(pitch, frames, rate_hz)
    return _done(np.tanh(1.5 * (sine(base) + 0.3 * sine(2 * base))), rate_hz)


def horn(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A car or a ship: two buzzing tones."""
    frames = round(0.9 * rate_hz)
    tone = np.tanh(3.0 * sine(phase(405.0, frames, rate_hz))) + np.tanh(3.0 * sine(phase(495.0, frames, rate_hz)))
    return _done(tone * fade(frames, rate_hz, 0.03, 0.08), rate_hz)


def phone(rate_hz: int, rng: np.random.Generator) -> Wave:
    """One ring of two seconds and its pause."""
    frames = round(2.0 * rate_hz)
    tone = sine(phase(440.0, frames, rate_hz)) + sine(phase(480.0, frames, rate_hz))
    warble = 0.6 + 0.4 * np.sign(sine(phase(20.0, frames, rate_hz)))
    return _done((tone * warble).astype(np.float32) * fade(frames, rate_hz, 0.01, 0.05), rate_hz)


def bird(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A phrase of sliding whistles."""
    parts = []
    base = rng.uniform(2400.0, 4200.0)
    for _ in range(int(rng.integers(2, 7))):
        frames = round(rng.uniform(0.05, 0.16) * rate_hz)
        slide = np.linspace(0.0, rng.uniform(-0.5, 0.5), frames) + 0.06 * np.sin(
            np.linspace(0, rng.uniform(4, 30), frames)
        )
        chirp = sine(phase(base * 2.0**slide, frames, rate_hz)) * np.sin(np.pi * np.linspace(0, 1, frames)) ** 0.7
        parts += [chirp.astype(np.float32), np.zeros(round(rng.uniform(0.02, 0.09) * rate_hz), dtype=np.float32)]
    return _done(np.concatenate(parts), rate_hz)


def drip(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A drop into still water."""
    frames = round(0.35 * rate_hz)
    pitch = rng.uniform(700.0, 1300.0) * (1.0 + 0.8 * np.linspace(0.0, 1.0, frames))
    return _done(sine(phase(pitch, frames, rate_hz)) * decay(frames, rate_hz, 0.03), rate_hz)


def splash(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Something falls into water."""
    frames = round(1.2 * rate_hz)
    burst = noise(frames, rate_hz, rng, 500.0, 8000.0) * decay(frames, rate_hz, 0.12)
    plunge = noise(frames, rate_hz, rng, 80.0, 600.0) * decay(frames, rate_hz, 0.08)
    return _done(burst * fade(frames, rate_hz, 0.02, 0.2) + 0.9 * plunge, rate_hz)


def bark(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A dog: a short, rough vowel that falls."""
    tone = Tone(int(rng.integers(57, 62)), 0.09, 1.0, glide_from_midi=66)
    voice = sung(Sung("ah", breath=0.35, tract=0.9, vibrato_cents=0.0), tone, rate_hz, rng)
    return _done(np.tanh(3.0 * voice), rate_hz)


def meow(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A cat: a high vowel that rises and falls."""
    tone = Tone(int(rng.integers(74, 79)), 0.55, 0.8, glide_from_midi=70, variant=2)
    return _done(sung(Sung(breath=0.04, tract=1.4, vibrato_cents=15.0), tone, rate_hz, rng), rate_hz)


def roar(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A beast: a very low, torn voice."""
    tone = Tone(int(rng.integers(31, 36)), 1.6, 1.0, glide_from_midi=42)
    voice = sung(Sung("oh", breath=0.6, tract=0.62, vibrato_cents=90.0), tone, rate_hz, rng)
    return _done(np.tanh(3.5 * voice), rate_hz)


def robot(rate_hz: int, rng: np.random.Generator) -> Wave:
    """A run of random electronic tones."""
    parts = []
    for _ in range(int(rng.integers(5, 11))):
        frames = round(rng.uniform(0.04, 0.11) * rate_hz)
        slide = 2.0 ** (np.linspace(0.0, rng.uniform(-1, 1), frames) * 0.7)
        parts.append(
            sine(phase(rng.uniform(350.0, 2300.0) * slide, frames, rate_hz)) * fade(frames, rate_hz, 0.004, 0.01)
        )
    return _done(np.concatenate(parts), rate_hz)


def typing(rate_hz: int, rng: np.random.Generator) -> Wave:
    """One key of a keyboard."""
    frames = round(0.09 * rate_hz)
    clack = noise(frames, rate_hz, rng, 900.0, 5500.0) * decay(frames, rate_hz, 0.006)
    thock = sine(phase(rng.uniform(200.0, 280.0), frames, rate_hz)) * decay(frames, rate_hz, 0.012)
    return _done(clack + 0.6 * thock, rate_hz)


def riser(rate_hz: int, rng: np.random.Generator) -> Wave:
    """Tension that climbs for three seconds."""
    frames = 3 * rate_hz
    climb = np.linspace(0.0, 1.0, frames)
    tone = sine(phase(110.0 * 2.0 ** (3.0 * climb), frames, rate_hz)) + sine(
        phase(111.3 * 2.0 ** (3.0 * climb), frames, rate_hz)
    )
    air = noise(frames, rate_hz, rng, 1000.0, 9000.0)
    return _done(((0.5 * tone + 0.5 * air) * climb**2).astype(np.float32), rate_hz)
