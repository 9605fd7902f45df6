"""Signals in scratch files, between the models of one job."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from soundwright.kit.free_space import FreeSpace
from soundwright.services.separation.service import Samples, Shape

_SAMPLE_BYTES = 4


class ScratchSignal:
    """A signal in a file without a header, exactly as it was computed. Write it as a context manager, then read it."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.sample_rate_hz = shape.sample_rate_hz
        self.channel_count = shape.channel_count
        self.frame_count = 0
        self._path = path
        self._space = FreeSpace(path.parent)
        self._file: BinaryIO | None = None

    def __enter__(self) -> "ScratchSignal":
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()
        self._file = None

    def write(self, block: Samples) -> None:
        """Append ``block``, float32 [channels, frames].

        Raises:
            AppError: ``STORAGE_FULL``.
            OSError: the disk fails.
        """
        assert self._file is not None
        self._space.use(block.nbytes)
        self._file.write(np.ascontiguousarray(block.T, "<f4").data)
        self.frame_count += block.shape[1]

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        """Yield consecutive blocks, see :meth:`soundwright.services.separation.service.Mix.blocks`."""
        with self.reader() as reader:
            for start in range(0, self.frame_count, block_frames):
                yield reader.read(min(block_frames, self.frame_count - start))

    def reader(self) -> "SignalReader":
        """Return a reader at the beginning of the signal. Use it as a context manager."""
        return SignalReader(self._path, self.channel_count)

    def delete(self) -> None:
        self._path.unlink()


class SignalReader:
    """Reads a signal in pieces of any length."""

    def __init__(self, path: Path, channel_count: int) -> None:
        self._path = path
        self._channel_count = channel_count

    def __enter__(self) -> "SignalReader":
        self._file = self._path.open("rb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, frame_count: int) -> Samples:
        """Return the next frames, float32 [channels, frames].

        Raises ``ValueError``: the signal has fewer frames.
        """
        data = self._file.read(frame_count * self._channel_count * _SAMPLE_BYTES)
        samples = np.frombuffer(data, "<f4").reshape(-1, self._channel_count)
        if len(samples) != frame_count:
            raise ValueError(f"The signal has {frame_count - len(samples)} frames too few.")
        return np.ascontiguousarray(samples.T, np.float32)
