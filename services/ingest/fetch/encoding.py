"""Encodes a downloaded recording in the requested quality."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from kit import audio
from kit.audio.ffmpeg import Decoding
from kit.free_space import FreeSpace

_BLOCK_FRAMES = 65_536
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_BIT_RATE_TOLERANCE = 1.05
_FULL_SCALE = 1 - 2.0**-23  # the largest sample of FLAC with 24 bits


def keep(
    source: Path, folder: Path, mp3_kbits: int | None, limits: audio.AudioLimits, report: Callable[[float], None]
) -> tuple[Path, tuple[str, ...]]:
    """Encode ``source`` as MP3, or as FLAC if ``mp3_kbits`` is None. A file that already fits is moved unchanged.

    Args:
        mp3_kbits: bit rate in kbit/s. An MP3 source with at most this rate is not encoded again.
        report: called with the share of the work that is done, 0 to 1. An exception that it raises ends the work.

    Returns:
        The file and its warnings: "LOSSY_SOURCE" if a FLAC file was encoded from a lossy source, "LEVEL_LOWERED" if one gain
        brought its peak down to full scale, and the warnings from decoding the source.

    Raises:
        AppError: as :class:`~kit.audio.ffmpeg.Decoding`.
    """
    if mp3_kbits is None:
        if audio.sniff(source) == "flac":
            return source.rename(folder / "kept.flac"), ()
        path = folder / "kept.flac"
        summary = audio.reencode(source, path, "flac", limits)
        is_loud = summary.peak > 1.0
        if is_loud:  # decoders of lossy sources exceed full scale, which FLAC cannot
            audio.reencode(source, path, "flac", limits, gain=_FULL_SCALE / summary.peak)
        is_lossy = not (summary.info.codec.startswith("pcm_") or summary.info.codec in ("flac", "alac"))
        facts = {"LOSSY_SOURCE": is_lossy, "LEVEL_LOWERED": is_loud}
        return path, (*summary.warnings, *(warning for warning, holds in facts.items() if holds))
    if audio.sniff(source) == "mp3":
        seconds = audio.inspect(source, limits).duration_seconds
        if source.stat().st_size * 8 / 1000 <= mp3_kbits * _BIT_RATE_TOLERANCE * seconds:
            return source.rename(folder / "kept.mp3"), ()
    warnings = _encode_mp3(source, folder / "kept.mp3", mp3_kbits, limits, report)
    return folder / "kept.mp3", warnings


def _encode_mp3(
    source: Path, target: Path, kbits: int, limits: audio.AudioLimits, report: Callable[[float], None]
) -> tuple[str, ...]:
    with Decoding(source, limits) as decoding, av.open(str(target), "w", format="mp3") as sink:
        info = decoding.info
        stream = sink.add_stream("libmp3lame", rate=48_000 if info.sample_rate_hz % 8000 == 0 else 44_100)
        stream.bit_rate = kbits * 1000
        stream.format = "fltp"  # does not clip what exceeds full scale
        stream.layout = "mono" if info.channel_count == 1 else "stereo"
        expected_frames = (info.header_seconds or 240.0) * info.sample_rate_hz
        done_frames, space = 0, FreeSpace(target.parent)
        for block in audio.regroup(decoding.chunks(), _BLOCK_FRAMES):
            layout = _LAYOUTS[info.channel_count]
            # Interleaved, because PyAV cannot fill eight planes.
            interleaved = np.ascontiguousarray(block.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
            frame.sample_rate = info.sample_rate_hz
            space.use(block.nbytes)  # more than the encoded block
            sink.mux(stream.encode(frame))
            done_frames += block.shape[1]
            report(min(1.0, done_frames / expected_frames))
        sink.mux(stream.encode(None))
        return decoding.summary().warnings
