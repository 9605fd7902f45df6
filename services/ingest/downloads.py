"""From a link to jobs: what is behind it, what of it the caller has already, and one job for each of the rest."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc

from kit.compute import ComputeSlots
from kit.errors import AppError, Code
from kit.identity import require_principal
from kit.jobs import create_job
from kit.outbound.guard import Guard
from kit.outbound.web import read_web
from kit.ports import Bus
from services.ingest import service
from services.ingest.links import ShortLink, SpotifyLink, parse_link, parse_spotify_link
from services.ingest.service import DownloadSpec
from services.ingest.settings import IngestSettings
from services.ingest.songs import Collection, Song, track_id_of
from services.ingest.spotify import SpotifyCatalog, TokenRefused
from services.ingest.spotify_tokens import SpotifyTokens

__all__ = ["Downloads"]

_JOB_PAGE_SIZE = 100
_JOB_PAGE_LIMIT = 50
_LOOKUPS_AT_ONCE = 20
_SHORT_LIMIT_BYTES = 1 << 20
_SHORT_SECONDS = 10.0
T = TypeVar("T")
_CATALOG_ADDRESS = re.compile(r"https://open\.spotify\.com/[A-Za-z0-9/_-]+")


class Downloads:
    """Links, catalog and download jobs, for the current caller."""

    def __init__(
        self,
        *,
        catalog: SpotifyCatalog,
        tokens: SpotifyTokens,
        guard: Guard,
        bus: Bus,
        jobs: library_service_pb2_grpc.JobServiceStub,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        slots: ComputeSlots,
        settings: IngestSettings,
    ) -> None:
        self._catalog = catalog
        self._tokens = tokens
        self._guard = guard
        self._bus = bus
        self._jobs = jobs
        self._tracks = tracks
        self._slots = slots
        self._settings = settings

    async def spotify(self, url: str) -> Collection:
        """What a link to Spotify leads to."""
        return await self._collection(parse_spotify_link(url))

    async def search(self, query: str, limit: int, offset: int) -> tuple[list[Song], int]:
        """Songs of Spotify's catalog, and how many there are in all."""
        return await self._as_caller(lambda catalog: catalog.search(query, limit, offset))

    async def track_ids(self, songs: Sequence[Song]) -> list[str]:
        """For each song the id of the caller's track that came of it, empty if there is none."""
        owner_id = require_principal().id
        lane = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

        async def look_up(song: Song) -> str:
            track_id = track_id_of(owner_id, song.source_id)
            async with lane:
                try:
                    await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))
                except AppError as error:
                    if error.code is not Code.NOT_FOUND:
                        raise
                    return ""
            return track_id

        return list(await asyncio.gather(*(look_up(song) for song in songs)))

    async def create(self, request: pb.CreateDownloadsRequest) -> pb.CreateDownloadsResponse:
        """One job for each recording behind the link.

        Raises:
            AppError: ``URL_INVALID``, ``VALIDATION_ERROR``, ``ADDRESS_REFUSED``, ``SPOTIFY_ERROR``,
                ``SPOTIFY_UNAUTHORIZED``, ``NOTHING_TO_DOWNLOAD``, ``TOO_MANY_PENDING``.
        """
        quality = service.parse_quality(request.quality)
        owner_id = require_principal().id
        link = parse_link(request.url)
        answer = pb.CreateDownloadsResponse()
        if isinstance(link, SpotifyLink | ShortLink):
            collection = await self._collection(link)
            answer.kind, answer.name, answer.truncated = collection.kind, collection.name, collection.truncated
            answer.skipped.extend(skipped_to_wire(collection))
            distinct = {song.spotify_id: song for song in collection.songs}
            specs = [
                DownloadSpec(track_id_of(owner_id, song.source_id), quality, song.url, song)
                for song in distinct.values()
            ]
        else:
            await self._guard.addresses(link.host, link.port)  # to refuse at once what the job would have to refuse
            answer.kind = "link"
            specs = [DownloadSpec(track_id_of(owner_id, link.url), quality, link.url)]
        if not specs:
            raise AppError(
                Code.UNPROCESSABLE, "NOTHING_TO_DOWNLOAD", "Nothing behind this link can be downloaded from Spotify."
            )
        under_way = await self._under_way()
        self._require_room(len(under_way), sum(spec.track_id not in under_way for spec in specs))
        for spec in specs:
            job = under_way.get(spec.track_id)
            existed = job is not None
            if job is None:
                key = _key(request.idempotency_key, spec) if len(specs) > 1 else request.idempotency_key
                job, existed = await self._create_job(spec, key)
            title = spec.song.title if spec.song else ""
            # The same key may stand for an earlier job; what that one becomes is in its own specification.
            track_id = DownloadSpec.from_json(job.spec_json).track_id
            answer.downloads.add(job=job, track_id=track_id, title=title, existed=existed)
        return answer

    def _require_room(self, unfinished_count: int, new_count: int) -> None:
        """All of a collection or nothing: who gets half of a playlist has to find out which half."""
        limit = self._settings.download_pending_limit
        if limit and unfinished_count + new_count > limit:
            raise AppError(
                Code.RATE_LIMITED,
                "TOO_MANY_PENDING",
                f"These would be {unfinished_count + new_count} unfinished downloads, and {limit} are allowed. "
                "Wait until some are done, or cancel some.",
            )

    async def _create_job(self, spec: DownloadSpec, idempotency_key: str) -> tuple[job_pb2.Job, bool]:
        return await create_job(
            self._bus,
            self._jobs,
            "ingest",
            library_service_pb2.CreateJobRequest(
                kind=job_pb2.JOB_KIND_DOWNLOAD,
                track_id=spec.track_id,
                spec_json=spec.to_json(),
                attempt_limit=self._settings.download_attempt_limit,
                idempotency_key=idempotency_key,
                fingerprint=f"download:{spec.track_id}:{spec.quality}",
            ),
        )

    async def _under_way(self) -> dict[str, job_pb2.Job]:
        """The caller's unfinished downloads by the track that each becomes."""
        found: dict[str, job_pb2.Job] = {}
        for page in range(1, _JOB_PAGE_LIMIT + 1):
            listed = await self._jobs.ListJobs(
                library_service_pb2.ListJobsRequest(
                    page=page,
                    page_size=_JOB_PAGE_SIZE,
                    kinds=[job_pb2.JOB_KIND_DOWNLOAD],
                    states=[job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING],
                )
            )
            for job in listed.jobs:
                if not job.cancel_requested:
                    found[DownloadSpec.from_json(job.spec_json).track_id] = job
            if page * _JOB_PAGE_SIZE >= listed.total_count:
                break
        return found

    async def _collection(self, link: SpotifyLink | ShortLink) -> Collection:
        target = await self._expand(link) if isinstance(link, ShortLink) else link
        if target.kind == "track":  # which everybody sees in the same way
            return await self._slots.run(lambda: self._catalog.collection(target.kind, target.id))
        return await self._as_caller(lambda catalog: catalog.collection(target.kind, target.id))

    async def _as_caller(self, look_up: Callable[[SpotifyCatalog], T]) -> T:
        """Look something up with the caller's own rights at Spotify, if they are connected, and with the application's, if
        that does not show it."""
        refused = ""
        while token := await self._tokens.current(refused):
            theirs = self._catalog.for_user(token)
            try:
                return await self._slots.run(lambda: look_up(theirs))  # noqa: B023 (it runs before the next round)
            except TokenRefused:
                if refused:
                    break
                refused = token
            except AppError as error:
                if error.code is not Code.NOT_FOUND:
                    raise
                break
        return await self._slots.run(lambda: look_up(self._catalog))

    async def _expand(self, link: ShortLink) -> SpotifyLink:
        """Where a short link leads: by redirects, or as the page there says."""
        address = self._settings.spotify_short_url.rstrip("/") + link.path
        try:
            last, page = await read_web(
                self._guard,
                address,
                limit_bytes=_SHORT_LIMIT_BYTES,
                seconds=_SHORT_SECONDS,
                stop=lambda url: _target(url) is not None,
            )
        except OSError:
            raise AppError(
                Code.UNAVAILABLE,
                "SPOTIFY_ERROR",
                "Spotify's short link does not answer. Use the long one, or try again.",
            ) from None
        named = _CATALOG_ADDRESS.findall(page.decode("utf-8", "replace"))
        target = next(filter(None, map(_target, (last, *named))), None)
        if target is None:
            raise AppError(
                Code.INVALID_ARGUMENT, "URL_INVALID", "This short link leads to no track, album or playlist."
            )
        return target


def _target(url: str) -> SpotifyLink | None:
    try:
        link = parse_spotify_link(url)
    except AppError:
        return None
    return link if isinstance(link, SpotifyLink) else None


def skipped_to_wire(collection: Collection) -> list[pb.SkippedEntry]:
    return [pb.SkippedEntry(position=s.position, title=s.title, reason=s.reason) for s in collection.skipped]


def _key(idempotency_key: str, spec: DownloadSpec) -> str:
    """Of one of several jobs that come of one request."""
    return hashlib.sha256(f"{idempotency_key}\n{spec.track_id}".encode()).hexdigest() if idempotency_key else ""
