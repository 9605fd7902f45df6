"""The gRPC service of generation: converts messages and calls the domain."""

import contextlib
import dataclasses
import functools
import json
import random
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundwright.generation.v1 import generation_service_pb2 as pb
from soundwright.generation.v1 import generation_service_pb2_grpc, jobs_pb2
from soundwright.kit.compute import EngineProcesses
from soundwright.kit.engines import ModelAvailability, ModelState
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.messages import from_wire, to_wire
from soundwright.kit.ports import Blobs, Bus
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import principal_scope, require_principal
from soundwright.kit.worker.commands import create_job
from soundwright.kit.worker.derived_files import parts_key
from soundwright.kit.worker.kind import JobKind
from soundwright.library.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    generation_pb2,
    job_pb2,
    library_service_pb2,
    library_service_pb2_grpc,
)
from soundwright.services.generation import service
from soundwright.services.generation.batching import Batcher
from soundwright.services.generation.finishing import PartsOrder, draw_file, write_parts
from soundwright.services.generation.prompts import suggest
from soundwright.services.generation.registry import Registry
from soundwright.services.generation.settings import GenerationSettings
from soundwright.services.generation.tiers import Tier, tier_of
from soundwright.services.generation.worker import clip_history, find_clip

log = get_logger()

_STATUS = {
    ModelState.PENDING: pb.MODEL_STATUS_PENDING,
    ModelState.LOADING: pb.MODEL_STATUS_LOADING,
    ModelState.READY: pb.MODEL_STATUS_READY,
    ModelState.ERROR: pb.MODEL_STATUS_ERROR,
}


@dataclass(eq=False, kw_only=True)
class GenerationRpc(generation_service_pb2_grpc.GenerationServiceServicer):
    bus: Bus
    jobs: library_service_pb2_grpc.JobServiceStub
    kind: JobKind[jobs_pb2.GenerationSpec]
    catalog: catalog_service_pb2_grpc.CatalogServiceStub
    blobs: Blobs
    registry: Registry
    availability: ModelAvailability
    batcher: Batcher
    file_processes: EngineProcesses[None]
    scratch: Path
    settings: GenerationSettings

    async def CreateJobs(self, request: pb.CreateJobsRequest, context: Context) -> pb.CreateJobsResponse:
        tier_name, tier = tier_of(require_principal().role, self.settings.generation_tiers)
        count = request.variation_count or 1
        asked = from_wire(request.parameters, service.GenerationSpec)
        if asked.seed < 0:  # all attempts and repeated requests use the one that is chosen here
            asked = dataclasses.replace(asked, seed=uuid.uuid4().int & 0x7FFF_FFFF)
        spec = service.parse_spec(asked, variation_count=count, max_seconds=tier.max_seconds, registry=self.registry)
        if spec.continue_from_id:
            await self._require_source(spec, tier)
        await self.availability.require(spec.model)
        job_ids = [str(uuid.uuid4()) for _ in range(count)]
        first, existed = await self._create(request, spec, 0, job_ids, tier)
        seeds = service.variation_seeds(self.kind.parse(first).seed, count)
        jobs = [first]
        try:
            for index in range(1, count):
                varied = dataclasses.replace(spec, seed=seeds[index])
                jobs.append((await self._create(request, varied, index, job_ids, tier))[0])
        except AppError:
            for job in [] if existed else jobs:
                with contextlib.suppress(AppError):  # it has ended
                    await self.jobs.CancelJob(library_service_pb2.CancelJobRequest(job_id=job.id))
            raise
        return pb.CreateJobsResponse(
            jobs=jobs,
            existed=existed,
            position=await self._position(first.id),
            tier=tier_name,
            max_duration_seconds=tier.max_seconds,
            hourly_limit=tier.hourly_limit,
        )

    async def _require_source(self, spec: service.GenerationSpec, tier: Tier) -> None:
        """Check the clip that a continuation extends.

        Raises ``GENERATION_NOT_FOUND``; ``VALIDATION_ERROR`` if the result would exceed the caller's limit.
        """
        source = await find_clip(self.catalog, spec.continue_from_id)
        service.require_total(source.duration_seconds, spec.duration_seconds, tier.max_seconds)

    async def _create(
        self,
        request: pb.CreateJobsRequest,
        spec: service.GenerationSpec,
        index: int,
        job_ids: Sequence[str],
        tier: Tier,
    ) -> tuple[job_pb2.Job, bool]:
        """Create one of the jobs of a request.

        The limits of the first job count all of them, so that a request is accepted or refused as a whole.
        """
        wanted = dataclasses.asdict(spec)
        fingerprint = {
            **wanted,
            "seed": request.parameters.seed,
            "variation": index,
            "variation_count": request.variation_count or 1,
        }
        key = request.idempotency_key
        creation = library_service_pb2.CreateJobRequest(
            idempotency_key=f"{key}#{index}" if key and index else key,
            fingerprint=json.dumps(fingerprint, sort_keys=True),
            job_id=job_ids[index],
            starvation_seconds=tier.starvation_seconds,
        )
        if request.priority in service.PRIORITIES:
            creation.priority = job_pb2.Priority.Value(f"PRIORITY_{request.priority.upper()}")
        if index == 0:
            creation.further_job_ids.extend(job_ids[1:])
            creation.pending_limit = tier.pending_limit
            creation.hourly_limit = tier.hourly_limit
            creation.queue_limit = self.settings.generation_queue_limit
        return await create_job(self.bus, self.jobs, self.kind, jobs_pb2.GenerationSpec(**wanted), creation)

    async def _position(self, job_id: str) -> int:
        """Return the position among running and queued jobs, from 1; 0 if the job is neither, or the queue is unknown."""
        try:
            queue = await self.jobs.GetQueue(library_service_pb2.GetQueueRequest(kind=job_pb2.JOB_KIND_GENERATION))
        except AppError as error:  # the jobs are stored; the position is optional
            log.warning("queue.unknown", reason=error.reason)
            return 0
        order = [job.id for job in (*queue.running, *queue.queued)]
        return order.index(job_id) + 1 if job_id in order else 0

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        answer = pb.GetStatusResponse(
            models={model: _STATUS[self.availability.state(model)] for model in self.registry.model_names}
        )
        device = await self.batcher.device()
        if device is not None:
            answer.device.CopyFrom(to_wire(device, pb.Device, busy=self.batcher.is_busy))
        return answer

    async def RenderSpectrogram(
        self, request: pb.RenderSpectrogramRequest, context: Context
    ) -> pb.RenderSpectrogramResponse:
        generation = await find_clip(self.catalog, request.generation_id)
        key = generation.spectrogram_blob_key
        if key and await self.blobs.stat(key) is not None:
            return pb.RenderSpectrogramResponse(blob_key=key)
        key = f"{generation.audio_blob_key.rpartition('/')[0]}/spectrogram.png"
        await self._make(
            generation, key, lambda audio, picture: functools.partial(draw_file, audio=audio, picture=picture)
        )
        with principal_scope(None):  # any reader of a clip may cause this call, but only services may make it
            await self.catalog.SetSpectrogram(
                catalog_service_pb2.SetSpectrogramRequest(generation_id=generation.id, blob_key=key)
            )
        return pb.RenderSpectrogramResponse(blob_key=key)

    async def RenderParts(self, request: pb.RenderPartsRequest, context: Context) -> pb.RenderPartsResponse:
        clip = await find_clip(self.catalog, request.generation_id)
        key = parts_key(clip.audio_blob_key)
        if await self.blobs.stat(key) is None:
            history = await clip_history(self.catalog, clip)
            await self._make(
                clip,
                key,
                lambda audio, archive: functools.partial(write_parts, order=PartsOrder(history, audio, archive)),
            )
        return pb.RenderPartsResponse(blob_key=key)

    async def _make(
        self, clip: generation_pb2.Generation, key: str, work: Callable[[Path, Path], Callable[..., None]]
    ) -> None:
        """Store a file that ``work`` makes of the audio of a clip, given the paths of both."""
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as folder:
            made = Path(folder) / Path(key).name
            async with self.blobs.local(clip.audio_blob_key) as audio:
                await self.file_processes.run(work(audio, made))
            await self.blobs.put_file(key, made)

    async def SuggestPrompt(self, request: pb.SuggestPromptRequest, context: Context) -> pb.SuggestPromptResponse:
        return pb.SuggestPromptResponse(prompt=suggest(request.model, random.SystemRandom()))
