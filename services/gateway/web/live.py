"""``/live/websocket``: pushes the changed elements of a list to the page that shows it.

Each message is a JSON object. ``{"list": id, "ids": [...]}`` names the elements of the list; the page removes all
others. ``{"id": id, "html": element}`` replaces an element. If the page does not have the element yet, the message also
has ``prepend``, the id of the list, or ``after``, the id of the preceding element. A client sends
``{"heartbeat": number}`` regularly and receives the same object.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from soundwright.library.v1 import events_pb2

from kit.errors import AppError
from kit.log import get_logger
from kit.security.identity import Principal, principal_scope
from services.gateway.channels import (
    ConnectionIdentity,
    Endpoint,
    JobFeed,
    MalformedMessage,
    SocketHandler,
)
from services.gateway.clients import Clients
from services.gateway.http import limits
from services.gateway.http.access import Access, RouteAccess
from services.gateway.http.decoding import json_value, whole_number
from services.gateway.http.rate_limits import RateClass
from services.gateway.settings import GatewaySettings
from services.gateway.web.cards import Card
from services.gateway.web.lists import CardList, JobList, TrackList

__all__ = ["LiveList", "RenderedList", "list_from_parameters", "live_endpoint"]

_PAGE_LIMIT = 1_000_000
_LOAD_TIMEOUT_SECONDS = 5.0
_RELOAD_INTERVAL_SECONDS = 0.25
log = get_logger()


def list_from_parameters(clients: Clients, fields: Mapping[str, str]) -> CardList | None:
    """Return the list for the query parameters ``list``, ``page`` and ``q``, or None if they are invalid."""
    page = whole_number(fields.get("page", "1"), 1, _PAGE_LIMIT)
    search = fields.get("q", "")
    if page is None:
        return None
    match fields.get("list"):
        case "jobs":
            return JobList(clients, page)
        case "tracks" if len(search) <= limits.SEARCH_CHARS:
            return TrackList(clients, page, search)
        case _:
            return None


def live_endpoint(clients: Clients, feed: JobFeed, settings: GatewaySettings) -> Endpoint:
    """Return the endpoint ``/live/websocket``."""

    def handler(identity: ConnectionIdentity, fields: Mapping[str, str]) -> SocketHandler | None:
        shown = list_from_parameters(clients, fields)
        return LiveList(shown, identity.principal, feed, settings.socket_poll_seconds) if shown else None

    return Endpoint(RouteAccess(Access.PAGE, RateClass.POLLING), handler)


class RenderedList:
    """The elements of a list that a browser shows, according to the messages that were sent to it."""

    def __init__(self, element_id: str) -> None:
        self._element_id = element_id
        self._shown: dict[str, Card] | None = None

    def next_patch(self, wanted: Sequence[Card]) -> dict[str, Any] | None:
        """Return the next message that brings the browser closer to ``wanted``, or None if it shows ``wanted``.

        The caller sends the message. Messages are computed only when they can be sent, so a browser that reads slowly
        skips intermediate states.
        """
        ids = [card.element_id for card in wanted]
        if self._shown is None or not self._shown.keys() <= set(ids):
            self._shown = {key: card for key, card in (self._shown or {}).items() if key in ids}
            return {"list": self._element_id, "ids": ids}
        before = ""
        for key, card in zip(ids, wanted, strict=True):
            if self._shown.get(key) != card:
                place = {"after": before} if before else {"prepend": self._element_id}
                message = {"id": key, "html": card.html} | (place if key not in self._shown else {})
                self._shown[key] = card
                return message
            before = key
        return None


class LiveList:
    """Keeps one list in one browser current. A :class:`~services.gateway.channels.handler.SocketHandler`.

    It has no send buffer: :meth:`next_message` computes each message when the socket can send it.
    """

    def __init__(self, shown: CardList, principal: Principal, feed: JobFeed, poll_seconds: float) -> None:
        self._list = shown
        self._principal = principal
        self._feed = feed
        self._poll_seconds = poll_seconds
        self._rendered = RenderedList(shown.element_id)
        self._heartbeat: int | None = None
        self._subscribed = False
        self._reload_at = 0.0  # when to read the list again, in event loop time
        self._loaded_at = 0.0
        self._changed = asyncio.Event()

    async def receive(self, text: str) -> None:
        try:
            number = json_value(text)["heartbeat"]
        except (ValueError, TypeError, KeyError):
            raise MalformedMessage from None
        if not isinstance(number, int) or number.bit_length() > 53:
            raise MalformedMessage
        self._heartbeat = number
        self._changed.set()

    async def drain(self) -> None:
        return  # only the latest heartbeat is answered, so nothing accumulates

    async def next_message(self) -> str:
        if not self._subscribed:
            # Subscribe before reading, so that no event between the two is missed.
            self._subscribed = True
            self._feed.subscribe_owner(self._principal.id, self)
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            if self._heartbeat is not None:
                number, self._heartbeat = self._heartbeat, None
                return json.dumps({"heartbeat": number})
            if self._reload_at <= loop.time():
                await self._reload()
            message = self._rendered.next_patch(self._list.cards()) if self._loaded_at else None
            if message is not None:
                return json.dumps(message)
            try:
                async with asyncio.timeout_at(self._reload_at):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def close(self) -> None:
        self._feed.unsubscribe_owner(self._principal.id, self)

    def on_progress(self, event: events_pb2.JobProgressed) -> None:
        if not self._list.on_progress(event):
            self._reload_soon()
        self._changed.set()

    def on_finished(self) -> None:
        self._list.on_finished()
        self._reload_soon()
        self._changed.set()

    def _reload_soon(self) -> None:
        self._reload_at = min(self._reload_at, self._loaded_at + _RELOAD_INTERVAL_SECONDS)

    async def _reload(self) -> None:
        loop = asyncio.get_running_loop()
        # Set before the read, so that an event during the read schedules another one.
        self._reload_at = loop.time() + self._poll_seconds
        try:
            with principal_scope(self._principal):
                async with asyncio.timeout(_LOAD_TIMEOUT_SECONDS):
                    await self._list.load()
            self._loaded_at = loop.time()
        except (AppError, TimeoutError) as error:
            log.warning("live.not_read", list=self._list.element_id, reason=getattr(error, "reason", "TIMEOUT"))
