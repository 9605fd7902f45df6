"""The ``librosa`` engine: computes librosa's features of a recording in one pass over a stream of blocks."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.kit.audio import resample_blocks
from soundwright.kit.audio.downmix import Downmix
from soundwright.kit.audio.loudness import LoudnessMeter
from soundwright.kit.engines import ModelDeclaration
from soundwright.services.analysis.engines.bars import Bars, find_attacks, find_bars
from soundwright.services.analysis.engines.frames import Framer
from soundwright.services.analysis.engines.key import KeyMeter, Tonality, confidences, rank_keys
from soundwright.services.analysis.engines.mono import finite
from soundwright.services.analysis.engines.sections import find_sections
from soundwright.services.analysis.engines.spectral import (
    ChromaMeter,
    EnergyMeter,
    MelMeter,
    SignChanges,
    SpectralMeter,
    pooled,
)
from soundwright.services.analysis.engines.tempo import Rhythm, find_onsets, find_rhythm
from soundwright.services.analysis.service import Engine, Recording, Samples

Floats = NDArray[np.float32]

FEATURES = ("tempo", "key", "energy", "spectral", "mfcc", "chroma", "bars", "sections")
"""The features that the engine measures."""

_RATE_HZ = 22050
_FFT_LENGTH = 2048
_HOP_LENGTH = 512
_FRAMES_PER_SECOND = _RATE_HZ / _HOP_LENGTH
_KEY_FFT_LENGTH = 8192
_KEY_HOP_LENGTH = 4096
_MIN_BLOCK_FRAMES = 16384
_PASS_SHARE = 0.95  # progress at the end of the stream; the rest is for features of the whole recording


LIBROSA = ModelDeclaration(
    name="librosa",
    description="Tempo, key, loudness, spectral features, MFCC, chroma, bars and sections",
    architecture="Signal processing",
    outputs=FEATURES,
    code_licence="Apache-2.0",
    needs_weights=False,
    device_memory_bytes=0,
)


class LibrosaEngine(Engine):
    """Computes the features with librosa's defaults, in bounded memory.

    All features share the short-time spectrum of the mono mix at 22050 Hz and are computed frame by frame. Loudness is
    measured on the original channels at the original rate. The values per frame need at most 50 MB for ten minutes.

    The result has ``duration``, ``duration_seconds``, ``sample_rate`` and ``samples`` of the recording, a mapping
    ``features`` with matrices, and these values:

    * tempo: ``tempo`` in bpm, 0 if nothing repeats; ``tempo_confidence``, ``tempo_alternatives``, ``beats``, ``beat_count``.
    * key: ``key``, ``mode``, ``pitch_class``, ``camelot`` and ``key_runner_up``, None without pitched sound;
      ``confidence`` (also as ``key_confidence``), ``tuning_cents``.
    * energy: statistics of the root mean square of frames, and ``zero_crossing_rate``; ``loudness_lufs`` and ``true_peak_dbtp``, None for
      silence; ``features.energy`` [at most 2000], the root mean square over time.
    * spectral: means over frames; ``spectral_contrast`` has seven bands in dB.
    * mfcc: means and variances of 13 coefficients; ``features.mfcc`` [13][at most 200], with a column every
      ``features.mfcc_hop_seconds``.
    * chroma: ``chroma_stft`` and ``chroma_cens``, means over frames tuned to 440 Hz; ``chroma``, the pitch
      classes at the tuning of the recording, from which the key is estimated; ``features.chroma`` [12][at most 200].
    * bars: ``beats_per_bar``, 0 without a rhythm, and ``downbeats``, some of the beats.
    * sections: ``segments`` with times, labels and confidences.
    """

    name = "librosa"
    models = (LIBROSA,)

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Compute the named features; see :class:`soundwright.services.analysis.service.Engine`.

        Raises ``ValueError``: a feature is unknown.
        """
        if unknown := features - set(FEATURES):
            raise ValueError(f"unknown features {sorted(unknown)}")
        report(0.0)
        analysis = _Analysis(recording, features)
        expected_frames = max(1, recording.frame_count)
        block_frames = max(_MIN_BLOCK_FRAMES, recording.sample_rate_hz)

        def mono_blocks() -> Iterator[Samples]:
            for block in recording.blocks(block_frames):
                yield analysis.mono(block)
                report(_PASS_SHARE * min(1.0, analysis.frame_count / expected_frames))

        for samples in resample_blocks(mono_blocks(), recording.sample_rate_hz, _RATE_HZ, 1):
            analysis.push(samples[0])
        analysis.finish()
        report(_PASS_SHARE)
        result = analysis.result()
        report(1.0)
        return result


def warm_up() -> None:
    """Load the libraries and run every path once, so that the first job is as fast as the others."""
    LibrosaEngine().analyse(_Noise(), frozenset(FEATURES), lambda share: None)


class _Noise:
    """Five seconds of quiet noise in two channels."""

    sample_rate_hz = 44100
    channel_count = 2
    frame_count = 5 * 44100

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        samples = np.random.default_rng(0).normal(0.0, 0.1, (2, self.frame_count)).astype(np.float32)
        for start in range(0, self.frame_count, block_frames):
            yield samples[:, start : start + block_frames]


class _Analysis:
    """The meters for the requested features, and the streams that feed them."""

    def __init__(self, recording: Recording, features: frozenset[str]) -> None:
        self._features = features
        self._sample_rate_hz = recording.sample_rate_hz
        self.frame_count = 0
        self._loudness = (
            LoudnessMeter(recording.sample_rate_hz, recording.channel_count) if "energy" in features else None
        )
        self._downmix = Downmix(recording.channel_count)
        self._energy = EnergyMeter() if "energy" in features else None
        self._spectral = SpectralMeter(_RATE_HZ, _FFT_LENGTH) if "spectral" in features else None
        self._mel = MelMeter(_RATE_HZ, _FFT_LENGTH) if features & {"tempo", "mfcc", "bars", "sections"} else None
        self._chroma = ChromaMeter(_RATE_HZ, _FFT_LENGTH) if features & {"chroma", "bars", "sections"} else None
        self._key = KeyMeter(_RATE_HZ, _KEY_FFT_LENGTH, _KEY_HOP_LENGTH) if features & {"key", "chroma"} else None
        self._signs = SignChanges()
        self._frames = Framer(_FFT_LENGTH, _HOP_LENGTH)
        self._sign_frames = Framer(_FFT_LENGTH, _HOP_LENGTH, np.bool_)
        self._key_frames = Framer(_KEY_FFT_LENGTH, _KEY_HOP_LENGTH)
        self._window = np.hanning(_FFT_LENGTH + 1)[:-1].astype(np.float32)

    def mono(self, block: Samples) -> Samples:
        """Measure the loudness of the next block, and return its mono mix, float32 [1, frames]."""
        block = finite(block)
        self.frame_count += block.shape[1]
        if self._loudness is not None:
            self._loudness.push(block)
        return self._downmix.push(block)

    def push(self, samples: Floats) -> None:
        """Add samples of the mono mix at the analysis rate, float32 [frames]."""
        for frames in self._frames.push(samples):
            self._measure(frames)
        if self._energy is not None:
            for crossings in self._sign_frames.push(self._signs.push(samples)):
                self._energy.push_crossings(crossings)
        if self._key is not None:
            for frames in self._key_frames.push(samples):
                self._key.push(frames)

    def finish(self) -> None:
        """Process the frames at the end of the signal."""
        for frames in self._frames.finish():
            self._measure(frames)
        if self._energy is not None:
            for crossings in self._sign_frames.finish():
                self._energy.push_crossings(crossings)
        if self._key is not None:
            for frames in self._key_frames.finish():
                self._key.push(frames)

    def _measure(self, frames: Floats) -> None:
        if self._energy is not None:
            self._energy.push(frames)
        if self._spectral is None and self._mel is None and self._chroma is None:
            return
        spectrum = scipy.fft.rfft(frames * self._window, axis=1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        if self._spectral is not None:
            self._spectral.push(np.sqrt(power), power)
        if self._mel is not None:
            self._mel.push(power)
        if self._chroma is not None:
            self._chroma.push(power)

    def result(self) -> dict[str, Any]:
        duration_seconds = self.frame_count / self._sample_rate_hz
        matrices: dict[str, Any] = {}
        result: dict[str, Any] = {
            "duration_seconds": duration_seconds,
            "duration": duration_seconds,
            "sample_rate": self._sample_rate_hz,
            "samples": self.frame_count,
            "features": matrices,
        }
        if self._energy is not None and self._loudness is not None:
            result |= self._energy.result()
            matrices["energy"], run = self._energy.over_time()
            matrices["energy_hop_seconds"] = run * _HOP_LENGTH / _RATE_HZ
            result["loudness_lufs"] = self._loudness.loudness_lufs()
            result["true_peak_dbtp"] = self._loudness.true_peak_dbtp()
        if self._spectral is not None:
            result |= self._spectral.result()
        chroma = self._chroma.chroma() if self._chroma is not None else None
        mfcc = self._mel.mfcc() if self._mel is not None and self._features & {"mfcc", "sections"} else None
        if mfcc is not None and "mfcc" in self._features:
            result |= MelMeter.result(mfcc)
            matrices["mfcc"], run = pooled(mfcc)
            matrices["mfcc_hop_seconds"] = run * _HOP_LENGTH / _RATE_HZ
        if self._mel is not None and self._features & {"tempo", "bars", "sections"}:
            rhythm = find_rhythm(find_onsets(self._mel.batches()), _FRAMES_PER_SECOND, duration_seconds)
            if "tempo" in self._features:
                result |= _tempo_result(rhythm)
            if chroma is not None and self._features & {"bars", "sections"}:
                result |= self._form(rhythm, self._mel, mfcc, chroma, duration_seconds)
        tonality = self._key.tonality() if self._key is not None else None
        if tonality is not None and "key" in self._features:
            result |= _key_result(tonality)
        if self._chroma is not None and chroma is not None and tonality is not None and "chroma" in self._features:
            result["chroma"] = tonality.chroma.tolist()
            result["chroma_stft"] = chroma.mean(axis=1, dtype=np.float64).tolist()
            result["chroma_cens"] = self._chroma.cens().mean(axis=1, dtype=np.float64).tolist()
            matrices["chroma"], run = pooled(chroma)
            matrices["chroma_hop_seconds"] = run * _HOP_LENGTH / _RATE_HZ
        return result

    def _form(
        self, rhythm: Rhythm, mel: MelMeter, mfcc: Floats | None, chroma: Floats, duration_seconds: float
    ) -> dict[str, Any]:
        """Return the bars and the sections, as far as they are requested."""
        bars = find_bars(rhythm.beat_seconds, find_attacks(mel.batches()), chroma, _FRAMES_PER_SECOND)
        result: dict[str, Any] = {}
        if "bars" in self._features:
            result["bars"] = _bars_result(bars)
        if mfcc is not None and "sections" in self._features:
            sections = find_sections(bars.downbeat_seconds, mfcc, chroma, _FRAMES_PER_SECOND, duration_seconds)
            result["sections"] = {
                "segments": [
                    {
                        "start_seconds": round(section.start_seconds, 4),
                        "end_seconds": round(section.end_seconds, 4),
                        "label": section.label,
                        "confidence": round(section.confidence, 4),
                    }
                    for section in sections
                ]
            }
        return result


def _bars_result(bars: Bars) -> dict[str, Any]:
    return {
        "beats_per_bar": bars.beats_per_bar,
        "downbeats": np.round(bars.downbeat_seconds, 4).tolist(),
        "confidence": round(bars.confidence, 4),
    }


def _tempo_result(rhythm: Rhythm) -> dict[str, Any]:
    return {
        "tempo": rhythm.tempo_bpm,
        "tempo_confidence": rhythm.confidence,
        "tempo_alternatives": [
            {"tempo": candidate.tempo_bpm, "strength": candidate.strength} for candidate in rhythm.alternatives
        ],
        "beats": np.round(rhythm.beat_seconds, 4).tolist(),
        "beat_count": len(rhythm.beat_seconds),
    }


def _key_result(tonality: Tonality) -> dict[str, Any]:
    keys = rank_keys(tonality)
    best = keys[0] if keys else None
    key_confidences = confidences(keys) or [0.0]
    return {
        "key": str(best) if best else None,
        "confidence": key_confidences[0],
        "key_confidence": key_confidences[0],
        "pitch_class": best.tonic if best else None,
        "mode": best.mode if best else None,
        "camelot": best.camelot if best else None,
        "key_runner_up": {"key": str(keys[1]), "confidence": key_confidences[1]} if keys else None,
        "tuning_cents": tonality.tuning_cents,
    }
