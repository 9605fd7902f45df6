"""``/live/websocket``: keeps a list on a page of ours as it is, by pushing the elements that change.

Each message is a JSON object. ``{"list": id, "ids": [...]}`` names the elements that the list holds now;
all others in it go. ``{"id": id, "html": element}`` replaces an element; with ``prepend``, the list's id, or ``after``,
another element's id, it says where the element belongs if the page does not have it yet. A client says
``{"heartbeat": number}`` now and then, and gets the same back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from soundwright.library.v1 import events_pb2

from kit.errors import AppError
from kit.identity import Principal, principal_scope
from kit.log import get_logger
from services.gateway.clients import Clients
from services.gateway.settings import GatewaySettings
from services.gateway.socket import Doorkeeper, Endpoint, JobFeed, MalformedMessage, Talk, Visitor
from services.gateway.web.cards import Card
from services.gateway.web.lists import CardList, JobList, TrackList

__all__ = ["LiveList", "Screen", "list_named", "live_endpoint"]

_PAGE_LIMIT = 1_000_000
_SEARCH_LIMIT_CHARS = 500
_LOOK_SECONDS = 5.0
_PAUSE_SECONDS = 0.25
log = get_logger()


def list_named(clients: Clients, fields: Mapping[str, str]) -> CardList | None:
    """The list that parameters ask for: ``list``, ``page`` from 1 and, of tracks, ``q``. None: there is no such list."""
    page = fields.get("page", "1")
    search = fields.get("q", "")
    if not (page.isascii() and page.isdigit() and 1 <= int(page[:8]) <= _PAGE_LIMIT):
        return None
    match fields.get("list"):
        case "jobs":
            return JobList(clients, int(page))
        case "tracks" if len(search) <= _SEARCH_LIMIT_CHARS:
            return TrackList(clients, int(page), search)
        case _:
            return None


def live_endpoint(doorkeeper: Doorkeeper, clients: Clients, feed: JobFeed, settings: GatewaySettings) -> Endpoint:
    """``/live/websocket``."""

    async def admit(scope: Any, _fields: Mapping[str, str]) -> Visitor:
        return await doorkeeper.admit_page(scope)

    def talk(visitor: Visitor, fields: Mapping[str, str]) -> Talk | None:
        shown = list_named(clients, fields)
        return LiveList(shown, visitor.principal, feed, settings.socket_poll_seconds) if shown else None

    return Endpoint(admit, talk)


class Screen:
    """What a browser shows of a list by now, as far as it was told."""

    def __init__(self, element_id: str) -> None:
        self._element_id = element_id
        self._shown: dict[str, Card] | None = None

    def step(self, wanted: Sequence[Card]) -> dict[str, Any] | None:
        """The next message on the way to showing ``wanted``; None: that is what it shows.

        The message counts as told. What is said of a card is how it is now, whatever it was like meanwhile: a browser that
        reads slowly is told less.
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
    """One list for one browser. A :class:`~services.gateway.socket.talk.Talk`.

    Nothing waits here for a browser to read it: what to say is found when it can be said.
    """

    def __init__(self, shown: CardList, principal: Principal, feed: JobFeed, poll_seconds: float) -> None:
        self._list = shown
        self._principal = principal
        self._feed = feed
        self._poll_seconds = poll_seconds
        self._screen = Screen(shown.element_id)
        self._heartbeat: int | None = None
        self._begun = False
        self._look_at = 0.0  # when to read the list again, in the loop's time
        self._looked_at = 0.0
        self._news = asyncio.Event()

    async def take(self, text: str) -> None:
        try:
            number = json.loads(text)["heartbeat"]
        except (ValueError, RecursionError, TypeError, KeyError):
            raise MalformedMessage from None
        if not isinstance(number, int) or number.bit_length() > 53:
            raise MalformedMessage
        self._heartbeat = number
        self._news.set()

    async def room(self) -> None:
        return  # whatever it says, there is one answer to it at most

    async def next(self) -> str:
        if not self._begun:
            # Listen, then look: what happens between the two is heard.
            self._begun = True
            self._feed.listen_to_owner(self._principal.id, self)
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            if self._heartbeat is not None:
                number, self._heartbeat = self._heartbeat, None
                return json.dumps({"heartbeat": number})
            if self._look_at <= loop.time():
                await self._look()
            message = self._screen.step(self._list.cards()) if self._looked_at else None
            if message is not None:
                return json.dumps(message)
            try:
                async with asyncio.timeout_at(self._look_at):
                    await self._news.wait()
            except TimeoutError:
                continue

    def end(self) -> None:
        self._feed.leave_owner(self._principal.id, self)

    def hear(self, event: events_pb2.JobProgressed) -> None:
        if not self._list.hear(event):
            self._look_soon()
        self._news.set()

    def ended(self) -> None:
        self._list.ended()
        self._look_soon()
        self._news.set()

    def _look_soon(self) -> None:
        self._look_at = min(self._look_at, self._looked_at + _PAUSE_SECONDS)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        # Before reading: what is heard from now on asks for another look.
        self._look_at = loop.time() + self._poll_seconds
        try:
            with principal_scope(self._principal):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._list.load()
            self._looked_at = loop.time()
        except (AppError, TimeoutError) as error:
            log.warning("live.not_read", list=self._list.element_id, reason=getattr(error, "reason", "TIMEOUT"))
