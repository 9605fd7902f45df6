"""Analysis: start, poll, fetch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, field_validator
from soundwright.analysis.v1 import analysis_service_pb2 as pb
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from starlette.responses import Response

from services.gateway.clients import Gateway
from services.gateway.forge.jobs import own_job
from services.gateway.forge.tracks import own_track
from services.gateway.forge.wire import data, error_text, json_text, progress, splice, status, time_to_wire
from services.gateway.params import body_of, body_schema, idempotency_key

__all__ = ["analysis_routes"]


class AnalyzeParameters(BaseModel):
    """What to measure."""

    track_id: str = Field(min_length=1)
    features: list[str] = Field(
        default=["all"], max_length=50, description="tempo, key, energy, spectral, mfcc, chroma, all"
    )

    @field_validator("features", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        """A form, or a client in a hurry, gives one name or several with commas between."""
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        return ["all"] if value is None else value


def analysis_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/analysis", tags=["analysis"])
    clients = gateway.clients

    @router.post("/analyze", openapi_extra=body_schema(AnalyzeParameters), status_code=201)
    async def analyze(
        request: Request, parameters: Annotated[AnalyzeParameters, Depends(body_of(AnalyzeParameters))]
    ) -> Response:
        """Measure a track."""
        track = await own_track(clients, parameters.track_id)
        answer = await clients.analysis.CreateJob(
            pb.CreateJobRequest(
                track_id=track.id, features=parameters.features, idempotency_key=idempotency_key(request)
            )
        )
        job = answer.job
        return data({"job_id": job.id, "track_id": job.track_id, "status": status(job)}, 200 if answer.existed else 201)

    @router.get("/job/{job_id}")
    async def get_job(job_id: str) -> Response:
        """How an analysis is going; its values once it is completed."""
        job = await own_job(clients, job_id, job_pb2.JOB_KIND_ANALYSIS)
        head = {
            "id": job.id,
            "track_id": job.track_id,
            "status": status(job),
            "progress": progress(job),
            "engine": job.result.engine or None,
            "error": error_text(job),
        }
        # The values may be megabytes: they are passed on as they are, not read and written again.
        result = job.result.values_json or "null"
        return json_text('{"data":' + splice(head, '{"result":' + result + "}") + "}")

    @router.get("/{track_id}")
    async def get_analysis(track_id: str) -> Response:
        """The latest values of a track."""
        track = await own_track(clients, track_id)
        analysis = (await clients.tracks.GetAnalysis(library_pb.GetAnalysisRequest(track_id=track.id))).analysis
        head = {
            "track_id": track.id,
            "job_id": analysis.job_id,
            "engine": analysis.engine,
            "analyzed_at": time_to_wire(analysis, "create_time"),
        }
        return json_text('{"data":' + splice(head, analysis.values_json) + "}")

    return router
