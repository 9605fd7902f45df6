"""Wire to domain and back, for generation."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import Any

from soundwright.generation.v1 import generation_service_pb2 as pb
from soundwright.generation.v1 import generation_service_pb2_grpc
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc

from kit.jobs import create_job
from kit.ports import Bus
from services.generation import service
from services.generation.settings import GenerationSettings

__all__ = ["GenerationRpc"]


class GenerationRpc(generation_service_pb2_grpc.GenerationServiceServicer):
    def __init__(self, bus: Bus, jobs: library_service_pb2_grpc.JobServiceStub, settings: GenerationSettings) -> None:
        self._bus = bus
        self._jobs = jobs
        self._settings = settings

    async def CreateJob(self, request: pb.CreateJobRequest, context: Any) -> pb.CreateJobResponse:
        job_id = uuid.uuid4()
        # A seed nobody chose still has to be the same in every attempt.
        seed = request.seed if request.seed >= 0 else job_id.int & 0x7FFFFFFF
        spec = service.parse_spec(
            request.prompt,
            request.duration_seconds,
            request.model or service.MODELS[0],
            seed,
            self._settings.generation_max_seconds,
        )
        wanted = dataclasses.asdict(spec)
        job, existed = await create_job(
            self._bus,
            self._jobs,
            "generation",
            library_service_pb2.CreateJobRequest(
                job_id=str(job_id),
                kind=job_pb2.JOB_KIND_GENERATION,
                spec_json=json.dumps(wanted),
                attempt_limit=self._settings.generation_attempt_limit,
                idempotency_key=request.idempotency_key,
                fingerprint=json.dumps({**wanted, "seed": request.seed}, sort_keys=True),
                priority=f"PRIORITY_{request.priority.upper()}" if request.priority in service.PRIORITIES else None,
            ),
        )
        return pb.CreateJobResponse(job=job, existed=existed)
