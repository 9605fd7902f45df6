"""Spectrograms of stems: computes one when it is first asked for, and stores it beside the stem."""

import functools
import tempfile
import threading
from pathlib import Path

from soundwright.kit import errors
from soundwright.kit.audio import AudioFile, AudioLimits
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.ports import Blobs
from soundwright.kit.shared_work import SingleFlight
from soundwright.kit.worker.derived_files import SPECTROGRAM_BANDS, SPECTROGRAM_HOP_FRAMES, spectrogram_key
from soundwright.library.v1 import job_pb2
from soundwright.services.analysis.engines.mel_spectrogram import write_spectrogram

_WAITING_LIMIT = 32


class Spectrograms:
    """Computes spectrograms. Concurrent calls for the same stem share the work."""

    def __init__(self, blobs: Blobs, limits: AudioLimits, scratch: Path) -> None:
        self._blobs = blobs
        self._limits = limits
        self._scratch = scratch
        self._slots = ComputeSlots("spectrogram", 1)
        self._closed = threading.Event()
        self._work = SingleFlight("spectrograms", _WAITING_LIMIT)

    def close(self) -> None:
        self._closed.set()
        self._work.close()
        self._slots.close()

    async def render(self, stem: job_pb2.AudioOutput) -> str:
        """Return the key of a stem's spectrogram. Compute it if it is not stored.

        Raises ``FILE_NOT_FOUND`` if the stem is not audio or no longer stored; ``TOO_MANY_CONVERSIONS``.
        """
        key = spectrogram_key(stem.blob_key)
        if await self._blobs.stat(key) is None:
            if not stem.frame_count or await self._blobs.stat(stem.blob_key) is None:
                raise errors.FILE_NOT_FOUND()
            await self._work.run(key, functools.partial(self._compute, stem, key))
        return key

    async def _compute(self, stem: job_pb2.AudioOutput, key: str) -> None:
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
            target = Path(folder) / "spectrogram"
            async with self._blobs.local(stem.blob_key) as path:
                recording = AudioFile(path, self._limits, frame_count=stem.frame_count)
                work = functools.partial(
                    write_spectrogram,
                    recording,
                    target,
                    hop_frames=SPECTROGRAM_HOP_FRAMES,
                    band_count=SPECTROGRAM_BANDS,
                    check=self._check,
                )
                await self._slots.run(work)
            await self._blobs.put_file(key, target)
        if await self._blobs.stat(stem.blob_key) is None:  # deleted in the meantime
            await self._blobs.delete(key)

    def _check(self) -> None:
        if self._closed.is_set():
            raise errors.SERVICE_UNAVAILABLE("The service stops. Try again in a minute.")
