"""Wire to domain and back."""

from __future__ import annotations

from typing import Any

from soundwright.library.v1 import account_pb2, job_pb2, library_service_pb2_grpc, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb

from kit.errors import AppError, Code
from kit.identity import require_principal
from kit.log import correlation_id
from services.library.accounts import Accounts
from services.library.service import (
    Account,
    AudioOutput,
    Job,
    JobError,
    JobLedger,
    JobResult,
    JobState,
    NewJob,
    Priority,
    Stage,
    Track,
    Tracks,
)
from services.library.wire import require_service, time_from_wire, time_to_wire

__all__ = ["AccountRpc", "JobRpc", "TrackRpc", "job_to_wire"]

_PAGE_SIZE_LIMIT = 100


class AccountRpc(library_service_pb2_grpc.AccountServiceServicer):
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def AuthenticateToken(
        self, request: pb.AuthenticateTokenRequest, context: Any
    ) -> pb.AuthenticateTokenResponse:
        require_service()
        return pb.AuthenticateTokenResponse(account=_account_to_wire(await self._accounts.authenticate(request.token)))


class TrackRpc(library_service_pb2_grpc.TrackServiceServicer):
    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks

    async def CreateTrack(self, request: pb.CreateTrackRequest, context: Any) -> pb.CreateTrackResponse:
        track = await self._tracks.create(require_principal(), _track_from_wire(request.track))
        return pb.CreateTrackResponse(track=_track_to_wire(track))

    async def GetTrack(self, request: pb.GetTrackRequest, context: Any) -> pb.GetTrackResponse:
        track = await self._tracks.get(require_principal(), request.track_id)
        return pb.GetTrackResponse(track=_track_to_wire(track))

    async def ListTracks(self, request: pb.ListTracksRequest, context: Any) -> pb.ListTracksResponse:
        offset, limit = _page(request.page, request.page_size)
        tracks, total = await self._tracks.list_tracks(require_principal(), offset, limit)
        return pb.ListTracksResponse(tracks=[_track_to_wire(track) for track in tracks], total_count=total)

    async def GetStem(self, request: pb.GetStemRequest, context: Any) -> pb.GetStemResponse:
        stem = await self._tracks.stem(require_principal(), request.stem_id)
        return pb.GetStemResponse(stem=_output_to_wire(stem))

    async def ListStems(self, request: pb.ListStemsRequest, context: Any) -> pb.ListStemsResponse:
        stems = await self._tracks.stems(require_principal(), request.track_id)
        return pb.ListStemsResponse(stems=[_output_to_wire(stem) for stem in stems])

    async def GetAnalysis(self, request: pb.GetAnalysisRequest, context: Any) -> pb.GetAnalysisResponse:
        analysis = await self._tracks.analysis(require_principal(), request.track_id)
        return pb.GetAnalysisResponse(
            analysis=track_pb2.Analysis(
                track_id=analysis.track_id,
                job_id=analysis.job_id,
                owner_id=analysis.owner_id,
                engine=analysis.engine,
                features=analysis.features,
                values_json=analysis.values_json,
                create_time=time_to_wire(analysis.create_time),
            )
        )


class JobRpc(library_service_pb2_grpc.JobServiceServicer):
    def __init__(self, ledger: JobLedger) -> None:
        self._ledger = ledger

    async def CreateJob(self, request: pb.CreateJobRequest, context: Any) -> pb.CreateJobResponse:
        job, existed = await self._ledger.create(
            require_principal(),
            NewJob(
                kind=_kind_from_wire(request.kind),
                track_id=request.track_id,
                spec_json=request.spec_json,
                attempt_limit=request.attempt_limit,
                command_subject=request.command_subject,
                correlation_id=correlation_id(),
                job_id=request.job_id,
                idempotency_key=request.idempotency_key,
                fingerprint=request.fingerprint,
                priority=_priority_from_wire(request.priority),
                stages=[_stage_from_wire(stage) for stage in request.stages],
            ),
        )
        return pb.CreateJobResponse(job=job_to_wire(job), existed=existed)

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=job_to_wire(await self._ledger.get(require_principal(), request.job_id)))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        offset, limit = _page(request.page, request.page_size)
        jobs, total = await self._ledger.list_jobs(
            require_principal(),
            [_kind_from_wire(kind) for kind in request.kinds],
            [_STATES_FROM_WIRE[state] for state in request.states if state in _STATES_FROM_WIRE],
            request.track_id,
            offset,
            limit,
        )
        listed = [job_to_wire(job) for job in jobs]
        for job in listed:
            if job.HasField("result"):
                job.result.ClearField("values_json")  # a hundred of them would not fit into one message
        return pb.ListJobsResponse(jobs=listed, total_count=total)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.CancelJobResponse:
        return pb.CancelJobResponse(job=job_to_wire(await self._ledger.cancel(require_principal(), request.job_id)))

    async def ClaimJob(self, request: pb.ClaimJobRequest, context: Any) -> pb.ClaimJobResponse:
        require_service()
        job, claimed, retry = await self._ledger.claim(request.job_id, request.worker_id, request.lease_seconds)
        return pb.ClaimJobResponse(job=job_to_wire(job), claimed=claimed, retry_after_seconds=retry)

    async def HeartbeatJob(self, request: pb.HeartbeatJobRequest, context: Any) -> pb.HeartbeatJobResponse:
        require_service()
        cancel = await self._ledger.heartbeat(
            request.job_id,
            request.attempt,
            request.lease_seconds,
            request.progress_ratio,
            request.progress_message,
            [_stage_from_wire(stage) for stage in request.stages],
        )
        return pb.HeartbeatJobResponse(cancel_requested=cancel)

    async def SucceedJob(self, request: pb.SucceedJobRequest, context: Any) -> pb.SucceedJobResponse:
        require_service()
        job = await self._ledger.succeed(
            request.job_id,
            request.attempt,
            _result_from_wire(request.result),
            [_stage_from_wire(stage) for stage in request.stages],
        )
        return pb.SucceedJobResponse(job=job_to_wire(job))

    async def FailJob(self, request: pb.FailJobRequest, context: Any) -> pb.FailJobResponse:
        require_service()
        job = await self._ledger.fail(
            request.job_id,
            request.attempt,
            JobError(request.error.reason, request.error.message),
            request.cancelled,
            [_stage_from_wire(stage) for stage in request.stages],
        )
        return pb.FailJobResponse(job=job_to_wire(job))

    async def ReleaseJob(self, request: pb.ReleaseJobRequest, context: Any) -> pb.ReleaseJobResponse:
        require_service()
        error = JobError(request.error.reason, request.error.message) if request.HasField("error") else None
        job = await self._ledger.release(
            request.job_id, request.attempt, request.delay_seconds, error, request.refund_attempt
        )
        return pb.ReleaseJobResponse(job=job_to_wire(job))


def _page(page: int, page_size: int) -> tuple[int, int]:
    size = min(_PAGE_SIZE_LIMIT, page_size or 20)
    return (max(1, page) - 1) * size, size


_STATES = {
    JobState.QUEUED: job_pb2.JOB_STATE_QUEUED,
    JobState.RUNNING: job_pb2.JOB_STATE_RUNNING,
    JobState.SUCCEEDED: job_pb2.JOB_STATE_SUCCEEDED,
    JobState.FAILED: job_pb2.JOB_STATE_FAILED,
    JobState.CANCELLED: job_pb2.JOB_STATE_CANCELLED,
}
_STATES_FROM_WIRE = {value: key for key, value in _STATES.items()}


def _kind_from_wire(kind: job_pb2.JobKind) -> str:
    if kind == job_pb2.JOB_KIND_UNSPECIFIED:
        raise AppError(Code.INVALID_ARGUMENT, "JOB_KIND_INVALID", "The job needs a kind.")
    return job_pb2.JobKind.Name(kind).removeprefix("JOB_KIND_").lower()


def _priority_from_wire(priority: job_pb2.Priority) -> Priority | None:
    if priority == job_pb2.PRIORITY_UNSPECIFIED:
        return None
    return Priority(job_pb2.Priority.Name(priority).removeprefix("PRIORITY_").lower())


def _account_to_wire(account: Account) -> account_pb2.Account:
    return account_pb2.Account(
        id=account.id,
        email=account.email,
        role=account.role,
        status=account.status,
        create_time=time_to_wire(account.create_time),
    )


def _stage_from_wire(stage: job_pb2.Stage) -> Stage:
    return Stage(
        name=stage.name,
        processor_type=stage.processor_type,
        state=_STATES_FROM_WIRE.get(stage.state, JobState.QUEUED),
        start_time=time_from_wire(stage, "start_time"),
        finish_time=time_from_wire(stage, "finish_time"),
        error_message=stage.error_message,
    )


def _stage_to_wire(stage: Stage) -> job_pb2.Stage:
    return job_pb2.Stage(
        name=stage.name,
        processor_type=stage.processor_type,
        state=_STATES[stage.state],
        start_time=time_to_wire(stage.start_time),
        finish_time=time_to_wire(stage.finish_time),
        error_message=stage.error_message,
    )


def _output_to_wire(output: AudioOutput) -> job_pb2.AudioOutput:
    return job_pb2.AudioOutput(
        id=output.id,
        name=output.name,
        blob_key=output.blob_key,
        content_type=output.content_type,
        size_bytes=output.size_bytes,
        sample_rate_hz=output.sample_rate_hz,
        channel_count=output.channel_count,
        frame_count=output.frame_count,
        peak=output.peak,
        clipped_sample_count=output.clipped_sample_count,
        job_id=output.job_id,
        track_id=output.track_id,
        owner_id=output.owner_id,
        path=output.path,
        create_time=time_to_wire(output.create_time),
    )


def _output_from_wire(output: job_pb2.AudioOutput) -> AudioOutput:
    return AudioOutput(
        id=output.id,
        name=output.name,
        blob_key=output.blob_key,
        content_type=output.content_type,
        size_bytes=output.size_bytes,
        sample_rate_hz=output.sample_rate_hz,
        channel_count=output.channel_count,
        frame_count=output.frame_count,
        peak=output.peak,
        clipped_sample_count=output.clipped_sample_count,
        job_id=output.job_id,
        track_id=output.track_id,
        owner_id=output.owner_id,
        path=output.path,
        create_time=time_from_wire(output, "create_time") or 0.0,
    )


def _result_from_wire(result: job_pb2.JobResult) -> JobResult:
    return JobResult(
        engine=result.engine,
        model=result.model,
        degraded=result.degraded,
        requested_model=result.requested_model,
        degraded_reason=result.degraded_reason,
        compute_seconds=result.compute_seconds,
        outputs=[_output_from_wire(output) for output in result.outputs],
        values_json=result.values_json,
        features=list(result.features),
    )


def _result_to_wire(result: JobResult | None) -> job_pb2.JobResult | None:
    if result is None:
        return None
    return job_pb2.JobResult(
        engine=result.engine,
        model=result.model,
        degraded=result.degraded,
        requested_model=result.requested_model,
        degraded_reason=result.degraded_reason,
        compute_seconds=result.compute_seconds,
        outputs=[_output_to_wire(output) for output in result.outputs],
        values_json=result.values_json,
        features=result.features,
    )


def job_to_wire(job: Job) -> job_pb2.Job:
    return job_pb2.Job(
        id=job.id,
        kind=f"JOB_KIND_{job.kind.upper()}",
        owner_id=job.owner_id,
        track_id=job.track_id,
        state=_STATES[job.state],
        progress_ratio=job.progress_ratio,
        progress_message=job.progress_message,
        attempt=job.attempt,
        attempt_limit=job.attempt_limit,
        priority=f"PRIORITY_{job.priority.upper()}",
        spec_json=job.spec_json,
        result=_result_to_wire(job.result),
        error=job_pb2.JobError(reason=job.error.reason, message=job.error.message) if job.error else None,
        cancel_requested=job.cancel_requested,
        stages=[_stage_to_wire(stage) for stage in job.stages],
        correlation_id=job.correlation_id,
        create_time=time_to_wire(job.create_time),
        start_time=time_to_wire(job.start_time),
        finish_time=time_to_wire(job.finish_time),
        idempotency_key=job.idempotency_key or "",
        command_subject=job.command_subject,
    )


def _track_from_wire(track: track_pb2.Track) -> Track:
    return Track(
        id=track.id,
        owner_id=track.owner_id,
        title=track.title,
        artist=track.artist,
        album=track.album,
        source=track.source,
        filename=track.filename,
        blob_key=track.blob_key,
        content_type=track.content_type,
        content_sha256=track.content_sha256,
        size_bytes=track.size_bytes,
        container=track.container,
        codec=track.codec,
        sample_rate_hz=track.sample_rate_hz,
        channel_count=track.channel_count,
        frame_count=track.frame_count,
        duration_seconds=track.duration_seconds,
        warnings=list(track.warnings),
        create_time=time_from_wire(track, "create_time") or 0.0,
        update_time=time_from_wire(track, "update_time") or 0.0,
    )


def _track_to_wire(track: Track) -> track_pb2.Track:
    return track_pb2.Track(
        id=track.id,
        owner_id=track.owner_id,
        title=track.title,
        artist=track.artist,
        album=track.album,
        source=track.source,
        filename=track.filename,
        blob_key=track.blob_key,
        content_type=track.content_type,
        content_sha256=track.content_sha256,
        size_bytes=track.size_bytes,
        container=track.container,
        codec=track.codec,
        sample_rate_hz=track.sample_rate_hz,
        channel_count=track.channel_count,
        frame_count=track.frame_count,
        duration_seconds=track.duration_seconds,
        warnings=track.warnings,
        create_time=time_to_wire(track.create_time),
        update_time=time_to_wire(track.update_time),
    )
