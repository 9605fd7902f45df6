"""Wire to domain and back, for separation."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from soundwright.kit.engines import MeasuredSpeeds, ModelAvailability, ModelDeclaration
from soundwright.kit.ports import Bus
from soundwright.kit.rpc import Context
from soundwright.kit.worker.commands import create_batch, create_job
from soundwright.kit.worker.kind import JobKind
from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc, track_pb2
from soundwright.separation.v1 import jobs_pb2, separation_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.services.separation import batches, service
from soundwright.services.separation.choice import (
    AUTO,
    Candidate,
    Choice,
    choose,
    estimated_seconds,
    mean_gain_db,
    measured_gain_db,
    needed_stems,
    parse_quality,
)
from soundwright.services.separation.export import parse_export_format, require_stems
from soundwright.services.separation.lalalai.tasks import LalalaiTasks
from soundwright.services.separation.mixes import Mixes
from soundwright.services.separation.plans import all_models, parse_request
from soundwright.services.separation.registry import Registry
from soundwright.services.separation.settings import SeparationSettings


@dataclass(frozen=True)
class SeparationKinds:
    """The descriptors of the jobs that separation creates."""

    separation: JobKind[jobs_pb2.SeparationSpec]
    pipeline: JobKind[jobs_pb2.PipelineSpec]
    lalalai: JobKind[jobs_pb2.SeparationSpec]
    export: JobKind[jobs_pb2.ExportSpec]


@dataclass(eq=False)
class SeparationRpc(separation_service_pb2_grpc.SeparationServiceServicer):
    bus: Bus
    jobs: library_service_pb2_grpc.JobServiceStub
    tracks: library_service_pb2_grpc.TrackServiceStub
    kinds: SeparationKinds
    registry: Registry
    availability: ModelAvailability
    speeds: MeasuredSpeeds
    mixes: Mixes
    lalalai: LalalaiTasks
    settings: SeparationSettings
    has_gpu: bool

    async def CreateJob(self, request: pb.CreateJobRequest, context: Context) -> pb.CreateJobResponse:
        wanted = await self._wanted(request.track_id, request.parameters, request.idempotency_key)
        job, existed = await create_job(self.bus, self.jobs, *wanted)
        return pb.CreateJobResponse(job=job, existed=existed)

    async def CreateBatch(self, request: pb.CreateBatchRequest, context: Context) -> pb.CreateBatchResponse:
        tracks = await batches.usable_tracks(self.tracks, request.track_ids)
        wanted = await batches.for_each(lambda track: self._wanted(track.id, request.parameters, track=track), tracks)
        spec = jobs_pb2.BatchSpec(parameters=request.parameters, track_ids=request.track_ids)
        batch, existed = await create_batch(self.bus, self.jobs, spec, request.idempotency_key, wanted)
        return pb.CreateBatchResponse(batch=batch, existed=existed)

    async def _wanted(
        self,
        track_id: str,
        asked: jobs_pb2.SeparationParameters,
        idempotency_key: str = "",
        track: track_pb2.Track | None = None,
    ) -> tuple[JobKind[jobs_pb2.SeparationSpec], jobs_pb2.SeparationSpec, library_service_pb2.CreateJobRequest]:
        """Check the parameters of a separation. Return its kind, its specification, and the request for the ledger."""
        spec = await self._parsed(track_id, asked, track)
        kind, models = self.kinds.separation, all_models(spec.parameters)
        if spec.parameters.engine == service.LALALAI:
            kind = self.kinds.lalalai
            await self.lalalai.require_key()
        elif len(models) > 1:
            await self.availability.require_all(models)
        else:
            await self.availability.require(spec.model, spec.parameters.stems)
        return (
            kind,
            spec,
            library_service_pb2.CreateJobRequest(
                track_id=track_id,
                idempotency_key=idempotency_key,
                # The choice may change with the weights on the server, and a repeated request does not change with it.
                fingerprint=_auto_fingerprint(track_id, asked, spec) if spec.model_reason else "",
            ),
        )

    async def _parsed(
        self, track_id: str, asked: jobs_pb2.SeparationParameters, track: track_pb2.Track | None = None
    ) -> jobs_pb2.SeparationSpec:
        """Return the specification of a request, with the model that ``auto`` chooses and why."""
        quality = parse_quality(asked.model, asked.quality)
        if asked.model != AUTO or asked.engine == service.LALALAI or asked.models:
            return parse_request(asked, self.registry)
        usable = await self.availability.usable()
        stems = needed_stems(asked)
        candidates = [self._candidate(each, each.name in usable) for each in self.registry.models()]
        track = track or await self._track(track_id)
        choice = choose(candidates, stems, quality, track.duration_seconds, self.has_gpu) or self._absent_choice(stems)
        chosen = jobs_pb2.SeparationParameters()
        chosen.CopyFrom(asked)
        chosen.model = choice.model
        spec = parse_request(chosen, self.registry)
        spec.model_reason = choice.reason
        return spec

    async def _track(self, track_id: str) -> track_pb2.Track:
        return (await self.tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))).track

    def _candidate(self, declared: ModelDeclaration, is_available: bool) -> Candidate:
        return Candidate(declared, is_available, self.speeds.get(declared.name))

    async def PlanJobs(self, request: pb.PlanJobsRequest, context: Context) -> pb.PlanJobsResponse:
        tracks = await batches.usable_tracks(self.tracks, request.track_ids)
        return pb.PlanJobsResponse(
            plans=await batches.for_each(lambda track: self._plan(track, request.parameters), tracks)
        )

    async def _plan(self, track: track_pb2.Track, asked: jobs_pb2.SeparationParameters) -> pb.JobPlan:
        spec = await self._parsed(track.id, asked, track)
        plan = pb.JobPlan(
            track_id=track.id, requested_model=spec.model, model=spec.model, model_reason=spec.model_reason
        )
        if spec.parameters.engine == service.LALALAI:
            return plan
        models = [self.registry.declaration(model) for model in all_models(spec.parameters)]
        for each in models:  # a job of several models runs no fallback
            await self.availability.check(each.name, spec.parameters.stems if len(models) == 1 else None)
        stems = needed_stems(spec.parameters)
        if len(models) == 1:
            selection = await self.availability.expected(spec.model, spec.parameters.stems)
            plan.model, plan.degraded_reason, plan.degraded_details = (
                selection.model,
                selection.reason,
                selection.details,
            )
            models = [self.registry.declaration(selection.model)]
            if (gain_db := measured_gain_db(models[0], stems)) is not None:
                plan.gain_db = gain_db
        seconds = track.duration_seconds
        candidates = [self._candidate(each, True) for each in models]
        plan.measured = all(each.speed for each in candidates)
        plan.estimated_seconds = sum(estimated_seconds(each, seconds, self.has_gpu) for each in candidates)
        if spec.model_reason:
            quality = parse_quality(asked.model, asked.quality)
            fetchable = [self._candidate(each, self._may_be_fetched(each)) for each in self.registry.models()]
            better = choose(fetchable, stems, quality, seconds, self.has_gpu)
            if better and mean_gain_db(self.registry.declaration(better.model), stems) > mean_gain_db(models[0], stems):
                plan.better_model = better.model
        return plan

    def _may_be_fetched(self, declared: ModelDeclaration) -> bool:
        """Return whether an administrator can get the weights of a model, if it has any, with one request."""
        is_installed = self.registry.engine(declared.name).is_installed()
        return is_installed and bool(not declared.needs_weights or declared.source or declared.has_mirrors)

    def _absent_choice(self, stems: Sequence[str]) -> Choice:
        """Return the first model with the stems, although its weights are not present.

        Raises ``VALIDATION_ERROR`` if no model has the stems.
        """
        able = [each.name for each in self.registry.models() if set(stems) <= set(each.outputs)]
        if not able:
            known = sorted({stem for each in self.registry.models() for stem in each.outputs})
            service.require_none({"stems": [f"are not those of one model; the models have: {', '.join(known)}"]})
        return Choice(able[0], f"auto chose {able[0]}: no weights are present for {', '.join(stems)}.")

    async def CreatePipelineJob(
        self, request: pb.CreatePipelineJobRequest, context: Context
    ) -> pb.CreatePipelineJobResponse:
        model = self.settings.pipeline_model or self.registry.default_model
        await self.availability.require(model)
        track = (await self.tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=request.track_id))).track
        job, existed = await create_job(
            self.bus,
            self.jobs,
            self.kinds.pipeline,
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
        await require_stems(self.tracks, self.jobs, request.track_id, request.separation_id, encoding)
        job, existed = await create_job(
            self.bus,
            self.jobs,
            self.kinds.export,
            jobs_pb2.ExportSpec(format=encoding, separation_id=request.separation_id),
            library_service_pb2.CreateJobRequest(track_id=request.track_id, idempotency_key=request.idempotency_key),
        )
        return pb.CreateExportJobResponse(job=job, existed=existed)

    async def RenderMix(self, request: pb.RenderMixRequest, context: Context) -> pb.RenderMixResponse:
        return await self.mixes.render(request)

    async def GetLalalaiQuota(self, request: pb.GetLalalaiQuotaRequest, context: Context) -> pb.GetLalalaiQuotaResponse:
        return await self.lalalai.quota()

    async def CancelLalalaiTask(
        self, request: pb.CancelLalalaiTaskRequest, context: Context
    ) -> pb.CancelLalalaiTaskResponse:
        job = await self.lalalai.cancel(request.task_id)
        return pb.CancelLalalaiTaskResponse(job_id=job.id, task_ids=job.external_task.task_ids)

    async def CancelLalalaiTasks(
        self, request: pb.CancelLalalaiTasksRequest, context: Context
    ) -> pb.CancelLalalaiTasksResponse:
        jobs = await self.lalalai.cancel_all()
        task_ids = [task_id for job in jobs for task_id in job.external_task.task_ids]
        return pb.CancelLalalaiTasksResponse(job_ids=[job.id for job in jobs], task_ids=task_ids)


def _auto_fingerprint(track_id: str, asked: jobs_pb2.SeparationParameters, spec: jobs_pb2.SeparationSpec) -> str:
    """Return a text that is equal for equal requests of a track, whatever model was chosen."""
    same = jobs_pb2.SeparationParameters()
    same.CopyFrom(spec.parameters)
    same.model, same.quality = AUTO, asked.quality
    same.stems[:] = sorted(asked.stems)
    return hashlib.sha256(track_id.encode() + same.SerializeToString(deterministic=True)).hexdigest()
