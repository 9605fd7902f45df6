"""Downloads: start the downloads of a link, poll a download job."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.ingest.v1 import jobs_pb2
from soundwright.kit import errors
from soundwright.library.v1 import job_pb2
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.dialects.forge.spotify import Skipped, skipped_to_wire
from soundwright.services.gateway.job_kinds import job_kind, unpacked
from soundwright.services.gateway.job_views import JobStatus, error_text, progress, progress_message, status
from soundwright.services.gateway.openapi.responses import Bytes, Percent, Uuid, documented
from soundwright.services.gateway.records import created_track, own_job, own_track
from soundwright.services.gateway.wire.parameters import IdempotencyKey, JobId, body_of, body_schema

# Long playlists are read completely, and each of their tracks becomes a job.
_TIMEOUT_SECONDS = 300.0
_QUALITIES = ("lossless", "high", "medium", "low")


class DownloadParameters(BaseModel):
    """The link to download, or the track whose download is repeated."""

    url: str = Field(
        "",
        max_length=2000,
        description="Link to a Spotify track, album or playlist, to a page with one recording, or to an audio file. "
        "Required unless `track_id` is given.",
        examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"],
    )
    track_id: str = Field(
        "",
        max_length=100,
        description="Track to download again, for example after a failure. Replaces `url`.",
        examples=[""],
    )
    quality: str = Field(
        "",
        max_length=20,
        description="`lossless` is FLAC, the others are MP3. Default: `high`, or the quality of the earlier download.",
        json_schema_extra={"enum": ["", *_QUALITIES]},
        examples=["high"],
    )


class PreviewParameters(BaseModel):
    """The link to look into."""

    url: str = Field(
        min_length=1,
        max_length=2000,
        description="Link to Spotify, to a page with recordings, or to an audio file.",
        examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"],
    )


class LinkEntry(TypedDict):
    """A recording that a link leads to."""

    url: Annotated[
        str,
        Field(
            description="The link of this recording alone.",
            examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"],
        ),
    ]
    title: Annotated[str, Field(examples=["Blinding Lights"])]
    artist: Annotated[str | None, Field(examples=["The Weeknd"])]
    duration_seconds: Annotated[float | None, Field(ge=0, description="Null if not known.", examples=[200.04])]
    track_id: Annotated[Uuid | None, Field(description="Your track of this recording. Null if you have none.")]
    problem: Annotated[str | None, Field(description="Why it cannot be downloaded. Null if it can.")]


class LinkPreview(TypedDict):
    """What a link contains."""

    type: Annotated[Literal["track", "album", "playlist", "link"], Field(description="The type of the link.")]
    name: Annotated[str | None, Field(description="Name of the list. Null for a single recording.")]
    entries: Annotated[list[LinkEntry], Field(description="The first 50 recordings.")]
    entry_count: Annotated[int, Field(ge=0, description="Number of recordings that were found.", examples=[1])]
    truncated: Annotated[bool, Field(description="Whether the list has more entries than were found.")]


class DownloadStarted(TypedDict):
    """An accepted download."""

    job_id: Uuid
    track_id: Uuid
    status: JobStatus
    title: Annotated[str | None, Field(description="The title. Null if not known yet.", examples=["Blinding Lights"])]


class DownloadsStarted(DownloadStarted):
    """All downloads of a request. The fields of the first one are repeated at the top level."""

    type: Annotated[Literal["track", "album", "playlist", "link"], Field(description="The type of the link.")]
    name: Annotated[str | None, Field(description="Name of the album or playlist.")]
    jobs: list[DownloadStarted]
    skipped: list[Skipped]
    truncated: Annotated[bool, Field(description="Whether the list has more entries than the limit.")]


class DownloadJob(TypedDict):
    """A download job."""

    id: Uuid
    track_id: Uuid | None
    status: Annotated[JobStatus, Field(examples=["downloading"])]
    progress: Percent
    message: Annotated[str | None, Field(examples=["Downloading"])]
    quality: Annotated[Literal["lossless", "high", "medium", "low"] | None, Field(examples=["high"])]
    output_path: Annotated[str | None, Field(description="Path of the file. Null until completed.")]
    file_size: Bytes | None
    error: Annotated[str | None, Field(description="Why the job failed.")]
    error_code: str | None


_REFUSALS = (
    errors.URL_INVALID,
    errors.SPOTIFY_NOT_FOUND,
    errors.VALIDATION_ERROR,
    errors.TRACK_NOT_FOUND,
    errors.NOT_DOWNLOADED,
    errors.ADDRESS_REFUSED,
    errors.NOTHING_TO_DOWNLOAD,
    errors.TOO_MANY_PENDING,
    errors.QUEUE_FULL,
    errors.SPOTIFY_BUSY,
    errors.SPOTIFY_AWAY,
    errors.SPOTIFY_UNAUTHORIZED,
)

_PREVIEW_REFUSALS = (
    errors.URL_INVALID,
    errors.SPOTIFY_NOT_FOUND,
    errors.VALIDATION_ERROR,
    errors.ADDRESS_REFUSED,
    errors.MEDIA_UNSUPPORTED,
    errors.MEDIA_UNAVAILABLE,
    errors.RECORDING_TOO_LARGE,
    errors.FETCH_TIMEOUT,
    errors.FETCH_INTERRUPTED,
    errors.TOO_MANY_PREVIEWS,
    errors.SPOTIFY_BUSY,
    errors.SPOTIFY_AWAY,
    errors.SPOTIFY_UNAUTHORIZED,
)


def download_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["forge download"])
    clients = gateway.clients

    @router.post("/download/preview", openapi_extra=body_schema(PreviewParameters))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(Data[LinkPreview], *_PREVIEW_REFUSALS)
    async def preview_link(parameters: Annotated[PreviewParameters, Depends(body_of(PreviewParameters))]) -> Response:
        """Get the recordings that a link leads to, without downloading them."""
        found = await clients.ingest.PreviewLink(pb.PreviewLinkRequest(url=parameters.url), timeout=_TIMEOUT_SECONDS)
        entries = [shaped(entry, LinkEntry) for entry in found.entries]
        preview = {"type": found.kind, "name": found.name or None, "entries": entries}
        return data({**preview, "entry_count": found.entry_count, "truncated": found.truncated})

    @router.post("/download/track", openapi_extra=body_schema(DownloadParameters))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(Data[DownloadsStarted], *_REFUSALS, status=201, idempotent=True)
    async def download_track(
        parameters: Annotated[DownloadParameters, Depends(body_of(DownloadParameters))], idempotency_key: IdempotencyKey
    ) -> Response:
        """Download the recordings of a link into your library. Each recording has its own job.

        The tracks exist at once and show the known metadata and their ``download_status``. To repeat a failed download,
        send the link again, or ``track_id`` instead of ``url``.
        """
        return await _create(parameters, idempotency_key)

    @router.post("/spotify/import", openapi_extra=body_schema(DownloadParameters))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(Data[DownloadsStarted], *_REFUSALS, status=201, idempotent=True)
    async def import_from_spotify(
        parameters: Annotated[DownloadParameters, Depends(body_of(DownloadParameters))], idempotency_key: IdempotencyKey
    ) -> Response:
        """The same as ``POST /api/download/track``."""
        return await _create(parameters, idempotency_key)

    async def _create(parameters: DownloadParameters, idempotency_key: str) -> Response:
        track_id = parameters.track_id.strip()
        if bool(track_id) == bool(parameters.url.strip()):
            problem = "can't be blank" if not track_id else "can't be given together with track_id"
            raise errors.invalid("url", problem, "Send either url or track_id.")
        if track_id:
            track_id = (await own_track(clients, track_id)).id
        created = await clients.ingest.CreateDownloads(
            pb.CreateDownloadsRequest(
                url=parameters.url, track_id=track_id, quality=parameters.quality, idempotency_key=idempotency_key
            ),
            timeout=_TIMEOUT_SECONDS,
        )
        jobs = [_job_to_wire(download) for download in created.downloads]
        skipped = skipped_to_wire(created.skipped, created.truncated)
        body = {"type": created.kind, "name": created.name or None, **jobs[0], "jobs": jobs, **skipped}
        return data(body, 200 if all(download.existed for download in created.downloads) else 201)

    @router.get("/download/job/{job_id}")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(Data[DownloadJob], errors.ACCESS_DENIED, errors.JOB_NOT_FOUND)
    async def get_download(job_id: JobId) -> Response:
        """Get the status of a download, and the path of its file once it is completed."""
        job = await own_job(clients, job_id, job_pb2.JOB_KIND_DOWNLOAD)
        file = job_kind(job.kind).result_file(job, await created_track(clients, job))
        return data(
            {
                "id": job.id,
                "track_id": job.track_id or None,
                "status": status(job),
                "progress": progress(job),
                "message": progress_message(job),
                "quality": unpacked(job.spec, jobs_pb2.DownloadSpec).quality or None,
                "output_path": file.path,
                "file_size": file.size_bytes,
                "error": error_text(job),
                "error_code": job.error.reason or None if error_text(job) else None,
            }
        )

    return router


def _job_to_wire(download: pb.Download) -> DownloadStarted:
    return {
        "job_id": download.job.id,
        "track_id": download.track_id,
        "status": status(download.job),
        "title": download.title or None,
    }
