"""Random changes of stems, so that a network does not learn the sound of the rendered material.

All functions take and return float32 [channels, frames] or [stems, channels, frames], stereo. None of them changes the
relation of a mix to its stems: a mix is always the sum of its stems.
"""

from __future__ import annotations

import io
import math

import av
import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import ndimage, signal

from dev.training.effects import peaking

Samples = NDArray[np.float32]

GAIN_RANGE_DB = (-8.0, 6.0)
_QUIET_PROBABILITY = 0.15
_QUIET_RANGE_DB = (-12.0, 0.0)  # more, for stems in the background
SPEED_RANGE = (0.88, 1.14)
PEAK_LIMIT = 0.98
_QUALITY = 0.7  # of the peaks of the equaliser
_MP3_BITS_PER_SECOND = (64_000, 96_000, 128_000, 192_000)


def changed_stem(stem: Samples, random: np.random.Generator, sample_rate_hz: int) -> Samples:
    """Return a stem with another level, position, width, equalisation, and rarely with distortion or reverberation."""
    gain_db = random.uniform(*GAIN_RANGE_DB)
    if random.random() < _QUIET_PROBABILITY:
        gain_db += random.uniform(*_QUIET_RANGE_DB)
    stem = stem * np.float32(10 ** (gain_db / 20))
    if random.random() < 0.5:
        stem = stem[::-1]
    if random.random() < 0.5:
        stem = -stem
    if random.random() < 0.3:
        stem = _panned(stem, random.uniform(-0.7, 0.7))
    if random.random() < 0.4:
        stem = _with_width(stem, random.choice([0.0, random.uniform(0.3, 1.6)], p=[0.3, 0.7]))
    if random.random() < 0.5:
        stem = _equalised(stem, random, sample_rate_hz)
    if random.random() < 0.12:
        stem = _compressed(stem, random, sample_rate_hz)
    if random.random() < 0.08:
        stem = _distorted(stem, random)
    if random.random() < 0.16:
        stem = _reverberated(stem, random, sample_rate_hz)
    return np.ascontiguousarray(stem, np.float32)


def changed_song(stems: Samples, random: np.random.Generator, sample_rate_hz: int) -> Samples:
    """Return the stems of a mix that was limited, narrowed to mono, cut off above a frequency, or encoded as MP3."""
    if random.random() < 0.05:
        stems = np.broadcast_to(stems.mean(axis=1, keepdims=True), stems.shape)
    if random.random() < 0.1:
        cutoff_hz = random.uniform(10_000, 17_000)
        sections = signal.butter(8, cutoff_hz, "lowpass", fs=sample_rate_hz, output="sos")
        stems = signal.sosfilt(sections, stems)
    if random.random() < 0.25:
        stems = _limited(stems, random, sample_rate_hz)
    if random.random() < 0.03:
        bits_per_second = int(random.choice(_MP3_BITS_PER_SECOND))
        stems = np.stack([encoded(stem, bits_per_second, sample_rate_hz) for stem in stems])
    return np.ascontiguousarray(stems, np.float32)


def resampled(stem: Samples, speed: float, frame_count: int) -> Samples:
    """Return a stem played at another speed, which changes pitch and tempo; exactly ``frame_count`` frames."""
    rate = 44_100.0
    played = soxr.resample(np.ascontiguousarray(stem.T), rate, rate / speed, quality="MQ").T[:, :frame_count]
    return np.pad(played, ((0, 0), (0, frame_count - played.shape[1]))).astype(np.float32)


def deepened(stem: Samples, random: np.random.Generator, sample_rate_hz: int) -> Samples:
    """Return a bass with strong low notes, as in electronic music, at the same level: up to an octave lower, with few harmonics or all."""
    lower = resampled(stem, random.uniform(0.5, 1.0), stem.shape[1])
    cutoff_hz = math.exp(random.uniform(math.log(60), math.log(300)))
    sections = signal.butter(int(random.integers(1, 5)), cutoff_hz, "lowpass", fs=sample_rate_hz, output="sos")
    filtered = signal.sosfilt(sections, lower)
    if random.random() < 0.5:
        filtered = filtered + random.uniform(0.0, 0.7) * lower
    gain = np.sqrt(np.mean(np.square(stem)) / max(1e-8, float(np.mean(np.square(filtered)))))
    return (filtered * min(10.0, float(gain))).astype(np.float32)


def echoed(stem: Samples, random: np.random.Generator, sample_rate_hz: int) -> Samples:
    """Return a stem with echoes, each quieter and duller than the one before, and often from the other side."""
    delay = round(random.uniform(0.06, 0.6) * sample_rate_hz)
    feedback, crosses = random.uniform(0.3, 0.8), random.random() < 0.5
    sections = signal.butter(1, random.uniform(1500, 12000), "lowpass", fs=sample_rate_hz, output="sos")
    echo = random.uniform(0.4, 1.0) * stem
    out = stem * random.choice([0.0, 1.0], p=[0.15, 0.85])
    for first in range(delay, stem.shape[1], delay):
        out[:, first:] += echo[:, : stem.shape[1] - first]
        echo = feedback * signal.sosfilt(sections, echo[::-1] if crosses else echo)
    return out.astype(np.float32)


def chopped(stem: Samples, random: np.random.Generator, sample_rate_hz: int) -> Samples:
    """Return a stem that a gate opens and closes in a rhythm, at the same level: sounds of any kind with sharp beginnings and ends."""
    step = round(math.exp(random.uniform(math.log(0.06), math.log(0.5))) * sample_rate_hz)
    pattern = random.random(int(random.choice([1, 3, 4, 8, 16]))) < random.uniform(0.4, 1.0)
    pattern[0] = True
    step_count = -(-stem.shape[1] // step)
    is_open = np.arange(step) < random.uniform(0.3, 0.95) * step
    gates = (np.resize(pattern, step_count)[:, None] & is_open).ravel()[: stem.shape[1]].astype(np.float32)
    # Edges of 1 to 20 ms, so that they do not click.
    edge = round(math.exp(random.uniform(math.log(0.001), math.log(0.02))) * sample_rate_hz)
    gain = ndimage.uniform_filter1d(gates, edge)
    gain = 1 - random.uniform(0.6, 1.0) * (1 - gain)
    return np.asarray(stem * gain / max(0.2, float(np.sqrt(np.mean(np.square(gain))))), np.float32)


def encoded(stem: Samples, bits_per_second: int, sample_rate_hz: int) -> Samples:
    """Return a stem as it is after an MP3 encoder, with as many frames and without the encoder's delay."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as out:
        stream = out.add_stream("libmp3lame", rate=sample_rate_hz, layout="stereo")
        stream.bit_rate = bits_per_second
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(stem, np.float32), format="fltp", layout="stereo")
        frame.sample_rate = sample_rate_hz
        for source in (frame, None):
            out.mux(stream.encode(source))
    file.seek(0)
    with av.open(file) as mp3:
        blocks = [block.to_ndarray() for block in mp3.decode(audio=0)]
    samples = np.concatenate(blocks, axis=1)[:, : stem.shape[1]].astype(np.float32)
    return np.pad(samples, ((0, 0), (0, stem.shape[1] - samples.shape[1])))


def _panned(stem: Samples, position: float) -> Samples:
    """Return a stem with less of one side: position -1 is left and 1 is right."""
    gains = np.array([[min(1.0, 1.0 - position)], [min(1.0, 1.0 + position)]], np.float32)
    return stem * gains


def _with_width(stem: Samples, width: float) -> Samples:
    """Return a stem whose difference of channels is scaled: 0 is mono."""
    middle, side = (stem[0] + stem[1]) / 2, (stem[0] - stem[1]) / 2 * np.float32(width)
    return np.stack([middle + side, middle - side])


def _equalised(stem: Samples, random: np.random.Generator, sample_rate_hz: int) -> Samples:
    count = int(random.integers(1, 4))
    sections = [
        peaking(
            sample_rate_hz, math.exp(random.uniform(math.log(60), math.log(12_000))), random.uniform(-9, 9), _QUALITY
        )
        for _ in range(count)
    ]
    return signal.sosfilt(np.array(sections), stem).astype(np.float32)


def _compressed(stem: Samples, random: np.random.Generator, sample_rate_hz: int) -> Samples:
    """Return a stem whose loud passages are quieter, with the level that it had."""
    envelope = _envelope(np.abs(stem).max(axis=0), sample_rate_hz, random.uniform(0.01, 0.08))
    level = float(np.sqrt(np.mean(envelope**2))) + 1e-6
    ratio = random.uniform(2, 6)
    gain = np.minimum(1.0, (np.maximum(envelope, 1e-6) / level) ** (1 / ratio - 1))
    return (stem * gain / max(1e-3, float(gain.mean()))).astype(np.float32)


def _distorted(stem: Samples, random: np.random.Generator) -> Samples:
    level = float(np.sqrt(np.mean(np.square(stem)))) + 1e-6
    drive = random.uniform(0.3, 2.0) / level
    shaped = np.tanh(stem * drive)
    return (shaped * (level / (float(np.sqrt(np.mean(np.square(shaped)))) + 1e-6))).astype(np.float32)


def _reverberated(stem: Samples, random: np.random.Generator, sample_rate_hz: int) -> Samples:
    """Return a stem with a tail of noise that decays exponentially, from a small room to a hall, different on both channels."""
    frame_count = int(math.exp(random.uniform(math.log(0.15), math.log(4.0))) * sample_rate_hz)
    decay = np.exp(-6.9 * np.arange(frame_count) / frame_count)
    tail = random.standard_normal((2, frame_count)) * decay
    tail /= np.sqrt(np.square(tail).sum(axis=1, keepdims=True))
    wet = signal.oaconvolve(stem, tail, axes=1)[:, : stem.shape[1]]
    return (stem + random.uniform(0.1, 0.7) * wet).astype(np.float32)


def _limited(stems: Samples, random: np.random.Generator, sample_rate_hz: int) -> Samples:
    """Return stems whose mix is louder and has no peaks. One gain applies to all of them."""
    mix = np.abs(stems.sum(axis=0)).max(axis=0)
    threshold = max(1e-4, float(np.quantile(mix, random.uniform(0.9, 0.995))))
    envelope = _envelope(mix, sample_rate_hz, random.uniform(0.02, 0.1))
    gain = np.minimum(1.0, threshold / np.maximum(envelope, 1e-6))
    return (stems * gain * (random.uniform(0.5, PEAK_LIMIT) / threshold)).astype(np.float32)


def _envelope(level: NDArray[np.float32], sample_rate_hz: int, release_seconds: float) -> NDArray[np.float64]:
    """Return the peak level of blocks of 5 ms, which falls exponentially, at every frame."""
    block = sample_rate_hz // 200
    padded = np.pad(level, (0, -len(level) % block))
    peaks = padded.reshape(-1, block).max(axis=1).astype(np.float64)
    # A look-ahead of one block, so that the gain falls before the peak.
    peaks = np.maximum(peaks, np.append(peaks[1:], 0.0))
    fall = math.exp(-block / (release_seconds * sample_rate_hz))
    for index in range(1, len(peaks)):
        peaks[index] = max(peaks[index], peaks[index - 1] * fall)
    centres = (np.arange(len(peaks)) + 0.5) * block
    return np.interp(np.arange(len(level)), centres, peaks)
