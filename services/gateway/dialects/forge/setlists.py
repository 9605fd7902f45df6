"""Setlists: create, list, read, change and delete them."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import track_pb2
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, shaped, track_to_wire
from soundwright.services.gateway.dialects.forge.shapes import Data, Track
from soundwright.services.gateway.openapi.responses import Time, Uuid, documented
from soundwright.services.gateway.wire.parameters import SetlistId, body_of, body_schema


class NewSetlist(BaseModel):
    """The name of a setlist."""

    name: str = Field(min_length=1, max_length=100, description="The name.", examples=["Friday night"])


class SetlistChanges(BaseModel):
    """Changes to a setlist. Omitted fields do not change."""

    name: str | None = Field(
        None, min_length=1, max_length=100, description="The new name.", examples=["Saturday night"]
    )
    track_ids: list[Annotated[str, Field(max_length=64)]] | None = Field(
        None,
        max_length=200,
        description="All tracks in their order. A track can occur several times.",
        examples=[["0f8fad5b-d9cb-469f-a165-70867728950e"]],
    )


class Setlist(TypedDict):
    """Tracks in the order in which they are performed."""

    id: Uuid
    name: Annotated[str, Field(examples=["Friday night"])]
    track_count: Annotated[int, Field(ge=0, description="Includes deleted tracks.", examples=[12])]
    created_at: Time | None
    updated_at: Time | None


class SetlistWithTracks(Setlist):
    """A setlist with its tracks, without deleted ones."""

    tracks: list[Track]


def setlist_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/setlists", tags=["forge setlists"])
    setlists = gateway.clients.setlists

    @router.post("", openapi_extra=body_schema(NewSetlist))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Setlist], errors.TOO_MANY_SETLISTS, errors.VALIDATION_ERROR, status=201)
    async def create_setlist(parameters: Annotated[NewSetlist, Depends(body_of(NewSetlist))]) -> Response:
        """Create an empty setlist."""
        created = await setlists.CreateSetlist(pb.CreateSetlistRequest(name=parameters.name))
        return data(_to_wire(created.setlist), 201)

    @router.get("")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[list[Setlist]])
    async def list_setlists() -> Response:
        """List your setlists, newest first."""
        answer = await setlists.ListSetlists(pb.ListSetlistsRequest())
        return data([_to_wire(setlist) for setlist in answer.setlists])

    @router.get("/{setlist_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[SetlistWithTracks], errors.SETLIST_NOT_FOUND)
    async def get_setlist(setlist_id: SetlistId) -> Response:
        """Get a setlist with its tracks, their keys and tempi."""
        answer = await setlists.GetSetlist(pb.GetSetlistRequest(setlist_id=setlist_id))
        whole: SetlistWithTracks = {
            **_to_wire(answer.setlist),
            "tracks": [track_to_wire(track) for track in answer.tracks],
        }
        return data(whole)

    @router.patch("/{setlist_id}", openapi_extra=body_schema(SetlistChanges))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Setlist], errors.SETLIST_NOT_FOUND, errors.TRACKS_NOT_FOUND, errors.VALIDATION_ERROR)
    async def change_setlist(
        setlist_id: SetlistId, changes: Annotated[SetlistChanges, Depends(body_of(SetlistChanges))]
    ) -> Response:
        """Rename a setlist, or replace its tracks: to add, remove and reorder them."""
        given = changes.model_dump(exclude_none=True)
        request = pb.UpdateSetlistRequest(setlist_id=setlist_id, setlist=track_pb2.Setlist(**given), fields=list(given))
        return data(_to_wire((await setlists.UpdateSetlist(request)).setlist))

    @router.delete("/{setlist_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.SETLIST_NOT_FOUND, status=204)
    async def delete_setlist(setlist_id: SetlistId) -> Response:
        """Delete a setlist. Its tracks stay."""
        await setlists.DeleteSetlist(pb.DeleteSetlistRequest(setlist_id=setlist_id))
        return Response(status_code=204)

    return router


def _to_wire(setlist: track_pb2.Setlist) -> Setlist:
    return shaped(setlist, Setlist, track_count=len(setlist.track_ids))
