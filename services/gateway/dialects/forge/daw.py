"""DAW export: mixes stems into one audio file."""

import uuid
from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.file_names import extension_of, safe_title
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.daw_manifest import DAW_MANIFEST_SCHEMA
from soundwright.services.gateway.files.files import attachment
from soundwright.services.gateway.files.reencoding import ConvertedResponse
from soundwright.services.gateway.files.reservations import Reservation
from soundwright.services.gateway.files.uploads import RECORDING_ERRORS, FormPolicy, content_length
from soundwright.services.gateway.openapi.responses import documented, file_responses, multipart_body
from soundwright.services.gateway.records import own_track
from soundwright.services.gateway.wire.disconnects import cancel_on_disconnect
from soundwright.services.gateway.wire.parameters import require_uuid

_SCHEMA_PATH = "/schemas/daw-manifest.json"
_SCHEMA_TYPE = "application/schema+json"
_FILE_COUNT_LIMIT = 32
_MANIFEST_LIMIT_BYTES = 1 << 20
_TOTAL_PER_FILE_LIMIT = 2  # limit of all files together, as a multiple of the limit of one file
_MIX_SECONDS = 1800.0  # deadline of a mix, much longer than the longest one takes
_BODY = multipart_body(
    "track_id",
    {
        "track_id": {"type": "string", "format": "uuid", "description": "The track's ID."},
        "separation_id": {
            "type": "string",
            "format": "uuid",
            "description": "The separation whose stems are mixed: the ID of its job. Default: the latest one.",
        },
        "stems[]": {
            "type": "array",
            "maxItems": _FILE_COUNT_LIMIT,
            "items": {"type": "string", "format": "binary"},
            "description": "Audio files to mix. Without files, the stored stems of the track are mixed.",
        },
        "manifest": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": f"The mix as JSON, as a field or a file. Its schema is at `{_SCHEMA_PATH}`.",
            "examples": ['{"version": 1, "stems": [{"name": "vocals", "mute": true}, {"name": "drums"}]}'],
        },
    },
)


def daw_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["forge daw"])

    async def check(fields: Mapping[str, str]) -> None:
        if track_id := fields.get("track_id", "").strip():
            await own_track(gateway.clients, track_id, needs_audio=True)

    policy = FormPolicy(
        dialect="forge",
        files=frozenset({"stems[]", "stems"}),
        file_count_limit=_FILE_COUNT_LIMIT,
        total_limit_bytes=_TOTAL_PER_FILE_LIMIT * gateway.settings.max_upload_bytes,
        too_large=_too_large,
        long_fields={"manifest": _MANIFEST_LIMIT_BYTES},
        check=check,
    )

    @router.post("/api/daw/export", openapi_extra=_BODY)
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @file_responses(
        "audio/*",
        errors.TRACK_NOT_FOUND,
        errors.JOB_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        errors.FORM_NEEDED,
        errors.QUOTA_EXCEEDED,
        *RECORDING_ERRORS,
        errors.TOO_MANY_CONVERSIONS,
        errors.BLOB_LOST,
        ranges=False,
        headers=("X-Soundwright-Limited",),
    )
    async def export_mix(request: Request) -> Response:
        """Mix uploaded or stored stems into an audio file, as described by the manifest."""
        with gateway.pending_files.holding(request.scope, content_length(request)) as conversion:
            mix_id = str(uuid.uuid4())
            folder = f"uploads/mixes/{mix_id}"  # ingest deletes old uploads, also after a crash of this process
            reservation = Reservation(gateway.clients.storage, mix_id)

            async def clean_up() -> None:
                try:
                    await gateway.blobs.delete_prefix(f"{folder}/")
                    await reservation.release()
                finally:
                    gateway.pending_files.release(conversion)

            try:
                form = await gateway.uploads.receive_form(request, folder, policy, reservation)
                track_id = form.fields.get("track_id", "").strip()
                if not track_id:
                    raise errors.invalid("track_id", "can't be blank")
                track = await own_track(gateway.clients, track_id, needs_audio=True)
                separation_id = form.fields.get("separation_id", "").strip()
                key = f"{folder}/mix"
                wanted = pb.RenderMixRequest(
                    track_id=track.id,
                    manifest_json=form.fields.get("manifest", ""),
                    uploads=[pb.UploadedStem(blob_key=file.blob_key, filename=file.filename) for file in form.files],
                    output_key=key,
                    separation_id=require_uuid(separation_id, errors.JOB_NOT_FOUND) if separation_id else "",
                )
                mixing = gateway.clients.separation.RenderMix(wanted, timeout=_MIX_SECONDS)
                mixed = await cancel_on_disconnect(request, mixing)
                info = await gateway.blobs.stat(key)
                if info is None:
                    raise errors.BLOB_LOST()
                await reservation.hold(form.size_bytes + info.size_bytes)
                conversion.size_bytes = form.size_bytes + info.size_bytes
                extension = extension_of(mixed.content_type)
                headers = {
                    "Content-Type": mixed.content_type,
                    "Content-Length": str(info.size_bytes),
                    "Content-Disposition": attachment(f"{safe_title(track.title)} - mix.{extension}"),
                    "Cache-Control": "no-store",
                    "X-Soundwright-Limited": "true" if mixed.limited else "false",
                }
                return ConvertedResponse(gateway.blobs.read(key), headers, clean_up)
            except BaseException:
                await clean_up()
                raise

    @router.get(_SCHEMA_PATH)
    @access(Access.PUBLIC)
    @documented({"type": "object"}, media_type=_SCHEMA_TYPE, example={"$schema": DAW_MANIFEST_SCHEMA["$schema"]})
    async def get_daw_manifest_schema() -> Response:
        """Get the JSON Schema (2020-12) of the manifest of ``POST /api/daw/export``."""
        return JSONResponse(DAW_MANIFEST_SCHEMA, media_type=_SCHEMA_TYPE)

    return router


def _too_large(limit_bytes: int) -> AppError:
    return errors.TOO_LARGE(f"The stems are too large. All files together may have {limit_bytes / 1024**2:.0f} MB.")
