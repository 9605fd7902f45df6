"""The account itself: everything it owns as an archive, and its deletion."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from soundwright.kit import errors
from soundwright.kit.file_names import safe_title
from soundwright.kit.security.identity import principal_scope, require_principal
from soundwright.library.v1 import catalog_service_pb2 as catalog_pb
from soundwright.library.v1 import connection_service_pb2 as connection_pb
from soundwright.library.v1 import conversation_service_pb2 as conversation_pb
from soundwright.library.v1 import generation_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import webhook_service_pb2 as webhook_pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.browsers import SESSION_COOKIE, Browsers, BrowserSession
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Clients, Gateway
from soundwright.services.gateway.dialects.forge.agents import conversation_to_wire, message_to_wire
from soundwright.services.gateway.dialects.forge.connections import connection_to_wire
from soundwright.services.gateway.dialects.forge.serializers import job_to_wire, time_to_wire, track_to_wire
from soundwright.services.gateway.dialects.forge.sessions import session_to_wire
from soundwright.services.gateway.dialects.forge.tokens import token_to_wire
from soundwright.services.gateway.dialects.forge.webhooks import webhook_to_wire
from soundwright.services.gateway.file_paths import extension
from soundwright.services.gateway.files.archives import Member, archive_response
from soundwright.services.gateway.openapi.responses import documented, file_responses
from soundwright.services.gateway.records import find_analysis
from soundwright.services.gateway.wire.parameters import body_of, body_schema

_PAGE_SIZE = 100


class DeletionParameters(BaseModel):
    """The password, unless the login was a few minutes ago, or the account is a guest's."""

    current_password: str = Field(
        "", max_length=1000, description="Your current password.", examples=["correct horse battery"]
    )


def account_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/users/me", tags=["forge accounts"])
    accounts, browsers = gateway.clients.accounts, Browsers(gateway.settings)

    @router.get("/export")
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @file_responses("application/zip", ranges=False)
    async def export_account(request: Request) -> Response:
        """Download everything that your account owns as a ZIP archive.

        It has your recordings, stems, analyses and clips as files, and your account, jobs, playlists, votes, favorites and
        conversations as JSON. Secrets of API tokens, sessions, webhooks and connections are not part of it.
        """
        session: BrowserSession | None = request.scope["session"]
        email = session.account.email if session and not session.is_guest else None
        return archive_response(request, gateway.blobs, _members(gateway, email), "soundwright.zip")

    @router.delete("", openapi_extra=body_schema(DeletionParameters, required=False))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(
        None,
        errors.SESSION_NEEDED,
        errors.LAST_SUPER_ADMIN,
        errors.VALIDATION_ERROR,
        errors.PASSWORD_NEEDED,
        status=204,
        headers=("Set-Cookie",),
    )
    async def delete_account(
        request: Request, parameters: Annotated[DeletionParameters, Depends(body_of(DeletionParameters))]
    ) -> Response:
        """Delete your account and everything that it owns, in a browser that is logged in. This cannot be undone.

        The account is gone at once. Its files are deleted shortly afterwards. Jobs that run are cancelled. The audit log keeps
        its entries for as long as all others.
        """
        session: BrowserSession | None = request.scope["session"]
        if session is None:
            raise errors.SESSION_NEEDED(
                "Only a browser that is logged in can delete its account. Log in to the studio."
            )
        with principal_scope(None):
            await accounts.CloseAccount(
                pb.CloseAccountRequest(
                    session_token=session.current_secret,
                    current_password=parameters.current_password,
                    ip_address=request.scope["peer"],
                )
            )
        response = Response(
            status_code=204, headers={"Set-Cookie": browsers.flash_cookie(request.scope, "account_deleted")}
        )
        response.headers.append("Set-Cookie", browsers.set_cookie(request.scope, SESSION_COOKIE, "", 0))
        return response

    return router


async def _members(gateway: Gateway, email: str | None) -> AsyncIterator[Member]:
    """Yield the members of the archive. Each list is read page by page, as it is written."""
    clients = gateway.clients
    yield Member("account.json", content=_lines(_account(clients, email)))
    for name, values in (
        ("tracks", _converted(_tracks(clients), track_to_wire)),
        ("jobs", _converted(_pages(clients.jobs.ListJobs, pb.ListJobsRequest(), "jobs"), job_to_wire)),
        ("clips", _converted(_clips(clients), _clip_to_wire)),
        ("playlists", _playlists(clients)),
        ("setlists", _setlists(clients)),
        ("votes", _votes(clients)),
        ("favorites", _favorites(clients)),
        ("conversations", _conversations(clients)),
    ):
        yield Member(f"{name}.json", content=_list(values))
    async for track in _tracks(clients):
        async for member in _files_of(gateway, track):
            yield member
    async for clip in _clips(clients):
        name = f"clips/{safe_title(clip.prompt)} {clip.id[:8]}"
        async for member in _stored(gateway, name, clip.audio_blob_key):
            yield member


async def _files_of(gateway: Gateway, track: track_pb2.Track) -> AsyncIterator[Member]:
    folder = f"tracks/{safe_title(track.title)} {track.id[:8]}"
    async for member in _stored(gateway, f"{folder}/recording", track.blob_key):
        yield member
    async for member in _stored(gateway, f"{folder}/cover", track.cover_blob_key):
        yield member
    analysis = await find_analysis(gateway.clients, track.id) if track.analyzed else None
    if analysis is not None:
        yield Member(f"{folder}/analysis.json", content=_lines(analysis.values_json))
    if track.stem_count:
        for stem in (await gateway.clients.tracks.ListStems(pb.ListStemsRequest(track_id=track.id))).stems:
            async for member in _stored(gateway, f"{folder}/{stem.name}", stem.blob_key):
                yield member


async def _stored(gateway: Gateway, name: str, key: str) -> AsyncIterator[Member]:
    """Yield a stored file, unless it is missing."""
    info = await gateway.blobs.stat(key) if key else None
    if info is not None:
        yield Member(f"{name}.{extension(key)}", key, info.size_bytes, info.modify_time)


async def _lines(value: Any) -> AsyncIterator[bytes]:
    """Yield a value as JSON. A text is JSON already, and a coroutine returns the value."""
    if isinstance(value, Awaitable):
        value = await value
    yield (value if isinstance(value, str) else json.dumps(value, indent=1)).encode()


async def _list(values: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    separator = "["
    async for value in values:
        yield f"{separator}\n{json.dumps(value)}".encode()
        separator = ","
    yield b"[]\n" if separator == "[" else b"\n]\n"


async def _account(clients: Clients, email: str | None) -> dict[str, Any]:
    principal, accounts = require_principal(), clients.accounts
    tokens = (await accounts.ListApiTokens(pb.ListApiTokensRequest())).api_tokens
    sessions = _pages(accounts.ListSessions, pb.ListSessionsRequest(), "sessions")
    connections = (await clients.connections.ListConnections(connection_pb.ListConnectionsRequest())).connections
    webhooks = (await clients.webhooks.ListWebhooks(webhook_pb.ListWebhooksRequest())).webhooks
    return {
        "id": principal.id,
        "email": email,
        "role": principal.role,
        "api_tokens": [token_to_wire(token) for token in tokens],
        "sessions": [session_to_wire(session, "") async for session in sessions],
        "connections": [connection_to_wire(connection) for connection in connections],
        "webhooks": [webhook_to_wire(webhook) for webhook in webhooks],
    }


async def _setlists(clients: Clients) -> AsyncIterator[Any]:
    for setlist in (await clients.setlists.ListSetlists(pb.ListSetlistsRequest())).setlists:
        yield {"name": setlist.name, "track_ids": list(setlist.track_ids)}


async def _pages(call: Callable[[Any], Awaitable[Any]], request: Any, field: str) -> AsyncIterator[Any]:
    """Yield the items of all pages, the first of which is 1. An empty page is the end."""
    request.page, request.page_size = 1, _PAGE_SIZE
    while items := getattr(await call(request), field):
        for item in items:
            yield item
        request.page += 1


def _tracks(clients: Clients) -> AsyncIterator[track_pb2.Track]:
    oldest_first = pb.ListTracksRequest(sort=pb.TRACK_SORT_CREATE_TIME, descending=False)
    return _pages(clients.tracks.ListTracks, oldest_first, "tracks")


def _clips(clients: Clients) -> AsyncIterator[generation_pb2.Generation]:
    newest_first = catalog_pb.ListGenerationsRequest(
        filter=catalog_pb.GenerationFilter(owner_id=require_principal().id),
        sort=catalog_pb.GENERATION_SORT_RECENT,
        without_total=True,
    )
    return _pages(clients.catalog.ListGenerations, newest_first, "generations")


def _clip_to_wire(clip: generation_pb2.Generation) -> dict[str, Any]:
    return {
        "id": clip.id,
        "prompt": clip.prompt,
        "model": clip.model,
        "duration_seconds": clip.duration_seconds,
        "is_loop": clip.is_loop,
        "seed": clip.seed,
        "engine": clip.engine,
        "categories": list(clip.categories),
        "rating": clip.rating if clip.HasField("rating") else None,
        "created_at": time_to_wire(clip, "create_time"),
    }


async def _playlists(clients: Clients) -> AsyncIterator[Any]:
    for playlist in (await clients.catalog.ListPlaylists(catalog_pb.ListPlaylistsRequest())).playlists:
        answer = await clients.catalog.GetPlaylist(catalog_pb.GetPlaylistRequest(playlist_id=playlist.id))
        yield {
            "id": playlist.id,
            "name": playlist.name,
            "description": playlist.description,
            "is_public": playlist.is_public,
            "clips": [entry.generation.id for entry in answer.entries],
        }


async def _votes(clients: Clients) -> AsyncIterator[Any]:
    request = catalog_pb.ListVotesRequest(limit=_PAGE_SIZE)
    while votes := (await clients.catalog.ListVotes(request)).votes:
        for vote in votes:
            yield {"clip_id": vote.generation.id, "vote": vote.vote, "voted_at": time_to_wire(vote, "vote_time")}
        request.offset += _PAGE_SIZE


async def _favorites(clients: Clients) -> AsyncIterator[Any]:
    async for favorite in _pages(clients.catalog.ListFavorites, catalog_pb.ListFavoritesRequest(), "favorites"):
        yield {"clip_id": favorite.generation.id, "added_at": time_to_wire(favorite, "add_time")}


async def _conversations(clients: Clients) -> AsyncIterator[Any]:
    asked = conversation_pb.ListConversationsRequest()
    async for conversation in _pages(clients.conversations.ListConversations, asked, "conversations"):
        wanted = conversation_pb.GetConversationRequest(conversation_id=conversation.id)
        messages = (await clients.conversations.GetConversation(wanted)).messages
        yield {**conversation_to_wire(conversation), "messages": [message_to_wire(message) for message in messages]}


async def _converted(items: AsyncIterator[Any], convert: Callable[[Any], Any]) -> AsyncIterator[Any]:
    async for item in items:
        yield convert(item)
