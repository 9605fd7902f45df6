"""Detects technical faults of a take that are unwanted for every prompt.

Each check returns a score from 0 to 100. The lowest one is the score of the take. No check judges taste: quiet, sparse,
dark or noisy takes pass if the prompt allows them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

Samples = NDArray[np.float32]

ACCEPTED_SCORE = 50
_FRAME_SECONDS = 0.02
_SILENCE_RMS = 10.0 ** (-70 / 20)
_FULL_SCALE = 0.985
_SPECTRUM_FRAMES = 2048
_WHITE_FLATNESS = float(
    np.exp(-np.euler_gamma)
)  # flatness of one window of white noise, whose powers are exponentially distributed
_NOISE_BAND_HZ = (100.0, 8000.0)
_FIRST_OCTAVE_HZ = 125.0
_NOISE = re.compile(
    r"\b(?:nois[ey]|static|hiss(?:ing)?|glitch\w*|distort\w*|industrial|harsh|radio|vinyl|crackl\w*|asmr"
    r"|rain\w*|storm\w*|thunder\w*|wind\w*|breeze|gusts?|blizzard|snow\w*|ocean|sea|waves?|surf|beach|water\w*|rivers?"
    r"|streams?|creek|shower|fountain|steam|spray|(?:camp)?fire\w*|applause|clapping|crowds?|cheer\w*"
    r"|jets?|engines?|airplanes?|planes?|rockets?|trains?|traffic|fans?|air|breath\w*|whoosh\w*|risers?"
    r"|drum\w*|snares?|percussi\w*|cymbals?|shakers?|maracas?|brushes|drones?)\b"
)


@dataclass(frozen=True)
class Quality:
    """The result of the checks.

    Args:
        score: 0 to 100.
        issues: faults as short sentences, worst first.
        accepted: whether the take can be kept without another attempt.
    """

    score: int
    issues: tuple[str, ...]
    accepted: bool


@dataclass(frozen=True)
class _Finding:
    score: float
    issue: str


def wants_noise(prompt: str) -> bool:
    return _NOISE.search(prompt.lower()) is not None


def judge(
    samples: Samples,
    sample_rate_hz: int,
    wanted_seconds: float,
    *,
    is_music: bool,
    noise_is_wanted: bool,
    is_loop: bool = False,
) -> Quality:
    """Check a take for silence, wrong length, clipping, DC offset, noise, missing bands, gaps and a sudden end.

    Args:
        samples: float32 [channels, frames] from the engine, before any change of level.
        is_music: whether gaps and continuous noise count as faults, which sound effects may have.
        noise_is_wanted: see :func:`wants_noise`.
    """
    findings = list(_findings(samples, sample_rate_hz, wanted_seconds, is_music, noise_is_wanted, is_loop))
    findings.sort(key=lambda found: found.score)
    score = round(min(100.0, *(found.score for found in findings))) if findings else 100
    return Quality(score, tuple(found.issue for found in findings if found.score < 95), score >= ACCEPTED_SCORE)


def _findings(
    samples: Samples, rate_hz: int, wanted_seconds: float, is_music: bool, noise_is_wanted: bool, is_loop: bool
) -> Iterator[_Finding]:
    """Yield the result of each check. After a fault that makes further checks meaningless, stop."""
    if not samples.size or not np.isfinite(samples).all():
        yield _Finding(0, "The clip contains no playable audio.")
        return
    offset = samples.mean(axis=1, dtype=np.float64)
    levels = _frame_levels(samples, rate_hz)
    if levels.max() < _SILENCE_RMS:
        yield _Finding(0, "The clip is silent.")
        return
    yield _length(samples.shape[1] / rate_hz, wanted_seconds)
    yield _loudness(levels)
    yield _clipping(samples)
    centred = samples - offset[:, None].astype(np.float32)
    yield _offset(float(np.abs(offset).max()), float(np.sqrt(np.mean(np.square(centred, dtype=np.float64)))))
    spectra = _spectra(centred, rate_hz, levels)
    if not noise_is_wanted and (is_music or _is_steady(levels)):
        yield _noise(spectra, rate_hz, is_music)
    yield _missing_band(spectra.mean(axis=0), rate_hz)
    yield from _gaps(levels, is_music)
    if not is_loop:
        yield _sudden_end(levels, is_music)


def _between(value: float, points: tuple[float, ...], scores: tuple[float, ...]) -> float:
    return float(np.interp(value, points, scores))


def _frame_levels(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    """Return the RMS of each 20 ms without its mean, over all channels, float64 [frames].

    The last frame may be shorter.
    """
    size = max(1, round(_FRAME_SECONDS * rate_hz))
    starts = np.arange(0, samples.shape[1], size)
    counts = np.minimum(size, samples.shape[1] - starts)
    wide = samples.astype(np.float64)
    means = np.add.reduceat(wide, starts, axis=1) / counts
    power = np.add.reduceat(wide**2, starts, axis=1) / counts - means**2
    return np.asarray(np.sqrt(np.maximum(power, 0.0).mean(axis=0)))


def _length(seconds: float, wanted_seconds: float) -> _Finding:
    share = seconds / wanted_seconds
    return _Finding(
        _between(share, (0.5, 0.9, 0.995), (0, 45, 100)),
        f"Shorter than requested: {seconds:.1f} of {wanted_seconds:.1f} seconds.",
    )


def _loudness(levels: NDArray[np.float64]) -> _Finding:
    """Rate the loudest 0.2 s, so that a few hits in silence do not count as quiet."""
    around = np.convolve(levels**2, np.full(min(10, levels.size), 1.0 / min(10, levels.size)), mode="valid")
    level_db = 10.0 * float(np.log10(around.max()))
    return _Finding(
        _between(level_db, (-70, -54, -48), (0, 45, 100)), f"Very quiet: {level_db:.0f} dBFS at the loudest."
    )


def _clipping(samples: Samples) -> _Finding:
    """Rate runs of equal samples at full scale. A wave that only touches full scale has none."""
    loud = np.abs(samples) >= _FULL_SCALE
    level = np.abs(np.diff(samples, axis=1)) <= 1e-5
    flat = level & loud[:, 1:] & loud[:, :-1]
    share = float(np.mean(flat[:, 1:] & flat[:, :-1])) if flat.shape[1] > 1 else 0.0
    return _Finding(
        _between(share, (0.0005, 0.005, 0.03), (100, 70, 0)), f"Clipped: {100 * share:.1f} % of the samples."
    )


def _offset(offset: float, rms: float) -> _Finding:
    share = offset / max(rms, 1e-9)
    return _Finding(_between(share, (0.1, 0.4, 1.2), (100, 60, 0)), f"DC offset of {offset:.3f}.")


def _spectra(samples: Samples, rate_hz: int, levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power spectra of the audible windows of the mean of all channels, float64 [windows, 1025].

    At most 2000.
    """
    mono = samples.mean(axis=0)
    padded = np.pad(mono, (0, max(0, _SPECTRUM_FRAMES - mono.size)))
    hop = max(_SPECTRUM_FRAMES // 2, padded.size // 2000)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SPECTRUM_FRAMES)[::hop]
    frame = max(1, round(_FRAME_SECONDS * rate_hz))
    middles = np.minimum((np.arange(windows.shape[0]) * hop + _SPECTRUM_FRAMES // 2) // frame, levels.size - 1)
    audible = windows[levels[middles] > max(_SILENCE_RMS, 0.01 * float(levels.max()))]
    if not audible.shape[0]:
        audible = windows
    shape = np.hanning(_SPECTRUM_FRAMES).astype(np.float32)
    return np.asarray(np.abs(scipy.fft.rfft(audible * shape, axis=1)) ** 2, dtype=np.float64) + 1e-20


def _is_steady(levels: NDArray[np.float64]) -> bool:
    """Return whether the level is almost constant. Noise that decays, such as a bang, is not a fault."""
    low, high = np.percentile(levels, (10, 90))
    return bool(high < 2.0 * low)


def _noise(spectra: NDArray[np.float64], rate_hz: int, is_music: bool) -> _Finding:
    """Rate the spectral flatness, which is 1 for white noise (Gray and Markel, 1974).

    The lower of two values counts: the flatness of the mean spectrum, which is low for music, and the median flatness
    of single windows, which is low for sweeps.
    """
    hz = np.arange(spectra.shape[1]) * rate_hz / _SPECTRUM_FRAMES
    bands = spectra[:, (hz >= _NOISE_BAND_HZ[0]) & (hz <= min(_NOISE_BAND_HZ[1], 0.45 * rate_hz))]
    lasting = float(_flatness(bands.mean(axis=0)))
    momentary = float(np.median(_flatness(bands))) / _WHITE_FLATNESS
    score = _between(min(lasting, momentary), (0.35, 0.6, 0.85), (100, 60, 0))
    return _Finding(score if is_music else max(70.0, score), "Sounds like noise.")


def _flatness(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the geometric mean divided by the arithmetic mean, along the last axis."""
    return np.asarray(np.exp(np.mean(np.log(power), axis=-1)) / np.mean(power, axis=-1))


def _missing_band(spectrum: NDArray[np.float64], rate_hz: int) -> _Finding:
    """Rate an octave that is far below both neighbours, by medians, which single tones do not raise."""
    hz = np.arange(spectrum.size) * rate_hz / _SPECTRUM_FRAMES
    edges = _FIRST_OCTAVE_HZ * 2.0 ** np.arange(9)
    edges = edges[edges <= 0.45 * rate_hz]
    levels_db = np.array(
        [10.0 * np.log10(np.median(spectrum[(hz >= low) & (hz < high)])) for low, high in pairwise(edges)]
    )
    # Bands 70 dB below the loudest are inaudible, so differences between them do not count.
    levels_db = np.maximum(levels_db, levels_db.max() - 70.0)
    depth = np.minimum(levels_db[:-2], levels_db[2:]) - levels_db[1:-1]
    worst = int(np.argmax(depth))
    low, high = edges[worst + 1], edges[worst + 2]
    return _Finding(
        _between(float(depth[worst]), (25, 35, 50), (100, 60, 0)),
        f"Almost no energy between {low:.0f} and {high:.0f} Hz.",
    )


def _gaps(levels: NDArray[np.float64], is_music: bool) -> Iterator[_Finding]:
    """Rate silence within continuous sound, and silence that makes up a large part of a piece of music."""
    audible = levels > max(_SILENCE_RMS, 0.001 * float(levels.max()))
    edges = np.flatnonzero(np.diff(np.concatenate([[True], audible, [True]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2):
        seconds = float(end - start) * _FRAME_SECONDS
        where = f"Silent for {seconds:.1f} seconds, at {start * _FRAME_SECONDS:.1f} seconds."
        if _is_torn(levels, audible, int(start)):
            yield _Finding(_between(seconds, (0.3, 0.8, 2.0), (100, 45, 0)), where)
        elif is_music and start > 0 and end < levels.size:
            yield _Finding(_between(seconds, (1.5, 3.0, 5.0), (100, 70, 20)), where)
    silent = 1.0 - float(audible.mean())
    if is_music:
        yield _Finding(
            _between(silent, (0.2, 0.4, 0.6), (100, 60, 0)), f"Silent for {100 * silent:.0f} % of its length."
        )


def _is_torn(levels: NDArray[np.float64], audible: NDArray[np.bool_], start: int) -> bool:
    """Return whether sound that lasted for a second stops at ``start`` within one frame, instead of fading."""
    before = slice(max(0, start - 50), start)
    if start < 50 or not audible[before].all():
        return False
    usual = float(np.median(levels[before]))
    return bool(levels[start - 2] > max(0.7 * usual, 0.05 * float(levels.max())))


def _sudden_end(levels: NDArray[np.float64], is_music: bool) -> _Finding:
    """Rate an abrupt end.

    Networks often stop in the middle of a sound, so it costs little: another take would do the same.
    """
    usual = float(np.median(levels[levels > _SILENCE_RMS])) if (levels > _SILENCE_RMS).any() else 0.0
    sudden = is_music and float(levels[-1]) > 0.7 * usual
    return _Finding(85 if sudden else 100, "Ends suddenly.")
