"""Generation's own calls, as the gateway makes them: limits, variations, idempotency, continuation, what is stored."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import soundfile
from soundwright.generation.v1 import generation_service_pb2 as pb
from soundwright.generation.v1 import generation_service_pb2_grpc, jobs_pb2
from soundwright.library.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    generation_pb2,
    job_pb2,
    library_service_pb2,
    library_service_pb2_grpc,
)

from kit import rpc
from kit.adapters.system.clock import SystemClock
from kit.errors import AppError
from kit.security.identity import Principal, Signer, principal_scope
from tests.stacks import Stack

DEADLINE_SECONDS = 120.0


def spec_of(job: job_pb2.Job) -> jobs_pb2.GenerationSpec:
    spec = jobs_pb2.GenerationSpec()
    assert job.spec.Unpack(spec)
    return spec


class Caller:
    """Calls the services on behalf of somebody."""

    def __init__(self, channels: dict[str, Any], stack: Stack, principal: Principal) -> None:
        self.principal = principal
        self.generation = generation_service_pb2_grpc.GenerationServiceStub(channels["generation"])
        self.jobs = library_service_pb2_grpc.JobServiceStub(channels["library"])
        self.catalog = catalog_service_pb2_grpc.CatalogServiceStub(channels["library"])
        self._stack = stack

    async def call(self, method: Any, request: Any) -> Any:
        with principal_scope(self.principal):
            return await method(request)

    async def create(self, **fields: Any) -> pb.CreateJobsResponse:
        usual = {"prompt": "calm piano", "duration_seconds": 1.0, "seed": -1}
        return await self.call(self.generation.CreateJobs, pb.CreateJobsRequest(**{**usual, **fields}))

    async def refused(self, **fields: Any) -> AppError:
        with pytest.raises(AppError) as caught:
            await self.create(**fields)
        return caught.value

    async def ended(self, job_id: str) -> job_pb2.Job:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                request = library_service_pb2.GetJobRequest(job_id=job_id)
                job = (await self.call(self.jobs.GetJob, request)).job
                if job.state not in (job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING):
                    return job
                await asyncio.sleep(0.05)

    async def made(self, **fields: Any) -> generation_pb2.Generation:
        """A clip, as the catalog has it once the job has ended."""
        job = await self.ended((await self.create(**fields)).jobs[0].id)
        assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
        return await self.clip(job.id)

    async def clip(self, generation_id: str) -> generation_pb2.Generation:
        request = catalog_service_pb2.GetGenerationRequest(generation_id=generation_id)
        return (await self.call(self.catalog.GetGeneration, request)).generation

    async def cancel(self, *jobs: job_pb2.Job) -> None:
        for job in jobs:
            await self.call(self.jobs.CancelJob, library_service_pb2.CancelJobRequest(job_id=job.id))
        for job in jobs:
            await self.ended(job.id)

    def stored(self, key: str) -> io.BytesIO:
        return io.BytesIO(self._stack.read(key))

    def audio(self, clip: generation_pb2.Generation) -> bytes:
        return self._stack.read(clip.audio_blob_key)


@pytest_asyncio.fixture(scope="module")
async def channels(stack: Stack) -> AsyncIterator[dict[str, Any]]:
    settings = stack.settings
    signer = Signer("gateway", settings.signing_keys("gateway"), SystemClock())
    opened = {name: rpc.connect(name, settings.grpc_address(name), signer, 30.0) for name in ("generation", "library")}
    yield opened
    for channel in opened.values():
        await channel.close()


@pytest.fixture
def somebody(channels: dict[str, Any], stack: Stack) -> Caller:
    """A listener whom no other test knows."""
    return Caller(channels, stack, Principal(f"anon:{uuid.uuid4().hex}", "anonymous"))


@pytest.fixture
def operator(channels: dict[str, Any], stack: Stack) -> Caller:
    return Caller(channels, stack, Principal(f"op-{uuid.uuid4().hex}", "admin"))


async def test_a_clip_is_filed_with_all_that_is_known(somebody: Caller) -> None:
    clip = await somebody.made(prompt="  upbeat\tfunk ", duration_seconds=2.0, seed=11, priority="free", loop=True)
    assert (clip.owner_id, clip.prompt, clip.model) == (somebody.principal.id, "upbeat funk", "music")
    assert (clip.duration_seconds, clip.is_loop, clip.priority) == (2.0, True, "free")
    assert (clip.engine, clip.engine_model, clip.degraded) == ("procedural", "composer", True)
    assert clip.quality_accepted
    assert clip.quality_score >= 50
    assert clip.seed == 11
    info = soundfile.info(somebody.stored(clip.audio_blob_key))
    assert (info.format, info.subtype, info.frames, info.samplerate, info.channels) == (
        "WAV",
        "PCM_16",
        88200,
        44100,
        2,
    )
    assert len(somebody.audio(clip)) == clip.audio_size_bytes
    assert somebody.stored(clip.spectrogram_blob_key).read().startswith(b"\x89PNG")


async def test_prompt_and_seed_decide_the_bytes(somebody: Caller) -> None:
    first, second, other = [await somebody.made(prompt="soft rain", model="audio", seed=seed) for seed in (5, 5, 6)]
    assert somebody.audio(first) == somebody.audio(second)
    assert somebody.audio(first) != somebody.audio(other)


async def test_variations_are_jobs_with_seeds_that_follow_each_other_and_are_taken_as_a_whole(somebody: Caller) -> None:
    answer = await somebody.create(variation_count=5, seed=100)
    assert [spec_of(job).seed for job in answer.jobs] == [100, 101, 102, 103, 104]
    assert len({job.id for job in answer.jobs}) == 5
    assert (answer.existed, answer.tier, answer.max_duration_seconds, answer.hourly_limit) == (False, "free", 120, 60)
    assert (await somebody.refused()).reason == "TOO_MANY_PENDING"  # five are more than the three that the tier has
    await somebody.cancel(*answer.jobs)


async def test_repeating_a_request_gives_the_same_jobs(somebody: Caller) -> None:
    asked = {"idempotency_key": "k1", "variation_count": 3}
    first, again = await somebody.create(**asked), await somebody.create(**asked)
    assert [job.id for job in first.jobs] == [job.id for job in again.jobs]
    assert (first.existed, again.existed) == (False, True)
    seeds = [spec_of(job).seed for job in first.jobs]
    assert seeds == [seeds[0], seeds[0] + 1, seeds[0] + 2]
    for other in ({"variation_count": 2}, {"prompt": "loud piano"}, {"seed": 3}, {"loop": True}):
        assert (await somebody.refused(**{**asked, **other})).http_status == 409
    await somebody.cancel(*first.jobs)


async def test_a_listener_may_have_three_unfinished_jobs_and_an_operator_more(
    somebody: Caller, operator: Caller
) -> None:
    long = {"duration_seconds": 60.0}
    jobs = [(await somebody.create(**long)).jobs[0] for _ in range(3)]
    refusal = await somebody.refused(**long)
    assert (refusal.reason, refusal.http_status) == ("TOO_MANY_PENDING", 429)
    assert (refusal.meta["pending_count"], refusal.meta["max_pending"]) == (3, 3)
    others = await operator.create(duration_seconds=180.0, variation_count=4)
    assert (others.tier, others.max_duration_seconds) == ("creator", 180)
    await somebody.cancel(*jobs)
    await operator.cancel(*others.jobs)
    await somebody.cancel(*(await somebody.create()).jobs)


async def test_what_does_not_fit_is_refused(somebody: Caller) -> None:
    for fields, name in (
        ({"prompt": "\x00\x07"}, "prompt"), ({"duration_seconds": 120.5}, "duration"), ({"model": "tts"}, "model"),
        ({"variation_count": 9}, "variations"), ({"continue_from_id": "x"}, "continue_from"),
    ):  # fmt: skip
        refusal = await somebody.refused(**fields)
        assert (refusal.reason, list(refusal.meta["details"])) == ("VALIDATION_ERROR", [name])
    assert (await somebody.refused(continue_from_id=str(uuid.uuid4()))).http_status == 404


async def test_a_clip_is_gone_on_from(somebody: Caller, operator: Caller) -> None:
    before = await operator.made(prompt="slow strings", duration_seconds=2.0)
    clip = await somebody.made(prompt="slow strings", duration_seconds=1.5, continue_from_id=before.id.replace("-", ""))
    assert (clip.continued_from_id, clip.duration_seconds) == (before.id, 3.5)
    assert soundfile.info(somebody.stored(clip.audio_blob_key)).frames == round(3.5 * 44100)
    refusal = await somebody.refused(duration_seconds=119.0, continue_from_id=before.id)
    assert "ask for 118 at most" in refusal.meta["details"]["duration"][0]


async def test_a_picture_that_is_missing_is_drawn_again(stack: Stack, somebody: Caller) -> None:
    clip = await somebody.made()
    drawn = stack.read(clip.spectrogram_blob_key)
    stack.delete(clip.spectrogram_blob_key)
    request = pb.RenderSpectrogramRequest(generation_id=clip.id)
    for _ in range(2):
        answer = await somebody.call(somebody.generation.RenderSpectrogram, request)
        assert answer.blob_key == clip.spectrogram_blob_key
    assert stack.read(clip.spectrogram_blob_key) == drawn
    unknown = pb.RenderSpectrogramRequest(generation_id=str(uuid.uuid4()))
    with pytest.raises(AppError) as caught:
        await somebody.call(somebody.generation.RenderSpectrogram, unknown)
    assert caught.value.http_status == 404


async def test_all_models_are_ready_where_the_built_in_engine_may_take_over(somebody: Caller) -> None:
    status = await somebody.call(somebody.generation.GetStatus, pb.GetStatusRequest())
    assert dict(status.models) == dict.fromkeys(
        ("music", "audio", "magnet-music", "magnet-audio"), pb.MODEL_STATUS_READY
    )
    assert not status.HasField("device")


async def test_prompts_are_suggested(somebody: Caller) -> None:
    for model in ("music", "audio", "", "anything"):
        answer = await somebody.call(somebody.generation.SuggestPrompt, pb.SuggestPromptRequest(model=model))
        assert len(answer.prompt.split()) >= 2
