"""Uploads in parts, which clients send to the file store itself. An addition to the contract, for big files."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, shaped, track_to_wire
from soundwright.services.gateway.dialects.forge.shapes import Data, Track
from soundwright.services.gateway.files.reservations import Reservation
from soundwright.services.gateway.files.uploads import RECORDING_ERRORS, UploadPolicy
from soundwright.services.gateway.openapi.responses import Bytes, Time, Uuid, documented
from soundwright.services.gateway.wire.disconnects import cancel_on_disconnect
from soundwright.services.gateway.wire.parameters import UploadId, body_of, body_schema

_PART_URL = "https://files.example.com/soundwright/uploads/0f8fad5b?partNumber=1&X-Amz-Signature=5d41402abc4b2a76"


class UploadParameters(BaseModel):
    """The file to upload."""

    filename: str = Field(min_length=1, max_length=1000, description="The name of the file.", examples=["song.wav"])
    size_bytes: int = Field(ge=1, le=1 << 50, description="The size of the file in bytes.", examples=[300_000_000])


class PartParameters(BaseModel):
    """The parts to send next."""

    part_numbers: list[int] = Field(
        min_length=1, max_length=100, description="Numbers of parts, from 1.", examples=[[1, 2, 3]]
    )


class CompleteParameters(BaseModel):
    """Texts of the track. Empty ones are read from the tags of the file."""

    title: str = Field("", max_length=10_000, description="The title.", examples=["Blinding Lights"])
    artist: str = Field("", max_length=10_000, description="The artist.")
    album: str = Field("", max_length=10_000, description="The album.")


class Upload(TypedDict):
    """An unfinished upload."""

    id: Annotated[Uuid, Field(description="The ID of the upload. It becomes the ID of the track.")]
    filename: Annotated[str, Field(examples=["song.wav"])]
    size_bytes: Bytes
    part_size_bytes: Annotated[Bytes, Field(description="The size of all parts but the last.")]
    part_count: Annotated[int, Field(examples=[18])]
    uploaded_parts: Annotated[list[int], Field(description="Numbers of the parts that have arrived.", examples=[[1]])]
    expires_at: Annotated[Time | None, Field(description="An unfinished upload is deleted after this time.")]


class UploadPart(TypedDict):
    """Where to send a part."""

    part_number: Annotated[int, Field(examples=[1])]
    size_bytes: Annotated[Bytes, Field(description="The exact size of the part.")]
    url: Annotated[str, Field(description="Send the part with PUT. Valid for one hour.", examples=[_PART_URL])]


def upload_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/uploads", tags=["forge uploads"])
    ingest, storage = gateway.clients.ingest, gateway.clients.storage
    policy = UploadPolicy("forge")

    @router.post("", openapi_extra=body_schema(UploadParameters))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[Upload],
        errors.DIRECT_UPLOADS_UNAVAILABLE,
        errors.TOO_MANY_UPLOADS,
        errors.FILE_TOO_LARGE,
        errors.QUOTA_EXCEEDED,
        errors.VALIDATION_ERROR,
        status=201,
    )
    async def begin_upload(parameters: Annotated[UploadParameters, Depends(body_of(UploadParameters))]) -> Response:
        """Begin an upload in parts.

        Get URLs for the parts, send each part to its URL with PUT, then complete the upload. ``POST /api/tracks`` takes a
        file in one request.
        """
        policy.check_filename(parameters.filename)
        request = pb.BeginDirectUploadRequest(filename=parameters.filename, size_bytes=parameters.size_bytes)
        upload = (await ingest.BeginDirectUpload(request)).upload
        try:
            await Reservation(storage, upload.id).hold(upload.size_bytes, upload.expire_time)
        except AppError:
            await ingest.AbortDirectUpload(pb.AbortDirectUploadRequest(upload_id=upload.id))
            raise
        return data(_upload_to_wire(upload, ()), 201)

    @router.get("/{upload_id}")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(Data[Upload], errors.DIRECT_UPLOADS_UNAVAILABLE, errors.UPLOAD_NOT_FOUND)
    async def get_upload(upload_id: UploadId) -> Response:
        """Get an unfinished upload, for example to resume it."""
        answer = await ingest.GetDirectUpload(pb.GetDirectUploadRequest(upload_id=upload_id))
        return data(_upload_to_wire(answer.upload, answer.part_numbers))

    @router.post("/{upload_id}/parts", openapi_extra=body_schema(PartParameters))
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(
        Data[list[UploadPart]], errors.DIRECT_UPLOADS_UNAVAILABLE, errors.UPLOAD_NOT_FOUND, errors.VALIDATION_ERROR
    )
    async def sign_parts(
        upload_id: UploadId, parameters: Annotated[PartParameters, Depends(body_of(PartParameters))]
    ) -> Response:
        """Get the URLs for up to 100 parts. A part can be sent again until the upload is completed."""
        request = pb.SignUploadPartsRequest(upload_id=upload_id)
        # A number that does not fit into the message is the number of no part.
        request.part_numbers.extend(max(-1, min(number, (1 << 31) - 1)) for number in parameters.part_numbers)
        parts: list[UploadPart] = [
            {"part_number": part.number, "size_bytes": part.size_bytes, "url": part.url}
            for part in (await ingest.SignUploadParts(request)).parts
        ]
        return data(parts)

    @router.post("/{upload_id}/complete", openapi_extra=body_schema(CompleteParameters, required=False))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[Track],
        errors.DIRECT_UPLOADS_UNAVAILABLE,
        errors.UPLOAD_NOT_FOUND,
        errors.UPLOAD_INCOMPLETE,
        errors.VALIDATION_ERROR,
        errors.QUOTA_EXCEEDED,
        *RECORDING_ERRORS,
        status=201,
    )
    async def complete_upload(
        request: Request,
        upload_id: UploadId,
        parameters: Annotated[CompleteParameters, Depends(body_of(CompleteParameters))],
    ) -> Response:
        """Complete an upload. The file is checked like any upload and becomes a track. Repetitions return the same track."""
        wanted = pb.FinishDirectUploadRequest(
            upload_id=upload_id, title=parameters.title, artist=parameters.artist, album=parameters.album
        )
        finishing = ingest.FinishDirectUpload(wanted, timeout=gateway.settings.finish_upload_seconds)
        try:
            answer = await cancel_on_disconnect(request, finishing)
        except AppError as error:
            if error.code is not Code.CONFLICT and not error.retryable:  # the upload is deleted
                await Reservation(storage, wanted.upload_id).release()
            raise
        return data(track_to_wire(answer.track), 201)

    @router.delete("/{upload_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.DIRECT_UPLOADS_UNAVAILABLE, errors.UPLOAD_NOT_FOUND, status=204)
    async def abort_upload(upload_id: UploadId) -> Response:
        """Abort an upload and delete its parts."""
        request = pb.AbortDirectUploadRequest(upload_id=upload_id)
        await ingest.AbortDirectUpload(request)
        await Reservation(storage, request.upload_id).release()
        return Response(status_code=204)

    return router


def _upload_to_wire(upload: pb.DirectUpload, part_numbers: Sequence[int]) -> Upload:
    return shaped(upload, Upload, uploaded_parts=list(part_numbers))
