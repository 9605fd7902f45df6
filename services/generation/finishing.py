"""From a take to the files of a clip: joins, loop, loudness, WAV and picture. Runs in a process of its own, so that the
engine can go on with the next take meanwhile."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.audio import AudioWriter, resample_blocks
from kit.compute import Report
from services.generation.level import levelled, without_clicks
from services.generation.seams import joined, looped
from services.generation.service import Clip, Samples
from services.generation.spectrogram import draw_spectrogram
from services.generation.takes import read_samples

__all__ = ["FinishOrder", "FinishedClip", "draw_file", "finish", "no_engine", "warm_up"]


@dataclass(frozen=True)
class FinishOrder:
    """A take that becomes a clip.

    Args:
        take: ``.npy`` file of float32 [channels, frames]. It is longer than what was asked for by what it repeats of
            ``before`` at its beginning, and by the fade of a loop at its end.
        sample_rate_hz: the take's.
        duration_seconds: what was asked for; with ``before``, without it.
        before: audio file that the take goes on from.
        loop_fade_seconds: how much at the take's end is to be laid over the clip's beginning; 0: it is no loop.
        audio, picture: files to make: WAV and PNG.
    """

    take: Path
    sample_rate_hz: int
    duration_seconds: float
    before: Path | None
    loop_fade_seconds: float
    audio: Path
    picture: Path


@dataclass(frozen=True)
class FinishedClip:
    """What was written."""

    sample_rate_hz: int
    channel_count: int
    frame_count: int
    peak: float
    clipped_sample_count: int


def no_engine() -> None:
    """What a process for files alone is built with."""


def warm_up(_engine: None, _report: Report) -> None:
    """Import what drawing needs, before the first clip waits for it."""
    for module in ("librosa.filters", "matplotlib.backends.backend_agg", "matplotlib.figure"):
        importlib.import_module(module)


def finish(_engine: None, report: Report, *, order: FinishOrder) -> FinishedClip:
    """Write the clip's files.

    The clip has the take's rate, and the channels of the take or of what it goes on from, whichever are more. 16-bit samples
    are rounded without dither, so that the same clip always gives the same bytes: at -14 LUFS the difference lies 80 dB
    below.
    """
    clip = Clip(np.load(order.take), order.sample_rate_hz)
    rate_hz = clip.sample_rate_hz
    samples = clip.samples
    # What goes beyond the asked length is counted, not rounded anew, so that this length comes out to the frame; an engine
    # that gave less than it should have has nothing to spare.
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
    # From the file, so that a picture that is drawn again later is the same.
    draw_file(None, report, audio=order.audio, picture=order.picture)
    report(1.0)
    return FinishedClip(rate_hz, samples.shape[0], samples.shape[1], writer.peak, writer.clipped_sample_count)


def draw_file(_engine: None, _report: Report, *, audio: Path, picture: Path) -> None:
    """Draw the spectrogram of an audio file."""
    clip = read_samples(audio)
    draw_spectrogram(clip.samples, clip.sample_rate_hz, picture)


def _like(clip: Clip, sample_rate_hz: int) -> Samples:
    """The clip at another rate."""
    blocks = resample_blocks([clip.samples], clip.sample_rate_hz, sample_rate_hz, clip.samples.shape[0])
    return np.concatenate(list(blocks), axis=1)


def _spread(samples: Samples, channel_count: int) -> Samples:
    """Mono on as many channels as wanted; anything else as it is."""
    return np.repeat(samples, channel_count, axis=0) if samples.shape[0] == 1 else samples
