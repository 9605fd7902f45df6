"""The rules: files and records of finished jobs, downloaded tracks, uploads without an account, generated clips, the audit log and webhook deliveries."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from soundwright.kit.errors import suppressed
from soundwright.kit.ports import Blobs, Doc
from soundwright.kit.security.identity import Principal
from soundwright.kit.worker.outputs import delete_outputs
from soundwright.services.library.catalog.service import Catalog
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.jobs.store import JobDocs
from soundwright.services.library.retention.service import Expired
from soundwright.services.library.retention.store import RetentionDocs
from soundwright.services.library.tracks.deletions import TrackDeletions

_LIBRARY = Principal("service:library", "service")
_ADMINISTRATOR = Principal("service:library", "super_admin")


@dataclass(frozen=True)
class OutputRule:
    """The files of finished jobs in one folder. The records of the jobs stay.

    While a job of their track waits or runs, they are kept.
    """

    name: str
    days: float
    folder: str
    store: RetentionDocs
    jobs: JobDocs
    ledger: JobLedger
    blobs: Blobs

    async def expired(self, before: float) -> AsyncIterator[Expired]:
        async for outputs in self.store.outputs_before(before):
            job_id, track_id = outputs[0]["job_id"], outputs[0]["track_id"]
            if not outputs[0]["blob_key"].startswith(f"{self.folder}/"):
                continue
            if track_id and await self.store.has_unfinished_job(track_id):
                continue
            yield Expired(job_id, sum(doc["size_bytes"] for doc in outputs), outputs[0]["create_time"])

    async def delete(self, expired: Expired) -> None:
        """Delete the files before their documents, so that an interrupted deletion is found again."""
        job = await self.jobs.get(expired.id)
        if job is not None and job.state.terminal:
            await delete_outputs(self.blobs, job.output_folder, job.id, range(1, job.attempt + 1))
            await self.ledger.remove_results(job.id)


@dataclass(frozen=True)
class TrackRule:
    """Tracks of a kind, with all their results. Tracks with unfinished jobs are kept.

    Attributes:
        applies: whether a track is of the kind.
    """

    name: str
    days: float
    store: RetentionDocs
    deletions: TrackDeletions
    applies: Callable[[Doc], bool]

    async def expired(self, before: float) -> AsyncIterator[Expired]:
        async for track in self.store.before("tracks", before):
            if self.applies(track) and not await self.store.has_unfinished_job(track["id"]):
                size_bytes = track["size_bytes"] + await self.store.output_bytes(track["id"])
                yield Expired(track["id"], size_bytes, track["create_time"])

    async def delete(self, expired: Expired) -> None:
        with suppressed("TRACK_NOT_FOUND"):  # somebody else has deleted it
            await self.deletions.delete(_LIBRARY, expired.id)


@dataclass(frozen=True)
class ClipRule:
    """Generated clips. Favorites, clips in playlists, and clips that an unfinished job continues are kept."""

    name: str
    days: float
    store: RetentionDocs
    catalog: Catalog

    async def expired(self, before: float) -> AsyncIterator[Expired]:
        specs = await self.store.unfinished_specs("generation")
        async for clip in self.store.before("clips", before):
            if not await self._is_in_use(clip["id"], specs):
                yield Expired(clip["id"], clip["audio_size_bytes"], clip["create_time"])

    async def _is_in_use(self, clip_id: str, specs: Sequence[bytes]) -> bool:
        return (
            any(clip_id.encode() in spec for spec in specs)
            or await self.store.is_favorite(clip_id)
            or await self.store.is_in_playlist(clip_id)
        )

    async def delete(self, expired: Expired) -> None:
        with suppressed("GENERATION_NOT_FOUND"):  # somebody else has deleted it
            await self.catalog.delete(_ADMINISTRATOR, expired.id)


@dataclass(frozen=True)
class RecordRule:
    """Documents of a collection that nothing else depends on.

    Attributes:
        is_kept: whether a document stays, however old it is.
    """

    name: str
    days: float
    store: RetentionDocs
    collection: str
    is_kept: Callable[[Doc], bool] = lambda _doc: False

    async def expired(self, before: float) -> AsyncIterator[Expired]:
        async for doc in self.store.before(self.collection, before):
            if not self.is_kept(doc):
                yield Expired(doc["id"], 0, doc["create_time"])

    async def delete(self, expired: Expired) -> None:
        await self.store.delete(self.collection, expired.id)


@dataclass(frozen=True)
class JobRule:
    """Records of jobs, by the time of their end.

    The record of a job is kept while files of it are stored, because it counts them and deletes them; while its results or
    webhooks wait to be stored; while a track without audio shows it as its download; and while the record of its batch exists,
    whose jobs are read from theirs. With the record of a job goes what
    is left of its deleted clip.
    """

    name: str
    days: float
    store: RetentionDocs

    async def expired(self, before: float) -> AsyncIterator[Expired]:
        async for job in self.store.before("jobs", before):
            has_ended = job["finish_time"] is not None and job["finish_time"] < before
            if has_ended and not await self._is_in_use(job):
                yield Expired(job["id"], 0, job["create_time"])

    async def _is_in_use(self, job: Doc) -> bool:
        return bool(
            job.get("stored_bytes")
            or job.get("results_pending")
            or job.get("webhooks_pending")
            or await self.store.has_results(job["id"])
            or await self.store.is_download(job["id"], job["track_id"])
            or await self.store.has_job(job.get("batch_id") or "")
        )

    async def delete(self, expired: Expired) -> None:
        await self.store.delete_clip_traces(expired.id)
        await self.store.delete("jobs", expired.id)
