"""Runs download jobs."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from soundwright.ingest.v1 import jobs_pb2
from soundwright.kit.confined.audio import ConfinedAudio, recording_of
from soundwright.kit.confined.recordings import Recording
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.messages import from_wire
from soundwright.kit.ports import Blobs
from soundwright.kit.security.egress_client import read_web
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.text import one_line
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.derived_files import cover_key
from soundwright.kit.worker.kind import JobKind, JobLimits, WorkQueue
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc, track_pb2
from soundwright.services.ingest import service
from soundwright.services.ingest.fetch.fetcher import Fetched, Fetcher
from soundwright.services.ingest.fetch.pictures import picture_type
from soundwright.services.ingest.fetch.tags import Tags
from soundwright.services.ingest.own_tags import cover_in, own_tags
from soundwright.services.ingest.recordings import describe
from soundwright.services.ingest.service import DownloadSpec
from soundwright.services.ingest.settings import IngestSettings

_FETCHED_RATIO, _ENCODED_RATIO = 0.8, 0.95
_COVER_LIMIT_BYTES = 8 << 20
_COVER_SECONDS = 20.0
_LENGTH_TOLERANCE_SECONDS = 10.0
_WARNING_LIMIT = 40
log = get_logger()


class DownloadWorker:
    """The handler of download jobs."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        egress_policy: EgressPolicy,
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        reader: ConfinedAudio,
        scratch: Path,
    ) -> None:
        self._fetcher = fetcher
        self._guard = egress_policy
        self._blobs = blobs
        self._tracks = tracks
        self._reader = reader
        self._scratch = scratch

    def job_kind(self, settings: IngestSettings) -> JobKind[jobs_pb2.DownloadSpec]:
        """Return the descriptor of download jobs. Each names its track's folder as its output folder."""
        return JobKind(
            kind=job_pb2.JOB_KIND_DOWNLOAD,
            spec=jobs_pb2.DownloadSpec,
            queue=WorkQueue("ingest", settings.download_slot_count),
            handler=self.handle,
            attempt_limit=settings.download_attempt_limit,
            limits=JobLimits(
                settings.download_pending_limit, settings.download_pending_limit, settings.download_queue_limit
            ),
            creates_track=True,
        )

    async def handle(self, context: JobContext, wanted: jobs_pb2.DownloadSpec) -> job_pb2.JobResult:
        """Download the audio of the job's track, unless the track has audio already."""
        started = time.monotonic()
        spec = from_wire(wanted, DownloadSpec)
        track = await self._track(spec.track_id)
        if track.blob_key:
            return job_pb2.JobResult(engine="library")
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            fetched = await self._fetch(context, spec, folder)
            tags = await _tags(spec, fetched)
            if spec.song is None:
                await self._record(_named(spec, tags), context.job)
            cover = await self._cover(spec.song.cover_url if spec.song else fetched.cover_url)
            context.report(_FETCHED_RATIO, "Converting")
            report = _part(context, _FETCHED_RATIO, _ENCODED_RATIO)
            path, recording, warnings = await self._prepare(fetched.path, spec.mp3_kbits, tags, cover, report)
            context.report(_ENCODED_RATIO, "Storing")
            track = _track_of(spec, tags, recording, warnings)
            await context.reserve(track.size_bytes)
            await self._store(track, path, cover_in(folder), context.job)
        return job_pb2.JobResult(engine="yt-dlp", model=fetched.extractor, compute_seconds=time.monotonic() - started)

    async def _fetch(self, context: JobContext, spec: DownloadSpec, folder: Path) -> Fetched:
        report = _part(context, 0.0, _FETCHED_RATIO)
        song = spec.song
        if song is None:
            context.report(0.0, "Fetching")
            return await self._fetcher.fetch_link(spec.url, folder, report)
        context.report(0.0, "Looking for the recording, and fetching it")
        return await self._fetcher.fetch_match(song.title, song.artists, song.duration_seconds, folder, report)

    async def _prepare(
        self, source: Path, mp3_kbits: int | None, tags: Tags, cover: bytes, report: Callable[[float], None]
    ) -> tuple[Path, Recording, list[str]]:
        """Encode and tag the recording in its folder, then examine the result like an upload."""
        folder = source.parent
        picture = folder / "cover"
        picture.write_bytes(cover)
        arguments = {
            "source": str(source),
            "mp3_kbits": mp3_kbits,
            "tags": dataclasses.asdict(tags),
            "cover": str(picture) if cover else "",
        }
        answer = await self._reader.run(
            "soundwright.services.ingest.fetch.media:prepare", arguments, folder, report=report
        )
        path = folder / ("kept.flac" if mp3_kbits is None else "kept.mp3")
        if path.is_symlink():
            raise PermissionError("the process that encoded the recording left a link")
        return (
            path,
            recording_of(answer["recording"]),
            [str(warning)[:_WARNING_LIMIT] for warning in answer["warnings"]],
        )

    async def _cover(self, url: str) -> bytes:
        """Return the cover image, or empty bytes if it cannot be fetched. A download does not fail without it."""
        if not url:
            return b""
        try:
            _, cover = await read_web(self._guard, url, limit_bytes=_COVER_LIMIT_BYTES, seconds=_COVER_SECONDS)
        except (AppError, OSError) as error:
            log.info("cover.missing", kind=type(error).__name__)
            return b""
        return cover if picture_type(cover) else b""

    async def _track(self, track_id: str) -> track_pb2.Track:
        """
        Raises ``TRACK_NOT_FOUND`` if the track was deleted.
        """
        return (await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))).track

    async def _record(self, track: track_pb2.Track, job: job_pb2.Job) -> None:
        track.owner_id = job.owner_id
        await self._tracks.RecordDownload(library_service_pb2.RecordDownloadRequest(track=track))

    async def _store(self, track: track_pb2.Track, path: Path, cover: Path | None, job: job_pb2.Job) -> None:
        """Store the file and record it in the track. If several attempts or jobs finish, the first one wins."""
        track.blob_key = service.attempt_key(track.id, job.id, job.attempt, track.container)
        await self._blobs.put_file(track.blob_key, path)
        if cover:
            track.cover_blob_key = cover_key(track.blob_key)
            await self._blobs.put_file(track.cover_blob_key, cover)
        try:
            await self._record(track, job)
        except AppError as error:
            if not error.retryable:  # else the call may have had its effect; the next attempt cleans up
                await self._blobs.delete(track.blob_key)
                await self._blobs.delete(cover_key(track.blob_key))
            if error.reason == "AUDIO_EXISTS":
                return
            raise
        # Delete what killed attempts left behind. Attempts that still run will find that the track has audio.
        folder = f"tracks/{track.id}/"
        for key in await self._blobs.keys(folder):
            if key not in (track.blob_key, track.cover_blob_key):
                await self._blobs.delete(key)
        log.info(
            "track.downloaded",
            track_id=track.id,
            container=track.container,
            duration_seconds=round(track.duration_seconds, 3),
            size_bytes=track.size_bytes,
        )


def _part(context: JobContext, start: float, end: float) -> Callable[[float], None]:
    """Return a function that maps the progress of a step, 0 to 1, to the range from ``start`` to ``end`` of the job."""
    return lambda share: context.report(start + (end - start) * share)


async def _tags(spec: DownloadSpec, fetched: Fetched) -> Tags:
    song = spec.song
    if song is None:
        # Tags of the file are more reliable than the file name in the URL.
        own = await own_tags(fetched.path, fetched.path.parent) if fetched.direct else Tags()
        return Tags(
            title=own.title or one_line(fetched.title),
            artist=own.artist or one_line(fetched.artist),
            album=own.album or one_line(fetched.album),
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


def _named(spec: DownloadSpec, tags: Tags) -> track_pb2.Track:
    """Return the track with the names that the site gives for it."""
    return track_pb2.Track(id=spec.track_id, title=tags.title or spec.title, artist=tags.artist, album=tags.album)


def _track_of(spec: DownloadSpec, tags: Tags, recording: Recording, warnings: Sequence[str]) -> track_pb2.Track:
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
    describe(recording, track)
    wanted_seconds = spec.song.duration_seconds if spec.song else 0.0
    differs = wanted_seconds and abs(wanted_seconds - track.duration_seconds) > _LENGTH_TOLERANCE_SECONDS
    found = [*track.warnings, *warnings, *(["LENGTH_DIFFERS"] if differs else [])]
    track.ClearField("warnings")
    track.warnings.extend(dict.fromkeys(found))
    return track
