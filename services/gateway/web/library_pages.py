"""The pages of the caller's jobs and tracks, and the files that they link to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query, Request
from soundwright.library.v1 import job_pb2
from starlette.responses import Response

from kit import errors
from kit.security.identity import current_principal
from services.gateway.callers.access import Access, access
from services.gateway.callers.csrf import FIELD
from services.gateway.callers.rate_limits import RateClass
from services.gateway.clients import Gateway
from services.gateway.file_paths import extension
from services.gateway.files.files import blob_response
from services.gateway.files.uploads import UploadPolicy
from services.gateway.job_kinds import job_kind
from services.gateway.openapi.responses import BINARY, file_responses
from services.gateway.records import own_job, own_track
from services.gateway.web.lists import CardPage, job_cards, track_cards
from services.gateway.web.responses import REDIRECT, page_responses
from services.gateway.web.templates import player_headers
from services.gateway.web.views import LOG_IN, Views, session_of
from services.gateway.wire.parameters import JobId, PageNumber, TrackId

Search = Annotated[str, Query(max_length=500, description="Words or prefixes of words.", examples=["blind"])]
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD, "file"],
                    "properties": {
                        FIELD: {"type": "string", "description": "The CSRF token of the page. It precedes the file."},
                        "file": {**BINARY, "description": "The audio file."},
                    },
                }
            }
        },
    }
}


def library_routes(gateway: Gateway, views: Views) -> APIRouter:
    """Return the routes of the library pages and their files.

    If open access is enabled, anonymous callers can use them too. The file routes of the dialects require a token.
    """
    router = APIRouter(tags=["pages music"])
    clients, blobs = gateway.clients, gateway.blobs
    recordings = UploadPolicy("pages")
    headers = player_headers(blobs.public.origin if blobs.public else "")

    @router.get("/jobs")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(errors.VALIDATION_ERROR)
    async def jobs_page(request: Request, page_number: Annotated[PageNumber, Query(alias="page")] = 1) -> Response:
        """Show your jobs and their results, newest first."""
        if current_principal() is None:
            return _log_in(views, request)
        return _page(views, request, "jobs.html", await job_cards(clients, page_number), headers)

    @router.get("/tracks")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(errors.VALIDATION_ERROR)
    async def tracks_page(
        request: Request, page_number: Annotated[PageNumber, Query(alias="page")] = 1, q: Search = ""
    ) -> Response:
        """Show your tracks and their stems, newest first. ``q`` searches them."""
        if current_principal() is None:
            return _log_in(views, request)
        return _page(views, request, "tracks.html", await track_cards(clients, page_number, q), headers, q)

    @router.post("/tracks", openapi_extra=_UPLOAD)
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(errors.FORM_NEEDED, errors.AUDIO_UNREADABLE, page=False)
    async def upload_by_page(request: Request) -> Response:
        """Upload an audio file with the form on the tracks page."""
        if session_of(request) is None:
            return _log_in(views, request)
        await gateway.uploads.receive_track(request, recordings)
        return views.redirect(request, "/tracks", "uploaded")

    @router.get("/tracks/{track_id}/audio")
    @access(Access.BROWSER, RateClass.FILES)
    @file_responses(
        "audio/*",
        errors.TRACK_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        errors.FILE_NOT_FOUND,
        responses={302: REDIRECT},
    )
    async def get_track_audio(request: Request, track_id: TrackId) -> Response:
        """Download or play the audio file of a track. Supports range requests."""
        if current_principal() is None:
            return _log_in(views, request)
        track = await own_track(clients, track_id, needs_audio=True)
        filename = f"{track.title}.{extension(track.blob_key)}"
        return await blob_response(request, blobs, track.blob_key, content_type=track.content_type, filename=filename)

    @router.get("/jobs/{job_id}/files/{name}")
    @access(Access.BROWSER, RateClass.FILES)
    @file_responses(
        "*/*",
        errors.ACCESS_DENIED,
        errors.JOB_NOT_FOUND,
        errors.FILE_NOT_FOUND,
        responses={302: REDIRECT},
    )
    async def get_job_file(
        request: Request,
        job_id: JobId,
        name: Annotated[str, Path(description="Name of the file in the job.", examples=["vocals"])],
    ) -> Response:
        """Download or play an output file of a job. Supports range requests."""
        if current_principal() is None:
            return _log_in(views, request)
        content_type, key = _file_of(await own_job(clients, job_id), name)
        filename = f"{name}.{extension(key)}"
        return await blob_response(request, blobs, key, content_type=content_type, filename=filename)

    return router


def _page(
    views: Views, request: Request, name: str, shown: CardPage, headers: Mapping[str, str], q: str = ""
) -> Response:
    def address(number: int) -> str:
        values = {"page": str(number), "q": q}
        return f"{request.url.path}?{urlencode({name: value for name, value in values.items() if value})}"

    return views.page(
        request,
        name,
        headers=headers,
        cards=shown.cards,
        newer_path=address(max(1, min(shown.number - 1, shown.page_count))) if shown.number > 1 else "",
        older_path=address(shown.number + 1) if shown.number < shown.page_count else "",
        page_number=shown.number,
        page_count=shown.page_count,
        q=q,
    )


def _log_in(views: Views, request: Request) -> Response:
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = quote(target, safe="") if request.method == "GET" else ""
    return views.redirect(request, f"{LOG_IN}?return_to={back}" if back else LOG_IN, "must_log_in")


def _file_of(job: job_pb2.Job, name: str) -> tuple[str, str]:
    """Return the content type and blob key of a file of a job."""
    for file in job_kind(job.kind).files(job):
        if file.name == name and file.blob_key:
            return file.content_type, file.blob_key
    for output in job.result.outputs:
        if output.name == name:
            return output.content_type, output.blob_key
    raise errors.FILE_NOT_FOUND()
