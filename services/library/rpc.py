"""Wire to domain and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from soundwright.library.v1 import job_pb2, library_service_pb2_grpc, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb

from kit.errors import AppError, Code
from kit.identity import require_principal, require_service
from kit.log import correlation_id
from services.library.admission import Limits, NewJob
from services.library.ledger import JobLedger
from services.library.queue import JobQueue
from services.library.service import Job, JobError, JobResult, OutsideWork, Priority, Stage, Track
from services.library.track_deletions import TrackDeletions
from services.library.tracks import EDITABLE, TrackFilter, Tracks, TrackSort, TrackStatus
from services.library.wire import from_wire, page_bounds, to_wire, word_from_wire

__all__ = ["JobRpc", "TrackRpc", "job_to_wire"]

_PAGE_SIZE_LIMIT = 100


class TrackRpc(library_service_pb2_grpc.TrackServiceServicer):
    def __init__(self, tracks: Tracks, deletions: TrackDeletions) -> None:
        self._tracks = tracks
        self._deletions = deletions

    async def CreateTrack(self, request: pb.CreateTrackRequest, context: Any) -> pb.CreateTrackResponse:
        track = await self._tracks.create(require_principal(), from_wire(request.track, Track))
        return pb.CreateTrackResponse(track=to_wire(track, track_pb2.Track))

    async def GetTrack(self, request: pb.GetTrackRequest, context: Any) -> pb.GetTrackResponse:
        track = await self._tracks.get(require_principal(), request.track_id)
        return pb.GetTrackResponse(track=to_wire(track, track_pb2.Track))

    async def ListTracks(self, request: pb.ListTracksRequest, context: Any) -> pb.ListTracksResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        principal = require_principal()
        sort = TrackSort(word_from_wire(pb.TrackSort.DESCRIPTOR, request.sort) or TrackSort.CREATE_TIME)
        status = word_from_wire(pb.TrackStatus.DESCRIPTOR, request.status)
        chosen = TrackFilter(
            owner_id=principal.id,
            search=request.search,
            status=TrackStatus(status) if status else None,
            artist=request.artist,
            album=request.album,
            tag=request.tag,
            source=request.source,
            key=request.key,
            min_bpm=request.min_bpm if request.HasField("min_bpm") else None,
            max_bpm=request.max_bpm if request.HasField("max_bpm") else None,
        )
        descending = request.descending if request.HasField("descending") else sort.descending
        tracks, total = await self._tracks.list_tracks(principal, chosen, sort, descending, offset, limit)
        return pb.ListTracksResponse(tracks=[to_wire(track, track_pb2.Track) for track in tracks], total_count=total)

    async def UpdateTrack(self, request: pb.UpdateTrackRequest, context: Any) -> pb.UpdateTrackResponse:
        if unknown := set(request.fields) - set(EDITABLE):
            raise AppError(
                Code.INVALID_ARGUMENT, "FIELD_INVALID", f"These cannot be changed: {', '.join(sorted(unknown))}."
            )
        given = from_wire(request.track, Track)
        new = {field: getattr(given, field) for field in request.fields}
        track = await self._tracks.update(require_principal(), request.track_id, new)
        return pb.UpdateTrackResponse(track=to_wire(track, track_pb2.Track))

    async def DeleteTrack(self, request: pb.DeleteTrackRequest, context: Any) -> pb.DeleteTrackResponse:
        await self._deletions.delete(require_principal(), request.track_id)
        return pb.DeleteTrackResponse()

    async def GetStem(self, request: pb.GetStemRequest, context: Any) -> pb.GetStemResponse:
        stem = await self._tracks.stem(require_principal(), request.stem_id)
        return pb.GetStemResponse(stem=to_wire(stem, job_pb2.AudioOutput))

    async def ListStems(self, request: pb.ListStemsRequest, context: Any) -> pb.ListStemsResponse:
        stems = await self._tracks.stems(require_principal(), request.track_id)
        return pb.ListStemsResponse(stems=[to_wire(stem, job_pb2.AudioOutput) for stem in stems])

    async def GetAnalysis(self, request: pb.GetAnalysisRequest, context: Any) -> pb.GetAnalysisResponse:
        analysis = await self._tracks.analysis(require_principal(), request.track_id)
        return pb.GetAnalysisResponse(analysis=to_wire(analysis, track_pb2.Analysis))


class JobRpc(library_service_pb2_grpc.JobServiceServicer):
    def __init__(self, ledger: JobLedger, queue: JobQueue) -> None:
        self._ledger = ledger
        self._queue = queue

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
                stages=_stages_from_wire(request.stages),
                affinity=request.affinity,
                work_seconds=request.work_seconds,
                limits=Limits(request.pending_limit, request.hourly_limit, request.queue_limit),
            ),
        )
        return pb.CreateJobResponse(job=job_to_wire(job), existed=existed)

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        job = await self._ledger.get(require_principal(), request.job_id)
        position, wait_seconds = await self._queue.place(job) if request.with_position else (0, 0.0)
        return pb.GetJobResponse(job=job_to_wire(job), position=position, estimated_wait_seconds=wait_seconds)

    async def GetQueue(self, request: pb.GetQueueRequest, context: Any) -> pb.GetQueueResponse:
        queue = await self._queue.look(require_principal(), _kind_from_wire(request.kind))
        return to_wire(queue, pb.GetQueueResponse)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        jobs, total = await self._ledger.list_jobs(
            require_principal(),
            [_kind_from_wire(kind) for kind in request.kinds],
            [word for state in request.states if (word := word_from_wire(job_pb2.JobState.DESCRIPTOR, state))],
            request.track_id,
            offset,
            limit,
            request.oldest_first,
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
            _stages_from_wire(request.stages),
            from_wire(request.outside_work, OutsideWork) if request.HasField("outside_work") else None,
        )
        return pb.HeartbeatJobResponse(cancel_requested=cancel)

    async def SucceedJob(self, request: pb.SucceedJobRequest, context: Any) -> pb.SucceedJobResponse:
        require_service()
        job = await self._ledger.succeed(
            request.job_id,
            request.attempt,
            from_wire(request.result, JobResult),
            _stages_from_wire(request.stages),
        )
        return pb.SucceedJobResponse(job=job_to_wire(job))

    async def FailJob(self, request: pb.FailJobRequest, context: Any) -> pb.FailJobResponse:
        require_service()
        job = await self._ledger.fail(
            request.job_id,
            request.attempt,
            from_wire(request.error, JobError),
            request.cancelled,
            _stages_from_wire(request.stages),
        )
        return pb.FailJobResponse(job=job_to_wire(job))

    async def ReleaseJob(self, request: pb.ReleaseJobRequest, context: Any) -> pb.ReleaseJobResponse:
        require_service()
        error = from_wire(request.error, JobError) if request.HasField("error") else None
        job = await self._ledger.release(
            request.job_id, request.attempt, request.delay_seconds, error, request.refund_attempt
        )
        return pb.ReleaseJobResponse(job=job_to_wire(job))


def _kind_from_wire(kind: job_pb2.JobKind) -> str:
    word = word_from_wire(job_pb2.JobKind.DESCRIPTOR, kind)
    if word is None:
        raise AppError(Code.INVALID_ARGUMENT, "JOB_KIND_INVALID", "The job needs a kind.")
    return word


def _priority_from_wire(priority: job_pb2.Priority) -> Priority | None:
    word = word_from_wire(job_pb2.Priority.DESCRIPTOR, priority)
    return Priority(word) if word else None


def _stages_from_wire(stages: Iterable[job_pb2.Stage]) -> list[Stage]:
    return [from_wire(stage, Stage) for stage in stages]


def job_to_wire(job: Job) -> job_pb2.Job:
    return to_wire(job, job_pb2.Job)
