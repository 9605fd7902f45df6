"""What lalal.ai gave, made stems like any other: decoded, at the recording's rate and length, in the job's encoding."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit import audio
from kit.compute import Report
from kit.errors import AppError
from services.separation.lalalai.client import failed
from services.separation.service import LALALAI, Format, Samples
from services.separation.stems import Files, audio_extension, describe_output

__all__ = ["Recording", "fit"]

_BLOCK_FRAMES = 65_536
# Encoders pad; what differs by more is another recording, or a preview of this one.
_TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True)
class Recording:
    """What the stems have to fit."""

    sample_rate_hz: int
    channel_count: int
    frame_count: int


def fit(
    _engine: None,
    report: Report,
    *,
    files: Mapping[str, Path],
    folder: Path,
    recording: Recording,
    encoding: Format,
    limits: audio.AudioLimits,
) -> Files:
    """Write each stem anew, into ``folder``.

    Args:
        files: what came, by the name of the stem.
        report: called with the share done; raises to stop.

    Returns:
        Each stem's description (name, path, audio properties) and file.

    Raises:
        AppError: ``LALALAI_ERROR`` for what is no audio, or of another length than the recording.
    """
    made: Files = []
    for place, (name, file) in enumerate(files.items()):
        path = f"{name}.{audio_extension(encoding)}"
        try:
            source = audio.AudioFile(file, limits)
            shape = dataclasses.replace(recording, channel_count=_channel_count(recording, source))
            with audio.AudioWriter(folder / path, shape.sample_rate_hz, shape.channel_count, encoding) as writer:
                for share in _copied(source, shape, writer):
                    report((place + share) / len(files))
        except AppError as error:
            if not error.reason.startswith("AUDIO_") or error.retryable:
                raise
            raise failed(f"its {name} cannot be read ({error.reason})") from None
        output = describe_output(name, path, shape, writer)
        output.source = LALALAI
        made.append((output, folder / path))
    return made


def _channel_count(recording: Recording, source: audio.AudioFile) -> int:
    """The recording's, where there is one way to get there; else what came."""
    return recording.channel_count if 1 in (recording.channel_count, source.channel_count) else source.channel_count


def _copied(source: audio.AudioFile, shape: Recording, writer: audio.AudioWriter) -> Iterator[float]:
    """Write a stem, cut or filled up with silence to the recording's length; yields the share done."""
    given = 0
    blocks = audio.resample_blocks(
        source.blocks(_BLOCK_FRAMES), source.sample_rate_hz, shape.sample_rate_hz, source.channel_count
    )
    for block in blocks:
        given += block.shape[1]
        writer.write(_channels(block[:, : shape.frame_count - writer.frame_count], shape.channel_count))
        yield min(1.0, given / max(1, shape.frame_count))
    if abs(given - shape.frame_count) > _TOLERANCE_SECONDS * shape.sample_rate_hz:
        raise failed("a stem that came is of another length than the recording")
    writer.write(np.zeros((shape.channel_count, shape.frame_count - writer.frame_count), np.float32))


def _channels(block: Samples, channel_count: int) -> Samples:
    """One channel for several, or several alike for one."""
    if block.shape[0] == channel_count:
        return block
    return np.broadcast_to(block.mean(axis=0, keepdims=True), (channel_count, block.shape[1]))
