"""What a client is told about a job, and what waits for a client that reads slowly."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soundwright.library.v1 import events_pb2, job_pb2, track_pb2

from services.gateway.socket.outbox import Outbox
from services.gateway.socket.phoenix import Message
from services.gateway.socket.topics import ENDED, JobChannel, Push, result_to_wire

QUEUED, RUNNING = job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING
SUCCEEDED, FAILED, CANCELLED = (
    job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED
)  # fmt: skip
ANALYSIS = job_pb2.JOB_KIND_ANALYSIS
RESULT = {"output_path": "/x", "file_size": 5}


def record(state: job_pb2.JobState, ratio: float = 0.0, attempt: int = 1, **fields: Any) -> job_pb2.Job:
    return job_pb2.Job(
        id="id", kind=ANALYSIS, track_id="t", state=state, progress_ratio=ratio, attempt=attempt, **fields
    )


def event(ratio: float, attempt: int = 1, message: str = "") -> events_pb2.JobProgressed:
    return events_pb2.JobProgressed(
        job_id="id", kind=ANALYSIS, progress_ratio=ratio, attempt=attempt, progress_message=message
    )


def told(pushes: list[Push]) -> list[tuple[str, Any, Any]]:
    return [(push.event, push.payload.get("status"), push.payload.get("progress")) for push in pushes]


def test_the_life_of_a_job() -> None:
    channel = JobChannel("shown")
    first = channel.open(record(QUEUED, attempt=0), None)
    assert [push.payload for push in first] == [{"job_id": "shown", "status": "queued", "progress": 0, "message": ""}]
    assert first[0].lasting
    half = channel.hear(event(0.505, message="Listening"))
    assert half == [
        Push(
            "job:progress",
            {"job_id": "shown", "status": "processing", "progress": 50, "message": "Listening"},
            lasting=False,
        )
    ]
    assert channel.hear(event(0.508, message="Listening")) == []  # nothing that shows
    end = channel.read(record(SUCCEEDED, 1.0), RESULT)
    assert told(end) == [("job:progress", "completed", 100), ("job:completed", None, None)]
    assert end[1].payload == {"job_id": "shown", "job_type": "analysis", "track_id": "t", "result": RESULT}
    assert all(push.lasting for push in end)
    assert channel.read(record(SUCCEEDED, 1.0), RESULT) == channel.hear(event(0.9)) == []


def test_a_job_that_has_ended_tells_so_right_after_the_snapshot() -> None:
    failure = job_pb2.JobError(reason="X", message="It does not work.")
    pushes = JobChannel("id").open(record(FAILED, 0.4, error=failure), None)
    assert told(pushes) == [("job:progress", "failed", 40), ("job:failed", None, None)]
    assert pushes[1].payload == {"job_id": "id", "job_type": "analysis", "error": "It does not work."}
    cancelled = JobChannel("id").open(record(CANCELLED), None)
    assert (cancelled[0].payload["status"], cancelled[1].payload["error"]) == ("failed", "cancelled")


def test_what_happens_before_the_client_is_let_in_is_in_the_snapshot() -> None:
    channel = JobChannel("id")
    assert channel.hear(event(0.7)) == []
    assert told(channel.open(record(RUNNING, 0.1), None)) == [("job:progress", "processing", 70)]
    channel = JobChannel("id")
    assert channel.read(record(SUCCEEDED), RESULT) == []
    late = channel.open(record(RUNNING, 0.1), None)  # read before it ended
    assert told(late) == [("job:progress", "completed", 100), ("job:completed", None, None)]
    assert late[1].payload["result"] == RESULT


def test_an_attempt_that_is_repeated_does_not_set_progress_back() -> None:
    channel = JobChannel("id")
    channel.open(record(RUNNING, 0.6), None)
    assert told(channel.read(record(QUEUED, 0.6), None)) == [("job:progress", "queued", 60)]
    assert told(channel.hear(event(0.1, attempt=2))) == [("job:progress", "processing", 60)]
    assert channel.hear(event(0.9, attempt=1)) == []  # from the attempt before
    assert told(channel.hear(event(0.7, attempt=2))) == [("job:progress", "processing", 70)]


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
        return channel.read(what, RESULT) if isinstance(what, job_pb2.Job) else channel.hear(what)

    assert all(learn(what) == [] for what in before)
    pushes = channel.open(opening, RESULT)
    assert pushes[0].event == "job:progress"
    assert pushes[0].lasting
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


def test_results() -> None:
    stems = [
        job_pb2.AudioOutput(job_id="j", name=name, blob_key=f"k/{name}.flac", size_bytes=size)
        for name, size in (("drums", 7), ("bass", 8))
    ]
    separation = job_pb2.Job(kind=job_pb2.JOB_KIND_SEPARATION, result=job_pb2.JobResult(outputs=stems))
    shown = result_to_wire(separation, None)
    assert (shown["output_path"], shown["file_size"]) == ("/files/stems/j/drums.flac", 7)
    assert [stem["file_size"] for stem in shown["stems"]] == [7, 8]
    download = job_pb2.Job(kind=job_pb2.JOB_KIND_DOWNLOAD)
    track = track_pb2.Track(id="t", title="Song", artist="Who", blob_key="t/original.mp3", size_bytes=9)
    assert result_to_wire(download, track)["file_size"] == 9
    assert str(result_to_wire(download, track)["output_path"]).startswith("/files/downloads/t/")
    assert result_to_wire(download, None) == {"output_path": None, "file_size": None}  # deleted since


# --------------------------------------------------------------------------------------------------------------- outbox


def message(topic: str, number: int, ref: str | None = None) -> Message:
    return Message("1", ref, topic, "e", number)


async def taken(outbox: Outbox, count: int) -> list[tuple[str, int]]:
    async with asyncio.timeout(20):
        return [(one.topic, one.payload) for one in [await outbox.next() for _ in range(count)]]


async def test_progress_is_replaced_by_newer_one_and_waits_behind_the_rest() -> None:
    outbox = Outbox()
    for number in range(1000):
        outbox.offer(message("a", number))
        outbox.offer(message("b", -number))
    outbox.put(message("c", 1, "r"))
    assert await taken(outbox, 3) == [("c", 1), ("a", 999), ("b", -999)]


async def test_progress_never_follows_what_ends_its_topic() -> None:
    outbox = Outbox()
    outbox.offer(message("a", 1))
    outbox.offer(message("b", 1))
    outbox.put(message("a", 2))
    outbox.forget("b")
    outbox.put(message("c", 3))
    assert await taken(outbox, 2) == [("a", 2), ("c", 3)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await outbox.next()


async def test_progress_comes_at_most_four_times_a_second() -> None:
    outbox, loop = Outbox(), asyncio.get_running_loop()
    times = []
    outbox.put(message("a", 0))  # the snapshot
    for number in range(1, 4):
        assert await taken(outbox, 1) == [("a", number - 1)]
        times.append(loop.time())
        outbox.offer(message("a", -1))
        outbox.offer(message("a", number))
    assert all(later - sooner >= 0.24 for sooner, later in itertools.pairwise(times))


async def test_a_full_outbox_lets_nobody_ask_for_more() -> None:
    outbox = Outbox()
    for number in range(64):
        await outbox.room()
        outbox.put(message("a", number, "r"))
    waiting = asyncio.create_task(outbox.room())
    await taken(outbox, 20)
    assert not waiting.done()
    assert (await taken(outbox, 20))[-1] == ("a", 39)
    async with asyncio.timeout(20):
        await waiting
