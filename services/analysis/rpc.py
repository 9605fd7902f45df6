"""The gRPC service of analysis: converts messages and calls the domain."""

import asyncio
from dataclasses import dataclass

from soundwright.analysis.v1 import analysis_service_pb2 as pb
from soundwright.analysis.v1 import analysis_service_pb2_grpc, jobs_pb2
from soundwright.kit.ports import Bus
from soundwright.kit.rpc import Context
from soundwright.kit.worker.commands import create_job
from soundwright.kit.worker.kind import JobKind
from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc
from soundwright.services.analysis import service
from soundwright.services.analysis.registry import Registry, available_features, remedies
from soundwright.services.analysis.spectrograms import Spectrograms


@dataclass(eq=False)
class AnalysisRpc(analysis_service_pb2_grpc.AnalysisServiceServicer):
    bus: Bus
    jobs: library_service_pb2_grpc.JobServiceStub
    tracks: library_service_pb2_grpc.TrackServiceStub
    kind: JobKind[jobs_pb2.AnalysisSpec]
    spectrograms: Spectrograms
    registry: Registry

    async def CreateJob(self, request: pb.CreateJobRequest, context: Context) -> pb.CreateJobResponse:
        available = await asyncio.to_thread(available_features, self.registry)
        wanted = service.parse_features(request.features, available, remedies(self.registry))
        job, existed = await create_job(
            self.bus,
            self.jobs,
            self.kind,
            jobs_pb2.AnalysisSpec(features=wanted.features),
            library_service_pb2.CreateJobRequest(track_id=request.track_id, idempotency_key=request.idempotency_key),
        )
        return pb.CreateJobResponse(job=job, existed=existed)

    async def RenderSpectrogram(
        self, request: pb.RenderSpectrogramRequest, context: Context
    ) -> pb.RenderSpectrogramResponse:
        wanted = library_service_pb2.GetStemRequest(stem_id=request.stem_id)
        stem = (await self.tracks.GetStem(wanted)).stem
        return pb.RenderSpectrogramResponse(blob_key=await self.spectrograms.render(stem))
