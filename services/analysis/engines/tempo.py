"""Estimates the tempo and the beats from periodic rises of the level of low and high mel bands."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_LOW_BANDS = 10  # mel bands below about 300 Hz, with kick drum and bass
_FIRST_SNARE_BAND = 100  # of 128 mel bands: above about 5 kHz, with snare, clap and cymbals, and little of chords
_TREND_SECONDS = 1.0
_GRID_BPM: Doubles = np.exp(np.arange(math.log(30.0), math.log(300.0), 0.005))
_METRE = (0.5, 1.0, 2.0, 4.0)
_BEATS = (1.0, 2.0, 4.0)
_MANY_BEATS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_PREFERRED_BPM = 120.0
_PREFERENCE_OCTAVES = 1.0
_FASTEST_BEAT_BPM = 200.0
_SLOWEST_BEAT_BPM = 40.0
_FASTEST_BACKBEAT_BPM = 205.0
_FASTEST_BACKBEAT_OF_QUARTERS_BPM = 195.0
_SLOWEST_ONE_DROP_BPM = 60.0
_BACKBEAT = {1.0: 0.45, 0.5: 0.6, 2.0: 0.45}  # by factor; off-beats of a slower piece can look like a backbeat
_PULSE = 0.2
_SOFT_PULSE = 0.05
_TRIPLE = 0.15  # how much more beats of three pulses repeat than beats of two
_ALIKE = 0.95
_UNACCENTED = 0.85
_ABSENT = 0.1
_MIN_PERIODS = 3.0
_TIGHTNESS = 100.0
_MIN_RISE_DB = 0.05
_LOUD_SHARE = 0.25
_BEGINNING_WEIGHT = 0.2
_NEAR_FRAMES = 2


@dataclass(frozen=True)
class TempoCandidate:
    """A possible tempo.

    Attributes:
        strength: score relative to the best score, 0 to 1.
    """

    tempo_bpm: float
    strength: float


@dataclass(frozen=True)
class Rhythm:
    """The rhythm of a recording.

    Attributes:
        tempo_bpm: beats per minute; 0 if nothing repeats.
        confidence: 0 (nothing repeats) to 1 (all beats are alike).
        alternatives: other possible tempi, strongest first: half and double tempo, other metres.
        beat_seconds: float64 [beats], ascending.
    """

    tempo_bpm: float
    confidence: float
    alternatives: tuple[TempoCandidate, ...]
    beat_seconds: Doubles


@dataclass(frozen=True)
class Onsets:
    """The strength of onsets in each frame.

    Attributes:
        rise_db: float64 [2, frames], at least 0: mean rise of the low and of the high bands. Soft and loud strokes count
            alike, which helps to find periods.
        attack: float64 [frames], at least 0: mean rise of the amplitude. Loud strokes count more, which helps to
            distinguish beats from off-beats.
        snare: float64 [frames], at least 0: mean rise of the amplitude of the highest bands.
        kick: float64 [frames], at least 0: mean rise of the amplitude of the low bands.
    """

    rise_db: Doubles
    attack: Doubles
    snare: Doubles
    kick: Doubles


_NO_RHYTHM = Rhythm(0.0, 0.0, (), np.zeros(0))


def find_onsets(levels: Iterable[Floats]) -> Onsets:
    """Return the rise of the levels from frame to frame: spectral flux (Bello et al., IEEE TSAP 2005).

    Args:
        levels: consecutive batches of levels in dB, float32 [frames, bands]; at least one.
    """
    rises, attacks, snares, kicks = [], [], [], []
    previous: Floats | None = None
    for batch in levels:
        joined = np.concatenate([batch[:1] if previous is None else previous, batch])
        rise = np.maximum(np.diff(joined, axis=0), 0.0)
        rises.append(np.stack([rise[:, :_LOW_BANDS].mean(axis=1), rise[:, _LOW_BANDS:].mean(axis=1)]))
        amplitude = np.power(np.float32(10.0), joined / np.float32(20.0))
        if previous is None:
            amplitude[0] = 0.0  # silence precedes the recording, so what sounds at once begins at once
        louder = np.maximum(np.diff(amplitude, axis=0), 0.0)
        attacks.append(louder.mean(axis=1))
        snares.append(louder[:, _FIRST_SNARE_BAND:].mean(axis=1))
        kicks.append(louder[:, :_LOW_BANDS].mean(axis=1))
        previous = batch[-1:]
    return Onsets(
        np.concatenate(rises, axis=1).astype(np.float64),
        np.concatenate(attacks).astype(np.float64),
        np.concatenate(snares).astype(np.float64),
        np.concatenate(kicks).astype(np.float64),
    )


def find_rhythm(onsets: Onsets, frames_per_second: float, duration_seconds: float) -> Rhythm:
    """Estimate the tempo and the beats of a recording.

    Tempi are ranked by the mean autocorrelation at half, one, two and four periods. The remaining ambiguity, mostly of the
    octave, is resolved by a log-normal preference around 120 bpm, like human tapping (Parncutt, Music Perception 1994), then by
    the metre, whose beats can have three pulses, and then by the drums: a snare or clap plays every second beat.
    Beats are tracked by dynamic programming (Ellis, JNMR 2007), and moved by half a period if the off-beats were tracked.

    Args:
        duration_seconds: the duration of the recording, which limits the beats.
    """
    strength = onsets.rise_db
    if float(strength.sum(axis=0).max()) < _MIN_RISE_DB:
        return _NO_RHYTHM
    trend_frames = round(_TREND_SECONDS * frames_per_second) | 1
    peaks = strength - scipy.ndimage.uniform_filter1d(strength, trend_frames, axis=1, mode="nearest")
    by_band = _autocorrelation(peaks)
    repetition = by_band.mean(axis=0)
    periods = 60.0 / _GRID_BPM * frames_per_second
    periods = periods[periods * _MIN_PERIODS <= strength.shape[1]]
    if periods.size == 0:
        return _NO_RHYTHM
    tempi_bpm = 60.0 * frames_per_second / periods
    evidence = np.maximum(_comb(repetition, periods, _METRE), 0.0)
    preference = np.exp(-0.5 * (np.log2(tempi_bpm / _PREFERRED_BPM) / _PREFERENCE_OCTAVES) ** 2)
    score = evidence * preference
    best = int(np.argmax(score))
    if score[best] <= 1e-6:
        return _NO_RHYTHM
    coarse = float(periods[best]) * _metre_correction(repetition, float(periods[best]))
    coarse_bpm = 60.0 * frames_per_second / coarse
    coarse *= _backbeat_correction(onsets, repetition, coarse, coarse_bpm) or _octave_correction(
        by_band, coarse, coarse_bpm
    )
    period = _refine(repetition, coarse)
    tempo_bpm = 60.0 * frames_per_second / period
    frames = _choose_phase(onsets.attack, _track_beats(onsets.attack, period), period)
    return Rhythm(
        tempo_bpm=tempo_bpm,
        confidence=float(np.clip(_comb(repetition, np.array([period]), _BEATS)[0], 0.0, 1.0)),
        alternatives=_alternatives(tempi_bpm, score / score[best], tempo_bpm),
        beat_seconds=np.clip(frames / frames_per_second, 0.0, duration_seconds),
    )


def _autocorrelation(peaks: Doubles) -> Doubles:
    """Return float64 [bands, lags]: the autocorrelation of the bands with onsets, 1 at lag 0.

    Lags reach up to three quarters of the signal.
    """
    frames = peaks.shape[1]
    spectrum = np.fft.rfft(peaks, 1 << (2 * frames - 1).bit_length(), axis=1)
    products = np.fft.irfft(np.square(np.abs(spectrum)), axis=1)[:, : max(1, 3 * frames // 4)]
    products /= frames - np.arange(products.shape[1])
    energy = products[:, :1]
    has_onsets = energy[:, 0] > 1e-9
    return (
        np.asarray(products[has_onsets] / energy[has_onsets]) if has_onsets.any() else np.zeros((1, products.shape[1]))
    )


def _octave_correction(by_band: Doubles, period: float, tempo_bpm: float) -> float:
    """Return the factor by which to correct the period: 0.5, 1 or 2.

    Pulses that are all alike, like those of a metronome, and have no accents, are all beats: 0.5. A pulse that no band repeats is
    no beat: 2.
    """

    def repetition(multiple: float) -> Doubles:
        # The area of the peak, because a lag between two frames divides its height between them.
        lag = round(multiple * period)
        return np.asarray(np.maximum(by_band[:, max(1, lag - 2) : lag + 3], 0.0).sum(axis=1))

    half, once, twice = repetition(0.5), repetition(1.0), repetition(2.0)
    is_alike = np.all((half > _ALIKE * once) & (half > _UNACCENTED * twice))
    if 2.0 * tempo_bpm <= _FASTEST_BEAT_BPM and bool(is_alike):
        return 0.5
    if tempo_bpm / 2.0 >= _SLOWEST_BEAT_BPM and bool(np.all(once < _ABSENT * twice)):
        return 2.0
    return 1.0


def _metre_correction(repetition: Doubles, period: float) -> float:
    """Return the factor by which to correct the period: 1.5 if beats of three pulses, as in 6/8, repeat better than beats of two."""
    once, longer, twice, twice_longer = (_near(repetition, multiple * period) for multiple in (1.0, 1.5, 2.0, 3.0))
    return 1.5 if longer - once > _TRIPLE and twice_longer - twice > _TRIPLE else 1.0


def _near(repetition: Doubles, lag: float) -> float:
    """Return the highest autocorrelation near a lag, at least 0."""
    return float(repetition[max(1, round(lag) - _NEAR_FRAMES) : round(lag) + _NEAR_FRAMES + 1].max(initial=0.0))


def _backbeat_correction(onsets: Onsets, repetition: Doubles, period: float, tempo_bpm: float) -> float | None:
    """Return the factor by which to correct the period, 0.5, 1 or 2, if a snare or clap plays every second beat; otherwise None.

    A period is that of the beat if the loud strokes repeat after two periods and not after one, and softer ones after one. Slow
    beats also need a kick between the snares: in a one-drop, both play together on every fourth beat of twice the tempo.
    """
    power, kick_power = (
        np.square(scipy.ndimage.convolve1d(strokes, (0.25, 0.5, 0.25))) for strokes in (onsets.snare, onsets.kick)
    )
    strokes = _autocorrelation(power[None] - power.mean())[0]

    def kick_after_snare(lag: int) -> float:
        lags = range(max(0, lag - _NEAR_FRAMES), lag + _NEAR_FRAMES + 1)
        return max(float(power[: power.size - each] @ kick_power[each:]) / (power.size - each) for each in lags)

    for factor, least in _BACKBEAT.items():
        beat = factor * period
        has_eighths = _near(repetition, beat / 2.0) >= _SOFT_PULSE
        fastest_bpm = _FASTEST_BACKBEAT_BPM if has_eighths else _FASTEST_BACKBEAT_OF_QUARTERS_BPM
        is_possible = _SLOWEST_BEAT_BPM <= tempo_bpm / factor <= fastest_bpm
        is_backbeat = _near(strokes, 2.0 * beat) - _near(strokes, beat) >= least and _near(repetition, beat) >= _PULSE
        if is_possible and is_backbeat:
            is_slow = tempo_bpm / factor < _SLOWEST_ONE_DROP_BPM
            if not is_slow or kick_after_snare(round(beat)) >= kick_after_snare(0):
                return factor
    return None


def _comb(repetition: Doubles, periods: Doubles, multiples: Sequence[float]) -> Doubles:
    """Return float64 [periods]: the mean autocorrelation at multiples of each period, as far as the signal reaches."""
    lags = periods[:, None] * np.asarray(multiples)
    is_available = lags <= repetition.size - 1
    values = np.interp(lags, np.arange(repetition.size), repetition)
    return np.asarray((values * is_available).sum(axis=1) / np.maximum(is_available.sum(axis=1), 1))


def _refine(repetition: Doubles, period: float) -> float:
    """Return the best period within 1 % over many beats, with a resolution finer than a frame."""
    near = period * np.linspace(0.99, 1.01, 201)
    evidence = _comb(repetition, near, [m for m in _MANY_BEATS if m * near[-1] <= repetition.size - 1] or [1.0])
    return float(near[np.argmax(evidence)])


def _alternatives(tempi_bpm: Doubles, score: Doubles, tempo_bpm: float) -> tuple[TempoCandidate, ...]:
    """Return the three strongest peaks of the score other than the tempo."""
    found = []
    rising = np.diff(score, prepend=0.0, append=0.0)
    for index in np.flatnonzero((rising[:-1] > 0) & (rising[1:] <= 0)):
        octaves = math.log2(tempi_bpm[index] / tempo_bpm)
        if abs(octaves) > 0.06:
            # For octaves of the tempo, use the refined tempo, which is more exact than the grid.
            is_octave = abs(octaves - round(octaves)) < 0.04
            exact_bpm = tempo_bpm * 2.0 ** round(octaves) if is_octave else float(tempi_bpm[index])
            found.append(TempoCandidate(exact_bpm, float(score[index])))
    return tuple(sorted(found, key=lambda candidate: -candidate.strength)[:3])


def _track_beats(strength: Doubles, period: float) -> Doubles:
    """Return float64 [beats]: the frames of the sequence of beats with the best strength and regularity."""
    reach = np.arange(-math.ceil(period), math.ceil(period) + 1)
    smooth = np.convolve(strength, np.exp(-0.5 * (reach * 32.0 / period) ** 2))[reach.size // 2 :][: strength.size]
    smooth = smooth / max(float(smooth.std()), 1e-9)
    steps = np.arange(-round(2.0 * period), -max(1, round(period / 2.0)) + 1)
    cost = -_TIGHTNESS * np.log(-steps / period) ** 2
    total = np.zeros(strength.size - steps[0])
    first = -steps[0]
    origin = np.full(strength.size, -1)
    audible = 0.01 * float(smooth.max())
    has_started = False
    for frame in range(strength.size):
        options = total[frame + first + steps[0] : frame + first + steps[-1] + 1] + cost
        choice = int(np.argmax(options))
        total[frame + first] = smooth[frame] + options[choice]
        # A sequence starts at the first sound, not in the silence before it.
        if has_started or smooth[frame] >= audible:
            has_started = True
            origin[frame] = frame + steps[choice]
    return _trim(_trace_back(total[first:], origin, steps.size), smooth)


def _choose_phase(strength: Doubles, beats: Doubles, period: float) -> Doubles:
    """Return the beats, or the points half-way between them if these are more likely to be the beats.

    Strokes on the beat are louder, and most pieces begin with one.
    """
    if beats.size == 0:
        return beats
    halfway = np.concatenate([beats[:1] - period / 2, (beats[1:] + beats[:-1]) / 2, beats[-1:] + period / 2])
    halfway = halfway[(halfway >= 0) & (halfway <= strength.size - 1)]
    nearby = scipy.ndimage.maximum_filter1d(strength, 2 * _NEAR_FRAMES + 1, mode="nearest")
    on, off = (float(nearby[np.rint(frames).astype(np.int64)].mean()) for frames in (beats, halfway))
    beginning = int(np.argmax(strength > _LOUD_SHARE * np.percentile(strength, 99)))
    distance = beginning - beats[np.argmin(np.abs(beats - beginning))]
    is_on_beat = (on - off) / max(on + off, 1e-9) + _BEGINNING_WEIGHT * math.cos(2.0 * math.pi * distance / period)
    return beats if is_on_beat >= 0.0 else halfway


def _trace_back(total: Doubles, origin: NDArray[np.int64], span: int) -> NDArray[np.int64]:
    """Return int64 [beats]: the sequence that ends at the best of the last frames."""
    last = max(0, total.size - span)
    frame = last + int(np.argmax(total[last:]))
    beats = []
    while frame >= 0:
        beats.append(frame)
        frame = int(origin[frame])
    return np.array(beats[::-1], dtype=np.int64)


def _trim(beats: NDArray[np.int64], strength: Doubles) -> Doubles:
    """Return the beats from the first to the last audible one, each moved to the top of its peak."""
    at_beats = strength[beats]
    audible = np.flatnonzero(at_beats > 0.03 * math.sqrt(float(np.square(at_beats).mean())))
    if audible.size == 0:
        return np.zeros(0)
    kept = beats[audible[0] : audible[-1] + 1]
    inner = np.clip(kept, 1, strength.size - 2)
    left, middle, right = strength[inner - 1], strength[inner], strength[inner + 1]
    curve = left - 2.0 * middle + right
    is_peak = (curve < -1e-9) & (middle >= left) & (middle >= right)
    shift = np.where(is_peak, 0.5 * (left - right) / np.where(is_peak, curve, 1.0), 0.0)
    return np.asarray(kept + shift, dtype=np.float64)
