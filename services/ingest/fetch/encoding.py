"""Encodes a downloaded recording in the requested quality."""

from collections.abc import Callable
from pathlib import Path

from soundwright.kit import audio

_BIT_RATE_TOLERANCE = 1.05
_FULL_SCALE = 1 - 2.0**-23  # the largest sample of FLAC with 24 bits


def keep(
    source: Path, folder: Path, mp3_kbits: int | None, limits: audio.AudioLimits, report: Callable[[float], None]
) -> tuple[Path, tuple[str, ...]]:
    """Encode ``source`` as MP3, or as FLAC if ``mp3_kbits`` is None. A file that already fits is moved unchanged.

    Args:
        mp3_kbits: bit rate in kbit/s. An MP3 source with at most this rate is not encoded again.
        report: called with the share of the work that is done, 0 to 1. An exception that it raises ends the work.

    Returns the file and its warnings: "LOSSY_SOURCE" if a FLAC file was encoded from a lossy source, "LEVEL_LOWERED" if
    one gain brought its peak down to full scale, and the warnings from decoding the source.

    Raises the errors of :class:`~soundwright.kit.audio.ffmpeg.Decoding`.
    """
    if mp3_kbits is None:
        if audio.sniff(source) == "flac":
            return source.rename(folder / "kept.flac"), ()
        path = folder / "kept.flac"
        summary = audio.reencode(source, path, "flac", limits, report)
        is_loud = summary.peak > 1.0
        if is_loud:  # decoders of lossy sources exceed full scale, which FLAC cannot
            audio.reencode(source, path, "flac", limits, lambda _share: report(1.0), gain=_FULL_SCALE / summary.peak)
        is_lossy = not (summary.info.codec.startswith("pcm_") or summary.info.codec in ("flac", "alac"))
        facts = {"LOSSY_SOURCE": is_lossy, "LEVEL_LOWERED": is_loud}
        return path, (*summary.warnings, *(warning for warning, holds in facts.items() if holds))
    if audio.sniff(source) == "mp3":
        seconds = audio.inspect(source, limits).duration_seconds
        if source.stat().st_size * 8 / 1000 <= mp3_kbits * _BIT_RATE_TOLERANCE * seconds:
            return source.rename(folder / "kept.mp3"), ()
    path = folder / "kept.mp3"
    return path, audio.reencode(source, path, "mp3", limits, report, kbits=mp3_kbits).warnings
