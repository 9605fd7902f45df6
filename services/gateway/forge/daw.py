"""DAW export: stems in, one mix out."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from soundwright.separation.v1 import separation_service_pb2 as pb
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from kit.errors import AppError, Code
from kit.ports import Blobs
from services.gateway import refusals
from services.gateway.answers import answers, sends
from services.gateway.clients import Gateway
from services.gateway.files import attachment, safe_title
from services.gateway.forge.daw_manifest import DAW_MANIFEST_SCHEMA
from services.gateway.forge.tracks import own_track
from services.gateway.uploads import FormPolicy

__all__ = ["daw_routes"]

_SCHEMA_PATH = "/schemas/daw-manifest.json"
_SCHEMA_TYPE = "application/schema+json"
_FILE_COUNT_LIMIT = 32
_MANIFEST_LIMIT_BYTES = 1 << 20
_TOTAL_PER_FILE_LIMIT = 2  # all files together may be as large as two of the largest
_MIX_SECONDS = 1800.0  # a deadline far beyond what the longest mix takes
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["track_id"],
                    "properties": {
                        "track_id": {"type": "string", "format": "uuid", "description": "whose mix it is"},
                        "stems[]": {
                            "type": "array",
                            "maxItems": _FILE_COUNT_LIMIT,
                            "items": {"type": "string", "format": "binary"},
                            "description": "Audio files. None: the track's stored stems are mixed.",
                        },
                        "manifest": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "description": f"What to do, in JSON, as a field or a file; its schema is at {_SCHEMA_PATH}.",
                            "examples": [
                                '{"version": 1, "stems": [{"name": "vocals", "mute": true}, {"name": "drums"}]}'
                            ],
                        },
                    },
                }
            }
        },
    },
}
T = TypeVar("T")


def daw_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["forge daw"])
    policy = FormPolicy(
        dialect="forge",
        files=frozenset({"stems[]", "stems"}),
        file_count_limit=_FILE_COUNT_LIMIT,
        total_limit_bytes=_TOTAL_PER_FILE_LIMIT * gateway.settings.max_upload_bytes,
        too_large=_too_large,
        long_fields={"manifest": _MANIFEST_LIMIT_BYTES},
    )

    @router.post("/api/daw/export", openapi_extra=_BODY)
    @sends(
        "audio/wav",
        refusals.TRACK_NOT_FOUND,
        refusals.NO_FORM,
        refusals.AUDIO_UNREADABLE,
        ranges=False,
        headers=("X-Soundwright-Limited",),
    )
    async def export_mix(request: Request) -> Response:
        """Mix uploaded stems, or the track's stored ones, into a WAV file, as a manifest says."""
        folder = f"uploads/mixes/{uuid.uuid4()}"  # where ingest finds it should we die before it is deleted
        try:
            form = await gateway.uploads.gather(request, folder, policy)
            track_id = form.fields.get("track_id", "").strip()
            if not track_id:
                raise _blank_track()
            track = await own_track(gateway.clients, track_id)
            key = f"{folder}/mix.wav"
            wanted = pb.RenderMixRequest(
                track_id=track.id,
                manifest_json=form.fields.get("manifest", ""),
                uploads=[pb.UploadedStem(blob_key=file.blob_key, filename=file.filename) for file in form.files],
                output_key=key,
            )
            mixed = await _while_waiting(request, gateway.clients.separation.RenderMix(wanted, timeout=_MIX_SECONDS))
            name = attachment(f"{safe_title(track.title)} - mix.wav")
            return await _Once.of(gateway.blobs, folder, key, name, mixed.limited)
        except BaseException:
            await gateway.blobs.delete_prefix(f"{folder}/")
            raise

    @router.get(_SCHEMA_PATH)
    @answers({"type": "object"}, media_type=_SCHEMA_TYPE, example={"$schema": DAW_MANIFEST_SCHEMA["$schema"]})
    async def get_daw_manifest_schema() -> Response:
        """The schema of the manifest of ``POST /api/daw/export`` (JSON Schema 2020-12)."""
        return JSONResponse(DAW_MANIFEST_SCHEMA, media_type=_SCHEMA_TYPE)

    return router


class _Once(StreamingResponse):
    """Sends a mix, and deletes its folder even if not a byte was sent."""

    def __init__(self, blobs: Blobs, folder: str, key: str, headers: dict[str, str]) -> None:
        super().__init__(blobs.read(key), media_type="audio/wav", headers=headers)
        self._blobs = blobs
        self._folder = folder

    @classmethod
    async def of(cls, blobs: Blobs, folder: str, key: str, disposition: str, limited: bool) -> _Once:
        info = await blobs.stat(key)
        if info is None:
            raise AppError(Code.INTERNAL, "BLOB_LOST", "The mix vanished. Please try again.")
        headers = {
            "Content-Length": str(info.size_bytes),
            "Content-Disposition": disposition,
            "Cache-Control": "no-store",
            "X-Soundwright-Limited": "true" if limited else "false",
        }
        return cls(blobs, folder, key, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._blobs.delete_prefix(f"{self._folder}/")


async def _while_waiting(request: Request, work: Awaitable[T]) -> T:
    """What ``work`` gives; it is cancelled when the client, whose body has been read, goes away."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _blank_track() -> AppError:
    details: dict[str, Any] = {"details": {"track_id": ["can't be blank"]}}
    return AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", details)


def _too_large(limit_bytes: int) -> AppError:
    return AppError(
        Code.TOO_LARGE, "TOO_LARGE", f"The stems are larger than the {limit_bytes / 1024**2:.0f} MB that are accepted."
    )
