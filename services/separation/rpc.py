"""Wire to domain and back, for separation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import jobs_pb2, separation_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2 as pb

from kit.engines import MeasuredSpeeds, ModelAvailability, ModelDeclaration
from kit.engines.models_rpc import described_models, fetched_model
from kit.ports import Bus
from kit.rpc import Context
from kit.worker.commands import create_batch, create_job
from kit.worker.kind import JobKind
from services.separation import batches, service
from services.separation.choice import (
    AUTO,
    Candidate,
    Choice,
    choose,
    estimated_seconds,
    mean_gain_db,
    needed_stems,
    parse_quality,
)
from services.separation.export import parse_export_format, require_stems
from services.separation.lalalai.tasks import LalalaiTasks
from services.separation.mixes import Mixes
from services.separation.plans import parse_request
from services.separation.registry import Registry
from services.separation.settings import SeparationSettings
from services.separation.worker import spec_to_wire

__all__ = ["SeparationKinds", "SeparationRpc"]


@dataclass(frozen=True)
class SeparationKinds:
    """The descriptors of the jobs that separation creates."""

    separation: JobKind[jobs_pb2.SeparationSpec]
    pipeline: JobKind[jobs_pb2.PipelineSpec]
    lalalai: JobKind[jobs_pb2.SeparationSpec]
    export: JobKind[jobs_pb2.ExportSpec]


class SeparationRpc(separation_service_pb2_grpc.SeparationServiceServicer):
    def __init__(
        self,
        bus: Bus,
        jobs: library_service_pb2_grpc.JobServiceStub,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        kinds: SeparationKinds,
        registry: Registry,
        availability: ModelAvailability,
        speeds: MeasuredSpeeds,
        mixes: Mixes,
        lalalai: LalalaiTasks,
        settings: SeparationSettings,
        has_gpu: bool,
    ) -> None:
        self._bus = bus
        self._jobs = jobs
        self._tracks = tracks
        self._kinds = kinds
        self._registry = registry
        self._availability = availability
        self._speeds = speeds
        self._mixes = mixes
        self._lalalai = lalalai
        self._settings = settings
        self._has_gpu = has_gpu

    async def CreateJob(self, request: pb.CreateJobRequest, context: Context) -> pb.CreateJobResponse:
        job, existed = await create_job(self._bus, self._jobs, *await self._wanted(request))
        return pb.CreateJobResponse(job=job, existed=existed)

    async def CreateBatch(self, request: pb.CreateBatchRequest, context: Context) -> pb.CreateBatchResponse:
        requests = batches.requests_of(request)
        await batches.require_tracks(self._tracks, request.track_ids)
        wanted = await batches.for_each(self._wanted, requests)
        batch, existed = await create_batch(
            self._bus, self._jobs, batches.spec_of(request), request.idempotency_key, wanted
        )
        return pb.CreateBatchResponse(batch=batch, existed=existed)

    async def _wanted(
        self, request: pb.CreateJobRequest
    ) -> tuple[JobKind[jobs_pb2.SeparationSpec], jobs_pb2.SeparationSpec, library_service_pb2.CreateJobRequest]:
        """Check the parameters of a separation. Return its kind, its specification, and the request for the ledger."""
        wanted, choice = await self._parsed(request)
        kind = self._kinds.separation
        if wanted.engine == service.LALALAI:
            kind = self._kinds.lalalai
            await self._lalalai.require_key()
        elif len(wanted.all_models) > 1:
            await self._availability.require_all(wanted.all_models)
        else:
            await self._availability.require(wanted.model, wanted.stems)
        return (
            kind,
            spec_to_wire(wanted, choice.reason),
            library_service_pb2.CreateJobRequest(
                track_id=request.track_id,
                idempotency_key=request.idempotency_key,
                # The choice may change with the weights on the server, and a repeated request does not change with it.
                fingerprint=_auto_fingerprint(request, wanted) if choice.reason else "",
            ),
        )

    async def _parsed(self, request: pb.CreateJobRequest) -> tuple[service.SeparationSpec, Choice]:
        """Return the specification of a request, and the choice of its model."""
        chain = [service.ChainStep(step.stem, step.model) for step in request.chain]
        choice = await self._choice(request, chain)
        wishes = service.Wishes(
            model=choice.model,
            engine=request.engine,
            format=request.format,
            stems=request.stems,
            models=request.models,
            weights=request.weights,
            combine=request.combine,
            chain=chain,
        )
        return parse_request(wishes, self._registry), choice

    async def _choice(self, request: pb.CreateJobRequest, chain: Sequence[service.ChainStep]) -> Choice:
        """Return the model of a request, and why if the request leaves it to this service."""
        quality = parse_quality(request.model, request.quality)
        if request.model != AUTO or request.engine == service.LALALAI or request.models:
            return Choice(request.model, "")
        usable = await self._availability.usable()
        stems = needed_stems(request.stems, chain)
        candidates = [self._candidate(each, each.name in usable) for each in self._registry.models()]
        duration_seconds = await self._duration_seconds(request.track_id)
        chosen = choose(candidates, stems, quality, duration_seconds, self._has_gpu)
        return chosen or self._absent_choice(stems)

    def _candidate(self, declared: ModelDeclaration, is_available: bool) -> Candidate:
        return Candidate(declared, is_available, self._speeds.get(declared.name))

    async def _duration_seconds(self, track_id: str) -> float:
        track = (await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))).track
        return track.duration_seconds

    async def PlanJobs(self, request: pb.PlanJobsRequest, context: Context) -> pb.PlanJobsResponse:
        batch = pb.CreateBatchRequest(parameters=request.parameters, track_ids=request.track_ids)
        requests = batches.requests_of(batch)
        await batches.require_tracks(self._tracks, request.track_ids)
        return pb.PlanJobsResponse(plans=await batches.for_each(self._plan, requests))

    async def _plan(self, request: pb.CreateJobRequest) -> pb.JobPlan:
        wanted, choice = await self._parsed(request)
        plan = pb.JobPlan(
            track_id=request.track_id, requested_model=wanted.model, model=wanted.model, model_reason=choice.reason
        )
        if wanted.engine == service.LALALAI:
            return plan
        models = [self._registry.declaration(model) for model in wanted.all_models]
        stems = needed_stems(wanted.stems, wanted.chain)
        if len(models) == 1:
            selection = await self._availability.expected(wanted.model, wanted.stems)
            plan.model, plan.degraded_reason, plan.degraded_details = (
                selection.model,
                selection.reason,
                selection.details,
            )
            models = [self._registry.declaration(selection.model)]
            if math.isfinite(gain_db := mean_gain_db(models[0], stems)):
                plan.gain_db = gain_db
        duration_seconds = await self._duration_seconds(request.track_id)
        candidates = [self._candidate(each, True) for each in models]
        plan.measured = all(each.speed for each in candidates)
        plan.estimated_seconds = sum(estimated_seconds(each, duration_seconds, self._has_gpu) for each in candidates)
        if choice.reason:
            quality = parse_quality(request.model, request.quality)
            fetchable = [self._candidate(each, self._may_be_fetched(each)) for each in self._registry.models()]
            better = choose(fetchable, stems, quality, duration_seconds, self._has_gpu)
            if better and mean_gain_db(self._registry.declaration(better.model), stems) > mean_gain_db(
                models[0], stems
            ):
                plan.better_model = better.model
        return plan

    def _may_be_fetched(self, declared: ModelDeclaration) -> bool:
        """Return whether an administrator can get the weights of a model, if it has any, with one request."""
        is_installed = self._registry.engine(declared.name).is_installed()
        return is_installed and bool(not declared.needs_weights or declared.source or declared.has_mirrors)

    def _absent_choice(self, stems: Sequence[str]) -> Choice:
        """Return the first model with the stems, although its weights are not present.

        Raises:
            AppError: ``VALIDATION_ERROR`` if no model has the stems.
        """
        able = [each.name for each in self._registry.models() if set(stems) <= set(each.outputs)]
        if not able:
            known = sorted({stem for each in self._registry.models() for stem in each.outputs})
            service.require_none({"stems": [f"are not those of one model; the models have: {', '.join(known)}"]})
        return Choice(able[0], f"auto chose {able[0]}: no weights are present for {', '.join(stems)}.")

    async def CreatePipelineJob(
        self, request: pb.CreatePipelineJobRequest, context: Context
    ) -> pb.CreatePipelineJobResponse:
        model = self._settings.pipeline_model or self._registry.default_model
        await self._availability.require(model)
        track = (await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=request.track_id))).track
        job, existed = await create_job(
            self._bus,
            self._jobs,
            self._kinds.pipeline,
            jobs_pb2.PipelineSpec(model=model),
            library_service_pb2.CreateJobRequest(
                track_id=request.track_id,
                idempotency_key=request.idempotency_key,
                # Each upload creates a new track, so requests are compared by the content of the recording.
                fingerprint=f"pipeline:{track.content_sha256}",
            ),
        )
        return pb.CreatePipelineJobResponse(job=job, existed=existed)

    async def CreateExportJob(self, request: pb.CreateExportJobRequest, context: Context) -> pb.CreateExportJobResponse:
        encoding = parse_export_format(request.format)
        await require_stems(self._tracks, request.track_id)
        job, existed = await create_job(
            self._bus,
            self._jobs,
            self._kinds.export,
            jobs_pb2.ExportSpec(format=encoding),
            library_service_pb2.CreateJobRequest(track_id=request.track_id, idempotency_key=request.idempotency_key),
        )
        return pb.CreateExportJobResponse(job=job, existed=existed)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        described = await described_models(self._registry, self._availability, self._speeds)
        facts = {model.name: model for model in described}
        return pb.ListModelsResponse(
            models=[
                pb.Model(
                    name=model.name,
                    description=model.description,
                    stems=model.outputs,
                    engine=self._registry.engine(model.name).name,
                    needs_weights=model.needs_weights,
                    facts=facts[model.name],
                )
                for model in self._registry.models()
            ]
        )

    async def DescribeModels(self, request: pb.DescribeModelsRequest, context: Context) -> pb.DescribeModelsResponse:
        models = await described_models(self._registry, self._availability, self._speeds)
        return pb.DescribeModelsResponse(models=models)

    async def FetchModel(self, request: pb.FetchModelRequest, context: Context) -> pb.FetchModelResponse:
        model = await fetched_model(self._registry, self._availability, request.name, allow=request.allow)
        return pb.FetchModelResponse(model=model)

    async def RenderMix(self, request: pb.RenderMixRequest, context: Context) -> pb.RenderMixResponse:
        return await self._mixes.render(request)

    async def GetLalalaiQuota(self, request: pb.GetLalalaiQuotaRequest, context: Context) -> pb.GetLalalaiQuotaResponse:
        return await self._lalalai.quota()

    async def CancelLalalaiTask(
        self, request: pb.CancelLalalaiTaskRequest, context: Context
    ) -> pb.CancelLalalaiTaskResponse:
        job = await self._lalalai.cancel(request.task_id)
        return pb.CancelLalalaiTaskResponse(job_id=job.id, task_ids=job.external_task.task_ids)

    async def CancelLalalaiTasks(
        self, request: pb.CancelLalalaiTasksRequest, context: Context
    ) -> pb.CancelLalalaiTasksResponse:
        jobs = await self._lalalai.cancel_all()
        task_ids = [task_id for job in jobs for task_id in job.external_task.task_ids]
        return pb.CancelLalalaiTasksResponse(job_ids=[job.id for job in jobs], task_ids=task_ids)


def _auto_fingerprint(request: pb.CreateJobRequest, wanted: service.SeparationSpec) -> str:
    parts = [AUTO, request.track_id, request.quality, wanted.format]
    if wanted.stems or wanted.chain:
        parts.append(",".join(wanted.stems))
    return ":".join([*parts, *(f"{step.stem}>{step.model}" for step in wanted.chain)])
