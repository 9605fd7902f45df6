"""What one client is still to be sent: bounded, whatever happens and however slowly the client reads."""

from __future__ import annotations

import asyncio
from collections import deque

from kit.metrics import SOCKET_MESSAGES
from services.gateway.socket.phoenix import Message

__all__ = ["Outbox"]

_WAITING_LIMIT = 64
_INTERVAL_SECONDS = 0.25


class Outbox:
    """Messages in their order, and beside them the newest progress of each topic.

    Progress waits until nothing else does and the last one of its topic is a quarter of a second ago; what is newer takes
    its place meanwhile. So the length is bounded by the client's own requests, which wait for ``room``, and by the
    number of topics, of which each tells two lasting things unasked.
    """

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._progress: dict[str, Message] = {}  # by topic
        self._due: dict[str, float] = {}  # when a topic may tell its next progress
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, message: Message) -> None:
        """To be sent in any case. Nothing else of its topic may come later that is older."""
        self._progress.pop(message.topic, None)
        self._waiting.append(message)
        self._filled.set()
        if len(self._waiting) >= _WAITING_LIMIT:
            self._room.clear()

    def offer(self, progress: Message) -> None:
        """To be sent unless something newer of its topic comes first."""
        if self._progress.pop(progress.topic, None) is not None:
            SOCKET_MESSAGES.labels("replaced").inc()
        self._progress[progress.topic] = progress
        self._filled.set()

    def forget(self, topic: str) -> None:
        """The topic was left."""
        self._progress.pop(topic, None)
        self._due.pop(topic, None)

    async def room(self) -> None:
        """Wait until the client has taken most of what waits."""
        await self._room.wait()

    async def next(self) -> Message:
        """The message to send now. Waits until there is one."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            if self._waiting:
                message = self._waiting.popleft()
                if len(self._waiting) < _WAITING_LIMIT // 2:
                    self._room.set()
                if message.ref is None:  # the snapshot and the end count as progress, too
                    self._due[message.topic] = now + _INTERVAL_SECONDS
                return message
            soonest = None
            for topic, message in self._progress.items():
                due = self._due.get(topic, 0.0)
                if due <= now:
                    del self._progress[topic]
                    self._due[topic] = now + _INTERVAL_SECONDS
                    return message
                soonest = due if soonest is None else min(soonest, due)
            self._filled.clear()
            try:
                async with asyncio.timeout_at(soonest):
                    await self._filled.wait()
            except TimeoutError:
                continue
