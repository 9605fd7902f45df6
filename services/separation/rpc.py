"""Wire to domain and back, for separation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.separation.v1 import separation_service_pb2_grpc

from kit.jobs import create_job
from kit.ports import Bus
from services.separation import service
from services.separation.lalalai.tasks import LalalaiTasks
from services.separation.mixes import Mixes
from services.separation.settings import SeparationSettings

__all__ = ["SeparationRpc"]


class SeparationRpc(separation_service_pb2_grpc.SeparationServiceServicer):
    def __init__(
        self,
        bus: Bus,
        jobs: library_service_pb2_grpc.JobServiceStub,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        require_model: Callable[[str], Awaitable[None]],
        mixes: Mixes,
        lalalai: LalalaiTasks,
        settings: SeparationSettings,
    ) -> None:
        self._bus = bus
        self._jobs = jobs
        self._tracks = tracks
        self._require_model = require_model
        self._mixes = mixes
        self._lalalai = lalalai
        self._settings = settings

    async def CreateJob(self, request: pb.CreateJobRequest, context: Any) -> pb.CreateJobResponse:
        spec = service.parse_spec(request.model, request.engine, request.format)
        queue = "separation"
        if isinstance(spec, service.LalalaiSpec):
            queue = service.LALALAI
            await self._lalalai.require_key()
        else:
            await self._require_model(spec.model)
        job, existed = await self._create(
            library_service_pb2.CreateJobRequest(
                kind=job_pb2.JOB_KIND_SEPARATION,
                track_id=request.track_id,
                spec_json=json.dumps(dataclasses.asdict(spec)),
                idempotency_key=request.idempotency_key,
            ),
            queue,
        )
        return pb.CreateJobResponse(job=job, existed=existed)

    async def CreatePipelineJob(
        self, request: pb.CreatePipelineJobRequest, context: Any
    ) -> pb.CreatePipelineJobResponse:
        model = self._settings.pipeline_model
        await self._require_model(model)
        track = (await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=request.track_id))).track
        stages = [
            job_pb2.Stage(name=name, processor_type=kind, state=job_pb2.JOB_STATE_QUEUED)
            for name, kind in service.PIPELINE_STAGES
        ]
        job, existed = await self._create(
            library_service_pb2.CreateJobRequest(
                kind=job_pb2.JOB_KIND_PIPELINE,
                track_id=request.track_id,
                spec_json=json.dumps({"model": model}),
                idempotency_key=request.idempotency_key,
                stages=stages,
                # Every upload makes a track of its own; the same request is one with the same content.
                fingerprint=f"pipeline:{track.content_sha256}",
            )
        )
        return pb.CreatePipelineJobResponse(job=job, existed=existed)

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(
            models=[
                pb.Model(
                    name=model.name,
                    description=model.description,
                    stems=model.stems,
                    engine=model.engine,
                    needs_weights=model.engine != service.FALLBACK_MODEL,
                )
                for model in service.MODELS
            ]
        )

    async def RenderMix(self, request: pb.RenderMixRequest, context: Any) -> pb.RenderMixResponse:
        return await self._mixes.render(request)

    async def GetLalalaiQuota(self, request: pb.GetLalalaiQuotaRequest, context: Any) -> pb.GetLalalaiQuotaResponse:
        return await self._lalalai.quota()

    async def CancelLalalaiTask(
        self, request: pb.CancelLalalaiTaskRequest, context: Any
    ) -> pb.CancelLalalaiTaskResponse:
        job = await self._lalalai.cancel(request.task_id)
        return pb.CancelLalalaiTaskResponse(job_id=job.id, task_ids=job.outside_work.task_ids)

    async def CancelLalalaiTasks(
        self, request: pb.CancelLalalaiTasksRequest, context: Any
    ) -> pb.CancelLalalaiTasksResponse:
        jobs = await self._lalalai.cancel_all()
        task_ids = [task_id for job in jobs for task_id in job.outside_work.task_ids]
        return pb.CancelLalalaiTasksResponse(job_ids=[job.id for job in jobs], task_ids=task_ids)

    async def _create(
        self, request: library_service_pb2.CreateJobRequest, queue: str = "separation"
    ) -> tuple[job_pb2.Job, bool]:
        request.attempt_limit = self._settings.separation_attempt_limit
        return await create_job(self._bus, self._jobs, queue, request)
