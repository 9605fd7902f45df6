"""Converts the stems from lalal.ai to the sample rate and length of the recording, and to the format of the job."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundwright.kit import audio
from soundwright.kit.compute import Report
from soundwright.kit.errors import AppError
from soundwright.kit.file_names import encoding_extension
from soundwright.services.separation.lalalai.client import failed
from soundwright.services.separation.service import LALALAI, Format, Samples
from soundwright.services.separation.stems import Files, OutputFile, StemWriter, describe_output, write_mix

_BLOCK_FRAMES = 65_536
# Encoders add padding. A larger difference indicates another recording, or a preview.
_TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True)
class Recording:
    """The audio properties that the stems must have."""

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
    """Convert the stems, and write them to ``folder``.

    Args:
        files: the received files, by the name of the stem.
        report: called with the completed share, 0 to 1; raises to stop.

    Returns the description (name, path, audio properties) and the file of each stem.

    Raises ``LALALAI_ERROR`` if a file is no audio, or has another length than the recording.
    """
    stems: Files = []
    for index, (name, file) in enumerate(files.items()):
        path = folder / f"{name}.{encoding_extension(encoding)}"
        try:
            source = audio.AudioFile(file, limits)
            shape = dataclasses.replace(recording, channel_count=_channel_count(recording, source))
            with StemWriter(path, shape.sample_rate_hz, shape.channel_count, encoding) as writer:
                for share in _copy(source, shape, writer):
                    report((index + share) / len(files))
        except AppError as error:
            if not error.reason.startswith("AUDIO_") or error.retryable:
                raise
            raise failed(f"the stem {name} cannot be decoded ({error.reason})") from None
        output = describe_output(name, writer.path.name, shape, writer)
        output.source = LALALAI
        stems.append((output, writer.path))
    return stems


def copy_recording(
    _engine: None, report: Report, *, recording: Path, frame_count: int, folder: Path, limits: audio.AudioLimits
) -> OutputFile:
    """See :func:`~soundwright.services.separation.stems.write_mix`."""
    return write_mix(audio.AudioFile(recording, limits, frame_count), folder, report)


def _channel_count(recording: Recording, source: audio.AudioFile) -> int:
    """Return the channel count of a converted stem: that of the recording, unless the conversion would be ambiguous."""
    return recording.channel_count if 1 in (recording.channel_count, source.channel_count) else source.channel_count


def _copy(source: audio.AudioFile, shape: Recording, writer: audio.AudioWriter) -> Iterator[float]:
    """Write a stem, trimmed or padded with silence to the length of the recording. Yield the completed share."""
    read_frames = 0
    blocks = audio.resample_blocks(
        source.blocks(_BLOCK_FRAMES), source.sample_rate_hz, shape.sample_rate_hz, source.channel_count
    )
    for block in blocks:
        read_frames += block.shape[1]
        writer.write(_with_channels(block[:, : shape.frame_count - writer.frame_count], shape.channel_count))
        yield min(1.0, read_frames / max(1, shape.frame_count))
    if abs(read_frames - shape.frame_count) > _TOLERANCE_SECONDS * shape.sample_rate_hz:
        raise failed("a stem has another length than the recording")
    writer.write(np.zeros((shape.channel_count, shape.frame_count - writer.frame_count), np.float32))


def _with_channels(block: Samples, channel_count: int) -> Samples:
    """Mix down to one channel, or copy one channel to several."""
    if block.shape[0] == channel_count:
        return block
    return np.broadcast_to(block.mean(axis=0, keepdims=True), (channel_count, block.shape[1]))
