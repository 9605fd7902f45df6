"""Bus messages to service calls: runs download jobs."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc, track_pb2

from kit import audio
from kit.compute import ComputeSlots
from kit.errors import AppError, Code
from kit.identity import Principal, principal_scope
from kit.jobs import JobContext
from kit.log import get_logger
from kit.outbound.guard import Guard
from kit.outbound.web import read_web
from kit.ports import Blobs
from services.ingest import service
from services.ingest.fetch.encoding import keep
from services.ingest.fetch.fetcher import Fetched, Fetcher
from services.ingest.fetch.tags import Tags, picture_type, read_tags, write_tags
from services.ingest.recordings import Recording, examine
from services.ingest.service import DownloadSpec
from services.ingest.songs import one_line

__all__ = ["DownloadWorker"]

_FETCHED_RATIO, _ENCODED_RATIO = 0.8, 0.95
_COVER_LIMIT_BYTES = 8 << 20
_COVER_SECONDS = 20.0
_LENGTH_TOLERANCE_SECONDS = 10.0
log = get_logger()


class DownloadWorker:
    """The handler of download jobs."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        guard: Guard,
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        slots: ComputeSlots,
        scratch: Path,
        limits: audio.AudioLimits,
    ) -> None:
        self._fetcher = fetcher
        self._guard = guard
        self._blobs = blobs
        self._tracks = tracks
        self._slots = slots
        self._scratch = scratch
        self._limits = limits

    async def handle(self, context: JobContext) -> job_pb2.JobResult:
        """Bring the recording and make it a track of the job's owner, unless it is one already."""
        started = time.monotonic()
        spec = DownloadSpec.from_json(context.job.spec_json)
        with principal_scope(Principal(context.job.owner_id, "user")):
            if await self._track(spec.track_id) is not None:
                return job_pb2.JobResult(engine="library")
            with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
                folder = Path(name)
                fetched = await self._fetch(context, spec, folder)
                tags = await self._slots.run(functools.partial(_tags, spec, fetched))
                cover = await self._cover(spec.song.cover_url if spec.song else fetched.cover_url)
                context.report(_FETCHED_RATIO, "Converting")
                report = _part(context, _FETCHED_RATIO, _ENCODED_RATIO)
                prepare = functools.partial(
                    _prepare, fetched.path, folder, spec.mp3_kbits, tags, cover, self._limits, report
                )
                path, recording, warnings = await self._slots.run(prepare)
                context.report(_ENCODED_RATIO, "Storing")
                track = _track_of(spec, tags, recording, warnings)
                await self._store(track, path, context.job)
        return job_pb2.JobResult(engine="yt-dlp", model=fetched.extractor, compute_seconds=time.monotonic() - started)

    async def _fetch(self, context: JobContext, spec: DownloadSpec, folder: Path) -> Fetched:
        report = _part(context, 0.0, _FETCHED_RATIO)
        song = spec.song
        if song is None:
            context.report(0.0, "Fetching")
            return await self._fetcher.fetch_link(spec.url, folder, report)
        context.report(0.0, "Looking for the recording, and fetching it")
        return await self._fetcher.fetch_match(song.title, song.artists, song.duration_seconds, folder, report)

    async def _cover(self, url: str) -> bytes:
        """The cover, empty if it cannot be had: the recording is worth keeping without."""
        if not url:
            return b""
        try:
            _, cover = await read_web(self._guard, url, limit_bytes=_COVER_LIMIT_BYTES, seconds=_COVER_SECONDS)
        except (AppError, OSError) as error:
            log.info("cover.missing", kind=type(error).__name__)
            return b""
        return cover if picture_type(cover) else b""

    async def _track(self, track_id: str) -> track_pb2.Track | None:
        try:
            return (await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))).track
        except AppError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            return None

    async def _store(self, track: track_pb2.Track, path: Path, job: job_pb2.Job) -> None:
        """Put the file in its place and register the track. Of several attempts or jobs for it, the first one wins."""
        track.blob_key = service.attempt_key(track.id, job.id, job.attempt, track.container)
        await self._blobs.put_file(track.blob_key, path)
        try:
            await self._tracks.CreateTrack(library_service_pb2.CreateTrackRequest(track=track))
        except BaseException as error:
            winner = None
            if isinstance(error, AppError) and error.code is Code.CONFLICT:
                winner = await self._track(track.id)
            if winner is None or winner.blob_key != track.blob_key:
                await self._blobs.delete(track.blob_key)
            if winner is None:
                raise
            return
        # What attempts that were killed left behind; others that are still at it will find that they come too late.
        folder = f"tracks/{track.id}/"
        for key in await self._blobs.keys(folder):
            if key != track.blob_key:
                await self._blobs.delete(key)
        log.info(
            "track.created",
            track_id=track.id,
            container=track.container,
            duration_seconds=round(track.duration_seconds, 3),
            size_bytes=track.size_bytes,
        )


def _part(context: JobContext, start: float, end: float) -> Callable[[float], None]:
    """Reports a part of the job's progress."""
    return lambda share: context.report(start + (end - start) * share)


def _tags(spec: DownloadSpec, fetched: Fetched) -> Tags:
    song = spec.song
    if song is None:
        # What a file says of itself is worth more than its name at some address.
        own = read_tags(fetched.path) if fetched.direct else Tags()
        return Tags(
            title=one_line(own.title or fetched.title),
            artist=one_line(own.artist or fetched.artist),
            album=one_line(own.album or fetched.album),
            address=spec.url,
        )
    return Tags(
        title=song.title,
        artist=song.artist,
        album=song.album,
        album_artist=song.album_artist,
        track_number=song.track_number,
        disc_number=song.disc_number,
        date=song.release_date,
        isrc=song.isrc,
        address=song.url,
    )


def _prepare(
    source: Path,
    folder: Path,
    mp3_kbits: int | None,
    tags: Tags,
    cover: bytes,
    limits: audio.AudioLimits,
    report: Callable[[float], None],
) -> tuple[Path, Recording, tuple[str, ...]]:
    """Encode, tag, and look at the outcome as at any upload."""
    path, warnings = keep(source, folder, mp3_kbits, limits, report)
    write_tags(path, tags, cover)
    return path, examine(path, limits), warnings


def _track_of(spec: DownloadSpec, tags: Tags, recording: Recording, warnings: tuple[str, ...]) -> track_pb2.Track:
    name = " - ".join(filter(None, (tags.artist, tags.title))).replace("/", "-").replace("\\", "-")
    filename = service.clean_filename(f"{name[:150] or 'untitled'}.{recording.container}")
    track = track_pb2.Track(
        id=spec.track_id,
        title=tags.title or service.title_of(filename),
        artist=tags.artist,
        album=tags.album,
        source="spotify" if spec.song else "import",
        filename=filename,
    )
    if spec.song:
        track.spotify_id, track.spotify_url, track.cover_url = (
            spec.song.spotify_id,
            spec.song.url,
            spec.song.cover_url,
        )
    recording.describe(track)
    wanted_seconds = spec.song.duration_seconds if spec.song else 0.0
    differs = wanted_seconds and abs(wanted_seconds - track.duration_seconds) > _LENGTH_TOLERANCE_SECONDS
    found = [*track.warnings, *warnings, *(["LENGTH_DIFFERS"] if differs else [])]
    track.ClearField("warnings")
    track.warnings.extend(dict.fromkeys(found))
    return track
