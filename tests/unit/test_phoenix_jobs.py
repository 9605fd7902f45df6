"""The channel of a job, and the send buffer of a slow client."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soundwright.library.v1 import events_pb2, job_pb2, track_pb2

from services.gateway.channels.phoenix import Message
from services.gateway.channels.send_buffer import SendBuffer
from services.gateway.channels.topics import Push
from services.gateway.dialects.forge.job_channel import JobChannel, result_to_wire
from services.gateway.job_views import ENDED

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
    channel = JobChannel("shown")
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
    pushes = JobChannel("id").open(record(FAILED, 0.4, error=failure), None)
    assert events_of(pushes) == [("job:progress", "failed", 40), ("job:failed", None, None)]
    assert pushes[1].payload == {"job_id": "id", "job_type": "analysis", "error": "It does not work."}
    cancelled = JobChannel("id").open(record(CANCELLED), None)
    assert (cancelled[0].payload["status"], cancelled[1].payload["error"]) == ("failed", "cancelled")


def test_what_happens_before_the_client_is_let_in_is_in_the_snapshot() -> None:
    channel = JobChannel("id")
    assert channel.on_progress(event(0.7)) == []
    assert events_of(channel.open(record(RUNNING, 0.1), None)) == [("job:progress", "processing", 70)]
    channel = JobChannel("id")
    assert channel.on_record(record(SUCCEEDED), None) == []
    late = channel.open(record(RUNNING, 0.1), None)  # read before it ended
    assert events_of(late) == [("job:progress", "completed", 100), ("job:completed", None, None)]
    assert late[1].payload["result"] == RESULT


def test_an_attempt_that_is_repeated_does_not_set_progress_back() -> None:
    channel = JobChannel("id")
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
    channel = JobChannel("id")

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
