"""Files that a job makes: under a key that holds the attempt, so that two attempts never meet."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import TracebackType

from soundwright.library.v1 import job_pb2

from kit.ports import Blobs

__all__ = ["JobOutputs"]


class JobOutputs:
    """The outputs of one attempt. If its block ends with an exception, they are removed.

    ``async with JobOutputs(blobs, "stems", job) as outputs: ...``
    """

    def __init__(self, blobs: Blobs, folder: str, job: job_pb2.Job) -> None:
        self._blobs = blobs
        self._job_prefix = f"{folder}/{job.id}/"
        self._prefix = f"{self._job_prefix}{job.attempt}/"
        self._job = job

    async def __aenter__(self) -> JobOutputs:
        # What earlier attempts left is of no use to anybody: theirs can never become the result.
        for key in await self._blobs.keys(self._job_prefix):
            attempt = key.removeprefix(self._job_prefix).split("/", 1)[0]
            if attempt.isdigit() and int(attempt) < self._job.attempt:
                await self._blobs.delete(key)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self._blobs.delete_prefix(self._prefix)

    async def put(self, output: job_pb2.AudioOutput, file: Path) -> job_pb2.AudioOutput:
        """Store ``file`` as the output described by name, path and audio properties; the rest is filled in."""
        stored = job_pb2.AudioOutput()
        stored.CopyFrom(output)
        stored.blob_key = self._prefix + output.path
        stored.size_bytes = (await self._blobs.put_file(stored.blob_key, file)).size_bytes
        # The same however often the job is repeated, so that filing it twice is harmless.
        stored.id = str(uuid.uuid5(uuid.UUID(self._job.id), output.name))
        stored.job_id = self._job.id
        stored.track_id = self._job.track_id
        stored.owner_id = self._job.owner_id
        return stored
