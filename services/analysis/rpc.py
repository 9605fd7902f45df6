"""Wire to domain and back, for analysis."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from soundwright.analysis.v1 import analysis_service_pb2 as pb
from soundwright.analysis.v1 import analysis_service_pb2_grpc
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc

from kit.jobs import create_job
from kit.ports import Bus
from services.analysis import service
from services.analysis.settings import AnalysisSettings

__all__ = ["AnalysisRpc"]


class AnalysisRpc(analysis_service_pb2_grpc.AnalysisServiceServicer):
    def __init__(self, bus: Bus, jobs: library_service_pb2_grpc.JobServiceStub, settings: AnalysisSettings) -> None:
        self._bus = bus
        self._jobs = jobs
        self._settings = settings

    async def CreateJob(self, request: pb.CreateJobRequest, context: Any) -> pb.CreateJobResponse:
        spec = service.parse_features(request.features)
        job, existed = await create_job(
            self._bus,
            self._jobs,
            "analysis",
            library_service_pb2.CreateJobRequest(
                kind=job_pb2.JOB_KIND_ANALYSIS,
                track_id=request.track_id,
                spec_json=json.dumps(dataclasses.asdict(spec)),
                attempt_limit=self._settings.analysis_attempt_limit,
                idempotency_key=request.idempotency_key,
            ),
        )
        return pb.CreateJobResponse(job=job, existed=existed)
