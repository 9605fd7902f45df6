"""The files that a job makes.

A key is ``<folder>/<attempt>/<job id>/<path>``. It contains the attempt, so that two attempts never write the same file,
and it ends in job id and path, as the pipeline contract shows its outputs.
"""

import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from soundwright.kit.periodic import failures_logged
from soundwright.kit.ports import Blobs
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.derived_files import score_file, score_key, waveform_file, waveform_key
from soundwright.library.v1 import job_pb2


def output_prefix(folder: str, job_id: str, attempt: int) -> str:
    return f"{folder}/{attempt}/{job_id}/"


async def delete_outputs(blobs: Blobs, folder: str, job_id: str, attempts: Iterable[int]) -> None:
    for attempt in attempts:
        await blobs.delete_prefix(output_prefix(folder, job_id, attempt))


class JobOutputs:
    """The outputs of one attempt, in the output folder of the job. If the block raises, they are deleted.

    ``async with JobOutputs(blobs, context) as outputs: ...``
    """

    def __init__(self, blobs: Blobs, context: JobContext) -> None:
        if not context.job.output_folder:
            raise ValueError("the kind of this job has no output folder")
        self._blobs = blobs
        self._context = context
        self._folder = context.job.output_folder
        self._job = context.job

    async def __aenter__(self) -> "JobOutputs":
        """Delete the files of earlier attempts, whose results can no longer be stored."""
        await delete_outputs(self._blobs, self._folder, self._job.id, range(1, self._job.attempt))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            with failures_logged("outputs.not_deleted", job_id=self._job.id):  # then they go with the orphans
                await delete_outputs(self._blobs, self._folder, self._job.id, [self._job.attempt])

    async def put(self, output: job_pb2.AudioOutput, file: Path) -> job_pb2.AudioOutput:
        """Store ``file``, and its waveform and score if there are any, and return its record.

        Args:
            output: name, path below the job's folder, and audio properties.

        Raises ``QUOTA_EXCEEDED`` if the owner of the job has no room for the file.
        """
        await self._context.reserve(self._context.stored_bytes + file.stat().st_size)
        stored = job_pb2.AudioOutput()
        stored.CopyFrom(output)
        stored.blob_key = output_prefix(self._folder, self._job.id, self._job.attempt) + output.path
        stored.size_bytes = await self._blobs.put_file(stored.blob_key, file)
        self._context.stored_bytes += stored.size_bytes
        for beside, key in ((waveform_file, waveform_key), (score_file, score_key)):
            if beside(file).exists():
                await self._blobs.put_file(key(stored.blob_key), beside(file))
        # An output has the same ID in every attempt, so that storing its record twice is harmless.
        stored.id = str(uuid.uuid5(uuid.UUID(self._job.id), output.name))
        stored.job_id = self._job.id
        stored.track_id = self._job.track_id
        stored.owner_id = self._job.owner_id
        return stored
