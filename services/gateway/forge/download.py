"""Downloads: start one for each recording behind a link, poll one."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.library.v1 import job_pb2
from starlette.responses import Response
from typing_extensions import TypedDict

from kit.errors import AppError
from services.gateway import refusals
from services.gateway.answers import Bytes, Percent, Uuid, answers
from services.gateway.clients import Gateway
from services.gateway.forge.jobs import own_job
from services.gateway.forge.shapes import Data, JobStatus
from services.gateway.forge.spotify import Skipped, skipped_to_wire
from services.gateway.forge.tracks import own_track
from services.gateway.forge.wire import (
    data,
    error_text,
    progress,
    progress_message,
    spec_of,
    status,
    track_file_path,
)
from services.gateway.params import IdempotencyKey, JobId, body_of, body_schema

__all__ = ["download_routes"]

# A long playlist is read to its end, and gives a job for each of its tracks.
_SECONDS = 300.0
_QUALITIES = ("lossless", "high", "medium", "low")


class DownloadParameters(BaseModel):
    """What to bring in, and how."""

    url: str = Field(
        min_length=1,
        max_length=2000,
        description="a link to a Spotify track, album or playlist, to a page with one recording, or to an audio file",
        examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"],
    )
    quality: str = Field(
        "",
        max_length=20,
        description="lossless is FLAC, the others MP3; empty: high",
        json_schema_extra={"enum": ["", *_QUALITIES]},
        examples=["high"],
    )


class DownloadStarted(TypedDict):
    """A download that was accepted."""

    job_id: Uuid
    track_id: Uuid
    status: JobStatus
    title: Annotated[str | None, Field(description="null until it is known", examples=["Blinding Lights"])]


class DownloadsStarted(DownloadStarted):
    """The first download, and all of them."""

    type: Annotated[Literal["track", "album", "playlist", "link"], Field(description="what the link leads to")]
    name: Annotated[str | None, Field(description="of the album or playlist", examples=[None])]
    jobs: list[DownloadStarted]
    skipped: list[Skipped]
    truncated: Annotated[bool, Field(description="the list goes on, but we do not")]


class DownloadJob(TypedDict):
    """A download that was asked for."""

    id: Uuid
    track_id: Uuid | None
    status: Annotated[JobStatus, Field(examples=["downloading"])]
    progress: Percent
    message: Annotated[str | None, Field(examples=["Downloading"])]
    quality: Annotated[Literal["lossless", "high", "medium", "low"] | None, Field(examples=["high"])]
    output_path: Annotated[str | None, Field(description="null until it is completed", examples=[None])]
    file_size: Annotated[Bytes | None, Field(examples=[None])]
    error: Annotated[str | None, Field(description="why it failed", examples=[None])]
    error_code: Annotated[str | None, Field(examples=[None])]


_REFUSALS = (
    refusals.URL_INVALID,
    refusals.SPOTIFY_NOT_FOUND,
    refusals.VALIDATION_ERROR,
    refusals.ADDRESS_REFUSED,
    refusals.NOTHING_TO_DOWNLOAD,
    refusals.TOO_MANY_PENDING,
    refusals.SPOTIFY_BUSY,
    refusals.SPOTIFY_AWAY,
    refusals.SPOTIFY_UNAUTHORIZED,
)


def download_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["forge download"])
    clients = gateway.clients

    @router.post("/download/track", openapi_extra=body_schema(DownloadParameters))
    @answers(Data[DownloadsStarted], *_REFUSALS, status=201, repeatable=True)
    async def download_track(
        parameters: Annotated[DownloadParameters, Depends(body_of(DownloadParameters))], idempotency_key: IdempotencyKey
    ) -> Response:
        """Bring the recordings behind a link into your library, each by a job of its own."""
        return await _create(parameters, idempotency_key)

    @router.post("/spotify/import", openapi_extra=body_schema(DownloadParameters))
    @answers(Data[DownloadsStarted], *_REFUSALS, status=201, repeatable=True)
    async def import_from_spotify(
        parameters: Annotated[DownloadParameters, Depends(body_of(DownloadParameters))], idempotency_key: IdempotencyKey
    ) -> Response:
        """The same as ``POST /api/download/track``."""
        return await _create(parameters, idempotency_key)

    async def _create(parameters: DownloadParameters, idempotency_key: str) -> Response:
        created = await clients.ingest.CreateDownloads(
            pb.CreateDownloadsRequest(url=parameters.url, quality=parameters.quality, idempotency_key=idempotency_key),
            timeout=_SECONDS,
        )
        jobs = [_job_to_wire(download) for download in created.downloads]
        skipped = skipped_to_wire(created.skipped, created.truncated)
        body = {"type": created.kind, "name": created.name or None, **jobs[0], "jobs": jobs, **skipped}
        return data(body, 200 if all(download.existed for download in created.downloads) else 201)

    @router.get("/download/job/{job_id}")
    @answers(Data[DownloadJob], refusals.ACCESS_DENIED, refusals.JOB_NOT_FOUND)
    async def get_download(job_id: JobId) -> Response:
        """How a download is going; where its file is once it is completed."""
        job = await own_job(clients, job_id, job_pb2.JOB_KIND_DOWNLOAD)
        spec = spec_of(job)
        path, size = None, None
        if job.state == job_pb2.JOB_STATE_SUCCEEDED:
            try:
                track = await own_track(clients, str(spec.get("track_id")))
                path, size = track_file_path(track), track.size_bytes
            except AppError as error:
                if error.reason != "TRACK_NOT_FOUND":  # deleted since
                    raise
        return data(
            {
                "id": job.id,
                "track_id": spec.get("track_id"),
                "status": status(job),
                "progress": progress(job),
                "message": progress_message(job),
                "quality": spec.get("quality"),
                "output_path": path,
                "file_size": size,
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
