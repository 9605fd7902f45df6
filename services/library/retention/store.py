"""Queries about old documents, and whether they are in use."""

import base64
from collections.abc import AsyncIterator

from soundwright.kit.ports import Contains, Doc, Docs, LessThan, OneOf
from soundwright.services.library.documents import walk
from soundwright.services.library.jobs.service import JobState

_BATCH = 200
_UNFINISHED = OneOf([JobState.QUEUED, JobState.RUNNING])


class RetentionDocs:
    """Reads documents of the other parts of the library."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    def before(self, collection: str, time: float) -> AsyncIterator[Doc]:
        """Yield the documents of a collection that were created before a time, the oldest first."""
        return walk(self._docs, collection, {"create_time": LessThan(time)}, ("create_time",))

    async def outputs_before(self, time: float) -> AsyncIterator[list[Doc]]:
        """Yield the outputs that were created before a time, those of one job together, the oldest first."""
        group: list[Doc] = []
        async for doc in walk(self._docs, "outputs", {"create_time": LessThan(time)}, ("create_time", "job_id")):
            if group and group[0]["job_id"] != doc["job_id"]:
                yield group
                group = []
            group.append(doc)
        if group:
            yield group

    async def output_bytes(self, track_id: str) -> int:
        return sum([doc["size_bytes"] async for doc in walk(self._docs, "outputs", {"track_id": track_id})])

    async def has_unfinished_job(self, track_id: str) -> bool:
        return bool(await self._docs.find("jobs", {"track_id": track_id, "state": _UNFINISHED}, limit=1))

    async def unfinished_specs(self, kind: str) -> list[bytes]:
        jobs = walk(self._docs, "jobs", {"kind": kind, "state": _UNFINISHED})
        return [base64.b64decode(doc["spec"]["value"]) async for doc in jobs if doc["spec"]]

    async def is_favorite(self, clip_id: str) -> bool:
        return bool(await self._docs.find("favorites", {"clip_id": clip_id}, limit=1))

    async def is_in_playlist(self, clip_id: str) -> bool:
        return bool(await self._docs.find("playlists", {"clip_ids": Contains(clip_id)}, limit=1))

    async def has_results(self, job_id: str) -> bool:
        """Return whether a job has stored outputs or a clip, or whether its clip is being deleted."""
        deletion = await self._docs.get("deleted_clips", job_id)
        if deletion is not None:
            return bool(deletion["pending"])
        return bool(await self._outputs(job_id) or await self._docs.get("clips", job_id))

    async def delete_clip_traces(self, job_id: str) -> None:
        """Delete what is left of the deleted clip of a job. While there is such a record, no clip of this job is stored again."""
        while outputs := await self._outputs(job_id):
            for output in outputs:
                await self._docs.delete("outputs", output["id"])
        await self._docs.delete("deleted_clips", job_id)

    async def _outputs(self, job_id: str) -> list[Doc]:
        return await self._docs.find("outputs", {"job_id": job_id}, limit=_BATCH)

    async def has_job(self, job_id: str) -> bool:
        """Return whether there is a job with this ID. An empty ID is no job's."""
        return bool(job_id and await self._docs.get("jobs", job_id))

    async def is_download(self, job_id: str, track_id: str) -> bool:
        """Return whether a track without audio shows a job as its download."""
        track = await self._docs.get("tracks", track_id) if track_id else None
        return track is not None and not track["blob_key"] and track["download_job_id"] == job_id

    async def delete(self, collection: str, doc_id: str) -> None:
        """Delete a document. A missing document is not an error."""
        await self._docs.delete(collection, doc_id)
