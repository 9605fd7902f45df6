"""Links with which anybody can play a track: create, list and revoke them."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.openapi.responses import Time, Uuid, documented
from soundwright.services.gateway.records import denied_is_unknown
from soundwright.services.gateway.wire.parameters import TrackId, TrackLinkId, body_of, body_schema


class TrackLinkParameters(BaseModel):
    """The lifetime of the link."""

    expires_in_days: int = Field(30, ge=1, le=365, description="The lifetime of the link.", examples=[30])


class TrackLink(TypedDict):
    """A link with which anybody can play a track, without its secret."""

    id: Uuid
    created_at: Time | None
    expires_at: Time | None


class NewTrackLink(TrackLink):
    """A link with its path, which is returned only once."""

    path: Annotated[str, Field(examples=["/studio/shared/qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A"])]


def track_link_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/tracks/{track_id}/links", tags=["forge sharing"])
    tracks = gateway.clients.tracks

    @router.post("", openapi_extra=body_schema(TrackLinkParameters))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[NewTrackLink],
        errors.TRACK_NOT_FOUND,
        errors.REGISTRATION_NEEDED,
        errors.TOO_MANY_TRACK_LINKS,
        errors.VALIDATION_ERROR,
        status=201,
    )
    async def create_track_link(
        track_id: TrackId, parameters: Annotated[TrackLinkParameters, Depends(body_of(TrackLinkParameters))]
    ) -> Response:
        """Create a link with which anybody can play the stems of a track until it expires. Its path is returned only once."""
        wanted = pb.CreateTrackLinkRequest(track_id=track_id, lifetime_days=parameters.expires_in_days)
        with denied_is_unknown():
            created = await tracks.CreateTrackLink(wanted)
        return data(shaped(created.link, NewTrackLink, path=f"/studio/shared/{created.secret}"), 201)

    @router.get("")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[list[TrackLink]], errors.TRACK_NOT_FOUND)
    async def list_track_links(track_id: TrackId) -> Response:
        """List the links to a track that have not expired, newest first, without their secrets."""
        wanted = pb.ListTrackLinksRequest(track_id=track_id)
        with denied_is_unknown():
            answer = await tracks.ListTrackLinks(wanted)
        return data([shaped(link, TrackLink) for link in answer.links])

    @router.delete("/{link_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.TRACK_NOT_FOUND, errors.TRACK_LINK_NOT_FOUND, status=204)
    async def revoke_track_link(track_id: TrackId, link_id: TrackLinkId) -> Response:
        """Revoke a link to a track. It opens nothing from now on."""
        wanted = pb.DeleteTrackLinkRequest(track_id=track_id, link_id=link_id)
        with denied_is_unknown():
            await tracks.DeleteTrackLink(wanted)
        return Response(status_code=204)

    return router
