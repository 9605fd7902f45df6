"""Separation by lalal.ai: a real library, real files, a simulator in lalal.ai's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from accounts_world import refused
from jobs_platform import DEADLINE_SECONDS, eventually
from lalalai_world import ANN, BOB, RATE_HZ, World, opened
from soundwright.library.v1 import connection_service_pb2, job_pb2, library_service_pb2

from kit.compute import EngineProcesses
from kit.errors import AppError, Code
from kit.identity import principal_scope
from services.separation.mixdown import no_engine
from services.separation.service import LalalaiSpec, SeparationSpec, parse_spec
from tests.simulators.lalalai import KEY, SHARES, LalalaiSimulator

ANNS_KEY = "anns-own-license"


@pytest.fixture(scope="module")
def processes() -> Iterator[EngineProcesses[None]]:
    made: EngineProcesses[None] = EngineProcesses("fitting", 1, no_engine)
    yield made
    made.close()


@pytest_asyncio.fixture
async def world(processes: EngineProcesses[None]) -> AsyncIterator[World]:
    with LalalaiSimulator() as simulator:
        simulator.add_account(ANNS_KEY)
        async with opened(simulator, processes) as made:
            yield made


async def stopped(task: asyncio.Task[Any]) -> None:
    """It ends because it was told to, and not by itself."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        with pytest.raises(Exception, match=r"cancelled|stopping") as end:
            await task
    assert not isinstance(end.value, AppError)


# -------------------------------------------------------------------------------------------------- what is asked for


def test_the_engine_takes_splitters_for_models() -> None:
    for model in ("", "htdemucs", "newest"):
        assert parse_spec(model, "lalalai", "") == LalalaiSpec("newest", "flac", "lalalai")
    assert parse_spec("orion", "lalalai", "wav16") == LalalaiSpec("orion", "wav16")
    for model in ("mdx_extra", "Orion", "dsp"):
        with refused("VALIDATION_ERROR") as refusal:
            parse_spec(model, "lalalai", "mp4")
        assert set(refusal.value.meta["details"]) == {"model", "format"}


def test_our_own_engines_know_nothing_of_it() -> None:
    assert parse_spec("", "", "") == parse_spec("", "demucs", "") == SeparationSpec("htdemucs", "flac")
    with refused("VALIDATION_ERROR"):
        parse_spec("orion", "local", "")


# ------------------------------------------------------------------------------------------------------ from end to end


async def test_stems_are_like_those_of_any_engine(world: World) -> None:
    context = await world.claimed(await world.created())
    result = await world.worker.handle(context)
    assert (result.engine, result.model, result.requested_model, result.degraded) == (
        "lalalai", "perseus", "newest", False,
    )  # fmt: skip
    assert {output.name for output in result.outputs} == {"vocals", "drums", "bass", "other"}
    total = np.zeros_like(world.samples)
    for output in result.outputs:
        assert (output.source, output.content_type, output.path) == ("lalalai", "audio/wav", f"{output.name}.wav")
        async with world.blobs.local(output.blob_key) as path:
            assert soundfile.info(path).subtype == "PCM_24"
            samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        assert (rate_hz, samples.shape, output.frame_count) == (RATE_HZ, world.samples.shape, len(world.samples))
        if output.name == "drums":
            assert np.abs(samples - SHARES["drum"] * world.samples).max() < 2**-15
        total += samples
    assert np.abs(total - world.samples).max() < 2**-14
    (source,) = world.simulator.sources.values()
    assert source.name == "recording.wav"  # whatever it is called here
    paths = [path for path, _ in world.simulator.seen]
    assert (paths[:2], set(paths[2:])) == (["/upload/", "/split/multistem/"], {"/check/"})
    assert list(world.scratch.iterdir()) == []


async def test_progress_is_lalalais_own(world: World) -> None:
    world.simulator.percents = [0, 10, 55]
    context = await world.claimed(await world.created())
    await world.worker.handle(context)
    assert {0.18, 0.54, 0.9} <= set(context.ratios)  # 0.1 for sending, 0.8 of lalal.ai's
    assert max(context.ratios) == 1.0
    messages = list(dict.fromkeys(context.messages))
    assert messages == [
        "Sending the recording to lalal.ai", "Waiting for lalal.ai", "lalal.ai is separating",
        "Fetching the stems from lalal.ai", "Converting the stems", "Storing the stems",
    ]  # fmt: skip


async def test_a_splitter_that_is_asked_for_is_used(world: World) -> None:
    result = await world.worker.handle(await world.claimed(await world.created(model="lyra")))
    assert (result.model, [task.splitter for task in world.simulator.tasks.values()]) == ("lyra", ["lyra"])


# ---------------------------------------------------------------------------------------------------------- whose key


async def test_ones_own_key_goes_before_the_platforms(world: World) -> None:
    await world.put_key(ANNS_KEY)
    job = await world.succeeded()
    await world.worker.tidy(job)
    assert {key for _, key in world.simulator.seen} == {ANNS_KEY}
    assert job.outside_work.own_key
    await world.succeeded(BOB)
    assert world.simulator.seen[-1][1] == KEY


async def test_what_was_begun_goes_on_with_the_same_key(world: World) -> None:
    world.simulator.held = True
    context = await world.claimed(await world.created())
    async with world.at_work(context):
        await world.has_task(context.job.id)
    await world.released(context)
    await world.put_key(ANNS_KEY)  # lalal.ai would not find the platform's task with it
    world.simulator.held = False
    await world.worker.handle(await world.claimed(context.job))
    assert {key for _, key in world.simulator.seen} == {KEY}


async def test_without_any_key_nothing_is_begun(world: World) -> None:
    world.configure(platform_key="")
    with principal_scope(ANN):
        with refused("LALALAI_NOT_CONFIGURED", Code.NOT_PROVISIONED) as refusal:
            await world.tasks.require_key()
        assert refusal.value.message.startswith("lalal.ai API key not configured")
        with refused("LALALAI_NOT_CONFIGURED"):
            await world.tasks.quota()
    await world.put_key(ANNS_KEY)
    with principal_scope(ANN):
        await world.tasks.require_key()


async def test_a_key_that_was_removed_meanwhile(world: World) -> None:
    await world.put_key(ANNS_KEY)
    world.simulator.held = True
    context = await world.claimed(await world.created())
    async with world.at_work(context):
        await world.has_task(context.job.id)
    await world.released(context)
    with principal_scope(ANN):
        asked = connection_service_pb2.DeleteConnectionRequest(provider="lalalai")
        await world.connections.DeleteConnection(asked)
    with refused("LALALAI_UNAUTHORIZED"):
        await world.worker.handle(await world.claimed(context.job))


@pytest.mark.parametrize("key", ["not-a-license", "two\r\nX-Other: lines", "nötig"])
async def test_a_bad_key_is_told_of_without_showing_it(
    world: World, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.put_key(key)
    with refused("LALALAI_UNAUTHORIZED", Code.NOT_PROVISIONED) as refusal:
        await world.worker.handle(await world.claimed(await world.created()))
    output = capsys.readouterr()
    shown = f"{refusal.value} {refusal.value.meta} {refusal.value.__cause__} {output.out} {output.err}"
    assert key not in shown
    assert repr(key)[1:-1] not in shown
    assert "your key" in refusal.value.message
    assert key not in repr(await world.keys.current(ANN.id))


# --------------------------------------------------------------------------------------------------- busy, and broken


async def test_busy_answers_are_waited_for(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    busy = {"/upload/": 503, "/split/multistem/": 429, "/check/": 502}
    for path, status in busy.items():
        world.simulator.failures.append((path, status, {"detail": f"Try later with {KEY}"}, {}))
    world.simulator.failures.append(("/split/multistem/", 400, {"detail": "Oh", "code": "internal_error"}, {}))
    world.simulator.file_statuses.extend([504, 408])
    context = await world.claimed(await world.created())
    assert len((await world.worker.handle(context)).outputs) == 4
    assert context.messages.count("lalal.ai is busy; retrying in 1 s") == 6
    assert len(world.simulator.tasks) == 1
    output = capsys.readouterr()
    assert "lalalai.busy" in output.out + output.err
    assert KEY not in output.out + output.err


async def test_who_is_told_when_to_come_back_waits_so_long_and_can_be_stopped(world: World) -> None:
    world.simulator.failures.append(("/check/", 429, {"detail": "Too many"}, {"Retry-After": "3000"}))
    context = await world.claimed(await world.created())
    async with world.at_work(context) as task:
        await eventually(lambda: "lalal.ai is busy; retrying in 3000 s" in context.messages)
        context.stop("cancelled")
        await stopped(task)


async def test_busy_for_too_long_is_final(world: World) -> None:
    world.simulator.failures.extend([("/upload/", 503, {}, {})] * 10)
    with refused("LALALAI_ERROR", Code.UNPROCESSABLE) as refusal:
        await world.worker.handle(await world.claimed(await world.created()))
    assert not refusal.value.retryable
    assert "10 times" in refusal.value.message


async def test_nobody_answers(world: World) -> None:
    world.configure(lalalai_url="http://127.0.0.1:1")
    with refused("LALALAI_ERROR", Code.UNPROCESSABLE):
        await world.worker.handle(await world.claimed(await world.created()))
    with principal_scope(ANN), refused("LALALAI_ERROR", Code.UNAVAILABLE):
        await world.tasks.quota()


async def test_what_never_ends_is_given_up(world: World) -> None:
    world.simulator.held = True
    world.configure(lalalai_deadline_seconds=0.5)
    with refused("LALALAI_ERROR") as refusal:
        await world.worker.handle(await world.claimed(await world.created()))
    assert "in time" in refusal.value.message


async def test_a_refusal_fails_the_job_with_what_lalalai_says(world: World) -> None:
    detail = f"No minutes\nleft\x1b[31m for {KEY}.  " + "x" * 1000
    world.simulator.failures.append(("/split/multistem/", 400, {"detail": detail, "code": "exceeded_duration"}, {}))
    with refused("LALALAI_ERROR", Code.UNPROCESSABLE) as refusal:
        await world.worker.handle(await world.claimed(await world.created()))
    message = refusal.value.message
    assert message.startswith("lalal.ai did not do it: No minutes left [31m for ***. xxx")
    assert message.isprintable()
    assert len(message) < 300
    assert world.simulator.asked("/split/multistem/") == 1


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        ("error", {"detail": "Unable to detect vocals", "code": "inference_error"}, "Unable to detect vocals"),
        ("cancelled", None, "cancelled there"),
    ],
)
async def test_a_task_that_fails_there(world: World, status: str, error: Any, told: str) -> None:
    world.simulator.held = True
    context = await world.claimed(await world.created())
    async with world.at_work(context) as task:
        made = world.simulator.tasks[await world.has_task(context.job.id)]
        made.status, made.error = status, error
        with refused("LALALAI_ERROR") as refusal:
            await task
    assert told in refusal.value.message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<html>not audio</html>", "cannot be read (AUDIO_UNREADABLE)"),
        (b"", "cannot be read"),
        (b"x" * (5 << 20), "too large"),
    ],
    ids=["page", "empty", "huge"],
)
async def test_files_that_are_no_stems(world: World, content: bytes, told: str) -> None:
    world.simulator.files["drum"] = content
    with refused("LALALAI_ERROR", Code.UNPROCESSABLE) as refusal:
        await world.worker.handle(await world.claimed(await world.created()))
    assert told in refusal.value.message
    assert await world.blobs.keys("stems/") == []


async def test_a_file_that_is_gone(world: World) -> None:
    world.simulator.file_statuses.append(404)
    with refused("LALALAI_ERROR", Code.UNPROCESSABLE):
        await world.worker.handle(await world.claimed(await world.created()))


# ------------------------------------------------------------------------------------------------------ again, and stop


async def test_an_attempt_that_takes_over_goes_on_where_the_one_before_stood(world: World) -> None:
    world.simulator.held = True
    context = await world.claimed(await world.created())
    async with world.at_work(context) as task:
        task_id = await world.has_task(context.job.id)
        context.stop("stopping")
        await stopped(task)
    assert world.simulator.tasks[task_id].status == "progress"  # it is wanted still
    await world.released(context)
    world.simulator.held = False
    again = await world.claimed(context.job)
    assert list(again.job.outside_work.task_ids) == [task_id]
    assert len((await world.worker.handle(again)).outputs) == 4
    assert (world.simulator.asked("/upload/"), world.simulator.asked("/split/multistem/")) == (1, 1)


async def test_work_whose_answer_was_lost_is_not_paid_twice(world: World) -> None:
    world.simulator.failures.append(("/split/multistem/", 503, {}, {"Retry-After": "3000"}))
    context = await world.claimed(await world.created())
    async with world.at_work(context) as task:
        await eventually(lambda: world.simulator.asked("/split/multistem/") == 1)
        context.stop("stopping")
        await stopped(task)
    await world.released(context)
    again = await world.claimed(context.job)
    key, source_id = await world.keys.current(ANN.id), again.job.outside_work.source_id
    before = world.simulator.accounts[KEY].minutes
    lost = await world.client.split(key, source_id, ("vocals", "drums", "bass"), "", context.job.id)
    paid = before - world.simulator.accounts[KEY].minutes
    await world.worker.handle(again)
    assert list(world.simulator.tasks) == [lost]
    assert world.simulator.accounts[KEY].minutes == before - paid
    assert world.simulator.asked("/upload/") == 1


async def test_lost_work_that_is_under_way_is_not_begun_again(world: World) -> None:
    context = await world.claimed(await world.created())
    key = await world.keys.current(ANN.id)
    async with world.blobs.local(f"tracks/{context.job.track_id}/original.wav") as path:
        source_id = await world.client.upload(key, path, "recording.wav", lambda share: None)
    lost = await world.client.split(key, source_id, ("vocals", "drums", "bass"), "", context.job.id)
    await world.client.check(key, lost)
    with refused("LALALAI_ERROR") as refusal:
        await world.worker.handle(context)
    assert "Idempotency key has already been used" in refusal.value.message
    assert len(world.simulator.tasks) == 1


async def test_what_is_cancelled_is_cancelled_there_and_removed(world: World) -> None:
    world.simulator.held = True
    context = await world.claimed(await world.created())
    async with world.at_work(context) as task:
        task_id = await world.has_task(context.job.id)
        with principal_scope(ANN):
            assert (await world.tasks.cancel(task_id)).cancel_requested
        assert world.simulator.tasks[task_id].status == "cancelled"
        assert world.simulator.sources == {}
        with refused("LALALAI_ERROR") as refusal:
            await task
    error = job_pb2.JobError(reason=refusal.value.reason, message=refusal.value.message)
    failing = library_service_pb2.FailJobRequest(job_id=context.job.id, attempt=1, error=error)
    assert (await world.jobs.FailJob(failing)).job.state == job_pb2.JOB_STATE_CANCELLED  # not failed: it was wanted
    with principal_scope(ANN):
        for name in (task_id, context.job.id):
            assert (await world.tasks.cancel(name)).state == job_pb2.JOB_STATE_CANCELLED


async def test_a_task_that_cannot_be_cancelled_ends_with_its_recording(world: World) -> None:
    world.simulator.held = True
    context = await world.claimed(await world.created())
    async with world.at_work(context):
        task_id = await world.has_task(context.job.id)
    world.simulator.failures.append(("/cancel/", 400, {"detail": "Oh no"}, {}))
    await world.worker.tidy(await world.job(context.job.id))
    assert world.simulator.sources == {}
    assert world.simulator.tasks[task_id].status == "cancelled"


async def test_behind_a_job_that_succeeded_only_the_recording_is_removed(world: World) -> None:
    job = await world.succeeded()
    world.simulator.failures.append(("/delete/", 503, {}, {}))
    await world.worker.tidy(job)
    assert world.simulator.sources == {}
    assert world.simulator.asked("/cancel/") == 0
    assert world.simulator.asked("/delete/") == 2
    with principal_scope(ANN), refused("JOB_FINISHED"):
        await world.tasks.cancel(job.outside_work.task_ids[0])
    await world.worker.tidy(job)  # there is nothing any more, which is fine
    await world.worker.tidy(await world.created())


# -------------------------------------------------------------------------------------------------- what callers may do


async def test_nobody_cancels_what_is_somebody_elses(world: World) -> None:
    world.simulator.held = True
    contexts = [await world.claimed(await world.created(owner)) for owner in (ANN, ANN, BOB)]
    local = await world.created(queue="separation")
    async with world.at_work(contexts[0]), world.at_work(contexts[1]), world.at_work(contexts[2]):
        task_ids = [await world.has_task(context.job.id) for context in contexts]
        with principal_scope(ANN):
            for name in (task_ids[2], contexts[2].job.id, local.id, "nothing", ""):
                with refused("TASK_NOT_FOUND", Code.NOT_FOUND):
                    await world.tasks.cancel(name)
            cancelled = await world.tasks.cancel_all()
            assert {job.id for job in cancelled} == {context.job.id for context in contexts[:2]}
        statuses = [world.simulator.tasks[task_id].status for task_id in task_ids]
        assert statuses == ["cancelled", "cancelled", "progress"]
    assert world.simulator.asked("/cancel/all/") == 0
    assert (await world.job(local.id)).state == job_pb2.JOB_STATE_QUEUED


async def test_a_job_that_waits_can_be_cancelled_before_there_is_a_task(world: World) -> None:
    job = await world.created()
    with principal_scope(ANN):
        assert (await world.tasks.cancel(job.id)).state == job_pb2.JOB_STATE_CANCELLED
        assert await world.tasks.cancel_all() == []
    assert world.simulator.seen == []


async def test_the_quota_is_what_is_left_and_what_was_used_here(world: World) -> None:
    await world.succeeded()
    await world.succeeded()
    await world.succeeded(BOB)
    with principal_scope(ANN):
        quota = await world.tasks.quota()
    used_minutes = 2 * 3 * 0.5 / 60  # two recordings of half a second, three stems of each
    assert quota.used_minutes == pytest.approx(used_minutes)
    assert quota.remaining_minutes == pytest.approx(1000 - 1.5 * used_minutes)
    assert not quota.own_key
    await world.put_key(ANNS_KEY)
    with principal_scope(ANN):
        own = await world.tasks.quota()
    assert (own.remaining_minutes, own.own_key) == (100.0, True)
