"""Workers run jobs: real broker, real gRPC to a real ledger; only the handlers are made for the test."""

import asyncio
import errno
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.message import Message
from jobs_platform import ANN, LEASE_SECONDS, PlainHandler, Platform, Recorder, opened, result, started_broker
from library_fixture import reason

from soundwright.kit.errors import AppError, Code
from soundwright.kit.log import correlation_scope
from soundwright.kit.security.identity import Principal
from soundwright.kit.worker import worker as kit_jobs
from soundwright.kit.worker.commands import publish_run
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.kind import JobKind, JobLimits
from soundwright.library.v1 import command_pb2, events_pb2, job_pb2
from soundwright.separation.v1 import jobs_pb2
from soundwright.services.library.jobs.rpc import job_to_wire
from soundwright.services.library.jobs.service import Job, JobState
from tests.servers.nats import NatsServer
from tests.waiting import until


async def take(context: JobContext, spec: Message) -> job_pb2.JobResult:
    return result()


@pytest.fixture(scope="module")
async def broker() -> AsyncIterator[NatsServer]:
    async with started_broker() as server:
        yield server


@pytest.fixture
async def platform(broker: NatsServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    monkeypatch.setattr(kit_jobs, "_RETRY_LIMIT_SECONDS", 0.05)
    async with opened(broker) as platform:
        yield platform


async def test_the_creation_of_a_job_can_always_be_repeated(platform: Platform) -> None:
    job = await platform.create()
    assert (await platform.ledger.get(ANN, job.id)).idempotency_key == job.id


async def test_a_job_runs_to_its_result(platform: Platform) -> None:
    async def handler(context: JobContext) -> job_pb2.JobResult:
        context.report(0.5, "half way")
        return result()

    with correlation_scope("request-1"):
        job = await platform.create()
    async with platform.worker(handler):
        ended = await platform.reaches(job.id, JobState.SUCCEEDED)
        await platform.emptied()
    assert (ended.attempt, ended.progress_ratio, ended.correlation_id) == (1, 1.0, "request-1")
    assert ended.result is not None
    assert ended.result.engine == "test"
    assert await platform.facts() == [("succeeded", f"{job.id}.succeeded")]
    told = events_pb2.JobFinished.FromString(platform.heard[-1].data)
    assert told == events_pb2.JobFinished(
        job_id=job.id, owner_id="ann", kind=job_pb2.JOB_KIND_SEPARATION, state=job_pb2.JOB_STATE_SUCCEEDED
    )


async def test_a_passing_failure_is_tried_again(platform: Platform) -> None:
    attempts = []

    async def handler(context: JobContext) -> job_pb2.JobResult:
        attempts.append(context.job.attempt)
        if len(attempts) < 3:
            raise AppError(Code.UNAVAILABLE, "HUB_AWAY", "The hub does not answer.")
        return result()

    async with platform.worker(handler):
        job = await platform.create(attempt_limit=3)
        ended = await platform.reaches(job.id, JobState.SUCCEEDED)
        await platform.emptied()
    assert (attempts, ended.error) == ([1, 2, 3], None)
    assert await platform.facts() == [("succeeded", f"{job.id}.succeeded")]


@pytest.mark.parametrize(
    ("error", "attempts", "reason"),
    [
        (AppError(Code.UNPROCESSABLE, "AUDIO_INVALID", "Not audio."), 1, "AUDIO_INVALID"),
        (AppError(Code.UNAVAILABLE, "HUB_AWAY", "The hub does not answer."), 2, "HUB_AWAY"),
        (ZeroDivisionError("a path /secret"), 2, "INTERNAL"),
        (MemoryError(), 2, "OUT_OF_MEMORY"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "STORAGE_FULL"),
        (AppError(Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "The model is not installed."), 1, "MODEL_UNAVAILABLE"),
    ],
)
async def test_a_final_failure_ends_the_job(platform: Platform, error: Exception, attempts: int, reason: str) -> None:
    async def handler(context: JobContext) -> job_pb2.JobResult:
        raise error

    async with platform.worker(handler):
        job = await platform.create(attempt_limit=2)
        ended = await platform.reaches(job.id, JobState.FAILED)
        await platform.emptied()
    assert ended.attempt == attempts
    assert ended.error is not None
    assert ended.error.reason == reason
    assert "secret" not in ended.error.message
    assert await platform.facts() == [("failed", f"{job.id}.failed")]
    assert events_pb2.JobFinished.FromString(platform.heard[-1].data).error.reason == reason


async def test_a_descriptor_decides_on_what_a_job_is_and_who_runs_it(platform: Platform) -> None:
    given: list[Message] = []

    async def record(context: JobContext, spec: Message) -> job_pb2.JobResult:
        given.append(spec)
        return result()

    separation = platform.kind(record, stages=[("split", "dsp")], public_spec=True)
    pipeline: JobKind[jobs_pb2.PipelineSpec] = JobKind(
        kind=job_pb2.JOB_KIND_PIPELINE, spec=jobs_pb2.PipelineSpec, queue=separation.queue, handler=record, attempt_limit=2,
        limits=separation.limits,
        output_folder="pipeline", affinity=lambda spec: spec.model, work_seconds=lambda spec: 12.5, has_track=False,
        creates_track=True,
    )  # fmt: skip
    async with platform.worker_of(separation, pipeline):
        stems = await platform.create_of(separation, jobs_pb2.SeparationSpec(model="m", model_reason="r"), track_id="")
        await platform.reaches(stems.id, JobState.SUCCEEDED)
        tracks = await platform.create_of(pipeline, jobs_pb2.PipelineSpec(model="dsp"), output_folder="tracks/t1")
        await platform.reaches(tracks.id, JobState.SUCCEEDED)
    assert given == [jobs_pb2.SeparationSpec(model="m", model_reason="r"), jobs_pb2.PipelineSpec(model="dsp")]
    assert (stems.kind, stems.attempt_limit, stems.output_folder) == (job_pb2.JOB_KIND_SEPARATION, 3, "stems")
    assert (stems.public_spec, stems.creates_track, stems.affinity) == (True, False, "")
    assert [(stage.name, stage.processor_type) for stage in stems.stages] == [("split", "dsp")]
    assert (tracks.kind, tracks.attempt_limit, tracks.output_folder) == (job_pb2.JOB_KIND_PIPELINE, 2, "tracks/t1")
    assert (tracks.public_spec, tracks.creates_track, tracks.affinity) == (False, True, "dsp")
    assert tracks.work_seconds == 12.5


async def test_a_kind_limits_the_unfinished_jobs_of_a_caller_and_of_all(platform: Platform) -> None:
    async def create(principal: Principal, **fields: Any) -> job_pb2.Job:
        return await platform.create_of(kind, jobs_pb2.SeparationSpec(), principal, **fields)

    guest, kind = Principal("anon:1", "anonymous"), platform.kind(take, limits=JobLimits(2, anonymous=1, queue=4))
    first, second = [await create(ANN, idempotency_key=key) for key in ("1", "2")]
    assert await reason(create(ANN)) == "TOO_MANY_PENDING"
    assert (await create(ANN, idempotency_key="1")).id == first.id  # a repeated request is no new job
    await create(guest)
    assert await reason(create(guest)) == "TOO_MANY_PENDING"
    await create(Principal("anon:2", "anonymous"))
    assert await reason(create(Principal("anon:3", "anonymous"))) == "QUEUE_FULL"
    await platform.ledger.cancel(ANN, second.id)
    await create(Principal("anon:3", "anonymous"))


async def test_a_job_whose_specification_cannot_be_read_fails_at_once(platform: Platform) -> None:
    async def never(context: JobContext, spec: Message) -> job_pb2.JobResult:
        raise AssertionError("the specification was read")

    kind = platform.kind(never)
    async with platform.worker_of(kind):
        job = await platform.create_of(kind, jobs_pb2.PipelineSpec(model="dsp"))
        ended = await platform.reaches(job.id, JobState.FAILED)
    assert ended.error is not None
    assert (ended.error.reason, ended.attempt) == ("SPEC_UNREADABLE", 1)


async def test_a_job_of_an_unknown_kind_waits_for_a_worker_that_knows_it(platform: Platform) -> None:
    old = platform.kind(take)
    new: JobKind[jobs_pb2.PipelineSpec] = JobKind(
        kind=job_pb2.JOB_KIND_PIPELINE, spec=jobs_pb2.PipelineSpec, queue=old.queue, handler=take, attempt_limit=1000,
        limits=old.limits, has_track=False,
    )  # fmt: skip
    async with platform.worker_of(old):
        job = await platform.create_of(new, jobs_pb2.PipelineSpec())

        async def refused() -> bool:
            seen = await platform.job(job.id)
            return seen.error is not None and seen.error.reason == "JOB_KIND_UNKNOWN"

        await until(refused)
    async with platform.worker_of(old, new):
        await platform.reaches(job.id, JobState.SUCCEEDED)


async def test_cancel_stops_a_running_job(platform: Platform) -> None:
    async with platform.worker(checking):
        job = await platform.create()
        await platform.reaches(job.id, JobState.RUNNING)
        await platform.ledger.cancel(ANN, job.id)
        ended = await platform.reaches(job.id, JobState.CANCELLED)
        await platform.emptied()
    assert ended.error is not None
    assert ended.error.reason == "CANCELLED"
    assert await platform.facts() == [("cancelled", f"{job.id}.cancelled")]


async def test_a_wish_to_cancel_that_comes_after_the_result_is_too_late(platform: Platform) -> None:
    async def handler(context: JobContext) -> job_pb2.JobResult:
        await until(lambda: context.stop_reason == "cancelled")
        return result()

    async with platform.worker(handler):
        job = await platform.create()
        await platform.reaches(job.id, JobState.RUNNING)
        await platform.ledger.cancel(ANN, job.id)
        assert (await platform.reaches(job.id, JobState.SUCCEEDED)).result is not None


async def checking(context: JobContext) -> job_pb2.JobResult:
    """Work without end that lets itself be stopped."""
    while True:
        context.check()
        await asyncio.sleep(0.01)


async def test_a_long_job_keeps_its_lease_and_its_message(platform: Platform) -> None:
    runs = []
    leases: set[float] = set()

    async def handler(context: JobContext) -> job_pb2.JobResult:
        runs.append(context.job.attempt)

        async def outlived() -> bool:
            leases.add((await platform.job(context.job.id)).lease_until or 0.0)
            return max(leases) - min(leases) > 1.2 * LEASE_SECONDS  # longer than the first lease and the ack wait

        await until(outlived)
        return result()

    async with platform.worker(handler, slot_count=2):
        job = await platform.create()
        ended = await platform.reaches(job.id, JobState.SUCCEEDED)
    assert (runs, ended.attempt) == ([1], 1)


async def test_progress_reaches_the_bus_and_the_ledger(platform: Platform) -> None:
    stages = [job_pb2.Stage(name="split", processor_type="dsp", state=job_pb2.JOB_STATE_RUNNING)]

    async def handler(context: JobContext) -> job_pb2.JobResult:
        context.report(0.25, "splitting")
        context.set_stages(stages)

        async def recorded() -> bool:
            job = await platform.job(context.job.id)
            return job.progress_ratio == 0.25 and job.progress_message == "splitting" and job.stages != []

        await until(recorded)
        context.report(0.1)  # lower: ignored
        return result()

    async with platform.worker(handler):
        job = await platform.create()
        await platform.reaches(job.id, JobState.SUCCEEDED)
    await platform.facts()
    told = [
        events_pb2.JobProgressed.FromString(message.data)
        for message in platform.heard
        if message.subject.endswith(".progressed")
    ]
    assert told[0] == events_pb2.JobProgressed(
        job_id=job.id, owner_id="ann", kind=job_pb2.JOB_KIND_SEPARATION, progress_ratio=0.25,
        progress_message="splitting", attempt=1,
    )  # fmt: skip
    assert all(event.progress_ratio == 0.25 for event in told)


async def returns(context: JobContext) -> job_pb2.JobResult:
    stale = result("stale")
    stale.outputs.add(blob_key=f"stems/{context.job.id}/1/vocals")
    return stale


async def fails(context: JobContext) -> job_pb2.JobResult:
    raise AppError(Code.UNPROCESSABLE, "STALE_FAILURE", "x")


async def fails_for_now(context: JobContext) -> job_pb2.JobResult:
    raise AppError(Code.UNAVAILABLE, "STALE_TROUBLE", "x")


@pytest.mark.parametrize("noticed", [False, True])
@pytest.mark.parametrize("ending", [returns, fails, fails_for_now, checking])
async def test_a_worker_that_lost_its_lease_changes_nothing(
    platform: Platform, ending: PlainHandler, noticed: bool
) -> None:
    taken_over, over = asyncio.Event(), asyncio.Event()

    async def handler(context: JobContext) -> job_pb2.JobResult:
        try:
            await taken_over.wait()
            if noticed:
                await until(lambda: context.stop_reason == "lost")
            return await ending(context)
        finally:
            over.set()

    async with platform.worker(handler):
        job = await platform.create()
        await platform.reaches(job.id, JobState.RUNNING)
        await write_stem(platform, f"stems/1/{job.id}/vocals")
        before = await take_over(platform, job.id)
        await write_stem(platform, f"stems/2/{job.id}/vocals")
        taken_over.set()
        await over.wait()
    assert await platform.job(job.id) == before
    assert (before.attempt, before.worker_id) == (2, "another")
    assert await platform.bus.backlog(platform.subject) == 1  # the other's to acknowledge
    await platform.client.flush()
    assert [message.subject for message in platform.heard if "progressed" not in message.subject] == []
    if ending is returns:  # what it made can never be a result: it is gone, the other's is not
        assert await platform.blobs.keys("") == [f"stems/2/{job.id}/vocals"]


async def write_stem(platform: Platform, key: str) -> None:
    async with platform.blobs.write(key) as writer:
        await writer.write(b"stem")


async def take_over(platform: Platform, job_id: str) -> Job:
    """Another worker claims the job, as if the first had not been heard of for a lease."""

    async def claimed() -> Job | None:
        platform.clock.shift_seconds += LEASE_SECONDS + 1  # again, if a heartbeat came between
        taken, mine, _ = await platform.ledger.claim(job_id, "another", 3600.0)
        return await platform.job(taken.id) if mine else None

    job = await until(claimed)
    assert job is not None
    return job


async def test_a_stopping_worker_hands_its_job_back_unharmed(platform: Platform) -> None:
    job = await platform.create(attempt_limit=1)
    async with platform.worker(checking):
        await platform.reaches(job.id, JobState.RUNNING)
    handed_back = await platform.job(job.id)
    assert (handed_back.state, handed_back.attempt, handed_back.error) == (JobState.QUEUED, 1, None)
    assert await platform.bus.backlog(platform.subject) == 1

    async with platform.worker(Recorder()):
        ended = await platform.reaches(job.id, JobState.SUCCEEDED)
        await platform.emptied()
    assert ended.attempt == 2
    assert await platform.facts() == [("succeeded", f"{job.id}.succeeded")]


async def test_a_handler_that_does_not_stop_gets_no_second_drain_time(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit_jobs, "_STOP_SECONDS", 0.0)
    turns_after_stop = 0

    async def handler(context: JobContext, _spec: Message) -> job_pb2.JobResult:
        nonlocal turns_after_stop
        while True:
            await asyncio.sleep(0.01)
            turns_after_stop += context.stop_reason is not None

    job = await platform.create()
    async with platform.worker_of(platform.kind(handler), drain_seconds=2.0):
        await platform.reaches(job.id, JobState.RUNNING)
    assert (await platform.job(job.id)).state is JobState.QUEUED
    assert turns_after_stop < 20  # of 200 in the drain time


async def test_a_stopping_worker_finishes_what_is_nearly_done(platform: Platform) -> None:
    finishing = asyncio.Event()

    async def handler(context: JobContext) -> job_pb2.JobResult:
        await finishing.wait()
        return result()

    job = await platform.create()
    async with platform.worker(handler) as stopping:
        await platform.reaches(job.id, JobState.RUNNING)
        stopping.set()
        finishing.set()
    assert (await platform.job(job.id)).state is JobState.SUCCEEDED
    assert await platform.bus.backlog(platform.subject) == 0


async def test_commands_that_lead_nowhere_are_removed(platform: Platform) -> None:
    ran = Recorder()
    unknown = command_pb2.RunJob(job_id=str(uuid.uuid4())).SerializeToString()
    for number, payload in enumerate((b"\xff\xff\xff", unknown, b"")):
        await platform.bus.publish(platform.subject, payload, message_id=f"{platform.service}.{number}")
    async with platform.worker(ran):
        await platform.emptied()
        job = await platform.create()
        await platform.reaches(job.id, JobState.SUCCEEDED)
    assert ran.ids == [job.id]


async def test_a_repeated_command_runs_nothing_and_its_event_is_stored_once(platform: Platform) -> None:
    ran = Recorder()
    job = await platform.create()
    async with platform.worker(ran, slot_count=2):
        await platform.reaches(job.id, JobState.SUCCEEDED)
        await publish_run(platform.bus, job, publication=1)
        await publish_run(platform.bus, job_to_wire(await platform.job(job.id)), publication=2)
        await platform.emptied()
    assert ran.ids == [job.id]
    subject = f"soundwright.evt.{platform.service}.v1.job.succeeded"
    stored = await platform.client.jetstream().stream_info("SOUNDWRIGHT_EVT", subjects_filter=subject)
    assert stored.state.subjects == {subject: 1}


async def test_an_event_that_the_broker_refuses_is_published_later(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, refused, publish = Recorder(), asyncio.Event(), platform.bus.publish

    async def publish_or_refuse(subject: str, payload: bytes, **options: Any) -> None:
        if subject.endswith(".succeeded") and not refused.is_set():
            refused.set()
            raise AppError(Code.UNAVAILABLE, "BROKER_UNAVAILABLE", "The disk of the broker is full.")
        await publish(subject, payload, **options)

    monkeypatch.setattr(platform.bus, "publish", publish_or_refuse)
    job = await platform.create()
    async with platform.worker(ran):
        assert await platform.facts() == [("succeeded", f"{job.id}.succeeded")]
        await platform.emptied()
    assert (refused.is_set(), ran.ids) == (True, [job.id])


async def test_on_finish_is_called_for_every_finished_job(platform: Platform) -> None:
    told: list[tuple[str, str]] = []

    async def handler(context: JobContext) -> job_pb2.JobResult:
        if context.job.id == failing.id:
            raise AppError(Code.UNPROCESSABLE, "BROKEN", "It broke.")
        return result()

    async def on_finish(job: job_pb2.Job) -> None:
        told.append((job.id, job_pb2.JobState.Name(job.state)))

    succeeding, failing, cancelled = [await platform.create() for _ in range(3)]
    await platform.ledger.cancel(ANN, cancelled.id)  # no worker runs it, but on_finish is called
    async with platform.worker(handler, on_finish=on_finish):
        await platform.emptied()
    assert told == [
        (succeeding.id, "JOB_STATE_SUCCEEDED"), (failing.id, "JOB_STATE_FAILED"), (cancelled.id, "JOB_STATE_CANCELLED"),
    ]  # fmt: skip


async def test_a_cancelled_job_is_never_started(platform: Platform) -> None:
    job, ran = await platform.create(), Recorder()
    await platform.ledger.cancel(ANN, job.id)
    async with platform.worker(ran):
        await platform.emptied()
    assert (ran.jobs, (await platform.job(job.id)).attempt) == ([], 0)
    assert await platform.facts() == [("cancelled", f"{job.id}.cancelled")]


async def test_slots_bound_how_many_run_at_once(platform: Platform) -> None:
    running = most = 0
    full = asyncio.Event()

    async def handler(context: JobContext) -> job_pb2.JobResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            full.set()
        await full.wait()
        running -= 1
        return result()

    made = [await platform.create() for _ in range(6)]
    async with platform.worker(handler, slot_count=2):
        for job in made:
            await platform.reaches(job.id, JobState.SUCCEEDED)
    assert most == 2


async def test_a_job_for_a_track_names_it(platform: Platform) -> None:
    kind = platform.kind(take, has_track=True)
    with pytest.raises(AppError) as error:
        await platform.create_of(kind, jobs_pb2.SeparationSpec())
    assert error.value.reason == "TRACK_NOT_FOUND"
