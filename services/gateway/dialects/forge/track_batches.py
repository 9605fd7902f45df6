"""Batches of tracks: change and delete many tracks with one request."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, model_validator
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.library.v1 import track_pb2
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, track_to_wire
from soundwright.services.gateway.dialects.forge.shapes import Data, Track
from soundwright.services.gateway.dialects.forge.tracks import TrackChanges, delete_own, update_own
from soundwright.services.gateway.openapi.responses import documented
from soundwright.services.gateway.wire.parameters import body_of, body_schema, require_uuid

_TRACK_LIMIT = 100
_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_TrackId = Annotated[str, Field(max_length=100, description="The track's ID.", examples=[_ID])]


class ChangesOfTrack(TrackChanges):
    """A track and its changes. Omitted fields do not change. An empty value or null clears a field."""

    track_id: _TrackId


class TrackBatchParameters(BaseModel):
    """The tracks to change and to delete: 1 to 100, each once."""

    changes: list[ChangesOfTrack] = Field(
        default=[],
        max_length=_TRACK_LIMIT,
        description="The changes of each track.",
        examples=[[{"track_id": _ID, "artist": "The Weeknd"}]],
    )
    deletions: list[_TrackId] = Field(
        default=[],
        max_length=_TRACK_LIMIT,
        description="The IDs of the tracks to delete.",
        examples=[["7c9e6679-7425-40de-944b-e07fc1f90ae7"]],
    )

    @model_validator(mode="after")
    def _bounded(self) -> "TrackBatchParameters":
        ids = [*(change.track_id for change in self.changes), *self.deletions]
        if not 1 <= len(ids) <= _TRACK_LIMIT:
            raise ValueError(f"must name 1 to {_TRACK_LIMIT} tracks in changes and deletions")
        if len({each.lower().replace("-", "") for each in ids}) < len(ids):
            raise ValueError("must name each track once in changes and deletions")
        return self


class TrackResult(TypedDict):
    """What became of a track."""

    track_id: Annotated[str, Field(description="As in the request.", examples=[_ID])]
    status: Annotated[Literal["completed", "failed"], Field(examples=["completed"])]
    track: Annotated[Track | None, Field(description="The changed track. Null: it was deleted, or nothing changed.")]
    error: Annotated[str | None, Field(description="Why the track stays as it was.")]
    error_code: str | None
    details: Annotated[dict[str, list[str]] | None, Field(description="Messages by field, of a `VALIDATION_ERROR`.")]


class TrackBatch(TypedDict):
    """The results of a batch: those of `changes`, then those of `deletions`, each in the order of the request."""

    completed: Annotated[int, Field(ge=0, examples=[1])]
    failed: Annotated[int, Field(ge=0, examples=[0])]
    results: list[TrackResult]


def track_batch_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/tracks/batch", tags=["forge tracks"])
    clients = gateway.clients

    @router.post("", openapi_extra=body_schema(TrackBatchParameters, forms=False))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[TrackBatch], errors.VALIDATION_ERROR)
    async def change_tracks(
        parameters: Annotated[TrackBatchParameters, Depends(body_of(TrackBatchParameters))],
    ) -> Response:
        """Change and delete up to 100 tracks. Each succeeds or fails by itself, and `results` says which.

        For the rate limit, a batch counts as one request. It can be repeated: changes have the same result, and deletions of
        tracks that are gone fail with `TRACK_NOT_FOUND`.
        """
        given = {
            each.track_id: each.model_dump(exclude_unset=True, exclude={"track_id"}) for each in parameters.changes
        }
        results: list[TrackResult] = []
        fault: AppError | None = None
        for track_id in (*given, *parameters.deletions):
            track = None
            try:
                if fault:
                    raise fault  # do not wait for the same server for each of the other tracks
                found_id = require_uuid(track_id, errors.TRACK_NOT_FOUND)
                if track_id in given:
                    track = await update_own(clients, found_id, given[track_id])
                else:
                    await delete_own(clients, found_id)
            except AppError as error:
                fault = error if error.code.value.retryable else None
                results.append(_failed(track_id, error))
            else:
                results.append(_completed(track_id, track))
        failed = sum(result["status"] == "failed" for result in results)
        batch: TrackBatch = {"completed": len(results) - failed, "failed": failed, "results": results}
        return data(batch)

    return router


def _completed(track_id: str, track: track_pb2.Track | None) -> TrackResult:
    return {
        "track_id": track_id,
        "status": "completed",
        "track": track and track_to_wire(track),
        "error": None,
        "error_code": None,
        "details": None,
    }


def _failed(track_id: str, error: AppError) -> TrackResult:
    return {
        "track_id": track_id,
        "status": "failed",
        "track": None,
        "error": error.message,
        "error_code": error.reason,
        "details": error.meta.get("details"),
    }
