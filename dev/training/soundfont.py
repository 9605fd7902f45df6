"""A player of SoundFont 2 and 3 files: reads the regions of a preset and renders notes.

It implements the part of the SoundFont specification that the fonts in DATA.md use: key and velocity ranges, tuning,
loops, the volume and modulation envelopes, the low-pass filter, pan, attenuation and vibrato. It ignores modulators.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from dev.training.compiled import compiled

Samples = NDArray[np.float32]

_MAXIMAL_RELEASE_SECONDS = 3.0
_COMPRESSED = 0x10
_ENVELOPE_FRAMES = 16
# Numbers of the generators, with their default values. Instrument zones set them, and preset zones add to them.
_DEFAULTS: Mapping[int, int] = {
    **dict.fromkeys(
        (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 17, 22, 24, 29, 31, 32, 37, 39, 40, 45, 48, 50, 51, 52), 0
    ),
    **dict.fromkeys((21, 23, 25, 26, 27, 28, 30, 33, 34, 35, 36, 38), -12000),
    8: 13500,
    54: 0,
    56: 100,
    57: 0,
    58: -1,
}
_KEY_RANGE, _VELOCITY_RANGE, _INSTRUMENT, _SAMPLE = 43, 44, 41, 53
# A preset zone cannot change these.
_INSTRUMENT_ONLY = frozenset({0, 1, 2, 3, 4, 12, 45, 50, 54, 57, 58})


@dataclass(frozen=True)
class Sample:
    """A recorded sound, float32 [frames], and its tuning."""

    samples: Samples
    sample_rate_hz: int
    loop_start: int
    loop_end: int
    pitch_midi: int
    correction_cents: int


@dataclass(frozen=True)
class Region:
    """A sample and the generators that play it for a range of keys and velocities."""

    sample: int
    keys: tuple[int, int]
    velocities: tuple[int, int]
    generators: Mapping[int, int]

    def covers(self, pitch_midi: int, velocity: int) -> bool:
        return self.keys[0] <= pitch_midi <= self.keys[1] and self.velocities[0] <= velocity <= self.velocities[1]


@dataclass(frozen=True)
class SampledNote:
    """A note to render. ``slide_semitones`` is the pitch from which the note glides to its own."""

    start_frame: int
    length_frames: int
    pitch_midi: float
    velocity: int
    slide_semitones: float = 0.0


@dataclass
class Font:
    """The presets of a SoundFont file, and its samples, which are decoded at their first use."""

    path: Path
    presets: Mapping[tuple[int, int], tuple[Region, ...]]
    headers: Sequence[tuple[int, int, int, int, int, int, int, int]]
    data: NDArray[np.int16] | bytes
    decoded: dict[int, Sample] = field(default_factory=dict)

    def regions(self, bank: int, program: int) -> tuple[Region, ...]:
        """Return the regions of a preset, or none if the font lacks it."""
        return self.presets.get((bank, program), ())

    def sample(self, number: int) -> Sample:
        """Return a sample by its number in the file."""
        if number not in self.decoded:
            self.decoded[number] = self._decode(number)
        return self.decoded[number]

    def _decode(self, number: int) -> Sample:
        start, end, loop_start, loop_end, rate, pitch, correction, _ = self.headers[number]
        if isinstance(self.data, bytes):
            samples, rate = soundfile.read(io.BytesIO(self.data[start:end]), dtype="float32")
        else:
            samples = self.data[start:end].astype(np.float32) / 32768
            loop_start, loop_end = loop_start - start, loop_end - start
        # The interpolation reads one sample before and two samples after its position.
        samples = np.concatenate([np.zeros(1, np.float32), samples, np.zeros(4, np.float32)])
        usable = 60 if pitch > 127 else pitch
        return Sample(samples, rate, loop_start + 1, min(loop_end + 1, len(samples) - 4), usable, correction)


def _chunks(data: memoryview, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    """Return where each chunk of a RIFF list starts and ends."""
    found = {}
    while start + 8 <= end:
        name, size = bytes(data[start : start + 4]), struct.unpack_from("<I", data, start + 4)[0]
        if name == b"LIST":
            found[bytes(data[start + 8 : start + 12])] = (start + 12, start + 8 + size)
        else:
            found[name] = (start + 8, start + 8 + size)
        start += 8 + size
        # Chunks are padded to an even length, except in files of some compressing programs.
        if size % 2 and not bytes(data[start : start + 4]).isalnum():
            start += 1
    return found


def _records(data: memoryview, span: tuple[int, int], form: str) -> list[tuple[int, ...]]:
    whole = struct.calcsize(form)
    end = span[0] + (span[1] - span[0]) // whole * whole
    return [tuple(record) for record in struct.iter_unpack(form, data[span[0] : end])]


def _zones(
    bags: list[tuple[int, ...]], generators: list[tuple[int, ...]], first: int, last: int, target: int
) -> list[dict[int, int]]:
    """Return the generators of each zone that names a ``target``, with those of the global zone under them."""
    common: dict[int, int] = {}
    zones = []
    for number in range(first, last):
        own = {record[0]: record[1] for record in generators[bags[number][0] : bags[number + 1][0]]}
        if target in own:
            zones.append({**common, **own})
        elif number == first:
            common = own
    return zones


def _span(zone: Mapping[int, int], generator: int) -> tuple[int, int]:
    value = zone.get(generator, 0x7F00) & 0xFFFF
    return value & 0xFF, value >> 8


@lru_cache(maxsize=8)
def load_font(path: Path) -> Font:
    """Read a SoundFont file. Fonts stay in memory, because all songs of a process share them.

    Raises:
        ValueError: the file is not a SoundFont.
    """
    content = path.read_bytes()
    data = memoryview(content)
    if content[:4] != b"RIFF" or content[8:12] != b"sfbk":
        raise ValueError(f"{path} is not a SoundFont.")
    lists = _chunks(data, 12, len(content))
    tables = _chunks(data, *lists[b"pdta"])
    sound = _chunks(data, *lists[b"sdta"])[b"smpl"]
    headers_of_presets = _records(data, tables[b"phdr"], "<20xHHH12x")
    preset_bags = _records(data, tables[b"pbag"], "<HH")
    preset_generators = _records(data, tables[b"pgen"], "<Hh")
    instruments = _records(data, tables[b"inst"], "<20xH")
    instrument_bags = _records(data, tables[b"ibag"], "<HH")
    instrument_generators = _records(data, tables[b"igen"], "<Hh")
    headers = _records(data, tables[b"shdr"], "<20xIIIIIBb2xH")
    presets: dict[tuple[int, int], tuple[Region, ...]] = {}
    for number, (program, bank, first) in enumerate(headers_of_presets[:-1]):
        zones = _zones(preset_bags, preset_generators, first, headers_of_presets[number + 1][2], _INSTRUMENT)
        regions = []
        for outer in zones:
            instrument = outer[_INSTRUMENT]
            bounds = instruments[instrument][0], instruments[instrument + 1][0]
            for inner in _zones(instrument_bags, instrument_generators, *bounds, _SAMPLE):
                region = _region(outer, inner)
                if region.keys[0] <= region.keys[1] and region.velocities[0] <= region.velocities[1]:
                    regions.append(region)
        presets[bank, program] = tuple(regions)
    compressed = any(header[7] & _COMPRESSED for header in headers)
    samples = (
        content[sound[0] : sound[1]]
        if compressed
        else np.frombuffer(content, "<i2", (sound[1] - sound[0]) // 2, sound[0])
    )
    return Font(path, presets, headers, samples)  # type: ignore[arg-type]


def _region(outer: Mapping[int, int], inner: Mapping[int, int]) -> Region:
    """Combine a zone of a preset with one of its instrument."""
    generators = {
        number: inner.get(number, default) + (0 if number in _INSTRUMENT_ONLY else outer.get(number, 0))
        for number, default in _DEFAULTS.items()
    }
    keys, velocities = (
        (max(a[0], b[0]), min(a[1], b[1]))
        for a, b in ((_span(outer, kind), _span(inner, kind)) for kind in (_KEY_RANGE, _VELOCITY_RANGE))
    )
    return Region(inner[_SAMPLE] & 0xFFFF, keys, velocities, generators)


def _seconds(timecents: float) -> float:
    return 0.0 if timecents <= -12000 else float(2.0 ** (min(timecents, 8000) / 1200))


def _hertz(cents: float) -> float:
    return float(8.176 * 2.0 ** (cents / 1200))


def render_note(
    out: Samples, font: Font, regions: Sequence[Region], note: SampledNote, rate_hz: int, gain: float = 1.0
) -> None:
    """Add a note to ``out``, float32 [2, frames]. Frames past its end are dropped."""
    key = max(0, min(127, round(note.pitch_midi)))
    velocity = max(1, min(127, note.velocity))
    for region in regions:
        if region.covers(key, velocity):
            _render_region(out, font.sample(region.sample), region, note, rate_hz, gain, velocity)


def _render_region(
    out: Samples, sample: Sample, region: Region, note: SampledNote, rate_hz: int, gain: float, velocity: int
) -> None:
    g = region.generators
    root = g[58] if g[58] >= 0 else sample.pitch_midi
    cents = (note.pitch_midi - root) * g[56] + g[51] * 100 + g[52] + sample.correction_cents
    start = 1 + g[0] + 32768 * g[4]
    end = len(sample.samples) - 4 + g[1] + 32768 * g[12]
    loop_start, loop_end = sample.loop_start + g[2] + 32768 * g[45], sample.loop_end + g[3] + 32768 * g[50]
    mode = g[54] & 3
    if loop_end - loop_start < 8 or loop_end > len(sample.samples) - 3 or loop_start < 1:
        mode = 0
    key = max(0, min(127, round(note.pitch_midi)))
    # Attenuation counts at 40 %, like in the synthesizers for which the fonts were made.
    level = gain * (velocity / 127) ** 2 * 10 ** (-0.04 * max(0, g[48]) / 20)
    pan = (max(-500, min(500, g[17])) + 500) / 1000 * math.pi / 2
    envelope = np.array(
        [
            _seconds(g[33]),
            _seconds(g[34]),
            _seconds(g[35] + g[39] * (60 - key)) if g[35] > -12000 else 0.0,
            _seconds(g[36] + g[40] * (60 - key)) if g[36] > -12000 else 0.0,
            max(0.0, g[37] / 10),
            min(max(0.008, _seconds(g[38])), _MAXIMAL_RELEASE_SECONDS),
            _seconds(g[25]),
            _seconds(g[26]),
            _seconds(g[27]),
            _seconds(g[28]),
            1.0 - max(0, min(1000, g[29])) / 1000,
        ]
    )
    cutoff_cents = min(13500.0, float(g[8]))
    modulation = np.array(
        [
            float(g[7]),
            float(g[11]),
            float(g[6]),
            _hertz(g[24]),
            _seconds(g[23]),
            float(g[5]),
            _hertz(g[22]),
            _seconds(g[21]),
            float(g[13]) / 10,
            note.slide_semitones * 100,
        ]
    )
    _play(
        out,
        note.start_frame,
        max(1, note.length_frames),
        sample.samples,
        float(start),
        float(min(end, len(sample.samples) - 4)),
        float(loop_start),
        float(loop_end),
        mode,
        float(2.0 ** (cents / 1200) * sample.sample_rate_hz / rate_hz),
        float(level * math.cos(pan) * math.sqrt(2)),
        float(level * math.sin(pan) * math.sqrt(2)),
        envelope,
        modulation,
        cutoff_cents,
        max(0.0, g[9] / 10),
        float(rate_hz),
    )


@compiled
def _amplitude(index: int, held: int, envelope: NDArray[np.float64], rate: float) -> float:
    """Return the volume envelope at a frame: the attack is linear in amplitude, decay and release in decibels."""
    time = min(index, held) / rate - envelope[0]
    linear, level_db = 1.0, 0.0
    if time < 0:
        linear = 0.0
    elif time < envelope[1]:
        linear = time / envelope[1]
    elif time >= envelope[1] + envelope[2]:
        passed = time - envelope[1] - envelope[2]
        level_db = min(envelope[4], 100.0 * passed / envelope[3]) if envelope[3] > 0 else envelope[4]
    if index > held:
        level_db += 100.0 * (index - held) / rate / envelope[5]
    return linear * math.exp(-0.11512925464970229 * level_db)


@compiled
def _play(
    out: Samples,
    first: int,
    held: int,
    data: Samples,
    position: float,
    end: float,
    loop_start: float,
    loop_end: float,
    mode: int,
    step: float,
    left: float,
    right: float,
    envelope: NDArray[np.float64],
    modulation: NDArray[np.float64],
    cutoff_cents: float,
    resonance_db: float,
    rate: float,
) -> None:
    """Play one region. Times are seconds, gains are linear, and the filter is updated every 64 frames."""
    filtered = cutoff_cents < 13400.0 or modulation[1] < 0.0
    filter_moves = modulation[1] != 0.0
    b0 = b1 = a1 = a2 = 0.0
    x1 = x2 = y1 = y2 = 0.0
    frames = out.shape[1]
    speed = step
    volume = 1.0
    loop = loop_end - loop_start
    released_modulation = 0.0
    amplitude = _amplitude(0, held, envelope, rate)
    slope = 0.0
    index = 0
    while True:
        frame = first + index
        if frame >= frames:
            break
        time = index / rate
        if index % 64 == 0:
            # The modulation envelope, with straight lines.
            t = time - envelope[6]
            if t < 0:
                contour = 0.0
            elif t < envelope[7]:
                contour = t / envelope[7]
            elif t < envelope[7] + envelope[8]:
                contour = 1.0
            else:
                passed = t - envelope[7] - envelope[8]
                contour = 1.0 - passed / envelope[9] if envelope[9] > 0 else envelope[10]
                contour = max(envelope[10], contour)
            if index < held:
                released_modulation = contour
            else:
                contour = released_modulation * max(0.0, 1.0 - (index - held) / rate / envelope[5])
            bend = modulation[0] * contour + modulation[9] * math.exp(-time / 0.03)
            if modulation[2] != 0.0 and time > modulation[4]:
                bend += modulation[2] * math.sin(2 * math.pi * modulation[3] * (time - modulation[4]))
            volume = 1.0
            if time > modulation[7] and (modulation[5] != 0.0 or modulation[8] != 0.0):
                wave = math.sin(2 * math.pi * modulation[6] * (time - modulation[7]))
                bend += modulation[5] * wave
                volume = 10.0 ** (modulation[8] * wave / 20)
            speed = step * 2.0 ** (bend / 1200)
            if filtered and (index == 0 or filter_moves):
                cents = cutoff_cents + modulation[1] * contour
                hertz = min(8.176 * 2.0 ** (cents / 1200), 0.45 * rate)
                q = 10.0 ** ((resonance_db - 3.01) / 20)
                omega = 2 * math.pi * max(hertz, 20.0) / rate
                alpha = math.sin(omega) / (2 * q)
                norm = 1.0 + alpha
                cosine = math.cos(omega)
                gain = 1.0 / math.sqrt(max(1.0, 10.0 ** (resonance_db / 20)))
                b1 = (1 - cosine) / norm * gain
                b0 = b1 / 2
                a1 = -2 * cosine / norm
                a2 = (1 - alpha) / norm
        if index % _ENVELOPE_FRAMES == 0:
            following = _amplitude(index + _ENVELOPE_FRAMES, held, envelope, rate)
            if index >= held and amplitude < 1.6e-5:
                break
            slope = (following - amplitude) / _ENVELOPE_FRAMES
        looping = mode == 1 or (mode == 3 and index < held)
        if looping:
            while position >= loop_end:
                position -= loop
        elif position >= end:
            break
        whole = int(position)
        part = position - whole
        p0, p1, p2, p3 = data[whole - 1], data[whole], data[whole + 1], data[whole + 2]
        if looping and position + 2 >= loop_end:
            after = whole + 1
            p2 = data[int(after - loop) if after >= loop_end else after]
            after = whole + 2
            p3 = data[int(after - loop) if after >= loop_end else after]
        value = p1 + 0.5 * part * (p2 - p0 + part * (2 * p0 - 5 * p1 + 4 * p2 - p3 + part * (3 * (p1 - p2) + p3 - p0)))
        position += speed
        if filtered:
            filtered_value = b0 * (value + x2) + b1 * x1 - a1 * y1 - a2 * y2
            x2, x1 = x1, value
            y2, y1 = y1, filtered_value
            value = filtered_value
        if frame >= 0:
            value *= amplitude * volume
            out[0, frame] += left * value
            out[1, frame] += right * value
        amplitude += slope
        index += 1
