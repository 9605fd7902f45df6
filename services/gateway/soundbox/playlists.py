"""Playlists: clips in an order of the owner's."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, field_validator
from soundwright.library.v1 import catalog_service_pb2 as pb
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import answers
from services.gateway.clients import Gateway
from services.gateway.soundbox.identity import acting, shown
from services.gateway.soundbox.params import (
    ClipId,
    OptionalText,
    PlaylistId,
    Text,
    UserBody,
    UserId,
    body,
    fitted,
    json_values,
    refusal,
    user_of,
)
from services.gateway.soundbox.shapes import Clip, Done, Playlist, SpacedTime
from services.gateway.soundbox.wire import clip_id, clip_to_wire, duration_to_wire, time_to_wire

__all__ = ["find_playlist", "playlist_routes"]

_ID = re.compile(r"pl_[0-9a-f]{12}")
_NAME_LIMIT = 100
_DESCRIPTION_LIMIT = 500
_LENGTH_LIMIT = 500
_DONE: Done = {"success": True}
_REFUSALS = (refusals.USER_ID_FOREIGN, refusals.PLAYLIST_NOT_FOUND)


class PlaylistBody(UserBody):
    """What a playlist is called. What is left out stays as it is."""

    name: OptionalText = Field(
        None,
        description="needed for a new one",
        json_schema_extra={"minLength": 1, "maxLength": _NAME_LIMIT},
        examples=["Rainy days"],
    )
    description: OptionalText = Field(
        None, description="what it is about", json_schema_extra={"maxLength": _DESCRIPTION_LIMIT}
    )
    is_public: bool | None = Field(None, description="whether others may see it")

    @field_validator("name")
    @classmethod
    def _short_name(cls, value: str | None) -> str | None:
        if value is not None and not 1 <= len(value) <= _NAME_LIMIT:
            raise refusal(f"name must have 1 to {_NAME_LIMIT} characters")
        return value

    @field_validator("description")
    @classmethod
    def _short_description(cls, value: str | None) -> str | None:
        if value is not None and len(value) > _DESCRIPTION_LIMIT:
            raise refusal(f"description must have at most {_DESCRIPTION_LIMIT} characters")
        return value

    @field_validator("is_public", mode="before")
    @classmethod
    def _yes_or_no(cls, value: object) -> object:
        if value is not None and not isinstance(value, bool) and value not in (0, 1):
            raise refusal("is_public must be true or false")
        return value


class EntryBody(UserBody):
    """A clip to add."""

    model_config = ConfigDict(json_schema_extra={"required": ["generation_id"]})

    generation_id: Text = Field("", description="which clip", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714"])


class OrderBody(UserBody):
    """All clips of a playlist, in their new order."""

    model_config = ConfigDict(json_schema_extra={"required": ["track_order"]})

    track_order: list[str] = Field(
        [],
        description="ids of all of them",
        json_schema_extra={"maxItems": _LENGTH_LIMIT},
        examples=[["7f0c2a9e41d84b6fb1a35d90c2e8f714"]],
    )

    @field_validator("track_order", mode="before")
    @classmethod
    def _ids(cls, value: object) -> list[str]:
        if not isinstance(value, list) or len(value) > _LENGTH_LIMIT:
            raise refusal(f"track_order must be a list with max {_LENGTH_LIMIT} items")
        if not all(isinstance(item, str) for item in value):
            raise refusal("track_order must be a list of strings")
        return value


class SavedPlaylist(Done, Playlist):
    """A playlist as it is now."""


class PlaylistList(TypedDict):
    playlists: list[Playlist]


class PlaylistEntry(Clip):
    position: Annotated[int, Field(ge=0, examples=[0])]
    added_to_playlist: SpacedTime | None


class WholePlaylist(Playlist):
    """A playlist with its clips."""

    is_owner: Annotated[bool, Field(examples=[True])]
    tracks: list[PlaylistEntry]


class Placed(Done):
    position: Annotated[int, Field(ge=0, examples=[3])]


async def find_playlist(gateway: Gateway, playlist_id: str) -> pb.GetPlaylistResponse:
    """A playlist that the caller may see.

    Raises:
        AppError: ``PLAYLIST_NOT_FOUND``, also for one that others keep for themselves.
    """
    answer: pb.GetPlaylistResponse = await _asked(
        gateway.clients.catalog.GetPlaylist, pb.GetPlaylistRequest(playlist_id=_known(playlist_id))
    )
    return answer


def playlist_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/playlists", tags=["soundbox playlists"])
    catalog = gateway.clients.catalog

    @router.post("", openapi_extra=body(PlaylistBody))
    @answers(SavedPlaylist, refusals.USER_ID_FOREIGN, refusals.TOO_MANY_PLAYLISTS, status=201)
    async def create_playlist(request: Request) -> Response:
        """Begin a playlist."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            given = fitted(PlaylistBody, values)
            if given.name is None:
                raise refusal("name is required")
            answer = await catalog.CreatePlaylist(
                pb.CreatePlaylistRequest(
                    name=given.name, description=given.description or "", is_public=bool(given.is_public)
                )
            )
        return JSONResponse({**_DONE, **_playlist(answer.playlist)}, status_code=201)

    @router.get("")
    @answers(PlaylistList, refusals.USER_ID_FOREIGN)
    async def list_playlists(user_id: UserId = "") -> Response:
        """Your playlists, the latest first."""
        with acting(user_id):
            answer = await catalog.ListPlaylists(pb.ListPlaylistsRequest())
        return JSONResponse({"playlists": [_playlist(playlist) for playlist in answer.playlists]})

    @router.get("/{playlist_id}")
    @answers(WholePlaylist, *_REFUSALS)
    async def get_playlist(playlist_id: PlaylistId, user_id: UserId = "") -> Response:
        """A playlist with its clips."""
        with acting(user_id):
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

    @router.put("/{playlist_id}", openapi_extra=body(PlaylistBody))
    @answers(SavedPlaylist, *_REFUSALS)
    async def update_playlist(request: Request, playlist_id: PlaylistId) -> Response:
        """Rename a playlist of yours, describe it anew, show it or hide it."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            given = fitted(PlaylistBody, values)
            answer = await _asked(
                catalog.UpdatePlaylist,
                pb.UpdatePlaylistRequest(
                    playlist_id=_known(playlist_id),
                    name=given.name,
                    description=given.description,
                    is_public=given.is_public,
                ),
            )
        return JSONResponse({**_DONE, **_playlist(answer.playlist)})

    @router.delete("/{playlist_id}", openapi_extra=body(UserBody, required=False))
    @answers(Done, *_REFUSALS)
    async def delete_playlist(request: Request, playlist_id: PlaylistId) -> Response:
        """Delete a playlist of yours; its clips stay in the library."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            await _asked(catalog.DeletePlaylist, pb.DeletePlaylistRequest(playlist_id=_known(playlist_id)))
        return JSONResponse(_DONE)

    @router.post("/{playlist_id}/tracks", openapi_extra=body(EntryBody))
    @answers(Placed, *_REFUSALS, refusals.GENERATION_NOT_FOUND, refusals.PLAYLIST_FULL)
    async def add_to_playlist(request: Request, playlist_id: PlaylistId) -> Response:
        """Add a clip at the end."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            given = fitted(EntryBody, values)
            if not given.generation_id:
                raise refusal("generation_id is required")
            entry = pb.AddToPlaylistRequest(playlist_id=_known(playlist_id), generation_id=clip_id(given.generation_id))
            try:
                answer = await _asked(catalog.AddToPlaylist, entry)
            except AppError as error:
                known = error.reason == "ALREADY_IN_PLAYLIST"
                raise refusal("Track already in playlist") if known else error from None
        return JSONResponse({**_DONE, "position": answer.position})

    @router.delete("/{playlist_id}/tracks/{gen_id}", openapi_extra=body(UserBody, required=False))
    @answers(Done, *_REFUSALS, refusals.NOT_IN_PLAYLIST)
    async def remove_from_playlist(request: Request, playlist_id: PlaylistId, gen_id: ClipId) -> Response:
        """Take a clip out."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            entry = pb.RemoveFromPlaylistRequest(playlist_id=_known(playlist_id), generation_id=clip_id(gen_id))
            await _asked(catalog.RemoveFromPlaylist, entry)
        return JSONResponse(_DONE)

    @router.put("/{playlist_id}/reorder", openapi_extra=body(OrderBody))
    @answers(Done, *_REFUSALS, refusals.GENERATION_NOT_FOUND)
    async def reorder_playlist(request: Request, playlist_id: PlaylistId) -> Response:
        """Put the clips into another order."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            ids = [clip_id(name) for name in fitted(OrderBody, {"track_order": None, **values}).track_order]
            await _asked(
                catalog.ReorderPlaylist,
                pb.ReorderPlaylistRequest(playlist_id=_known(playlist_id), generation_ids=ids),
            )
        return JSONResponse(_DONE)

    return router


def _known(playlist_id: str) -> str:
    if not _ID.fullmatch(playlist_id):
        raise _no_playlist()
    return playlist_id


async def _asked(method: Any, request: Any) -> Any:
    """What a service answers about a playlist. That there is one of somebody else's is nobody's business."""
    try:
        return await method(request)
    except AppError as error:
        raise _no_playlist() if error.code is Code.PERMISSION_DENIED else error from None


def _no_playlist() -> AppError:
    return AppError(Code.NOT_FOUND, "PLAYLIST_NOT_FOUND", "Playlist not found")


def _playlist(playlist: pb.Playlist) -> Playlist:
    return {
        "id": playlist.id,
        "name": playlist.name,
        "description": playlist.description,
        "is_public": playlist.is_public,
        "user_id": shown(playlist.owner_id),
        "track_count": playlist.generation_count,
        "duration": duration_to_wire(playlist.duration_seconds),
        "created_at": time_to_wire(playlist, "create_time", " "),
        "updated_at": time_to_wire(playlist, "update_time", " "),
    }
