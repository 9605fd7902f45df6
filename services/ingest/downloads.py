"""Creates download jobs from a link: one for each recording that the caller does not have yet."""

import asyncio
import dataclasses
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.ingest.v1 import jobs_pb2
from soundwright.kit import errors
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.errors import AppError, Code, suppressed
from soundwright.kit.messages import from_wire, to_wire
from soundwright.kit.ports import Bus
from soundwright.kit.security.egress_client import read_web
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.identity import require_principal
from soundwright.kit.worker.commands import create_job
from soundwright.kit.worker.kind import JobKind
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc, track_pb2
from soundwright.services.ingest import service
from soundwright.services.ingest.links import ShortLink, SpotifyLink, parse_link, parse_spotify_link
from soundwright.services.ingest.service import DownloadSpec
from soundwright.services.ingest.settings import IngestSettings
from soundwright.services.ingest.songs import Collection, Song, track_id_of
from soundwright.services.ingest.spotify import SpotifyCatalog, TokenRefused
from soundwright.services.ingest.spotify_tokens import SpotifyTokens

_JOB_PAGE_SIZE = 100
_JOB_PAGE_LIMIT = 50
_LOOKUPS_AT_ONCE = 20
_SHORT_LIMIT_BYTES = 1 << 20
_SHORT_SECONDS = 10.0
T = TypeVar("T")
_CATALOG_ADDRESS = re.compile(r"https://open\.spotify\.com/[A-Za-z0-9/_-]+")


class Downloads:
    """Resolves links, searches the catalog and creates download jobs, for the current caller."""

    def __init__(
        self,
        *,
        catalog: SpotifyCatalog,
        tokens: SpotifyTokens,
        egress_policy: EgressPolicy,
        bus: Bus,
        jobs: library_service_pb2_grpc.JobServiceStub,
        kind: JobKind[jobs_pb2.DownloadSpec],
        tracks: library_service_pb2_grpc.TrackServiceStub,
        slots: ComputeSlots,
        settings: IngestSettings,
    ) -> None:
        self._catalog = catalog
        self._tokens = tokens
        self._guard = egress_policy
        self._bus = bus
        self._jobs = jobs
        self._kind = kind
        self._tracks = tracks
        self._slots = slots
        self._settings = settings

    async def spotify(self, url: str) -> Collection:
        """Return the track, album or playlist of a link to Spotify."""
        return await self._collection(parse_spotify_link(url))

    async def search(self, query: str, limit: int, offset: int) -> tuple[list[Song], int]:
        """Search Spotify's catalog. Return a page of songs and the number of all results."""
        return await self._as_caller(lambda catalog: catalog.search(query, limit, offset))

    async def track_ids(self, source_ids: Sequence[str]) -> list[str]:
        """Return for each source the ID of the caller's track of it, or an empty string."""
        owner_id = require_principal().id
        lookups = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

        async def look_up(source_id: str) -> str:
            track_id = track_id_of(owner_id, source_id)
            async with lookups:
                with suppressed(Code.NOT_FOUND):
                    await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))
                    return track_id
            return ""

        return list(await asyncio.gather(*(look_up(source_id) for source_id in source_ids)))

    async def create(self, request: pb.CreateDownloadsRequest) -> pb.CreateDownloadsResponse:
        """Create a job for each recording of a link, or for an earlier download of a track.

        Each job completes a track, which the library stores at once without audio.

        Raises ``URL_INVALID``, ``VALIDATION_ERROR``, ``ADDRESS_REFUSED``, ``SPOTIFY_ERROR``, ``SPOTIFY_UNAUTHORIZED``,
        ``NOTHING_TO_DOWNLOAD``, ``TOO_MANY_PENDING``, ``TRACK_NOT_FOUND``, ``NOT_DOWNLOADED``.
        """
        answer = pb.CreateDownloadsResponse()
        if request.track_id:
            specs = [await self._spec_of_track(request.track_id, request.quality)]
            answer.kind = "track" if specs[0].song else "link"
        else:
            specs = await self._specs_of_link(request.url, service.parse_quality(request.quality), answer)
        if not specs:
            raise errors.NOTHING_TO_DOWNLOAD()
        under_way = await self._under_way()
        self._require_room(len(under_way), sum(spec.track_id not in under_way for spec in specs))
        for spec in specs:
            job = under_way.get(spec.track_id)
            existed = job is not None
            if job is not None:  # reading the job repairs a crash before its track was stored
                job = (await self._jobs.GetJob(library_service_pb2.GetJobRequest(job_id=job.id))).job
            else:
                key = _key(request.idempotency_key, spec) if len(specs) > 1 else request.idempotency_key
                job, existed = await self._create_job(spec, key)
            title = spec.song.title if spec.song else ""
            # The idempotency key may belong to an earlier job, which becomes another track.
            answer.downloads.add(job=job, track_id=job.track_id, title=title, existed=existed)
        return answer

    async def _specs_of_link(self, url: str, quality: str, answer: pb.CreateDownloadsResponse) -> list[DownloadSpec]:
        """Return the specifications of the downloads of a link, and describe the link in ``answer``."""
        owner_id = require_principal().id
        link = parse_link(url)
        if isinstance(link, SpotifyLink | ShortLink):
            collection = await self._collection(link)
            answer.kind, answer.name, answer.truncated = collection.kind, collection.name, collection.truncated
            answer.skipped.extend(to_wire(each, pb.SkippedEntry) for each in collection.skipped)
            distinct = {song.spotify_id: song for song in collection.songs}
            return [
                DownloadSpec(track_id_of(owner_id, song.source_id), quality, song.url, song)
                for song in distinct.values()
            ]
        await self._guard.addresses(link.host, link.port)  # so that the request fails instead of the job
        answer.kind = "link"
        return [DownloadSpec(track_id_of(owner_id, link.url), quality, link.url)]

    async def _spec_of_track(self, track_id: str, quality: str) -> DownloadSpec:
        """Return the specification of a track's latest download, with another quality if one is given."""
        track = (await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))).track
        if not track.download_job_id:
            raise errors.NOT_DOWNLOADED()
        request = library_service_pb2.GetJobRequest(job_id=track.download_job_id)
        spec = from_wire(self._kind.parse((await self._jobs.GetJob(request)).job), DownloadSpec)
        return dataclasses.replace(spec, quality=service.parse_quality(quality)) if quality.strip() else spec

    def _require_room(self, unfinished_count: int, new_count: int) -> None:
        """Raise if the new downloads exceed the limit. A collection is accepted as a whole or not at all."""
        limit = self._settings.download_pending_limit
        if limit and unfinished_count + new_count > limit:
            raise errors.TOO_MANY_PENDING(
                f"You would have {unfinished_count + new_count} unfinished downloads; {limit} are allowed. "
                "Wait until some are done, or cancel some."
            )

    async def _create_job(self, spec: DownloadSpec, idempotency_key: str) -> tuple[job_pb2.Job, bool]:
        return await create_job(
            self._bus,
            self._jobs,
            self._kind,
            to_wire(spec, jobs_pb2.DownloadSpec),
            library_service_pb2.CreateJobRequest(
                track_id=spec.track_id,
                output_folder=service.track_folder(spec.track_id),
                idempotency_key=idempotency_key,
                fingerprint=f"download:{spec.track_id}:{spec.quality}",
                new_track=_new_track(spec),
            ),
        )

    async def _under_way(self) -> dict[str, job_pb2.Job]:
        """Return the caller's unfinished downloads by the id of the track that each creates."""
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
                    found[job.track_id] = job
            if page * _JOB_PAGE_SIZE >= listed.total_count:
                break
        return found

    async def _collection(self, link: SpotifyLink | ShortLink) -> Collection:
        target = await self._expand(link) if isinstance(link, ShortLink) else link
        if target.kind == "track":  # all users see the same metadata
            return await self._slots.run(lambda: self._catalog.collection(target.kind, target.id))
        return await self._as_caller(lambda catalog: catalog.collection(target.kind, target.id))

    async def _as_caller(self, look_up: Callable[[SpotifyCatalog], T]) -> T:
        """Look up an item with the caller's Spotify account if it is connected, else or then with the application's."""
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
        """Resolve a short link, by its redirects or by the link in its page."""
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
            raise errors.SPOTIFY_AWAY(
                "Spotify's short link does not answer. Use the long one, or try again in a minute."
            ) from None
        named = _CATALOG_ADDRESS.findall(page.decode("utf-8", "replace"))
        target = next(filter(None, map(_target, (last, *named))), None)
        if target is None:
            raise errors.URL_INVALID("This short link leads to no track, album or playlist.")
        return target


def _target(url: str) -> SpotifyLink | None:
    try:
        link = parse_spotify_link(url)
    except AppError:
        return None
    return link if isinstance(link, SpotifyLink) else None


def _new_track(spec: DownloadSpec) -> track_pb2.NewTrack:
    """Return what is known about the track before its download."""
    if spec.song is None:
        return track_pb2.NewTrack(title=spec.title, source="import")
    return track_pb2.NewTrack(
        title=spec.title,
        artist=spec.song.artist,
        album=spec.song.album,
        source="spotify",
        spotify_id=spec.song.spotify_id,
        spotify_url=spec.song.url,
        cover_url=spec.song.cover_url,
        duration_seconds=spec.song.duration_seconds,
    )


def _key(idempotency_key: str, spec: DownloadSpec) -> str:
    return hashlib.sha256(f"{idempotency_key}\n{spec.track_id}".encode()).hexdigest() if idempotency_key else ""
