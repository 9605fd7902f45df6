"""Separation by lalal.ai with a real library, real files and a simulator of lalal.ai."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import soundfile
from lalalai_fixture import ANN, RATE_HZ, LalalaiFixture, lalalai_fixture
from library_fixture import raises_error, reason, refusal

from soundwright.kit.compute import EngineProcesses
from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.library.v1 import connection_service_pb2, job_pb2, library_service_pb2
from soundwright.services.separation.mixdown import no_engine
from tests.simulators.lalalai import KEY, SHARES, LalalaiSimulator
from tests.waiting import DEADLINE_SECONDS, until

ANNS_KEY = "anns-own-license"


@pytest.fixture(scope="module")
def processes() -> Iterator[EngineProcesses[None]]:
    made: EngineProcesses[None] = EngineProcesses("fitting", 1, no_engine)
    yield made
    made.close()


@pytest.fixture
async def fixture(processes: EngineProcesses[None]) -> AsyncIterator[LalalaiFixture]:
    with LalalaiSimulator() as simulator:
        simulator.add_account(ANNS_KEY)
        async with lalalai_fixture(simulator, processes) as made:
            yield made


async def stopped(task: asyncio.Task[Any]) -> None:
    """It ends because it was expected to, and not by itself."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        with pytest.raises(Exception, match=r"cancelled|stopping") as end:
            await task
    assert not isinstance(end.value, AppError)


# ------------------------------------------------------------------------------------------------------ from end to end


async def test_stems_have_the_properties_of_the_recording(fixture: LalalaiFixture) -> None:
    context = await fixture.started()
    result = await fixture.handle(context)
    assert (result.engine, result.model, result.requested_model, result.degraded) == (
        "lalalai", "perseus", "newest", False,
    )  # fmt: skip
    assert {output.name for output in result.outputs} == {"vocals", "drums", "bass", "other"}
    total = np.zeros_like(fixture.samples)
    for output in result.outputs:
        assert (output.source, output.content_type, output.path) == ("lalalai", "audio/wav", f"{output.name}.wav")
        async with fixture.blobs.local(output.blob_key) as path:
            assert soundfile.info(path).subtype == "PCM_24"
            samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        assert (rate_hz, samples.shape, output.frame_count) == (RATE_HZ, fixture.samples.shape, len(fixture.samples))
        if output.name == "drums":
            assert np.abs(samples - SHARES["drum"] * fixture.samples).max() < 2**-15
        total += samples
    assert np.abs(total - fixture.samples).max() < 2**-14
    (source,) = fixture.simulator.sources.values()
    assert source.name == "recording.wav"  # not the name of the file
    paths = [path for path, _ in fixture.simulator.seen]
    assert (paths[:2], set(paths[2:])) == (["/upload/", "/split/multistem/"], {"/check/"})
    assert list(fixture.scratch.iterdir()) == []


# ---------------------------------------------------------------------------------------------------------- whose key


async def test_a_task_continues_with_its_key(fixture: LalalaiFixture) -> None:
    async with fixture.with_task() as (context, _, _):
        pass
    await fixture.release(context)
    await fixture.put_key(ANNS_KEY)  # this key cannot access the task of the platform's key
    fixture.simulator.held = False
    await fixture.resume(context)
    assert {key for _, key in fixture.simulator.seen} == {KEY}


async def test_jobs_without_a_key_are_refused(fixture: LalalaiFixture) -> None:
    fixture.configure(platform_key="")
    with principal_scope(ANN):
        error = await refusal(fixture.tasks.require_key(), "LALALAI_NOT_CONFIGURED", Code.NOT_PROVISIONED)
        assert error.message.startswith("lalal.ai API key not configured")
        assert await reason(fixture.tasks.quota()) == "LALALAI_NOT_CONFIGURED"
    await fixture.put_key(ANNS_KEY)
    with principal_scope(ANN):
        await fixture.tasks.require_key()


@pytest.mark.parametrize("caller", [Principal("g", "guest"), Principal("anon:eve", "anonymous")])
async def test_callers_without_a_registered_account_cost_nothing(fixture: LalalaiFixture, caller: Principal) -> None:
    with principal_scope(caller):
        assert await reason(fixture.tasks.require_key()) == "REGISTRATION_NEEDED"
        assert await reason(fixture.tasks.quota()) == "REGISTRATION_NEEDED"


async def test_a_removed_key(fixture: LalalaiFixture) -> None:
    await fixture.put_key(ANNS_KEY)
    async with fixture.with_task() as (context, _, _):
        pass
    await fixture.release(context)
    with principal_scope(ANN):
        request = connection_service_pb2.DeleteConnectionRequest(provider="lalalai")
        await fixture.connections.DeleteConnection(request)
    assert await reason(fixture.resume(context)) == "LALALAI_UNAUTHORIZED"


@pytest.mark.parametrize("key", ["not-a-license", "two\r\nX-Other: lines", "nötig"])
async def test_an_invalid_key_is_reported_without_showing_it(
    fixture: LalalaiFixture, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await fixture.put_key(key)
    error = await refusal(fixture.run(), "LALALAI_UNAUTHORIZED", Code.NOT_PROVISIONED)
    output = capsys.readouterr()
    shown = f"{error} {error.meta} {error.__cause__} {output.out} {output.err}"
    assert key not in shown
    assert repr(key)[1:-1] not in shown
    assert "your key" in error.message
    assert key not in repr(await fixture.keys.get_current(ANN.id))


# --------------------------------------------------------------------------------------------------- busy, and broken


async def test_transient_errors_are_retried(fixture: LalalaiFixture, capsys: pytest.CaptureFixture[str]) -> None:
    busy = {"/upload/": 503, "/split/multistem/": 429, "/check/": 502}
    for path, status in busy.items():
        fixture.simulator.failures.append((path, status, {"detail": f"Try later with {KEY}"}, {}))
    fixture.simulator.failures.append(("/split/multistem/", 400, {"detail": "Oh", "code": "internal_error"}, {}))
    fixture.simulator.file_statuses.extend([504, 408])
    context = await fixture.started()
    assert len((await fixture.handle(context)).outputs) == 4
    assert context.messages.count("lalal.ai is busy; retrying in 1 s") == 6
    assert len(fixture.simulator.tasks) == 1
    output = capsys.readouterr()
    assert "lalalai.unavailable" in output.out + output.err
    assert KEY not in output.out + output.err


async def test_retry_after_is_respected_and_can_be_cancelled(fixture: LalalaiFixture) -> None:
    fixture.simulator.failures.append(("/check/", 429, {"detail": "Too many"}, {"Retry-After": "3000"}))
    context = await fixture.started()
    async with fixture.running(context) as task:
        await until(lambda: "lalal.ai is busy; retrying in 3000 s" in context.messages)
        context.stop("cancelled")
        await stopped(task)


async def test_too_many_transient_errors_are_final(fixture: LalalaiFixture) -> None:
    fixture.simulator.failures.extend([("/upload/", 503, {}, {})] * 10)
    error = await refusal(fixture.run(), "LALALAI_ERROR", Code.UNPROCESSABLE)
    assert not error.retryable
    assert "10 times" in error.message


async def test_an_unreachable_server(fixture: LalalaiFixture) -> None:
    fixture.configure(lalalai_url="http://127.0.0.1:1")
    assert await reason(fixture.run(), Code.UNPROCESSABLE) == "LALALAI_ERROR"
    with principal_scope(ANN), raises_error("LALALAI_ERROR", Code.UNAVAILABLE):
        await fixture.tasks.quota()


async def test_the_time_limit(fixture: LalalaiFixture) -> None:
    fixture.simulator.held = True
    fixture.configure(lalalai_deadline_seconds=0.5)
    error = await refusal(fixture.run(), "LALALAI_ERROR")
    assert "time limit" in error.message


async def test_an_error_message_of_lalalai_is_shown(fixture: LalalaiFixture) -> None:
    detail = f"No minutes\nleft\x1b[31m for {KEY}.  " + "x" * 1000
    fixture.simulator.failures.append(("/split/multistem/", 400, {"detail": detail, "code": "exceeded_duration"}, {}))
    error = await refusal(fixture.run(), "LALALAI_ERROR", Code.UNPROCESSABLE)
    message = error.message
    assert message.startswith("lalal.ai could not separate the track: No minutes left [31m for ***. xxx")
    assert message.isprintable()
    assert len(message) < 300
    assert fixture.simulator.asked("/split/multistem/") == 1


@pytest.mark.parametrize(
    ("status", "task_error", "expected"),
    [
        ("error", {"detail": "Unable to detect vocals", "code": "inference_error"}, "Unable to detect vocals"),
        ("cancelled", None, "cancelled at lalal.ai"),
    ],
)
async def test_a_failed_task(fixture: LalalaiFixture, status: str, task_error: Any, expected: str) -> None:
    async with fixture.with_task() as (_, task, task_id):
        made = fixture.simulator.tasks[task_id]
        made.status, made.error = status, task_error
        error = await refusal(task, "LALALAI_ERROR")
    assert expected in error.message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<html>not audio</html>", "cannot be decoded (AUDIO_UNREADABLE)"),
        (b"", "cannot be decoded"),
        (b"x" * (5 << 20), "too large"),
    ],
    ids=["page", "empty", "huge"],
)
async def test_invalid_stem_files(fixture: LalalaiFixture, content: bytes, expected: str) -> None:
    fixture.simulator.files["drum"] = content
    error = await refusal(fixture.run(), "LALALAI_ERROR", Code.UNPROCESSABLE)
    assert expected in error.message
    assert await fixture.blobs.keys("stems/") == []


# ------------------------------------------------------------------------------------------------------ again, and stop


async def test_a_later_attempt_resumes_the_task(fixture: LalalaiFixture) -> None:
    async with fixture.with_task() as (context, task, task_id):
        context.stop("stopping")
        await stopped(task)
    assert fixture.simulator.tasks[task_id].status == "progress"  # the job was not cancelled
    await fixture.release(context)
    fixture.simulator.held = False
    again = await fixture.claim(context.job)
    assert list(again.job.external_task.task_ids) == [task_id]
    assert len((await fixture.handle(again)).outputs) == 4
    assert (fixture.simulator.asked("/upload/"), fixture.simulator.asked("/split/multistem/")) == (1, 1)


async def test_a_lost_response_is_not_charged_twice(fixture: LalalaiFixture) -> None:
    fixture.simulator.failures.append(("/split/multistem/", 503, {}, {"Retry-After": "3000"}))
    context = await fixture.started()
    async with fixture.running(context) as task:
        await until(lambda: fixture.simulator.asked("/split/multistem/") == 1)
        context.stop("stopping")
        await stopped(task)
    await fixture.release(context)
    again = await fixture.claim(context.job)
    key, source_id = await fixture.keys.get_current(ANN.id), again.job.external_task.source_id
    before = fixture.simulator.accounts[KEY].minutes
    lost = await fixture.client.split(key, source_id, ("vocals", "drums", "bass"), "", context.job.id)
    paid = before - fixture.simulator.accounts[KEY].minutes
    await fixture.handle(again)
    assert list(fixture.simulator.tasks) == [lost]
    assert fixture.simulator.accounts[KEY].minutes == before - paid
    assert fixture.simulator.asked("/upload/") == 1


async def test_a_lost_task_is_not_started_again(fixture: LalalaiFixture) -> None:
    context = await fixture.started()
    key = await fixture.keys.get_current(ANN.id)
    async with fixture.blobs.local(f"tracks/{context.job.track_id}/original.wav") as path:
        source_id = await fixture.client.upload(key, path, "recording.wav", lambda share: None)
    lost = await fixture.client.split(key, source_id, ("vocals", "drums", "bass"), "", context.job.id)
    await fixture.client.check(key, lost)
    error = await refusal(fixture.handle(context), "LALALAI_ERROR")
    assert "Idempotency key has already been used" in error.message
    assert len(fixture.simulator.tasks) == 1


async def test_cancelling_a_job_cancels_and_deletes_its_task(fixture: LalalaiFixture) -> None:
    async with fixture.with_task() as (context, task, task_id):
        with principal_scope(ANN):
            assert (await fixture.tasks.cancel(task_id)).cancel_requested
        assert fixture.simulator.tasks[task_id].status == "cancelled"
        assert fixture.simulator.sources == {}
        error = await refusal(task, "LALALAI_ERROR")
    job_error = job_pb2.JobError(reason=error.reason, message=error.message)
    failing = library_service_pb2.FailJobRequest(job_id=context.job.id, attempt=1, error=job_error)
    ended = await fixture.jobs.FailJob(failing)
    assert ended.job.state == job_pb2.JOB_STATE_CANCELLED  # not failed, because the user cancelled it
    with principal_scope(ANN):
        for name in (task_id, context.job.id):
            assert (await fixture.tasks.cancel(name)).state == job_pb2.JOB_STATE_CANCELLED


async def test_deletion_ends_a_task_that_cannot_be_cancelled(fixture: LalalaiFixture) -> None:
    async with fixture.with_task() as (context, _, task_id):
        pass
    fixture.simulator.failures.append(("/cancel/", 400, {"detail": "Oh no"}, {}))
    await fixture.worker.clean_up(await fixture.job(context.job.id))
    assert fixture.simulator.sources == {}
    assert fixture.simulator.tasks[task_id].status == "cancelled"


async def test_a_finished_job_deletes_its_recording_at_lalalai(fixture: LalalaiFixture) -> None:
    job = await fixture.finished_job()
    fixture.simulator.failures.append(("/delete/", 503, {}, {}))
    await fixture.worker.clean_up(job)
    assert fixture.simulator.sources == {}
    assert fixture.simulator.asked("/cancel/") == 0
    assert fixture.simulator.asked("/delete/") == 2
    with principal_scope(ANN), raises_error("JOB_FINISHED"):
        await fixture.tasks.cancel(job.external_task.task_ids[0])
    await fixture.worker.clean_up(job)  # a second call is harmless
    await fixture.worker.clean_up(await fixture.create_job())


# -------------------------------------------------------------------------------------------------- what callers may do


async def test_a_queued_job_can_be_cancelled_before_its_task_starts(fixture: LalalaiFixture) -> None:
    job = await fixture.create_job()
    with principal_scope(ANN):
        assert (await fixture.tasks.cancel(job.id)).state == job_pb2.JOB_STATE_CANCELLED
        assert await fixture.tasks.cancel_all() == []
    assert fixture.simulator.seen == []
