"""Channels: the protocol as values, the channel of a job, the send buffer of a slow client, and sockets without a server."""

import asyncio
import dataclasses
import gc
import itertools
import json
import warnings
from typing import Any
from unittest.mock import Mock, patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soundwright.library.v1 import events_pb2, job_pb2, track_pb2
from soundwright.services.gateway.channels.connection import Closing, Socket
from soundwright.services.gateway.channels.phoenix import (
    Connection,
    MalformedMessage,
    Message,
    Step,
    Version,
    decode,
    encode,
    version_of,
)
from soundwright.services.gateway.channels.send_buffer import SendBuffer
from soundwright.services.gateway.channels.topics import JobTopic, Push
from soundwright.services.gateway.dialects.forge.job_channel import final_push, result_to_wire
from soundwright.services.gateway.job_views import ENDED

OBJECT, ARRAY = Version.OBJECT, Version.ARRAY

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
refs = st.none() | st.text(max_size=20) | st.integers(-(2**63), 2**63)
any_text = st.text(st.characters(codec=None, exclude_categories=()))  # with halves of surrogate pairs
messages = st.builds(Message, join_ref=refs, ref=refs, topic=any_text, event=any_text, payload=json_values)


def is_read_again(message: Message, version: Version, text: str) -> bool:
    """Whether a written message is read as it was. Half a surrogate pair is refused, and two halves are one character."""
    read = dataclasses.replace(
        message, topic=json.loads(json.dumps(message.topic)), event=json.loads(json.dumps(message.event))
    )
    try:
        (read.topic + " " + read.event).encode()
    except UnicodeEncodeError:
        with pytest.raises(MalformedMessage):
            decode(text, version)
        return True
    return decode(text, version) == read


@given(messages)
@example(Message(None, None, "", "\ud800", None))
@example(Message(None, None, "\ud83d\ude00", "", None))
def test_what_is_written_is_read_again(message: Message) -> None:
    text = encode(message, ARRAY)
    text.encode()
    assert is_read_again(message, ARRAY, text)


@given(messages)
def test_version_1_has_no_join_ref_from_the_server(message: Message) -> None:
    text = encode(message, OBJECT)
    text.encode()
    assert set(json.loads(text)) == {"topic", "event", "payload", "ref"}
    assert is_read_again(dataclasses.replace(message, join_ref=None), OBJECT, text)


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
        (ARRAY, "no JSON"), (ARRAY, "[" * 60_000),
        (ARRAY, '{"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"}'),
        (ARRAY, '["1", "1", "phoenix", "heartbeat"]'), (ARRAY, '["1", "1", 7, "heartbeat", {}]'),
        (ARRAY, '["1", "1", "phoenix", null, {}]'), (ARRAY, '[["1"], "1", "phoenix", "heartbeat", {}]'),
        (ARRAY, '["1", true, "phoenix", "heartbeat", {}]'),
        (ARRAY, f'["1", "{"x" * 201}", "phoenix", "heartbeat", {{}}]'),
        (ARRAY, f'["1", {"9" * 5000}, "phoenix", "heartbeat", {{}}]'),
        (OBJECT, '[null, "1", "phoenix", "heartbeat", {}]'), (OBJECT, '{"event": "heartbeat", "ref": "1"}'),
    ],
)  # fmt: skip
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


QUEUED, RUNNING = job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING
SUCCEEDED, FAILED, CANCELLED = (
    job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED
)  # fmt: skip
ANALYSIS = job_pb2.JOB_KIND_ANALYSIS
RESULT = {"output_path": "/export/analysis/t", "file_size": None}


def record(state: job_pb2.JobState, ratio: float = 0.0, attempt: int = 1, **fields: Any) -> job_pb2.Job:
    return job_pb2.Job(
        id="id", kind=ANALYSIS, track_id="t", state=state, progress_ratio=ratio, attempt=attempt, **fields
    )


def event(ratio: float, attempt: int = 1, message: str = "") -> events_pb2.JobProgressed:
    return events_pb2.JobProgressed(
        job_id="id", kind=ANALYSIS, progress_ratio=ratio, attempt=attempt, progress_message=message
    )


def events_of(pushes: list[Push]) -> list[tuple[str, Any, Any]]:
    return [(push.event, push.payload.get("status"), push.payload.get("progress")) for push in pushes]


def test_a_job_is_told_from_its_snapshot_to_its_end() -> None:
    channel = JobTopic("shown", final_push)
    first = channel.open(record(QUEUED, attempt=0), None)
    assert [push.payload for push in first] == [{"job_id": "shown", "status": "queued", "progress": 0, "message": ""}]
    assert first[0].required
    half = channel.on_progress(event(0.505, message="Listening"))
    assert half == [
        Push(
            "job:progress",
            {"job_id": "shown", "status": "processing", "progress": 50, "message": "Listening"},
            required=False,
        )
    ]
    assert channel.on_progress(event(0.508, message="Listening")) == []  # nothing that shows
    end = channel.on_record(record(SUCCEEDED, 1.0), None)
    assert events_of(end) == [("job:progress", "completed", 100), ("job:completed", None, None)]
    assert end[1].payload == {"job_id": "shown", "job_type": "analysis", "track_id": "t", "result": RESULT}
    assert all(push.required for push in end)
    assert channel.on_record(record(SUCCEEDED, 1.0), None) == channel.on_progress(event(0.9)) == []


def test_a_job_that_has_ended_tells_so_right_after_the_snapshot() -> None:
    failure = job_pb2.JobError(reason="X", message="It does not work.")
    pushes = JobTopic("id", final_push).open(record(FAILED, 0.4, error=failure), None)
    assert events_of(pushes) == [("job:progress", "failed", 40), ("job:failed", None, None)]
    assert pushes[1].payload == {"job_id": "id", "job_type": "analysis", "error": "It does not work."}
    cancelled = JobTopic("id", final_push).open(record(CANCELLED), None)
    assert (cancelled[0].payload["status"], cancelled[1].payload["error"]) == ("failed", "cancelled")


def test_what_happens_before_the_client_is_let_in_is_in_the_snapshot() -> None:
    channel = JobTopic("id", final_push)
    assert channel.on_progress(event(0.7)) == []
    assert events_of(channel.open(record(RUNNING, 0.1), None)) == [("job:progress", "processing", 70)]
    channel = JobTopic("id", final_push)
    assert channel.on_record(record(SUCCEEDED), None) == []
    late = channel.open(record(RUNNING, 0.1), None)  # read before it ended
    assert events_of(late) == [("job:progress", "completed", 100), ("job:completed", None, None)]
    assert late[1].payload["result"] == RESULT


def test_an_attempt_that_is_repeated_does_not_set_progress_back() -> None:
    channel = JobTopic("id", final_push)
    channel.open(record(RUNNING, 0.6), None)
    assert events_of(channel.on_record(record(QUEUED, 0.6), None)) == [("job:progress", "queued", 60)]
    assert events_of(channel.on_progress(event(0.1, attempt=2))) == [("job:progress", "processing", 60)]
    assert channel.on_progress(event(0.9, attempt=1)) == []  # from the attempt before
    assert events_of(channel.on_progress(event(0.7, attempt=2))) == [("job:progress", "processing", 70)]


jobs = st.builds(
    record,
    st.sampled_from([QUEUED, RUNNING, RUNNING, SUCCEEDED, FAILED, CANCELLED]),
    st.floats(0, 1),
    st.integers(0, 3),
)
news = st.lists(jobs | st.builds(event, st.floats(0, 1), st.integers(1, 3), st.sampled_from(["", "a"])))


@given(news, jobs, news)
def test_whatever_comes_in_whatever_order(before: list[Any], opening: job_pb2.Job, after: list[Any]) -> None:
    channel = JobTopic("id", final_push)

    def learn(what: Any) -> list[Push]:
        return channel.on_record(what, None) if isinstance(what, job_pb2.Job) else channel.on_progress(what)

    assert all(learn(what) == [] for what in before)
    pushes = channel.open(opening, None)
    assert pushes[0].event == "job:progress"
    assert pushes[0].required
    for what in after:
        pushes += learn(what)
    shown = [push.payload["progress"] for push in pushes if push.event == "job:progress"]
    assert shown == sorted(shown)
    assert all(one.payload != other.payload for one, other in itertools.pairwise(pushes))
    over = any(what.state in ENDED for what in [*before, opening, *after] if isinstance(what, job_pb2.Job))
    ends = [push.event for push in pushes if push.event != "job:progress"]
    assert len(ends) == over
    if over:
        assert pushes[-1].event == ends[0]
        assert pushes[-2].payload["status"] == ("completed" if ends == ["job:completed"] else "failed")


def test_results_name_their_file() -> None:
    stems = [
        job_pb2.AudioOutput(job_id="j", name=name, blob_key=f"k/{name}.flac", size_bytes=size)
        for name, size in (("drums", 7), ("bass", 8))
    ]
    separation = job_pb2.Job(
        kind=job_pb2.JOB_KIND_SEPARATION, result=job_pb2.JobResult(outputs=stems, outputs_are_stems=True)
    )
    shown = result_to_wire(separation, None)
    assert (shown["output_path"], shown["file_size"]) == ("/files/stems/j/drums.flac", 7)
    assert [stem["file_size"] for stem in shown["stems"]] == [7, 8]
    download = job_pb2.Job(kind=job_pb2.JOB_KIND_DOWNLOAD)
    track = track_pb2.Track(id="t", title="Song", artist="Who", blob_key="t/original.mp3", size_bytes=9)
    assert result_to_wire(download, track)["file_size"] == 9
    assert str(result_to_wire(download, track)["output_path"]).startswith("/files/downloads/t/")
    assert result_to_wire(download, None) == {"output_path": None, "file_size": None}  # deleted since


# --------------------------------------------------------------------------------------------------------------- send_buffer


def message(topic: str, number: int, ref: str | None = None) -> Message:
    return Message("1", ref, topic, "e", number)


async def taken(send_buffer: SendBuffer, count: int) -> list[tuple[str, int]]:
    async with asyncio.timeout(20):
        return [(one.topic, one.payload) for one in [await send_buffer.next_message() for _ in range(count)]]


async def test_progress_is_replaced_by_newer_one_and_waits_behind_the_rest() -> None:
    send_buffer = SendBuffer()
    for number in range(1000):
        send_buffer.put_progress(message("a", number))
        send_buffer.put_progress(message("b", -number))
    send_buffer.put(message("c", 1, "r"))
    assert await taken(send_buffer, 3) == [("c", 1), ("a", 999), ("b", -999)]


async def test_progress_never_follows_what_ends_its_topic() -> None:
    send_buffer = SendBuffer()
    send_buffer.put_progress(message("a", 1))
    send_buffer.put_progress(message("b", 1))
    send_buffer.put(message("a", 2))
    send_buffer.discard_topic("b")
    send_buffer.put(message("c", 3))
    assert await taken(send_buffer, 2) == [("a", 2), ("c", 3)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await send_buffer.next_message()


async def test_progress_comes_at_most_four_times_a_second() -> None:
    send_buffer, loop = SendBuffer(), asyncio.get_running_loop()
    times = []
    send_buffer.put(message("a", 0))  # the snapshot
    for number in range(1, 4):
        assert await taken(send_buffer, 1) == [("a", number - 1)]
        times.append(loop.time())
        send_buffer.put_progress(message("a", -1))
        send_buffer.put_progress(message("a", number))
    assert all(later - sooner >= 0.24 for sooner, later in itertools.pairwise(times))


async def test_topics_that_were_left_are_forgotten() -> None:
    send_buffer, loop = SendBuffer(), asyncio.get_running_loop()
    for number in range(300):
        send_buffer.put(message(str(number), 0))
        send_buffer.discard_topic(str(number))
        with patch.object(loop, "time", return_value=float(number)):
            await taken(send_buffer, 1)
    assert len(vars(send_buffer)["_due"]) == 1


async def test_a_full_buffer_delays_requests() -> None:
    send_buffer = SendBuffer()
    for number in range(64):
        await send_buffer.drain()
        send_buffer.put(message("a", number, "r"))
    waiting = asyncio.create_task(send_buffer.drain())
    await taken(send_buffer, 20)
    assert not waiting.done()
    assert (await taken(send_buffer, 20))[-1] == ("a", 39)
    async with asyncio.timeout(20):
        await waiting


async def test_a_socket_that_is_closed_before_it_runs_begins_no_work() -> None:
    handler, receive, send = Mock(), Mock(), Mock()
    socket = Socket(Mock(), handler, Mock(), receive, send)
    socket.close(Closing(4001, "revoked"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert (await socket.run()).reason == "revoked"
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert (receive.called, send.called, handler.close.call_count) == (False, False, 1)
