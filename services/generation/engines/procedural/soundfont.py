"""Plays the instruments of a SoundFont (version 2.01), a set of recorded tones.

The font is TimGM6mb, from the package ``pretty_midi``, of which only this file is read. It has all instruments of General MIDI.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.kit import errors
from soundwright.kit.packaged_weights import REMEDY, package_path
from soundwright.kit.weights import read_verified
from soundwright.services.generation.engines.procedural.waves import Wave, fade, lines

_PACKAGE, _FILE = "pretty_midi", "pretty_midi/TimGM6mb.sf2"
_SHA256 = "82475b91a76de15cb28a104707d3247ba932e228bada3f47bba63c6b31aaf7a1"
DRUMS_BANK = 128
_PERCUSSION_SECONDS = 1.5
# Generators of the format, by number, and their defaults: levels in centibels, times in timecents, frequencies in absolute cents.
_CUTOFF, _SWEEP, _PAN, _ATTENUATION, _COARSE, _FINE, _SCALE = 8, 11, 17, 48, 51, 52, 56
_INSTRUMENT, _KEYS, _VELOCITIES, _SAMPLE, _MODES, _ROOT = 41, 43, 44, 53, 54, 58
_VOLUME_ENVELOPE, _FILTER_ENVELOPE = range(34, 39), range(26, 31)  # attack, hold, decay, sustain, release
_DEFAULTS: Mapping[int, int] = {
    _CUTOFF: 13500, _SCALE: 100, _ROOT: -1, _KEYS: 127 << 8, _VELOCITIES: 127 << 8,
    **dict.fromkeys((*_VOLUME_ENVELOPE, *_FILTER_ENVELOPE), -12000), 37: 0, 29: 0,
}  # fmt: skip
_OF_INSTRUMENTS = frozenset((_KEYS, _VELOCITIES, _SAMPLE, _MODES, _ROOT))  # what presets cannot shift
_VELOCITY_CENTS = 2400  # of the filter from the lowest to the highest velocity, the default of the standard
_USUAL_VELOCITY = 0.7  # which leaves the filter as it is
_ATTENUATION_SHARE = 0.4  # of the declared centibels, as in the hardware that fonts are made for
_OPEN_HZ = 14_000.0
_CONTROL_FRAMES = 32  # from one value of an envelope to the next


Ratio = NDArray[np.float64]


@dataclass(frozen=True)
class _Region:
    """A recording, and how it is played for some of the keys."""

    samples: Wave  # from the recording's start to its end, float32
    loop: tuple[int, int] | None  # first frame of the loop, and the first after it; None if the tone ends by itself
    sample_rate_hz: int  # of the recording
    root_midi: float
    generators: Mapping[int, int]  # values by number

    def covers(self, pitch_midi: int, velocity: int) -> bool:
        (keys, velocities) = (self.generators[number] for number in (_KEYS, _VELOCITIES))
        return keys & 255 <= pitch_midi <= keys >> 8 and velocities & 255 <= velocity <= velocities >> 8


class SoundFont:
    """A font in memory."""

    def __init__(self, content: bytes) -> None:
        chunks = {name: data for _, part in _chunks(content[12:]) for name, data in _chunks(part[4:])}
        self._samples = np.frombuffer(chunks[b"smpl"], dtype="<i2")
        self._headers = list(struct.iter_unpack("<20s5IBb2H", chunks[b"shdr"]))
        self._instruments = [bag for _, bag in struct.iter_unpack("<20sH", chunks[b"inst"])]
        presets = list(struct.iter_unpack("<20s3H12x", chunks[b"phdr"]))
        self._presets = {
            (bank, program): (bag, presets[number + 1][3])
            for number, (_, program, bank, bag) in enumerate(presets[:-1])
        }
        self._zones = {
            kind: (
                [begin for begin, _ in struct.iter_unpack("<2H", chunks[kind + b"bag"])],
                list(struct.iter_unpack("<Hh", chunks[kind + b"gen"])),
            )
            for kind in (b"p", b"i")
        }

    def play(
        self,
        bank: int,
        program: int,
        pitch_midi: int,
        velocity: float,
        frequency_ratio: Ratio,
        hold_seconds: float,
        rate_hz: int,
    ) -> Wave:
        """Return a tone with its release, float32 [2, frames], at one level for all velocities.

        Args:
            bank, program: the instrument: General MIDI in bank 0, drums in bank 128.
            velocity: 0 to 1, the brightness.
            frequency_ratio: what the pitch is multiplied by, over time; its last value goes on.
        """
        tones = [
            _tone(region, pitch_midi, velocity, frequency_ratio, hold_seconds, rate_hz)
            for region in self.regions(bank, program)
            if region.covers(pitch_midi, max(1, round(127 * velocity)))
        ]
        total = np.zeros((2, max((tone.shape[1] for tone in tones), default=1)), dtype=np.float32)
        for tone in tones:
            total[:, : tone.shape[1]] += tone
        return total

    @functools.cache  # noqa: B019 (there is one font)
    def regions(self, bank: int, program: int) -> tuple[_Region, ...]:
        """Return the recordings of an instrument."""
        return tuple(
            self._region({**of_instrument, **_shifted(of_instrument, of_preset)})
            for of_preset in self._zone_generators(b"p", *self._presets[bank, program], _INSTRUMENT)
            for of_instrument in self._zone_generators(
                b"i", self._instruments[of_preset[_INSTRUMENT]], self._instruments[of_preset[_INSTRUMENT] + 1], _SAMPLE
            )
            if _overlap(of_instrument, of_preset)
        )

    def _zone_generators(self, kind: bytes, first: int, last: int, target: int) -> Iterator[Mapping[int, int]]:
        """Yield the generators of zones. A first zone without a target has values for all the others."""
        begins, generators = self._zones[kind]
        common: dict[int, int] = {}
        for zone in range(first, last):
            own = dict(generators[begins[zone] : begins[zone + 1]])
            if target in own:
                yield {**common, **own}
            elif zone == first:
                common = own

    def _region(self, own: Mapping[int, int]) -> _Region:
        generators = {**dict.fromkeys((_SWEEP, _PAN, _ATTENUATION, _COARSE, _FINE, _MODES), 0), **_DEFAULTS, **own}
        _, start, end, loop_start, loop_end, rate_hz, root, correction, _, _ = self._headers[generators[_SAMPLE]]
        begins = start + own.get(0, 0) + 32768 * own.get(4, 0)
        ends = end + own.get(1, 0) + 32768 * own.get(12, 0)
        samples = self._samples[begins:ends].astype(np.float32) / np.float32(32768)
        loop = (loop_start + own.get(2, 0) + 32768 * own.get(45, 0), loop_end + own.get(3, 0) + 32768 * own.get(50, 0))
        loops = generators[_MODES] & 1 and loop[1] - loop[0] > 1
        played_root = generators[_ROOT] if generators[_ROOT] >= 0 else root
        return _Region(
            samples,
            (loop[0] - begins, loop[1] - begins) if loops else None,
            rate_hz,
            played_root - correction / 100,
            generators,
        )


@functools.cache
def font() -> SoundFont:
    """Return the font.

    Raises:
        AppError: ``MODEL_UNAVAILABLE`` if it is not installed; ``WEIGHTS_CHANGED`` if its file is another one.
    """
    file = package_path(_PACKAGE, _FILE)
    if file is None or not file.exists():
        raise errors.MODEL_UNAVAILABLE(f"The instruments of the composer are missing from this installation. {REMEDY}.")
    return SoundFont(read_verified(file, _SHA256, "composer"))


def _tone(
    region: _Region, pitch_midi: int, velocity: float, frequency_ratio: Ratio, hold_seconds: float, rate_hz: int
) -> Wave:
    values = region.generators
    semitones = (pitch_midi - region.root_midi) * values[_SCALE] / 100 + values[_COARSE] + values[_FINE] / 100
    step = region.sample_rate_hz / rate_hz * 2.0 ** (semitones / 12)
    # After a time, the release is inaudible.
    frames = round((hold_seconds + min(0.6 * _seconds(values[_VOLUME_ENVELOPE[-1]]), _PERCUSSION_SECONDS)) * rate_hz)
    if region.loop is None:
        frames = min(frames, int((region.samples.size - 2) / step / float(frequency_ratio.max())))
    frames = max(frames, 1)
    place = np.arange(frames) * step
    if frequency_ratio.size > 1:  # it stays at the last ratio
        moved = np.concatenate([[0.0], np.cumsum(frequency_ratio[:frames])])[:frames]
        rest = frequency_ratio[:frames][-1] * np.arange(1, frames - moved.size + 1)
        place = np.concatenate([moved, moved[-1] + rest]) * step
    wave = _read(region, place)
    time = np.arange(0, frames + _CONTROL_FRAMES, _CONTROL_FRAMES, dtype=np.float32) / np.float32(rate_hz)
    envelope = lines(_envelope(values, _VOLUME_ENVELOPE, time, hold_seconds, depth_db=100.0), _CONTROL_FRAMES)[:frames]
    cents = values[_CUTOFF] + _VELOCITY_CENTS * (velocity - _USUAL_VELOCITY)
    closed_hz, swept_hz = _hz(cents), _hz(cents + values[_SWEEP])
    closed = _lowpassed(wave, rate_hz, closed_hz)
    if values[_SWEEP] > 0 and closed_hz < _OPEN_HZ:
        share = _envelope(values, _FILTER_ENVELOPE, time, hold_seconds, depth_db=None)
        closed = closed + lines(share, _CONTROL_FRAMES)[:frames] * (_lowpassed(wave, rate_hz, swept_hz) - closed)
    level = 10.0 ** (-_ATTENUATION_SHARE * values[_ATTENUATION] / 200)
    angle = (values[_PAN] / 500 + 1.0) * np.pi / 4
    sides = np.array([[np.cos(angle)], [np.sin(angle)]], dtype=np.float32) * np.float32(level)
    return np.asarray(sides * (closed * envelope * fade(frames, rate_hz, 0.001, 0.01)), dtype=np.float32)


def _lowpassed(wave: Wave, rate_hz: int, cutoff_hz: float) -> Wave:
    """Apply a Butterworth low-pass of 12 dB per octave, if it is below the open filter."""
    if cutoff_hz >= min(_OPEN_HZ, 0.45 * rate_hz):
        return wave
    k = math.tan(math.pi * cutoff_hz / rate_hz)
    scale = 1.0 / (1.0 + math.sqrt(2.0) * k + k * k)
    rising = np.array([1.0, 2.0, 1.0], dtype=np.float32) * np.float32(k * k * scale)
    falling = np.array([1.0, 2.0 * (k * k - 1.0) * scale, (1.0 - math.sqrt(2.0) * k + k * k) * scale], dtype=np.float32)
    return scipy.signal.lfilter(rising, falling, wave)


def _read(region: _Region, place: NDArray[np.float64]) -> Wave:
    """Return the recording at positions in frames, which go round the loop."""
    samples = region.samples
    needed = int(place[-1]) + 2
    if region.loop is not None and needed > region.loop[1]:
        start, end = region.loop
        samples = np.concatenate([samples[:end], np.resize(samples[start:end], needed - end)])
    before = np.minimum(place.astype(np.int32), samples.size - 2)
    share = (place - before).astype(np.float32)
    low = samples[before]
    return low + share * (samples[before + 1] - low)


def _envelope(
    values: Mapping[int, int], numbers: range, time: Wave, hold_seconds: float, depth_db: float | None
) -> Wave:
    """Return attack, hold, decay, sustain and release. With ``depth_db`` they fall in decibels, otherwise in a straight line."""
    attack, held, decay = (_seconds(values[number]) for number in numbers[:3])
    sustain, release = values[numbers[3]], _seconds(values[numbers[4]])
    fallen = np.clip((time - attack - held) / decay, 0.0, 1.0)
    released = np.clip((time - hold_seconds) / release, 0.0, 1.0)
    rise = np.clip(time / attack, 0.0, 1.0)
    if depth_db is None:
        return np.asarray(rise * np.maximum(1.0 - fallen, 1.0 - sustain / 1000) * (1.0 - released), dtype=np.float32)
    falls_db = np.minimum(depth_db * fallen, sustain / 10) + depth_db * released
    return np.asarray(rise * np.exp(falls_db * np.float32(-math.log(10.0) / 20)), dtype=np.float32)


def _seconds(timecents: int) -> float:
    return float(2.0 ** (timecents / 1200))


def _hz(cents: float) -> float:
    return float(8.176 * 2.0 ** (cents / 1200))


def _shifted(of_instrument: Mapping[int, int], of_preset: Mapping[int, int]) -> dict[int, int]:
    """Return the values of an instrument that a preset shifts."""
    return {
        number: of_instrument.get(number, _DEFAULTS.get(number, 0)) + shift
        for number, shift in of_preset.items()
        if number not in _OF_INSTRUMENTS
    }


def _overlap(of_instrument: Mapping[int, int], of_preset: Mapping[int, int]) -> bool:
    """Return whether there are keys and velocities that both are for."""
    for number in (_KEYS, _VELOCITIES):
        one, other = (values.get(number, _DEFAULTS[number]) for values in (of_instrument, of_preset))
        if max(one & 255, other & 255) > min(one >> 8, other >> 8):
            return False
    return True


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of the chunks of a RIFF file."""
    place = 0
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        yield name, data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
