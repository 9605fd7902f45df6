"""From a job to its files: real engine processes, real files; the engine does what the prompts say."""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from soundwright.generation.v1 import generation_service_pb2, jobs_pb2
from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.audio.loudness import LoudnessMeter
from soundwright.kit.compute import EngineProcesses
from soundwright.kit.engines import FallbackPolicy, ModelSelection
from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.kind import pack
from soundwright.library.v1 import catalog_service_pb2, generation_pb2, job_pb2, library_service_pb2
from soundwright.services.generation.batching import Batcher
from soundwright.services.generation.finishing import no_engine
from soundwright.services.generation.registry import Registry
from soundwright.services.generation.rpc import GenerationRpc
from soundwright.services.generation.service import retake_seed
from soundwright.services.generation.settings import GenerationSettings
from soundwright.services.generation.worker import GenerationWorker
from tests.unit.scripted_engine import RATE_HZ, asked, build, builder
from tests.waiting import until


class Catalog:
    """Knows the clips that the test's jobs made."""

    def __init__(self) -> None:
        self.generations: dict[str, generation_pb2.Generation] = {}

    async def GetGeneration(
        self, request: catalog_service_pb2.GetGenerationRequest
    ) -> catalog_service_pb2.GetGenerationResponse:
        if request.generation_id not in self.generations:
            raise AppError(Code.NOT_FOUND, "GENERATION_NOT_FOUND", "This clip does not exist.")
        return catalog_service_pb2.GetGenerationResponse(generation=self.generations[request.generation_id])


class Studio:
    """A worker and all that it needs."""

    def __init__(
        self, folder: Path, engines: EngineProcesses[Registry], files: EngineProcesses[None], scratch: Path
    ) -> None:
        self.folder = folder
        self.blobs = FileBlobs(scratch / "blobs")
        self.catalog = Catalog()
        self.selections: list[ModelSelection] = []
        self.scratch = scratch / "scratch"
        self.scratch.mkdir()
        self.batcher = Batcher(engines, 1, 8, gathers=True)
        catalog: Any = self.catalog
        self.worker = GenerationWorker(
            batcher=self.batcher, registry=build(folder), note=self.selections.append, file_processes=files,
            blobs=self.blobs, catalog=catalog, scratch=self.scratch,
        )  # fmt: skip
        self.kind = self.worker.job_kind(GenerationSettings())

    def context(self, prompt: str, *, attempt: int = 1, **fields: Any) -> JobContext:
        given = {"prompt": prompt, "duration_seconds": 2.0, "model": "music", "seed": 7, **fields}
        return JobContext(
            job_pb2.Job(
                id=str(uuid.uuid4()), owner_id="ann", attempt=attempt, spec=pack(jobs_pb2.GenerationSpec(**given)),
                kind=job_pb2.JOB_KIND_GENERATION, priority=job_pb2.PRIORITY_PREMIUM, output_folder="generations",
            )
        )  # fmt: skip

    async def handle(self, context: JobContext) -> job_pb2.JobResult:
        """Run the handler as a worker does."""
        return await self.kind.handler(context, self.kind.parse(context.job))

    async def make(self, prompt: str, **fields: Any) -> job_pb2.JobResult:
        context = self.context(prompt, **fields)
        result = await self.handle(context)
        clip = result.clip
        self.catalog.generations[context.job.id] = generation_pb2.Generation(
            id=context.job.id, audio_blob_key=clip.audio_blob_key, duration_seconds=clip.duration_seconds, prompt=clip.prompt,
            seed=clip.seed, is_loop=clip.is_loop, engine_model=result.model, continued_from_id=clip.continued_from_id,
            interpretation=clip.interpretation if clip.HasField("interpretation") else None,
        )  # fmt: skip
        return result

    def samples(self, result: job_pb2.JobResult) -> np.ndarray:
        """float32 [frames, channels]"""
        path = self.blobs.locate(result.clip.audio_blob_key)
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        assert rate_hz == result.clip.sample_rate_hz
        return samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest_asyncio.fixture(scope="module")
async def processes(folder: Path) -> AsyncIterator[tuple[EngineProcesses[Registry], EngineProcesses[None]]]:
    engines: EngineProcesses[Registry] = EngineProcesses(
        "test", 1, builder(folder, fallback=FallbackPolicy.WHEN_UNAVAILABLE)
    )
    files = EngineProcesses("files", 1, no_engine)
    yield engines, files
    await asyncio.to_thread(engines.close)
    await asyncio.to_thread(files.close)


@pytest_asyncio.fixture
async def studio(folder: Path, processes: tuple[Any, Any], tmp_path: Path) -> AsyncIterator[Studio]:
    shutil.rmtree(folder)
    folder.mkdir()
    made = Studio(folder, *processes, tmp_path)
    yield made
    await made.batcher.close()
    assert not list(made.scratch.iterdir())


async def test_a_job_becomes_a_clip_with_its_files_and_its_record(studio: Studio) -> None:
    context = studio.context("a tune")
    result = await studio.handle(context)
    clip = result.clip
    audio, picture = result.outputs
    assert clip == job_pb2.GeneratedClip(
        prompt="a tune", duration_seconds=2.0, is_loop=False, seed=7, quality_score=85,
        quality_issues=["Ends suddenly."], quality_accepted=True, retry_count=0, sample_rate_hz=RATE_HZ, channel_count=1,
        audio_blob_key=f"generations/1/{context.job.id}/audio.wav",
        spectrogram_blob_key=f"generations/1/{context.job.id}/spectrogram.png",
        audio_size_bytes=audio.size_bytes,
    )  # fmt: skip
    assert (result.engine, result.model, result.requested_model) == ("scripted", "test/music", "music")
    assert not result.degraded
    assert (audio.content_type, audio.frame_count, audio.clipped_sample_count) == ("audio/wav", 2 * RATE_HZ, 0)
    assert picture.content_type == "image/png"
    assert studio.selections == [ModelSelection("scripted", "music", "music", "test/music")]
    path = studio.blobs.locate(clip.audio_blob_key)
    assert soundfile.info(path).subtype == "PCM_16"
    assert Path(path).stat().st_size == clip.audio_size_bytes
    assert Path(studio.blobs.locate(clip.spectrogram_blob_key)).read_bytes().startswith(b"\x89PNG")
    meter = LoudnessMeter(RATE_HZ, 1)
    meter.push(np.ascontiguousarray(studio.samples(result).T))
    assert meter.loudness_lufs() == pytest.approx(-14, abs=0.2)
    assert context.snapshot()[1:3] == (1.0, "Complete")


async def test_variations_are_created_all_or_none(studio: Studio) -> None:
    class Jobs:
        """Has no room for the third job."""

        created: ClassVar[list[library_service_pb2.CreateJobRequest]] = []
        cancelled: ClassVar[list[str]] = []

        async def CreateJob(
            self, request: library_service_pb2.CreateJobRequest
        ) -> library_service_pb2.CreateJobResponse:
            if len(self.created) == 2:
                raise AppError(Code.PERMISSION_DENIED, "QUOTA_EXCEEDED", "The quota is used up.")
            self.created.append(request)
            job = job_pb2.Job(id=request.job_id, spec=request.spec)
            return library_service_pb2.CreateJobResponse(job=job)

        async def CancelJob(
            self, request: library_service_pb2.CancelJobRequest
        ) -> library_service_pb2.CancelJobResponse:
            self.cancelled.append(request.job_id)
            return library_service_pb2.CancelJobResponse()

    class Available:
        async def require(self, model: str) -> None: ...

    anything: Any = None
    availability: Any = Available()
    jobs: Any = Jobs()
    rpc = GenerationRpc(
        bus=anything, jobs=jobs, kind=studio.kind, catalog=anything, blobs=studio.blobs, registry=build(studio.folder),
        availability=availability, batcher=studio.batcher, file_processes=anything, scratch=studio.scratch,
        settings=GenerationSettings(),
    )  # fmt: skip
    wanted = generation_service_pb2.CreateJobsRequest(
        parameters=jobs_pb2.GenerationSpec(prompt="rain", duration_seconds=2, model="music", seed=7), variation_count=3
    )
    with principal_scope(Principal("ann", "user")), pytest.raises(AppError, match="QUOTA_EXCEEDED"):
        await rpc.CreateJobs(wanted, anything)
    first, second = jobs.created
    assert first.further_job_ids[0] == second.job_id
    assert (len(first.further_job_ids), first.pending_limit, second.pending_limit) == (2, 3, 0)
    assert jobs.cancelled == [first.job_id, second.job_id]


async def test_a_bad_take_is_made_again_with_another_seed(studio: Studio) -> None:
    result = await studio.make("silent at first")
    clip = result.clip
    assert [entry["seeds"] for entry in asked(studio.folder, "generate")] == [[7], [retake_seed(7, 1)]]
    assert (clip.seed, clip.retry_count, clip.quality_accepted) == (retake_seed(7, 1), 1, True)
    assert studio.samples(result).any()


async def test_after_two_retakes_the_best_is_kept(studio: Studio) -> None:
    clip = (await studio.make("silent")).clip
    seeds = [entry["seeds"][0] for entry in asked(studio.folder, "generate")]
    assert seeds == [retake_seed(7, number) for number in range(3)]
    assert len(set(seeds)) == 3
    assert (clip.seed, clip.retry_count, clip.quality_score, clip.quality_accepted) == (7, 2, 0, False)
    assert list(clip.quality_issues) == ["The clip is silent."]


async def test_a_loop_has_the_length_that_was_asked_for_and_closes(studio: Studio) -> None:
    before = await studio.make("a tune", loop=True, duration_seconds=3.0)
    after = await studio.make("a tune", loop=True, continue_from_id=before.outputs[0].job_id)
    for result, seconds in ((before, 3), (after, 5)):
        samples = studio.samples(result)[:, 0]
        assert result.clip.is_loop
        assert samples.size == seconds * RATE_HZ
        assert abs(samples[0] - samples[-1]) <= np.abs(np.diff(samples)).max()
        # It does not fade at its ends as other clips do.
        assert np.abs(samples[-50:]).max() > 0.5 * np.abs(samples).max()


async def test_a_continuation_is_the_clip_and_more(studio: Studio) -> None:
    before = await studio.make("a tune")
    result = await studio.make("a tune", duration_seconds=3.0, continue_from_id=before.outputs[0].job_id)
    clip = result.clip
    assert clip.continued_from_id == before.outputs[0].job_id
    assert clip.duration_seconds == 5.0
    whole, part = studio.samples(result)[:, 0], studio.samples(before)[:, 0]
    assert whole.size == 5 * RATE_HZ
    kept = slice(100, round(1.7 * RATE_HZ))
    gain = np.dot(whole[kept], part[kept]) / np.dot(part[kept], part[kept])
    np.testing.assert_allclose(whole[kept], gain * part[kept], atol=2e-4)
    assert np.abs(np.diff(whole)).max() < 1.2 * gain * np.abs(np.diff(part)).max()
    # The engine hears all but what the take repeats.
    assert asked(studio.folder, "generate")[-1]["lead_ins"] == [round(1.8 * RATE_HZ)]


async def test_the_composer_makes_a_continuation_and_a_loop_as_a_whole(studio: Studio) -> None:
    (studio.folder / "no-weights").touch()

    async def make(prompt: str, seconds: float, **fields: Any) -> job_pb2.JobResult:
        return await studio.make(prompt, duration_seconds=seconds, model="magnet-music", **fields)

    first = await make("pop at 120 bpm in C major, zorb", 4.0)
    assert first.clip.interpretation == generation_pb2.Interpretation(
        style="pop", tempo_bpm=120, key="C major", bars=2, instruments=first.clip.interpretation.instruments,
        chosen=["instruments"], ignored_words=["zorb"],
    )  # fmt: skip
    second = await make("pop at 120 bpm", 2.0, continue_from_id=first.outputs[0].job_id)
    third = await make("pop at 120 bpm", 2.0, continue_from_id=second.outputs[0].job_id)
    for result, seconds in ((second, 6), (third, 8)):
        assert (result.clip.duration_seconds, result.outputs[0].frame_count) == (seconds, seconds * 44100)
        assert (result.clip.interpretation.bars, result.clip.interpretation.key) == (seconds / 2, "C major")
        assert not result.clip.interpretation.ignored_parameters
    loop = await make("pop at 120 bpm", 4.6, loop=True)
    assert (loop.clip.duration_seconds, loop.clip.interpretation.bars) == (4.0, 2)
    assert loop.clip.interpretation.ignored_parameters == ["duration"]
    # What a deleted clip was generated from is unknown, so the audio is joined.
    del studio.catalog.generations[first.outputs[0].job_id]
    joined = await make("pop at 120 bpm", 2.0, continue_from_id=second.outputs[0].job_id)
    assert (joined.clip.duration_seconds, list(joined.clip.interpretation.ignored_parameters)) == (
        8.0,
        ["continue_from"],
    )


async def test_jobs_that_run_together_share_a_batch_but_not_those_that_died_before(studio: Studio) -> None:
    await asyncio.gather(*(studio.make("a tune", seed=seed, attempt=1 + (seed == 2)) for seed in (1, 2, 3)))
    assert sorted(entry["seeds"] for entry in asked(studio.folder, "generate")) == [[1, 3], [2]]


async def test_progress_tells_what_is_going_on(studio: Studio) -> None:
    contexts = [studio.context("wait"), studio.context("a tune", duration_seconds=1.0)]
    tasks = [asyncio.create_task(studio.handle(context)) for context in contexts]
    wanted = ["Generating music... 50%", "Waiting in queue..."]
    await until(lambda: [context.snapshot()[2] for context in contexts] == wanted)
    assert 0.3 < contexts[0].snapshot()[1] < 0.5
    (studio.folder / "go").touch()
    await asyncio.gather(*tasks)
    assert [context.snapshot()[1:3] for context in contexts] == [(1.0, "Complete")] * 2


async def test_a_cancelled_job_ends_at_once_and_its_companion_goes_on(studio: Studio) -> None:
    cancelled, other = studio.context("wait"), studio.context("wait", seed=8)
    ending, going_on = (asyncio.create_task(studio.handle(context)) for context in (cancelled, other))
    await until(lambda: asked(studio.folder, "generate"))
    cancelled.stop("cancelled")
    with pytest.raises(Exception, match="cancelled"):
        await ending
    assert not going_on.done()
    (studio.folder / "go").touch()
    assert (await going_on).clip.quality_accepted
    stored = await studio.blobs.keys("generations/")
    assert stored
    assert not any(cancelled.job.id in key for key in stored)
