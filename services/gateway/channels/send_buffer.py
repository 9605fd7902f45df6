"""A bounded buffer of the messages that wait to be sent to one client."""

import asyncio
from collections import deque

from soundwright.kit.metrics import SOCKET_MESSAGES
from soundwright.services.gateway.channels.phoenix import Message

_WAITING_LIMIT = 64
_INTERVAL_SECONDS = 0.25


class SendBuffer:
    """A queue of messages, and the latest progress message of each topic.

    Progress is sent when the queue is empty, at most four times a second per topic. Newer progress replaces older
    progress of the same topic. The buffer is bounded: :meth:`drain` delays the client's requests while it is full, and
    each topic adds at most two other messages that are not responses.
    """

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._progress: dict[str, Message] = {}  # by topic
        self._due: dict[str, float] = {}  # by topic, if it is not past: earliest time of its next progress message
        self._not_empty = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    def put(self, message: Message) -> None:
        """Queue a message. Waiting progress of the same topic is dropped, because it is older."""
        self._progress.pop(message.topic, None)
        self._waiting.append(message)
        self._not_empty.set()
        if len(self._waiting) >= _WAITING_LIMIT:
            self._has_room.clear()

    def put_progress(self, progress: Message) -> None:
        """Queue a progress message. A newer message of the same topic replaces it."""
        if self._progress.pop(progress.topic, None) is not None:
            SOCKET_MESSAGES.labels("replaced").inc()
        self._progress[progress.topic] = progress
        self._not_empty.set()

    def discard_topic(self, topic: str) -> None:
        """Drop the waiting progress of a topic."""
        self._progress.pop(topic, None)

    async def drain(self) -> None:
        """Wait until the queue is at most half full, if it was full."""
        await self._has_room.wait()

    async def next_message(self) -> Message:
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            if self._waiting:
                message = self._waiting.popleft()
                if len(self._waiting) < _WAITING_LIMIT // 2:
                    self._has_room.set()
                if message.ref is None:  # the snapshot and the final message count as progress
                    self._delay(message.topic, now)
                return message
            soonest = None
            for topic, message in self._progress.items():
                due = self._due.get(topic, 0.0)
                if due <= now:
                    del self._progress[topic]
                    self._delay(topic, now)
                    return message
                soonest = due if soonest is None else min(soonest, due)
            self._not_empty.clear()
            try:
                async with asyncio.timeout_at(soonest):
                    await self._not_empty.wait()
            except TimeoutError:
                continue

    def _delay(self, topic: str, now: float) -> None:
        """Note that a message of the topic is sent now. Topics that may send again are forgotten: clients leave and join many."""
        self._due = {each: due for each, due in self._due.items() if due > now} | {topic: now + _INTERVAL_SECONDS}
