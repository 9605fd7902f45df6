"""The pages on which people see their jobs and tracks, and the files that are linked from there."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query, Request
from soundwright.library.v1 import job_pb2
from starlette.responses import Response

from kit.errors import AppError, Code
from kit.identity import current_principal
from services.gateway import refusals
from services.gateway.answers import BINARY, sends
from services.gateway.auth import FIELD
from services.gateway.clients import Gateway
from services.gateway.files import blob_response
from services.gateway.forge.jobs import own_job
from services.gateway.forge.tracks import RECORDING, PageNumber, own_track
from services.gateway.forge.wire import extension
from services.gateway.params import JobId, TrackId
from services.gateway.web.answers import ELSEWHERE, shows
from services.gateway.web.cards import CLIP
from services.gateway.web.lists import CardList, JobList, TrackList, page_count
from services.gateway.web.views import LOG_IN, Views, session_of

__all__ = ["library_routes"]

Search = Annotated[str, Query(max_length=500, description="beginnings of words", examples=["blind"])]
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD, "file"],
                    "properties": {
                        FIELD: {"type": "string", "description": "the page's token, in front of the file"},
                        "file": {**BINARY, "description": "the recording"},
                    },
                }
            }
        },
    }
}


def library_routes(gateway: Gateway, views: Views) -> APIRouter:
    """Under open access these are for callers without a name, too: the files have routes in the dialects, but not for them,
    or not for browsers."""
    router = APIRouter(tags=["pages music"])
    clients, blobs = gateway.clients, gateway.blobs

    async def page(request: Request, name: str, shown: CardList, q: str = "") -> Response:
        if current_principal() is None:
            return _log_in(views, request)
        await shown.load()

        def address(path: str, number: int, **more: str) -> str:
            values = {**more, "page": str(number), "q": q}
            return f"{path}?{urlencode({name: value for name, value in values.items() if value})}"

        path, pages = f"/{shown.element_id}", page_count(shown)
        return views.page(
            request,
            name,
            live=True,
            list_id=shown.element_id,
            cards=shown.cards(),
            live_path=address("/live/websocket", shown.page, list=shown.element_id),
            newer_path=address(path, max(1, min(shown.page - 1, pages))) if shown.page > 1 else "",
            older_path=address(path, shown.page + 1) if shown.page < pages else "",
            page_number=shown.page,
            page_count=pages,
            q=q,
        )

    @router.get("/jobs")
    @shows(refusals.VALIDATION_ERROR)
    async def jobs_page(request: Request, page_number: Annotated[PageNumber, Query(alias="page")] = 1) -> Response:
        """Your jobs, newest first: how they are going, and what they gave."""
        return await page(request, "jobs.html", JobList(clients, page_number))

    @router.get("/tracks")
    @shows(refusals.VALIDATION_ERROR)
    async def tracks_page(
        request: Request, page_number: Annotated[PageNumber, Query(alias="page")] = 1, q: Search = ""
    ) -> Response:
        """Your tracks, newest first, or those that a search finds: to listen to and to keep, with their stems."""
        return await page(request, "tracks.html", TrackList(clients, page_number, q), q)

    @router.post("/tracks", openapi_extra=_UPLOAD)
    @shows(refusals.NO_FORM, refusals.AUDIO_UNREADABLE, page=False)
    async def upload_by_page(request: Request) -> Response:
        """Bring a recording in, by the form on the page of tracks."""
        if session_of(request) is None:
            return _log_in(views, request)
        await gateway.uploads.receive(request, RECORDING)
        return views.redirect(request, "/tracks", "uploaded")

    @router.get("/tracks/{track_id}/audio")
    @sends("audio/*", refusals.TRACK_NOT_FOUND, refusals.FILE_NOT_FOUND, also={302: ELSEWHERE})
    async def get_track_audio(request: Request, track_id: TrackId) -> Response:
        """The recording of a track, or a part of it."""
        if current_principal() is None:
            return _log_in(views, request)
        track = await own_track(clients, track_id)
        filename = f"{track.title}.{extension(track.blob_key)}"
        return await blob_response(
            request, blobs, track.blob_key, content_type=track.content_type, filename=filename, inline=True
        )

    @router.get("/jobs/{job_id}/files/{name}")
    @sends(
        "audio/*",
        refusals.ACCESS_DENIED,
        refusals.JOB_NOT_FOUND,
        refusals.FILE_NOT_FOUND,
        also={302: ELSEWHERE},
    )
    async def get_job_file(
        request: Request,
        job_id: JobId,
        name: Annotated[str, Path(description="As the job names it.", examples=["vocals"])],
    ) -> Response:
        """One of the files that a job gave, or a part of it."""
        if current_principal() is None:
            return _log_in(views, request)
        content_type, key = _file_of(await own_job(clients, job_id), name)
        filename = f"{name}.{extension(key)}"
        return await blob_response(request, blobs, key, content_type=content_type, filename=filename, inline=True)

    return router


def _log_in(views: Views, request: Request) -> Response:
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = quote(target, safe="") if request.method == "GET" else ""
    return views.redirect(request, f"{LOG_IN}?return_to={back}" if back else LOG_IN, "must_log_in")


def _file_of(job: job_pb2.Job, name: str) -> tuple[str, str]:
    """Content type and key of one of a job's files."""
    clip = job.result.generation.audio_blob_key
    if clip and name == CLIP:
        return "audio/wav", clip
    for output in job.result.outputs:
        if output.name == name:
            return output.content_type, output.blob_key
    raise AppError(Code.NOT_FOUND, "FILE_NOT_FOUND", "There is no such file.")
