"""Turns a take into the files of a clip: joins, loop, loudness, WAV and spectrogram.

Runs in a separate process, so that the engine can compute the next take in the meantime.
"""

import importlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundwright.kit import errors
from soundwright.kit.audio import AudioWriter, resample_blocks
from soundwright.kit.compute import Report
from soundwright.services.generation.level import level_gain, levelled, without_clicks
from soundwright.services.generation.seams import joined, loop_fade_seconds, looped
from soundwright.services.generation.service import Clip, Part, Samples
from soundwright.services.generation.spectrogram import draw_spectrogram
from soundwright.services.generation.takes import read_samples

_SAME_LIMIT = 2 / 32768  # between a clip and the same clip, made again and not rounded


@dataclass(frozen=True)
class FinishOrder:
    """A take to be finished.

    Args:
        take: ``.npy`` file with float32 [channels, frames]. It is longer than requested by the part of ``before`` that
            it repeats at its beginning, and by the fade of a loop at its end.
        duration_seconds: length of the clip, without ``before``.
        before: audio file that the take continues, if any.
        loop_fade_seconds: length at the end of the take that is cross-faded into the beginning; 0 if it is not a loop.
        audio, picture: files to write: WAV and PNG.
    """

    take: Path
    sample_rate_hz: int
    duration_seconds: float
    before: Path | None
    loop_fade_seconds: float
    audio: Path
    picture: Path


@dataclass(frozen=True)
class PartsOrder:
    """A clip of the composer whose parts are wanted.

    Args:
        history: what it was generated from, see :class:`soundwright.services.generation.service.Take`.
        audio: its WAV file.
        archive: file to write: a ZIP archive of FLAC files.
    """

    history: tuple[Part, ...]
    audio: Path
    archive: Path


@dataclass(frozen=True)
class FinishedClip:
    """Properties of the WAV file."""

    sample_rate_hz: int
    channel_count: int
    frame_count: int
    peak: float
    clipped_sample_count: int


def no_engine() -> None:
    """Build a process for files, which needs no engine."""


def warm_up(_engine: None, _report: Report) -> None:
    """Import the drawing libraries before the first clip needs them."""
    for module in ("matplotlib.backends.backend_agg", "matplotlib.figure"):
        importlib.import_module(module)


def finish(_engine: None, report: Report, *, order: FinishOrder) -> FinishedClip:
    """Write the files of a clip.

    The clip has the sample rate of the take, and the larger number of channels of the take and of ``before``. 16-bit
    samples are rounded without dither, so that the same clip always gives the same bytes. At -14 LUFS the rounding
    error is 80 dB lower.
    """
    clip = Clip(np.load(order.take), order.sample_rate_hz)
    rate_hz = clip.sample_rate_hz
    samples = clip.samples
    # Derive the extra frames from the actual length, so that the clip has exactly the requested length. A take that is
    # too short has no extra frames.
    asked_frames = round(order.duration_seconds * rate_hz)
    fade_frames = round(order.loop_fade_seconds * rate_hz)
    if order.before is not None:
        before = _like(read_samples(order.before), rate_hz)
        channel_count = max(before.shape[0], samples.shape[0])
        overlap_frames = max(0, samples.shape[1] - fade_frames - asked_frames)
        samples = joined(_spread(before, channel_count), _spread(samples, channel_count), rate_hz, overlap_frames)
    elif fade_frames:
        fade_frames = max(0, samples.shape[1] - asked_frames)
    report(0.2)
    samples = looped(samples, fade_frames) if fade_frames else without_clicks(samples, rate_hz)
    samples = levelled(samples, rate_hz)
    report(0.5)
    with AudioWriter(order.audio, rate_hz, samples.shape[0], "wav16") as writer:
        writer.write(samples)
    report(0.6)
    # Draw from the file, so that drawing again later gives the same image.
    draw_file(None, report, audio=order.audio, picture=order.picture)
    report(1.0)
    return FinishedClip(rate_hz, samples.shape[0], samples.shape[1], writer.peak, writer.clipped_sample_count)


def write_parts(_engine: None, _report: Report, *, order: PartsOrder) -> None:
    """Write the parts of a clip. Their sum is the clip, but for its rounding to 16 bits.

    Raises ``CLIP_PARTS_UNKNOWN`` if the composer did not make all of the clip, or made it in another version.
    """
    from soundwright.services.generation.engines.procedural.engine import (
        clip_parts,  # late: nothing else here needs an engine
    )

    last = order.history[-1] if order.history else None
    fade_seconds = loop_fade_seconds(last.duration_seconds) if last and last.is_loop else 0.0
    parts = clip_parts(order.history, fade_seconds)
    if not parts:
        raise errors.CLIP_PARTS_UNKNOWN()
    clip = read_samples(order.audio)
    rate_hz, mix = clip.sample_rate_hz, np.sum(np.stack(list(parts.values())), axis=0)
    fade_frames = mix.shape[1] - clip.samples.shape[1]

    def shaped(samples: Samples) -> Samples:
        return looped(samples, fade_frames, mix) if fade_frames else without_clicks(samples, rate_hz)

    gain = level_gain(shaped(mix), rate_hz)
    if fade_frames < 0 or float(np.max(np.abs(gain * shaped(mix) - clip.samples), initial=0.0)) > _SAME_LIMIT:
        raise errors.CLIP_PARTS_UNKNOWN()
    with zipfile.ZipFile(order.archive, "w", zipfile.ZIP_STORED) as archive:
        for name, samples in parts.items():
            file = order.archive.with_name(f"{name}.flac")
            with AudioWriter(file, rate_hz, samples.shape[0], "flac") as writer:
                writer.write(gain * shaped(samples))
            archive.write(file, file.name)


def draw_file(_engine: None, _report: Report, *, audio: Path, picture: Path) -> None:
    clip = read_samples(audio)
    draw_spectrogram(clip.samples, clip.sample_rate_hz, picture)


def _like(clip: Clip, sample_rate_hz: int) -> Samples:
    blocks = resample_blocks([clip.samples], clip.sample_rate_hz, sample_rate_hz, clip.samples.shape[0])
    return np.concatenate(list(blocks), axis=1)


def _spread(samples: Samples, channel_count: int) -> Samples:
    """Return mono audio on ``channel_count`` channels, and other audio unchanged."""
    return np.repeat(samples, channel_count, axis=0) if samples.shape[0] == 1 else samples
