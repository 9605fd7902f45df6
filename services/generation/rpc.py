"""Wire to domain and back, for generation."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
import tempfile
import uuid
from pathlib import Path
from typing import Any

from soundwright.generation.v1 import generation_service_pb2 as pb
from soundwright.generation.v1 import generation_service_pb2_grpc
from soundwright.library.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    generation_pb2,
    job_pb2,
    library_service_pb2,
    library_service_pb2_grpc,
)

from kit.compute import EngineProcesses
from kit.errors import AppError
from kit.identity import principal_scope, require_principal
from kit.jobs import create_job
from kit.log import get_logger
from kit.ports import Blobs, Bus
from services.generation import service
from services.generation.finishing import draw_file
from services.generation.models import Models, ModelState
from services.generation.prompts import suggest
from services.generation.settings import GenerationSettings
from services.generation.tiers import Tier, tier_of

__all__ = ["GenerationRpc"]

log = get_logger()

_STATUS = {
    ModelState.PENDING: pb.MODEL_STATUS_PENDING,
    ModelState.LOADING: pb.MODEL_STATUS_LOADING,
    ModelState.READY: pb.MODEL_STATUS_READY,
    ModelState.ERROR: pb.MODEL_STATUS_ERROR,
}


class GenerationRpc(generation_service_pb2_grpc.GenerationServiceServicer):
    def __init__(
        self,
        *,
        bus: Bus,
        jobs: library_service_pb2_grpc.JobServiceStub,
        catalog: catalog_service_pb2_grpc.CatalogServiceStub,
        blobs: Blobs,
        models: Models,
        file_processes: EngineProcesses[None],
        scratch: Path,
        settings: GenerationSettings,
    ) -> None:
        self._bus = bus
        self._jobs = jobs
        self._catalog = catalog
        self._blobs = blobs
        self._models = models
        self._file_processes = file_processes
        self._scratch = scratch
        self._settings = settings

    async def CreateJobs(self, request: pb.CreateJobsRequest, context: Any) -> pb.CreateJobsResponse:
        tier_name, tier = tier_of(require_principal().role, self._settings.generation_tiers)
        count = request.variation_count or 1
        # A seed nobody chose still has to be the same in every attempt, and when the request is repeated.
        seed = request.seed if request.seed >= 0 else uuid.uuid4().int & 0x7FFF_FFFF
        spec = service.parse_spec(
            prompt=request.prompt,
            duration_seconds=request.duration_seconds,
            model=request.model,
            seed=seed,
            loop=request.loop,
            continue_from_id=request.continue_from_id,
            variation_count=count,
            max_seconds=tier.max_seconds,
        )
        if spec.continue_from_id:
            await self._require_source(spec, tier)
        await self._models.require(spec.model)
        first, existed = await self._create(request, spec, 0, tier)
        seeds = service.variation_seeds(int(json.loads(first.spec_json)["seed"]), count)
        jobs = [first]
        for index in range(1, count):
            job, _ = await self._create(request, dataclasses.replace(spec, seed=seeds[index]), index, tier)
            jobs.append(job)
        return pb.CreateJobsResponse(
            jobs=jobs,
            existed=existed,
            position=await self._position(first.id),
            tier=tier_name,
            max_duration_seconds=tier.max_seconds,
            hourly_limit=tier.hourly_limit,
        )

    async def _require_source(self, spec: service.GenerationSpec, tier: Tier) -> None:
        """
        Raises:
            AppError: there is no such clip, or the whole would be longer than the caller may have.
        """
        source = await self._generation(spec.continue_from_id)
        service.require_total(source.duration_seconds, spec.duration_seconds, tier.max_seconds)

    async def _generation(self, generation_id: str) -> generation_pb2.Generation:
        request = catalog_service_pb2.GetGenerationRequest(generation_id=generation_id)
        return (await self._catalog.GetGeneration(request)).generation

    async def _create(
        self, request: pb.CreateJobsRequest, spec: service.GenerationSpec, index: int, tier: Tier
    ) -> tuple[job_pb2.Job, bool]:
        """One of a request's jobs. The first is subject to the limits, and the others are let in with it: a request is
        taken as a whole or not at all."""
        wanted = dataclasses.asdict(spec)
        fingerprint = {
            **wanted,
            "seed": request.seed,
            "variation": index,
            "variation_count": request.variation_count or 1,
        }
        key = request.idempotency_key
        creation = library_service_pb2.CreateJobRequest(
            kind=job_pb2.JOB_KIND_GENERATION,
            spec_json=json.dumps(wanted),
            attempt_limit=self._settings.generation_attempt_limit,
            idempotency_key=f"{key}#{index}" if key and index else key,
            fingerprint=json.dumps(fingerprint, sort_keys=True),
            priority=f"PRIORITY_{request.priority.upper()}" if request.priority in service.PRIORITIES else None,
            affinity=spec.model,
            work_seconds=spec.duration_seconds,
        )
        if index == 0:
            creation.pending_limit = tier.pending_limit
            creation.hourly_limit = tier.hourly_limit
            creation.queue_limit = self._settings.generation_queue_limit
        return await create_job(self._bus, self._jobs, "generation", creation)

    async def _position(self, job_id: str) -> int:
        """Among all that is queued or running, from 1; 0 when it is neither any more, or nobody can tell at the moment."""
        try:
            queue = await self._jobs.GetQueue(library_service_pb2.GetQueueRequest(kind=job_pb2.JOB_KIND_GENERATION))
        except AppError as error:  # the jobs are stored, and that is what was asked for
            log.warning("queue.unknown", reason=error.reason)
            return 0
        order = [job.id for job in (*queue.running, *queue.queued)]
        return order.index(job_id) + 1 if job_id in order else 0

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        answer = pb.GetStatusResponse(models={model: _STATUS[self._models.state(model)] for model in service.MODELS})
        device = await self._models.device()
        if device is not None:
            answer.device.CopyFrom(
                pb.Device(
                    name=device.name,
                    busy=self._models.is_busy,
                    memory_used_bytes=device.memory_used_bytes,
                    memory_total_bytes=device.memory_total_bytes,
                )
            )
        return answer

    async def RenderSpectrogram(
        self, request: pb.RenderSpectrogramRequest, context: Any
    ) -> pb.RenderSpectrogramResponse:
        generation = await self._generation(request.generation_id)
        key = generation.spectrogram_blob_key
        if key and await self._blobs.stat(key) is not None:
            return pb.RenderSpectrogramResponse(blob_key=key)
        key = f"{generation.audio_blob_key.rpartition('/')[0]}/spectrogram.png"
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
            picture = Path(folder) / "spectrogram.png"
            async with self._blobs.local(generation.audio_blob_key) as audio:
                await self._file_processes.run(functools.partial(draw_file, audio=audio, picture=picture))
            await self._blobs.put_file(key, picture)
        with principal_scope(None):  # whoever may look at a clip causes this, and only a service may note it
            await self._catalog.SetSpectrogram(
                catalog_service_pb2.SetSpectrogramRequest(generation_id=generation.id, blob_key=key)
            )
        return pb.RenderSpectrogramResponse(blob_key=key)

    async def SuggestPrompt(self, request: pb.SuggestPromptRequest, context: Any) -> pb.SuggestPromptResponse:
        return pb.SuggestPromptResponse(prompt=suggest(request.model, random.SystemRandom()))
