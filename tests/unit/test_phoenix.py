"""The channel protocol as values: how messages are written, and what follows from them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.channels.phoenix import (
    Connection,
    MalformedMessage,
    Message,
    Step,
    Version,
    decode,
    encode,
    version_of,
)

OBJECT, ARRAY = Version.OBJECT, Version.ARRAY

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
refs = st.none() | st.text(max_size=20) | st.integers(-(2**63), 2**63)
any_text = st.text(st.characters(codec=None, exclude_categories=()))  # with halves of surrogate pairs
messages = st.builds(Message, join_ref=refs, ref=refs, topic=any_text, event=any_text, payload=json_values)


@given(messages)
def test_what_is_written_is_read_again(message: Message) -> None:
    text = encode(message, ARRAY)
    text.encode()
    assert decode(text, ARRAY) == message


@given(messages)
def test_version_1_has_no_join_ref_from_the_server(message: Message) -> None:
    text = encode(message, OBJECT)
    text.encode()
    assert set(json.loads(text)) == {"topic", "event", "payload", "ref"}
    assert decode(text, OBJECT) == Message(None, message.ref, message.topic, message.event, message.payload)


@given(st.sampled_from(Version), any_text | json_values.map(json.dumps))
def test_whatever_comes_is_a_message_or_malformed(version: Version, text: str) -> None:
    try:
        message = decode(text, version)
    except MalformedMessage:
        return
    assert isinstance(message.topic, str)


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (ARRAY, "no JSON"),
        (ARRAY, "[" * 60_000),
        (ARRAY, '{"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"}'),
        (ARRAY, '["1", "1", "phoenix", "heartbeat"]'),
        (ARRAY, '["1", "1", 7, "heartbeat", {}]'),
        (ARRAY, '["1", "1", "phoenix", null, {}]'),
        (ARRAY, '[["1"], "1", "phoenix", "heartbeat", {}]'),
        (ARRAY, '["1", true, "phoenix", "heartbeat", {}]'),
        (ARRAY, f'["1", "{"x" * 201}", "phoenix", "heartbeat", {{}}]'),
        (ARRAY, f'["1", {"9" * 5000}, "phoenix", "heartbeat", {{}}]'),
        (OBJECT, '[null, "1", "phoenix", "heartbeat", {}]'),
        (OBJECT, '{"event": "heartbeat", "ref": "1"}'),
    ],
)
def test_malformed_messages_are_refused(version: Version, text: str) -> None:
    with pytest.raises(MalformedMessage):
        decode(text, version)


@pytest.mark.parametrize(
    ("vsn", "version"),
    [("", OBJECT), ("1.0.0", OBJECT), ("2.0.0", ARRAY), ("2.0.1", ARRAY)]
    + [(vsn, None) for vsn in ("2", "2.0", "2.1.0", "3.0.0", "v2.0.0", "2.0.0\n", "2.0.0-rc", "x")],
)
def test_known_versions_are_served(vsn: str, version: Version | None) -> None:
    assert version_of(vsn) is version


# ------------------------------------------------------------------------------------------------------------- channels


def connection(topic_limit: int = 3) -> Connection:
    return Connection(lambda topic: topic.startswith("jobs:"), topic_limit)


def take(channels: Connection, *parts: Any, joins: str = "") -> list[list[Any]]:
    """What the client gets for a message; a join is granted, or refused with the reason ``joins``."""
    step = channels.receive(Message(*parts))
    sent = list(step.send)
    if step.join is not None:
        sent += channels.refuse(step.join, joins) if joins else channels.accept(step.join)
    return [json.loads(encode(message, ARRAY)) for message in sent]


def ok(join_ref: Any, ref: Any, topic: str) -> list[Any]:
    return [join_ref, ref, topic, "phx_reply", {"status": "ok", "response": {}}]


def error(join_ref: Any, ref: Any, topic: str, reason: str) -> list[Any]:
    return [join_ref, ref, topic, "phx_reply", {"status": "error", "response": {"reason": reason}}]


def test_a_channel_is_joined_and_left() -> None:
    channels = connection()
    assert take(channels, "1", "1", "jobs:a", "phx_join", {}) == [ok("1", "1", "jobs:a")]
    assert take(channels, "1", "2", "jobs:a", "ping", {}) == [ok("1", "2", "jobs:a")]
    assert channels.push("jobs:a", "job:progress", {"x": 1}) == Message("1", None, "jobs:a", "job:progress", {"x": 1})
    left = take(channels, "1", "9", "jobs:a", "phx_leave", {})
    assert left == [ok("1", "9", "jobs:a"), ["1", "1", "jobs:a", "phx_close", {}]]
    assert channels.topics == []
    assert take(channels, "4", "10", "jobs:a", "phx_join", {}) == [ok("4", "10", "jobs:a")]


def test_a_heartbeat_is_answered() -> None:
    assert take(connection(), None, "7", "phoenix", "heartbeat", {}) == [ok(None, "7", "phoenix")]


def test_topics_that_are_not_joined_are_unmatched() -> None:
    channels = connection()
    assert take(channels, "2", "2", "nope:x", "phx_join", {}) == [error(None, "2", "nope:x", "unmatched topic")]
    assert take(channels, None, "4", "jobs:x", "ping", {}) == [error(None, "4", "jobs:x", "unmatched topic")]
    assert take(channels, None, "5", "phoenix", "ping", {}) == [error(None, "5", "phoenix", "unmatched topic")]
    assert take(channels, "3", "6", "jobs:x", "phx_leave", {}) == [ok("3", "6", "jobs:x")]


def test_a_refused_join_opens_no_channel() -> None:
    channels = connection()
    refused = take(channels, "1", "1", "jobs:a", "phx_join", {}, joins="unauthorized")
    assert refused == [error("1", "1", "jobs:a", "unauthorized")]
    assert channels.topics == []


def test_a_second_join_ends_the_first() -> None:
    channels = connection()
    take(channels, "1", "1", "jobs:a", "phx_join", {})
    again = take(channels, "5", "5", "jobs:a", "phx_join", {})
    assert again == [ok("5", "5", "jobs:a"), ["1", "1", "jobs:a", "phx_close", {}]]
    assert channels.push("jobs:a", "x", {}).join_ref == "5"
    refused = take(channels, "6", "6", "jobs:a", "phx_join", {}, joins="not_found")
    assert refused == [error("6", "6", "jobs:a", "not_found"), ["5", "5", "jobs:a", "phx_close", {}]]
    assert channels.topics == []


def test_the_transport_learns_what_was_left() -> None:
    channels = connection()
    take(channels, "1", "1", "jobs:a", "phx_join", {})
    assert channels.receive(Message("2", "2", "jobs:a", "phx_join", {})).left == "jobs:a"
    assert channels.receive(Message("1", "3", "jobs:a", "phx_leave", {})).left == "jobs:a"


def test_what_comes_under_an_old_join_is_ignored() -> None:
    channels = connection()
    take(channels, "1", "1", "jobs:a", "phx_join", {})
    take(channels, "2", "2", "jobs:a", "phx_join", {})
    for event in ("ping", "phx_leave", "other"):
        assert channels.receive(Message("1", "3", "jobs:a", event, {})) == Step()
    assert take(channels, None, "4", "jobs:a", "ping", {}) == [ok("2", "4", "jobs:a")]  # version 1.0.0 has none


@pytest.mark.parametrize("event", ["job:progress", "phx_reply", "phx_close", "phx_error", "heartbeat"])
def test_an_unknown_event_is_an_error(event: str) -> None:
    channels = connection()
    take(channels, "1", "1", "jobs:a", "phx_join", {})
    assert take(channels, "1", "2", "jobs:a", event, {}) == [error("1", "2", "jobs:a", "unknown event")]


def test_topics_are_limited() -> None:
    channels = connection(topic_limit=2)
    for number in "12":
        take(channels, number, number, f"jobs:{number}", "phx_join", {})
    assert take(channels, "3", "3", "jobs:3", "phx_join", {}) == [error("3", "3", "jobs:3", "too many topics")]
    assert take(channels, "4", "4", "jobs:2", "phx_join", {})[0] == ok("4", "4", "jobs:2")  # no further topic
    take(channels, "1", "5", "jobs:1", "phx_leave", {})
    assert take(channels, "6", "6", "jobs:3", "phx_join", {}) == [ok("6", "6", "jobs:3")]


def test_the_server_ends_a_membership() -> None:
    channels = connection()
    take(channels, "1", "1", "jobs:a", "phx_join", {})
    take(channels, "2", "2", "jobs:b", "phx_join", {})
    assert channels.close("jobs:a") == (Message("1", "1", "jobs:a", "phx_close", {}),)
    assert channels.crash("jobs:b") == (Message("2", "2", "jobs:b", "phx_error", {}),)
    assert channels.close("jobs:a") == channels.crash("jobs:b") == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "2", "3", None]),
            st.sampled_from(["phoenix", "jobs:a", "jobs:b", "jobs:c", "other"]),
            st.sampled_from(["phx_join", "phx_leave", "ping", "heartbeat", "phx_close"]),
            st.booleans(),
        )
    )
)
def test_every_request_is_answered_once_or_stale(requests: list[tuple[Any, str, str, bool]]) -> None:
    channels = connection(topic_limit=2)
    for number, (join_ref, topic, event, granted) in enumerate(requests):
        before = {name: channels.push(name, "", {}).join_ref for name in channels.topics}
        got = take(channels, join_ref, number, topic, event, {}, joins="" if granted else "no")
        replies = [message for message in got if message[3] == "phx_reply"]
        stale = event != "phx_join" and topic in before and join_ref not in (None, before[topic])
        assert [reply[1] for reply in replies] == ([] if stale else [number])
        closed = [message[:3] for message in got if message[3] == "phx_close"]
        assert closed in ([], [[before.get(topic), before.get(topic), topic]])
        assert len(channels.topics) <= 2
