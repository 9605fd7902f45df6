"""The Phoenix channel protocol, versions 1.0.0 and 2.0.0, without I/O and clock.

A socket carries many channels. A client joins a topic with a ``join_ref`` of its choice. Messages with an older
``join_ref`` belong to an earlier membership and are ignored. A reply has the ``ref`` of its request.
"""

import enum
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from soundwright.services.gateway.wire.decoding import json_value

Ref = str | int | None
_SYSTEM_TOPIC = "phoenix"
_REF_LIMIT_CHARS = 200


class MalformedMessage(ValueError):
    """A text that is not a message of the protocol."""


class Version(enum.Enum):
    """The serialization of messages: a JSON object or a JSON array."""

    OBJECT = "1.0.0"
    ARRAY = "2.0.0"


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the protocol."""

    join_ref: Ref
    ref: Ref
    topic: str
    event: str
    payload: Any


def version_of(vsn: str) -> Version | None:
    """Return the version for the parameter ``vsn``, or None if it is not supported. An empty ``vsn`` means 1.0.0."""
    match = re.fullmatch(r"([12])\.0\.[0-9]{1,5}", vsn or "1.0.0")
    if match is None:
        return None
    return Version.OBJECT if match[1] == "1" else Version.ARRAY


def decode(text: str, version: Version) -> Message:
    """Parse a message.

    Raises ``MalformedMessage``: the text is not a message of this version.
    """
    try:
        value = json_value(text)
    except ValueError:
        raise MalformedMessage from None
    if version is Version.OBJECT and isinstance(value, dict):
        value = [value.get(name) for name in ("join_ref", "ref", "topic", "event", "payload")]
    elif version is Version.OBJECT:
        raise MalformedMessage
    if not isinstance(value, list) or len(value) != 5:
        raise MalformedMessage
    message = Message(*value)
    if not (isinstance(message.topic, str) and isinstance(message.event, str)):
        raise MalformedMessage
    if not (_is_ref(message.join_ref) and _is_ref(message.ref)):
        raise MalformedMessage
    return message


def encode(message: Message, version: Version) -> str:
    """Serialize a message of the server. Version 1.0.0 omits ``join_ref``."""
    value: Any
    if version is Version.ARRAY:
        value = [message.join_ref, message.ref, message.topic, message.event, message.payload]
    else:
        value = {
            "topic": message.topic, "event": message.event, "payload": message.payload, "ref": message.ref
        }  # fmt: skip
    # json.dumps escapes non-ASCII text: a topic may contain a lone surrogate, which has no UTF-8 encoding.
    return json.dumps(value, separators=(",", ":"))


def _is_ref(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _REF_LIMIT_CHARS
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64)


@dataclass(frozen=True, slots=True)
class Step:
    """The consequences of a message.

    Attributes:
        left: topic that the client has left; empty if none.
        join: request to join a topic. The caller answers it with :meth:`Connection.accept` or
            :meth:`Connection.refuse` before the next message.
    """

    send: tuple[Message, ...] = ()
    left: str = ""
    join: Message | None = None


class Connection:
    """The topics that one socket has joined."""

    def __init__(self, serves: Callable[[str], bool], topic_limit: int) -> None:
        self._serves = serves
        self._topic_limit = topic_limit
        self._join_refs: dict[str, Ref] = {}

    @property
    def topics(self) -> list[str]:
        return list(self._join_refs)

    def receive(self, message: Message) -> Step:
        topic, event = message.topic, message.event
        if topic == _SYSTEM_TOPIC and event == "heartbeat":
            return Step((_ok(message, None),))
        if event == "phx_join":
            return self._request_join(message)
        if topic not in self._join_refs:
            # The topic was left before, or the server closed it at the same time. Leaving it again succeeds.
            answer = _ok(message, message.join_ref) if event == "phx_leave" else _unmatched(message)
            return Step((answer,))
        join_ref = self._join_refs[topic]
        if message.join_ref not in (None, join_ref):
            return Step()
        if event == "phx_leave":
            return Step((_ok(message, join_ref), *self.close(topic)), left=topic)
        if event == "ping":
            return Step((_ok(message, join_ref),))
        return Step((_error(message, join_ref, "unknown event"),))

    def _request_join(self, message: Message) -> Step:
        topic = message.topic
        if not self._serves(topic):
            return Step((_unmatched(message),))
        if topic in self._join_refs:
            return Step(left=topic, join=message)
        if len(self._join_refs) >= self._topic_limit:
            return Step((_error(message, message.join_ref, "too many topics"),))
        return Step(join=message)

    def accept(self, message: Message) -> tuple[Message, ...]:
        """Grant a join. An earlier membership in the topic ends. Return the messages to send."""
        closing = self.close(message.topic)
        self._join_refs[message.topic] = message.join_ref
        return (_ok(message, message.join_ref), *closing)

    def refuse(self, message: Message, reason: str) -> tuple[Message, ...]:
        """Refuse a join. An earlier membership in the topic ends. Return the messages to send."""
        return (_error(message, message.join_ref, reason), *self.close(message.topic))

    def push(self, topic: str, event: str, payload: Any) -> Message:
        """Return the message of an event in a joined topic."""
        return Message(self._join_refs[topic], None, topic, event, payload)

    def close(self, topic: str) -> tuple[Message, ...]:
        """End a membership. The client does not rejoin. Return the messages to send; none without a membership."""
        return self._end(topic, "phx_close")

    def crash(self, topic: str) -> tuple[Message, ...]:
        """End a membership after a server error. The client rejoins. Return the messages to send."""
        return self._end(topic, "phx_error")

    def _end(self, topic: str, event: str) -> tuple[Message, ...]:
        if topic not in self._join_refs:
            return ()
        join_ref = self._join_refs.pop(topic)
        return (Message(join_ref, join_ref, topic, event, {}),)


def _ok(message: Message, join_ref: Ref) -> Message:
    return _reply(message, join_ref, "ok", {})


def _error(message: Message, join_ref: Ref, reason: str) -> Message:
    return _reply(message, join_ref, "error", {"reason": reason})


def _unmatched(message: Message) -> Message:
    return _error(message, None, "unmatched topic")


def _reply(message: Message, join_ref: Ref, status: str, response: dict[str, Any]) -> Message:
    return Message(join_ref, message.ref, message.topic, "phx_reply", {"status": status, "response": response})
