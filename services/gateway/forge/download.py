"""Downloads: start one for each recording behind a link, poll one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.library.v1 import job_pb2
from starlette.responses import Response

from kit.errors import AppError
from services.gateway.clients import Gateway
from services.gateway.forge.jobs import own_job
from services.gateway.forge.spotify import skipped_to_wire
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
from services.gateway.params import body_of, body_schema, idempotency_key

__all__ = ["download_routes"]

# A long playlist is read to its end, and gives a job for each of its tracks.
_SECONDS = 300.0


class DownloadParameters(BaseModel):
    """What to bring in, and how."""

    url: str = Field(
        min_length=1,
        max_length=2000,
        description="a link to a Spotify track, album or playlist, to a page with one recording, or to an audio file",
    )
    quality: str = Field("", max_length=20, description="lossless (FLAC), high (default), medium, low (MP3)")


def download_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["download"])
    clients = gateway.clients

    @router.post("/download/track", openapi_extra=body_schema(DownloadParameters), status_code=201)
    async def download(
        request: Request, parameters: Annotated[DownloadParameters, Depends(body_of(DownloadParameters))]
    ) -> Response:
        """Bring the recordings behind a link into your library, each by a job of its own."""
        return await _create(request, parameters)

    @router.post("/spotify/import", openapi_extra=body_schema(DownloadParameters), status_code=201)
    async def import_spotify(
        request: Request, parameters: Annotated[DownloadParameters, Depends(body_of(DownloadParameters))]
    ) -> Response:
        """The same as ``POST /api/download/track``."""
        return await _create(request, parameters)

    async def _create(request: Request, parameters: DownloadParameters) -> Response:
        created = await clients.ingest.CreateDownloads(
            pb.CreateDownloadsRequest(
                url=parameters.url, quality=parameters.quality, idempotency_key=idempotency_key(request)
            ),
            timeout=_SECONDS,
        )
        jobs = [_job_to_wire(download) for download in created.downloads]
        body = {"type": created.kind, "name": created.name or None, **jobs[0], "jobs": jobs}
        body |= skipped_to_wire(created.skipped, created.truncated)
        return data(body, 200 if all(download.existed for download in created.downloads) else 201)

    @router.get("/download/job/{job_id}")
    async def get_job(job_id: str) -> Response:
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


def _job_to_wire(download: pb.Download) -> dict[str, Any]:
    return {
        "job_id": download.job.id,
        "track_id": download.track_id,
        "status": status(download.job),
        "title": download.title or None,
    }
