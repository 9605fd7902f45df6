"""Reads untrusted recordings in confined processes: the first reading of every file that comes from outside."""

import asyncio
import dataclasses
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soundwright.kit import errors
from soundwright.kit.audio.ffmpeg import AudioInfo, AudioLimits, AudioSummary
from soundwright.kit.audio.level import is_level
from soundwright.kit.audio.waveform import waveform_bytes
from soundwright.kit.compute import Report
from soundwright.kit.confined.process import Confinement, ProcessDied, run_confined
from soundwright.kit.confined.recordings import CPU_SECONDS, WAVEFORM, Recording
from soundwright.kit.log import get_logger

_MEMORY_BYTES = 1 << 30
_NUMBER_LIMIT = 1 << 53
_SAMPLE_BYTES = 4
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,40}")
log = get_logger()


class ConfinedAudio:
    """Calls functions on untrusted files, each in a process of its own, a bounded number at a time.

    Args:
        scratch: folder for the working folders of the processes.
    """

    def __init__(self, limits: AudioLimits, slot_count: int, scratch: Path, cpu_seconds: float = CPU_SECONDS) -> None:
        self.limits = limits
        self._slots = asyncio.Semaphore(slot_count)
        self._scratch = scratch
        self._cpu_seconds = cpu_seconds

    async def examine(
        self, path: Path, report: Report = lambda share: None, waveform_file: Path | None = None
    ) -> Recording:
        """Decode a file completely, measure and hash it.

        Args:
            report: called at least five times per second. An exception that it raises ends the process.
            waveform_file: where the waveform is written (:mod:`soundwright.kit.audio.waveform`), on the file system of ``scratch``.

        Raises the errors of :func:`soundwright.kit.audio.inspect`; ``AUDIO_TOO_COMPLEX``.
        """
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
            where = {"path": str(path.resolve())}
            answer = await self.run("soundwright.kit.confined.recordings:examine", where, Path(folder), [path], report)
            recording = recording_of(answer)
            if waveform_file:
                made = Path(folder, WAVEFORM)
                size_bytes = waveform_bytes(recording.summary.frame_count)
                # An untrusted process wrote it.
                if made.is_symlink() or not made.is_file() or made.stat().st_size != size_bytes:
                    raise errors.AUDIO_TOO_COMPLEX()
                made.replace(waveform_file)
            return recording

    async def run(
        self,
        function: str,
        arguments: Mapping[str, Any],
        folder: Path,
        readable: Sequence[Path] = (),
        report: Report = lambda share: None,
    ) -> Any:
        """Call ``function`` with ``limits`` and ``arguments``. Cancelling the call ends the process.

        Args:
            folder: the working folder of the process, the only one that it can change.
            readable: further files that it can read.

        Raises ``AUDIO_TOO_COMPLEX`` if the file exceeds the limits of the process, or ends it.
        """
        whole = {**arguments, "limits": dataclasses.asdict(self.limits)}
        allowed = Confinement(
            folder,
            readable,
            cpu_seconds=self._cpu_seconds,
            memory_bytes=_MEMORY_BYTES,
            file_bytes=_SAMPLE_BYTES * self.limits.max_sample_count,
        )
        async with self._slots:
            try:
                try:
                    return await run_confined(function, whole, allowed, report)
                except ProcessDied as died:
                    if not died.from_outside:
                        raise
                    return await run_confined(
                        function, whole, allowed, report
                    )  # once: the file may be the cause all the same
            except ProcessDied as died:
                log.warning("audio.reader_died", function=function, detail=died.detail)
                raise errors.AUDIO_TOO_COMPLEX() from None


def recording_of(answer: Any) -> Recording:
    """Return the result of :func:`soundwright.kit.confined.recordings.describe`, which an untrusted process wrote.

    Raises ``AUDIO_TOO_COMPLEX`` if it is no such result.
    """
    try:
        fields = {**answer}
        info = AudioInfo(**fields.pop("info"))
        sha256, size_bytes, level = (fields.pop(name) for name in ("sha256", "size_bytes", "level"))
        fields["warnings"] = tuple(fields["warnings"])
        recording = Recording(AudioSummary(info, **fields), sha256, size_bytes, [float(value) for value in level])
        numbers = (info.sample_rate_hz, info.channel_count, recording.summary.frame_count, recording.size_bytes)
        measured = (recording.summary.duration_seconds, recording.summary.peak, info.header_seconds or 0)
        valid = (
            all(type(number) is int and 0 <= number < _NUMBER_LIMIT for number in numbers)
            and all(isinstance(value, int | float) and 0 <= value < _NUMBER_LIMIT for value in measured)
            and all(_WORD.fullmatch(word) for word in (info.container, info.codec, *recording.summary.warnings))
            and len(recording.summary.warnings) <= 10
            and re.fullmatch(r"[0-9a-f]{64}", sha256)
            and is_level(recording.level, info.channel_count)
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        valid = None
    if not valid:
        raise errors.AUDIO_TOO_COMPLEX()
    return recording
