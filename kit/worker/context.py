"""The view that a handler has of its job: progress, stages and cancellation."""

import threading
from collections.abc import Awaitable, Callable, Sequence

from soundwright.library.v1 import job_pb2


class JobStopped(Exception):
    """Stops a handler. ``reason`` is "cancelled", "lost" or "stopping"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def _reserve_nothing(_size_bytes: int) -> None:
    """Accept files of any size."""


class JobContext:
    """One attempt at a job. ``report`` and ``check`` may be called from any thread.

    Attributes:
        reserve: reserves space for all files of the attempt, given their size in bytes, before they are stored. Raises
            ``QUOTA_EXCEEDED``.
        stored_bytes: size of the files that :class:`~soundwright.kit.worker.outputs.JobOutputs` has stored.
        audio_seconds: length of the audio that the handler processes or makes, for metrics; 0: unknown.
    """

    def __init__(self, job: job_pb2.Job, reserve: Callable[[int], Awaitable[None]] = _reserve_nothing) -> None:
        self.job = job
        self.reserve = reserve
        self.stored_bytes = 0
        self.audio_seconds = job.work_seconds
        self._lock = threading.Lock()
        self._ratio = 0.0
        self._message = ""
        self._stages: list[job_pb2.Stage] = list(job.stages)
        self._stop: str | None = None
        self._version = 0

    def report(self, ratio: float, message: str | None = None) -> None:
        """Record progress from 0 to 1. A ratio below an earlier one is ignored.

        Raises ``JobStopped``: the handler must stop. Do not catch it.
        """
        with self._lock:
            if ratio > self._ratio:
                self._ratio = min(1.0, ratio)
                self._version += 1
            if message is not None and message != self._message:
                self._message = message
                self._version += 1
        self.check()

    def set_stages(self, stages: Sequence[job_pb2.Stage]) -> None:
        with self._lock:
            self._stages = [_copy(stage) for stage in stages]
            self._version += 1

    def check(self) -> None:
        """Raise if the handler must stop.

        Raises ``JobStopped``: the job was cancelled, another worker has claimed it, or the process is stopping.
        """
        if self._stop is not None:
            raise JobStopped(self._stop)

    def stop(self, reason: str) -> None:
        """Stop the handler at its next ``report`` or ``check``. Later calls do not change the reason."""
        self._stop = self._stop or reason

    @property
    def stop_reason(self) -> str | None:
        """The reason that :meth:`stop` was called with, or None."""
        return self._stop

    def snapshot(self) -> tuple[int, float, str, list[job_pb2.Stage]]:
        """Return a version number that grows with each change, the progress ratio, the message and the stages."""
        with self._lock:
            return self._version, self._ratio, self._message, [_copy(stage) for stage in self._stages]


def _copy(stage: job_pb2.Stage) -> job_pb2.Stage:
    copy = job_pb2.Stage()
    copy.CopyFrom(stage)
    return copy
