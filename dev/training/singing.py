"""A singer: turns syllables of a voice bank into sung phrases, with a pulse and noise vocoder.

Each glottal pulse is the minimum-phase response of the spectral envelope at its time, as in WORLD (Morise, Yokomori and
Ozawa, 2016). All pulses of a phrase are computed at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from dev.training.compiled import compiled
from dev.training.score import midi_to_hz
from dev.training.voices import CEPSTRUM_SIZE, FRAME_SECONDS, RATE_HZ, VoiceBank

Samples = NDArray[np.float32]
Curve = NDArray[np.float64]

FFT_FRAMES = 1024
_NOISE_HOP = 256
_NOISE_FRAMES = 512
_LEAD_SECONDS = 0.3
_TAIL_SECONDS = 0.3


@dataclass(frozen=True)
class SungNote:
    """A note with the number of its syllable in the bank of the voice."""

    start_seconds: float
    duration_seconds: float
    pitch_midi: float
    velocity: int
    syllable: int


@dataclass(frozen=True)
class Singer:
    """How a voice sings.

    Attributes:
        formant_ratio: factor of all formant frequencies.
        vibrato_hz, vibrato_cents: rate and depth of the vibrato of long notes.
        portamento_seconds: time of a glide between two notes.
        breath: share of noise in voiced sounds, from 0 to 1.
        brightness_db: tilt of the spectrum at 10 kHz.
        wander_cents: depth of the random drift of the pitch.
    """

    formant_ratio: float = 1.0
    vibrato_hz: float = 5.5
    vibrato_cents: float = 35.0
    portamento_seconds: float = 0.06
    breath: float = 0.1
    brightness_db: float = 0.0
    wander_cents: float = 8.0


def pitch_curve_hz(
    notes: Sequence[SungNote], singer: Singer, start: float, count: int, rng: np.random.Generator
) -> Curve:
    """Return the pitch of a phrase in Hz for ``count`` frames of 5 ms from ``start`` seconds."""
    time = start + np.arange(count) * FRAME_SECONDS
    pitch = np.full(count, float(notes[0].pitch_midi))
    for before, note in itertools.pairwise(notes):
        glide = np.clip((time - note.start_seconds) / max(singer.portamento_seconds, 0.01) + 0.5, 0.0, 1.0)
        pitch = pitch + (note.pitch_midi - before.pitch_midi) * (3 * glide**2 - 2 * glide**3)
    # The first note of a phrase starts a little low.
    pitch -= 0.8 * np.exp(-np.maximum(time - notes[0].start_seconds, 0.0) / 0.05)
    cents = scipy.ndimage.gaussian_filter1d(rng.standard_normal(count), 30, mode="nearest") * singer.wander_cents * 10
    phase = 2 * np.pi * singer.vibrato_hz * time + 0.5 * np.cumsum(rng.standard_normal(count)) * FRAME_SECONDS
    depth = np.zeros(count)
    for note in notes:
        grown = np.clip((time - note.start_seconds - 0.2) / 0.25, 0.0, 1.0)
        depth = np.where(
            (time >= note.start_seconds) & (time < note.start_seconds + note.duration_seconds), grown, depth
        )
    cents += singer.vibrato_cents * scipy.ndimage.gaussian_filter1d(depth, 6) * np.sin(phase)
    return midi_to_hz(pitch + cents / 100)


def sing(
    out: Samples,
    bank: VoiceBank,
    singer: Singer,
    notes: Sequence[SungNote],
    rng: np.random.Generator,
    gain: float = 1.0,
) -> None:
    """Add a phrase, whose notes follow each other, to ``out``, float32 [frames] at 44.1 kHz."""
    start = notes[0].start_seconds - _LEAD_SECONDS
    end = notes[-1].start_seconds + notes[-1].duration_seconds + _TAIL_SECONDS
    count = int((end - start) / FRAME_SECONDS) + 1
    position, level = _positions(bank, notes, start, count, rng)
    sounding = level > 1e-4
    if not np.any(sounding):
        return
    cepstra, voiced = _spectra(bank, singer, position, level)
    pitch_hz = pitch_curve_hz(notes, singer, start, count, rng)
    samples = _pulses(cepstra, voiced, pitch_hz, singer) + _noise(cepstra, voiced, singer, rng)
    first = round(start * RATE_HZ)
    low, high = max(first, 0), min(first + len(samples), len(out))
    if high > low:
        out[low:high] += (gain * samples[low - first : high - first]).astype(np.float32)


def _positions(
    bank: VoiceBank, notes: Sequence[SungNote], start: float, count: int, rng: np.random.Generator
) -> tuple[Curve, Curve]:
    """Return the frame of the bank that sounds at each time, and its amplitude."""
    position, level = np.zeros(count), np.zeros(count)
    for number, note in enumerate(notes):
        first, vowel, vowel_end, end = (int(value) for value in bank.syllables[note.syllable % len(bank.syllables)])
        begins = (note.start_seconds - start) / FRAME_SECONDS
        ends = begins + note.duration_seconds / FRAME_SECONDS
        # Consonants come before the beat, and the vowel on it.
        onset = min(vowel - first, 24, 0.7 * begins)
        if number and notes[number - 1].start_seconds + notes[number - 1].duration_seconds > note.start_seconds - 0.05:
            onset = min(onset, 0.35 * notes[number - 1].duration_seconds / FRAME_SECONDS)
        coda = min(end - vowel_end, 0.35 * (ends - begins))
        following = notes[number + 1] if number + 1 < len(notes) else None
        t0, t1, t2, t3 = begins - onset, begins, max(ends - coda, begins + 1), ends
        if following is None or following.start_seconds - start > (ends + 4) * FRAME_SECONDS:
            t3 = ends + min(12.0, end - vowel_end)
        inside = np.arange(max(0, int(np.ceil(t0))), min(count, int(t3) + 1))
        sung = t2 - t1
        # A long vowel moves to and fro in the recorded one.
        cycle = max(2.0, float(vowel_end - vowel))
        wander = np.abs((np.maximum(inside - t1, 0) * rng.uniform(0.35, 0.6) + cycle) % (2 * cycle) - cycle)
        held = vowel + (wander if sung > cycle else (inside - t1) / max(sung, 1.0) * cycle)
        coming = first + (inside - t0) / max(onset, 1e-6) * (vowel - first)
        leaving = vowel_end + (inside - t2) / max(t3 - t2, 1e-6) * (end - 1 - vowel_end)
        position[inside] = np.where(inside < t1, coming, np.where(inside < t2, held, leaving))
        attack = np.clip((inside - t0 + 1) / 4, 0.0, 1.0)
        release = np.clip((t3 - inside) / 8, 0.0, 1.0)
        decay = 1.0 - 0.3 * np.clip((inside - t1) / max(60.0, sung), 0.0, 1.0)
        level[inside] = attack * release * decay * (note.velocity / 127) ** 1.2
    return position, scipy.ndimage.gaussian_filter1d(level, 1.5)


def _spectra(bank: VoiceBank, singer: Singer, position: Curve, level: Curve) -> tuple[Samples, Curve]:
    """Return the minimum-phase cepstra of each frame, with the level, and how voiced the frame is."""
    whole = np.clip(position.astype(int), 0, len(bank.cepstra) - 2)
    part = (position - whole)[:, None]
    cepstra = bank.cepstra[whole].astype(np.float64) * (1 - part) + bank.cepstra[whole + 1].astype(np.float64) * part
    # Cross-fade between syllables, whose frames are not neighbours in the bank.
    cepstra = scipy.ndimage.gaussian_filter1d(cepstra, 1.0, axis=0)
    voiced = scipy.ndimage.gaussian_filter1d(
        np.clip((bank.voiced[whole].astype(np.float64) - 0.35) / 0.3, 0.0, 1.0), 1.0
    )
    folded = np.zeros((len(cepstra), FFT_FRAMES // 2 + 1), np.float32)
    folded[:, :CEPSTRUM_SIZE] = cepstra
    folded[:, 1:] *= 2
    bins = FFT_FRAMES // 2 + 1
    log_magnitude = np.fft.rfft(folded, FFT_FRAMES, axis=1).real
    source = np.arange(bins) / singer.formant_ratio
    lower = np.minimum(source.astype(int), bins - 2)
    share = np.minimum(source - lower, 1.0).astype(np.float32)
    log_magnitude = log_magnitude[:, lower] * (1 - share) + log_magnitude[:, lower + 1] * share
    tilt = singer.brightness_db / 8.686 * np.arange(bins) * RATE_HZ / FFT_FRAMES / 10_000
    log_magnitude = log_magnitude + (tilt + np.log(np.maximum(level, 1e-6))[:, None]).astype(np.float32)
    full = np.asarray(np.fft.irfft(log_magnitude, axis=1)[:, :bins], np.float32)
    full[:, 1:-1] *= 2
    return full, voiced


def _pulses(cepstra: Samples, voiced: Curve, pitch_hz: Curve, singer: Singer) -> Curve:
    """Return the periodic part."""
    frames_per_frame = RATE_HZ * FRAME_SECONDS
    length = int(len(cepstra) * frames_per_frame) + FFT_FRAMES
    cycles = np.cumsum(pitch_hz) * FRAME_SECONDS
    times = np.interp(np.arange(1, int(cycles[-1])), cycles, np.arange(len(cycles), dtype=np.float64))
    place = times.astype(int)
    times, place = times[voiced[place] > 0.01], place[voiced[place] > 0.01]
    out = np.zeros(length)
    bins = np.arange(FFT_FRAMES // 2 + 1)
    hertz = bins * RATE_HZ / FFT_FRAMES
    # Noise replaces pulses towards high frequencies.
    periodic = np.sqrt(1.0 - np.clip(singer.breath + 0.75 * (hertz / 11_000) ** 1.5, 0.0, 0.97)).astype(np.float32)
    for start in range(0, len(times), 512):
        here, at = times[start : start + 512], place[start : start + 512]
        part = (here - at)[:, None].astype(np.float32)
        mixed = cepstra[at] * (1 - part) + cepstra[np.minimum(at + 1, len(cepstra) - 1)] * part
        exact = here * frames_per_frame
        first = exact.astype(int)
        # The phase places the pulse between two samples.
        phase = np.outer(exact - first, -2j * np.pi / FFT_FRAMES * bins).astype(np.complex64)
        spectrum = np.exp(np.fft.rfft(mixed, FFT_FRAMES, axis=1) + phase)
        scale = (np.sqrt(RATE_HZ / pitch_hz[at]) * np.sqrt(voiced[at])).astype(np.float32)
        _overlap(out, np.fft.irfft(spectrum * periodic * scale[:, None], axis=1), first)
    return out


def _noise(cepstra: Samples, voiced: Curve, singer: Singer, rng: np.random.Generator) -> Curve:
    """Return the noise of consonants and breath."""
    frames_per_frame = RATE_HZ * FRAME_SECONDS
    length = int(len(cepstra) * frames_per_frame) + FFT_FRAMES
    out = np.zeros(length)
    first = np.arange(0, length - FFT_FRAMES, _NOISE_HOP)
    at = np.minimum(((first + _NOISE_FRAMES // 2) / frames_per_frame).astype(int), len(cepstra) - 1)
    hertz = np.arange(FFT_FRAMES // 2 + 1) * RATE_HZ / FFT_FRAMES
    share = np.clip(singer.breath + 0.75 * (hertz / 11_000) ** 1.5, 0.0, 0.97).astype(np.float32)
    # The squares of overlapping windows add up to one, which keeps the power of the noise constant.
    window = np.sin(np.pi * (np.arange(_NOISE_FRAMES, dtype=np.float32) + np.float32(0.5)) / np.float32(_NOISE_FRAMES))
    for start in range(0, len(first), 512):
        here = at[start : start + 512]
        # The response to windowed noise spreads over its neighbours, so its time is that of the middle of the window.
        white = np.fft.rfft(rng.standard_normal((len(here), _NOISE_FRAMES), np.float32) * window, FFT_FRAMES, axis=1)
        magnitude = np.exp(np.fft.rfft(cepstra[here], FFT_FRAMES, axis=1))
        part = voiced[here][:, None].astype(np.float32)
        _overlap(
            out, np.fft.irfft(white * magnitude * np.sqrt(part * share + 1 - part), axis=1), first[start : start + 512]
        )
    return out


@compiled
def _overlap(out: Curve, pieces: NDArray[np.floating], first: NDArray[np.int64]) -> None:
    for number in range(len(first)):
        for index in range(pieces.shape[1]):
            if first[number] + index < len(out):
                out[first[number] + index] += pieces[number, index]
