"""Routes of playlists."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, field_validator
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.identity import public_user_id, sent_by_user, user_scope
from soundwright.services.gateway.dialects.soundbox.params import (
    ClipId,
    OptionalText,
    PlaylistId,
    Text,
    UserBody,
    UserId,
    json_body,
    must,
    strings,
)
from soundwright.services.gateway.dialects.soundbox.serializers import (
    clip_id,
    clip_to_wire,
    duration_to_wire,
    time_to_wire,
)
from soundwright.services.gateway.dialects.soundbox.shapes import Clip, Done, Playlist, SpacedTime
from soundwright.services.gateway.openapi.responses import documented

_ID = re.compile(r"pl_[0-9a-f]{12}")
_NAME_LIMIT = 100
_DESCRIPTION_LIMIT = 500
_ENTRY_LIMIT = 500
_DONE: Done = {"success": True}
_REFUSALS = (errors.USER_ID_FOREIGN, errors.PLAYLIST_NOT_FOUND)


class PlaylistBody(UserBody):
    """The attributes of a playlist. An update keeps omitted attributes."""

    name: Annotated[
        OptionalText, must(lambda name: 1 <= len(name) <= _NAME_LIMIT, f"name must have 1 to {_NAME_LIMIT} characters")
    ] = Field(
        None,
        description="The name. Required for a new playlist.",
        json_schema_extra={"minLength": 1, "maxLength": _NAME_LIMIT},
        examples=["Rainy days"],
    )
    description: Annotated[
        OptionalText,
        must(
            lambda text: len(text) <= _DESCRIPTION_LIMIT,
            f"description must have at most {_DESCRIPTION_LIMIT} characters",
        ),
    ] = Field(None, description="The description.", json_schema_extra={"maxLength": _DESCRIPTION_LIMIT})
    is_public: bool | None = Field(None, description="Whether other users can see the playlist.")

    @field_validator("is_public", mode="before")
    @classmethod
    def _check_is_public(cls, value: object) -> object:
        if value is not None and not isinstance(value, bool) and value not in (0, 1):
            raise errors.BAD_REQUEST("is_public must be true or false")
        return value


class EntryBody(UserBody):
    """A clip to add."""

    model_config = ConfigDict(json_schema_extra={"required": ["generation_id"]})

    generation_id: Text = Field("", description="The ID of the clip.", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714"])


class OrderBody(UserBody):
    """All clips of a playlist, in their new order."""

    model_config = ConfigDict(json_schema_extra={"required": ["track_order"]})

    track_order: Annotated[list[str], strings(_ENTRY_LIMIT)] = Field(
        [],
        description="The IDs of all clips in the new order.",
        json_schema_extra={"maxItems": _ENTRY_LIMIT},
        examples=[["7f0c2a9e41d84b6fb1a35d90c2e8f714"]],
    )


class SavedPlaylist(Done, Playlist):
    """The playlist after a change."""


class PlaylistList(TypedDict):
    """The playlists of a user."""

    playlists: list[Playlist]


class PlaylistEntry(Clip):
    """A clip in a playlist."""

    position: Annotated[int, Field(ge=0, examples=[0])]
    added_to_playlist: SpacedTime | None


class PlaylistWithTracks(Playlist):
    """A playlist with its clips."""

    is_owner: Annotated[bool, Field(examples=[True])]
    tracks: list[PlaylistEntry]


class Placed(Done):
    """The position of a clip that was added."""

    position: Annotated[int, Field(ge=0, examples=[3])]


async def find_playlist(gateway: Gateway, playlist_id: str) -> pb.GetPlaylistResponse:
    """Return a playlist that is public or belongs to the caller.

    Raises ``PLAYLIST_NOT_FOUND``, also for private playlists of other users.
    """
    answer: pb.GetPlaylistResponse = await _call(
        gateway.clients.catalog.GetPlaylist, pb.GetPlaylistRequest(playlist_id=_checked_id(playlist_id))
    )
    return answer


def playlist_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/playlists", tags=["soundbox playlists"])
    catalog = gateway.clients.catalog

    @router.post("", openapi_extra=json_body(PlaylistBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(SavedPlaylist, errors.USER_ID_FOREIGN, errors.TOO_MANY_PLAYLISTS, status=201)
    async def create_playlist(request: Request) -> Response:
        """Create a playlist."""
        async with sent_by_user(request, PlaylistBody) as given:
            if given.name is None:
                raise errors.BAD_REQUEST("name is required")
            answer = await catalog.CreatePlaylist(
                pb.CreatePlaylistRequest(
                    name=given.name, description=given.description or "", is_public=bool(given.is_public)
                )
            )
        return JSONResponse({**_DONE, **_playlist(answer.playlist)}, status_code=201)

    @router.get("")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(PlaylistList, errors.USER_ID_FOREIGN)
    async def list_playlists(user_id: UserId = "") -> Response:
        """List playlists of the user. The newest come first."""
        with user_scope(user_id):
            answer = await catalog.ListPlaylists(pb.ListPlaylistsRequest())
        return JSONResponse({"playlists": [_playlist(playlist) for playlist in answer.playlists]})

    @router.get("/{playlist_id}")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(PlaylistWithTracks, *_REFUSALS)
    async def get_playlist(playlist_id: PlaylistId, user_id: UserId = "") -> Response:
        """Get a playlist with its clips. Private playlists of other users return 404."""
        with user_scope(user_id):
            answer = await find_playlist(gateway, playlist_id)
        tracks: list[PlaylistEntry] = [
            {
                **clip_to_wire(entry.generation),
                "position": entry.position,
                "added_to_playlist": time_to_wire(entry, "add_time", " "),
            }
            for entry in answer.entries
        ]
        return JSONResponse({**_playlist(answer.playlist), "is_owner": answer.is_owner, "tracks": tracks})

    @router.put("/{playlist_id}", openapi_extra=json_body(PlaylistBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(SavedPlaylist, *_REFUSALS)
    async def update_playlist(request: Request, playlist_id: PlaylistId) -> Response:
        """Update a playlist. Only the owner can update it."""
        async with sent_by_user(request, PlaylistBody) as given:
            answer = await _call(
                catalog.UpdatePlaylist,
                pb.UpdatePlaylistRequest(
                    playlist_id=_checked_id(playlist_id),
                    name=given.name,
                    description=given.description,
                    is_public=given.is_public,
                ),
            )
        return JSONResponse({**_DONE, **_playlist(answer.playlist)})

    @router.delete("/{playlist_id}", openapi_extra=json_body(UserBody, required=False))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Done, *_REFUSALS)
    async def delete_playlist(request: Request, playlist_id: PlaylistId) -> Response:
        """Delete a playlist. Its clips stay in the library."""
        async with sent_by_user(request, UserBody):
            await _call(catalog.DeletePlaylist, pb.DeletePlaylistRequest(playlist_id=_checked_id(playlist_id)))
        return JSONResponse(_DONE)

    @router.post("/{playlist_id}/tracks", openapi_extra=json_body(EntryBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Placed, *_REFUSALS, errors.GENERATION_NOT_FOUND, errors.PLAYLIST_FULL)
    async def add_to_playlist(request: Request, playlist_id: PlaylistId) -> Response:
        """Add a clip to the end of a playlist."""
        async with sent_by_user(request, EntryBody) as given:
            if not given.generation_id:
                raise errors.BAD_REQUEST("generation_id is required")
            entry = pb.AddToPlaylistRequest(
                playlist_id=_checked_id(playlist_id), generation_id=clip_id(given.generation_id)
            )
            try:
                answer = await _call(catalog.AddToPlaylist, entry)
            except AppError as error:
                is_duplicate = error.reason == "ALREADY_IN_PLAYLIST"
                raise errors.BAD_REQUEST("Track already in playlist") if is_duplicate else error from None
        return JSONResponse({**_DONE, "position": answer.position})

    @router.delete("/{playlist_id}/tracks/{gen_id}", openapi_extra=json_body(UserBody, required=False))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Done, *_REFUSALS, errors.GENERATION_NOT_FOUND, errors.NOT_IN_PLAYLIST)
    async def remove_from_playlist(request: Request, playlist_id: PlaylistId, gen_id: ClipId) -> Response:
        """Remove a clip from a playlist."""
        async with sent_by_user(request, UserBody):
            entry = pb.RemoveFromPlaylistRequest(playlist_id=_checked_id(playlist_id), generation_id=clip_id(gen_id))
            await _call(catalog.RemoveFromPlaylist, entry)
        return JSONResponse(_DONE)

    @router.put("/{playlist_id}/reorder", openapi_extra=json_body(OrderBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Done, *_REFUSALS, errors.GENERATION_NOT_FOUND)
    async def reorder_playlist(request: Request, playlist_id: PlaylistId) -> Response:
        """Reorder the clips of a playlist."""
        async with sent_by_user(request, OrderBody, track_order=None) as given:
            ids = [clip_id(name) for name in given.track_order]
            await _call(
                catalog.ReorderPlaylist,
                pb.ReorderPlaylistRequest(playlist_id=_checked_id(playlist_id), generation_ids=ids),
            )
        return JSONResponse(_DONE)

    return router


def _checked_id(playlist_id: str) -> str:
    """Return ``playlist_id``. Raise ``PLAYLIST_NOT_FOUND`` if it is malformed."""
    if not _ID.fullmatch(playlist_id):
        raise errors.PLAYLIST_NOT_FOUND("Playlist not found")
    return playlist_id


async def _call(method: Any, request: Any) -> Any:
    """Call ``method``. Return 404 instead of 403, so that private playlists of other users are not revealed."""
    try:
        return await method(request)
    except AppError as error:
        raise (
            errors.PLAYLIST_NOT_FOUND("Playlist not found") if error.code is Code.PERMISSION_DENIED else error
        ) from None


def _playlist(playlist: pb.Playlist) -> Playlist:
    return {
        "id": playlist.id,
        "name": playlist.name,
        "description": playlist.description,
        "is_public": playlist.is_public,
        "user_id": public_user_id(playlist.owner_id),
        "track_count": playlist.generation_count,
        "duration": duration_to_wire(playlist.duration_seconds),
        "created_at": time_to_wire(playlist, "create_time", " "),
        "updated_at": time_to_wire(playlist, "update_time", " "),
    }
