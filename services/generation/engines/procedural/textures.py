"""Continuous sounds: weather, water, fire, machines, crowds. Each one fills any length from a short, seamless bed of
noise.

Noise is shaped in the frequency domain over a whole number of periods, so a bed repeats without a seam. Slow random
curves mask the repetition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from soundwright.services.generation.engines.procedural.waves import Wave, decay, fade, lines, phase, scan, sine, tables

Samples = NDArray[np.float32]

_BED_SECONDS = 20.0
_CONTROL_HOP = 64
_CLICK_CREST = 4.5


@dataclass(frozen=True)
class Stage:
    """Parameters of a texture, or the length of a short sound."""

    frames: int  # length to fill
    rate_hz: int  # sample rate
    rng: np.random.Generator  # random generator
    strength: float = 0.5  # 0 (faint) to 1 (violent); 0.5 is normal
    pace: float = 1.0  # speed of events; 1 is normal

    @property
    def seconds(self) -> float:
        return self.frames / self.rate_hz

    def phase(self, hz: ArrayLike) -> NDArray[np.float64]:
        return phase(hz, self.frames, self.rate_hz)

    def tone(self, hz: ArrayLike) -> Wave:
        return sine(self.phase(hz))


def _shape(size: int, rate_hz: int, low_hz: float, high_hz: float, tilt: float) -> NDArray[np.float32]:
    frequency = scipy.fft.rfftfreq(size, 1.0 / rate_hz)
    frequency[0] = frequency[1]
    edges = 1.0 / np.sqrt((1.0 + (low_hz / frequency) ** 4) * (1.0 + (frequency / high_hz) ** 4))
    curve = edges * (frequency / 1000.0) ** -tilt
    curve[0] = 0.0
    return np.asarray(curve, dtype=np.float32)


def _filled(loop: Samples, frames: int) -> Samples:
    """Return the loop repeated to ``frames``, at unit RMS."""
    loop = loop / (np.sqrt(np.mean(loop**2)) + 1e-9)
    count = -(-frames // loop.shape[1])
    return np.asarray(np.tile(loop, (1, count))[:, :frames], dtype=np.float32)


def bed(stage: Stage, low_hz: float, high_hz: float, tilt: float = 0.0) -> Samples:
    """Return wide band noise that falls by ``6 * tilt`` dB per octave, at unit RMS, float32 [2, frames]."""
    size = scipy.fft.next_fast_len(min(stage.frames, round(_BED_SECONDS * stage.rate_hz)), real=True)
    white = stage.rng.standard_normal((2, size), dtype=np.float32)
    white[1] = 0.35 * white[0] + 0.94 * white[1]  # the sides are slightly correlated, as in a real place
    spectrum = scipy.fft.rfft(white, axis=1) * _shape(size, stage.rate_hz, low_hz, high_hz, tilt)
    return _filled(scipy.fft.irfft(spectrum, n=size, axis=1), stage.frames)


def crackle(stage: Stage, per_second: float, low_hz: float, high_hz: float, spread: float = 1.0) -> Samples:
    """Return clicks in a band at random times with random position and levels that vary by ``spread``, at unit RMS, float32 [2, frames]."""
    size = scipy.fft.next_fast_len(min(stage.frames, round(_BED_SECONDS * stage.rate_hz)), real=True)
    count = max(1, stage.rng.poisson(per_second * size / stage.rate_hz))
    impulses = np.zeros((2, size), dtype=np.float32)
    where = stage.rng.integers(size, size=count)
    force = np.exp(0.7 * spread * stage.rng.standard_normal(count)) * stage.rng.choice([-1.0, 1.0], count)
    side = stage.rng.uniform(0.15, 0.85, count)
    np.add.at(impulses[0], where, (force * np.sqrt(side)).astype(np.float32))
    np.add.at(impulses[1], where, (force * np.sqrt(1.0 - side)).astype(np.float32))
    # A band-pass alone would ring before the click. A causal decay keeps the onset sharp.
    grain = np.zeros(size, dtype=np.float32)
    length = min(size, round(0.02 * stage.rate_hz))
    grain[:length] = stage.rng.standard_normal(length) * decay(length, stage.rate_hz, 1.5 / high_hz + 0.0006)
    spectrum = (
        scipy.fft.rfft(impulses, axis=1) * scipy.fft.rfft(grain) * _shape(size, stage.rate_hz, low_hz, high_hz, 0.0)
    )
    loop = _filled(scipy.fft.irfft(spectrum, n=size, axis=1), size)
    # Limit the loudest clicks, which would make all others inaudible.
    return _filled(_CLICK_CREST * np.tanh(loop / _CLICK_CREST), stage.frames)


def drift(stage: Stage, period_seconds: float, low: float, high: float) -> Wave:
    """Return a curve that wanders between two values, float32 [frames]; a new target about every ``period_seconds``."""
    points = max(2, int(stage.seconds / period_seconds) + 3)
    goals = stage.rng.uniform(low, high, points)
    blocks = stage.frames // _CONTROL_HOP + 2
    at = np.arange(blocks) * (_CONTROL_HOP / stage.rate_hz / period_seconds)
    share = at - np.floor(at)
    smooth = 0.5 - 0.5 * np.cos(np.pi * share)
    left = np.minimum(at.astype(int), points - 2)
    return lines(goals[left] + smooth * (goals[left + 1] - goals[left]), _CONTROL_HOP)[: stage.frames]


def swell(stage: Stage, period_seconds: float, sharpness: float = 1.0) -> Wave:
    """Return slow, slightly irregular waves between 0 and 1 that start low, float32 [frames]."""
    blocks = stage.frames // _CONTROL_HOP + 2
    at = np.arange(blocks) * (_CONTROL_HOP / stage.rate_hz)
    wobble = 0.6 * np.sin(2 * np.pi * at / (period_seconds * 3.7) + stage.rng.uniform(0, 6))
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * at / period_seconds + wobble - wobble[0] + 0.6)
    return lines(wave**sharpness, _CONTROL_HOP)[: stage.frames]


def _bubbles(stage: Stage, per_second: float) -> Samples:
    """Bubbles as decaying sines with rising pitch (van den Doel, 2005)."""
    frames = min(stage.frames, round(_BED_SECONDS * stage.rate_hz))
    loop = np.zeros((2, frames), dtype=np.float32)
    grains = []
    for _ in range(40):
        length = round(stage.rng.uniform(0.03, 0.12) * stage.rate_hz)
        hz = stage.rng.uniform(300.0, 1600.0)
        rise = hz * (1.0 + 0.6 * np.arange(length) / length)
        grains.append(
            sine(phase(rise, length, stage.rate_hz)) * decay(length, stage.rate_hz, length / stage.rate_hz / 5)
        )
    for _ in range(max(1, round(per_second * frames / stage.rate_hz))):
        grain = grains[int(stage.rng.integers(len(grains)))]
        _add_wrapped(loop, grain * fade(grain.size, stage.rate_hz, 0.002, 0.004), stage.rng)
    return _filled(loop, stage.frames)


def _add_wrapped(loop: Samples, grain: Wave, rng: np.random.Generator) -> None:
    """Add a grain at a random position of a loop, wrapping around its end."""
    grain = grain[: loop.shape[1]]
    start, side = int(rng.integers(loop.shape[1])), rng.uniform(0.2, 0.8)
    force = rng.uniform(0.3, 1.0)
    head = min(grain.size, loop.shape[1] - start)
    for channel, share in enumerate((side, 1.0 - side)):
        gain = np.float32(force * np.sqrt(share))
        loop[channel, start : start + head] += gain * grain[:head]
        loop[channel, : grain.size - head] += gain * grain[head:]


def _bands(stage: Stage, period_seconds: float, low: float, tilt: float, *bands: tuple[float, float]) -> Samples:
    """Return bands of noise, each with its own rhythm."""
    babble = np.zeros((2, stage.frames), dtype=np.float32)
    for low_hz, high_hz in bands:
        babble += bed(stage, low_hz, high_hz) * drift(stage, period_seconds, low, 1.0) * (300.0 / low_hz) ** tilt
    return babble


def _rain(stage: Stage) -> Samples:
    """Hiss of many distant drops, and the patter of near ones."""
    hiss, patter = bed(stage, 900, 9000, 0.35), crackle(stage, 150.0 + 1500.0 * stage.strength, 900, 6500)
    return hiss * drift(stage, 3.0, 0.8, 1.1) + (1.1 - 0.6 * stage.strength) * patter


def _wind(stage: Stage) -> Samples:
    """Gusts: a low rush, and a whistle that grows with the strength."""
    gust = drift(stage, 1.8 / stage.pace, 0.15, 1.0)
    rush, whistle = bed(stage, 80, 500.0 + 500.0 * stage.strength, 0.5), bed(stage, 500, 1100)
    return rush * gust + (0.15 + 0.5 * stage.strength) * whistle * gust**2 * drift(stage, 0.9, 0.2, 1.0)


def _ocean(stage: Stage) -> Samples:
    """Waves that roll in, break and run out."""
    wave = swell(stage, 7.0 / stage.pace, 2.2)
    return bed(stage, 60, 500, 0.5) * (0.35 + wave) + bed(stage, 700, 7000, 0.4) * (0.1 + 1.1 * wave**2)


def _stream(stage: Stage) -> Samples:
    """A brook: bubbling tones over a rush."""
    rush, bubbles = bed(stage, 500, 5000, 0.5), _bubbles(stage, 22.0)
    return 0.5 * rush * drift(stage, 1.2, 0.8, 1.2) + bubbles


def _applause(stage: Stage) -> Samples:
    """Clapping: hundreds of short bursts per second."""
    return crackle(stage, 90.0 + 400.0 * stage.strength, 700, 3800, 0.6) * drift(stage, 1.5, 0.8, 1.1)


def _engine(stage: Stage) -> Samples:
    """A combustion engine: harmonics of the firing rate, with noise that pulses along."""
    rate = (28.0 + 50.0 * stage.strength) * stage.pace
    revolutions = stage.phase(rate * drift(stage, 1.6, 0.9, 1.25).astype(np.float64))
    n = np.arange(1, 80)
    rough = stage.rng.uniform(0.4, 1.0, n.size) * n**-0.9 * (1.0 + 1.5 * (n % 4 == 0))
    motor = scan(tables(rough, stage.rng.uniform(-np.pi, np.pi, n.size)), revolutions / 2.0)
    exhaust = bed(stage, 120, 2500, 0.6) * (0.6 + 0.4 * sine(revolutions))
    return np.asarray(motor / np.float32(np.sqrt(np.mean(motor**2)) + 1e-9) + 0.6 * exhaust, dtype=np.float32)


def _train(stage: Stage) -> Samples:
    """A rumble with the double beat of wheels over rail joints."""
    at = stage.phase(1.15 * stage.pace) % 1.0
    beat = (np.exp2(-at * 22.0) + np.exp2(-((at - 0.18) % 1.0) * 22.0)).astype(np.float32)
    return bed(stage, 40, 600, 0.5) * (0.5 + 0.9 * beat) + 0.4 * bed(stage, 800, 5000, 0.6) * (0.3 + beat)


def _traffic(stage: Stage) -> Samples:
    """A street: a far rumble and cars that pass."""
    passing = swell(stage, 5.0 / stage.pace, 3.0)
    return bed(stage, 40, 400, 0.5) + 0.8 * bed(stage, 300, 3500, 0.5) * passing


def _hum(stage: Stage) -> Samples:
    """A machine at rest: mains harmonics and air."""
    base = stage.phase(60.0)
    tone = sine(base) + 0.6 * sine(2 * base) + 0.3 * sine(4 * base) + 0.15 * sine(7 * base)
    return 0.6 * tone * drift(stage, 2.0, 0.85, 1.1) + 0.5 * bed(stage, 150, 2500, 0.6)


def _drone(stage: Stage) -> Samples:
    """A dark, slowly moving chord of detuned unisons: the default if a prompt names no known sound."""
    root = 55.0 * 2.0 ** (stage.rng.integers(0, 8) / 12.0)
    sides = np.zeros((2, stage.frames), dtype=np.float32)
    for side in sides:
        for ratio in (1.0, 1.498, 2.0, 2.997, 4.0, 5.04):
            tone = stage.tone(root * (ratio * (1.0 + 0.0025 * stage.rng.standard_normal())))
            side += tone * drift(stage, 2.5, 0.1, 1.0) / np.float32(ratio**0.6)
    return sides + 0.35 * bed(stage, 150, 3500, 0.6) * drift(stage, 2.0, 0.2, 1.0)


def _crickets(stage: Stage) -> Samples:
    """A summer night: several insects, each a gated high tone."""
    night = 0.12 * bed(stage, 200, 3000, 0.6)
    for _ in range(3):
        hz, gate = stage.rng.uniform(3900.0, 4900.0), stage.rng.uniform(14.0, 22.0)
        chirp = np.maximum(sine(stage.phase(gate) + stage.rng.random()), 0.0)
        tone = stage.tone(hz) * chirp * (stage.tone(stage.rng.uniform(0.7, 1.4) * stage.pace) > -0.1)
        side = stage.rng.uniform(0.2, 0.8)
        night += np.sqrt(np.array([[side], [1 - side]], dtype=np.float32)) * tone
    return night


Texture = Callable[[Stage], Samples]
TEXTURES: Mapping[str, Texture] = {
    "rain": _rain,
    "wind": _wind,
    "ocean": _ocean,
    "stream": _stream,
    "bubbling": lambda stage: 0.25 * bed(stage, 60, 400, 0.6) + _bubbles(stage, 9.0 * stage.pace),  # under water or in a pot
    "fire": lambda stage: 0.7 * (bed(stage, 50, 350, 0.5) * drift(stage, 0.4, 0.5, 1.1))  # a low roar, a hiss, and wood that cracks
        + 0.3 * (bed(stage, 2000, 9000, 0.3) * drift(stage, 0.3, 0.2, 0.6))
        + 0.5 * crackle(stage, 10.0 + 14.0 * stage.strength, 800, 8000),
    "crowd": lambda stage: _bands(stage, 0.16 / stage.pace, 0.2, 0.6, (180, 420), (420, 900), (900, 1800), (1800, 3200))  # many people talking: babble in the bands of speech, each with its own rhythm of syllables
        * drift(stage, 2.5, 0.7, 1.1),
    "cheering": lambda stage: _bands(stage, 0.5, 0.5, 0.0, (500, 900), (900, 1500), (2200, 3400)) + 0.6 * _applause(stage),  # a roaring audience with applause
    "applause": _applause,
    "static": lambda stage: bed(stage, 300, 9000) * drift(stage, 0.15, 0.6, 1.0) + 0.2 * crackle(stage, 25, 1000, 9000),  # radio or television noise
    "vinyl": lambda stage: 0.7 * crackle(stage, 14, 700, 9000) + 0.5 * bed(stage, 200, 7000, 0.5),  # a dusty record
    "engine": _engine,
    "propeller": lambda stage: bed(stage, 50, 900, 0.6) * (0.15 + (0.5 + 0.5 * stage.tone(11.0 * stage.pace)) ** 3)  # a helicopter: air chopped by blades
        + 0.3 * bed(stage, 800, 4000, 0.5),
    "jet": lambda stage: 0.12 * stage.tone(2400.0 * drift(stage, 3.0, 0.97, 1.03).astype(np.float64))  # a turbine: a whine and its roar
        + bed(stage, 80, 4000, 0.5) * drift(stage, 1.5, 0.85, 1.1),
    "train": _train,
    "traffic": _traffic,
    "hum": _hum,
    "drone": _drone,
    "crickets": _crickets,
}  # fmt: skip
