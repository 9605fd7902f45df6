"""Analysis: start, poll, fetch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, field_validator
from soundwright.analysis.v1 import analysis_service_pb2 as pb
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from starlette.responses import Response
from typing_extensions import TypedDict

from services.gateway import refusals
from services.gateway.answers import Percent, Time, Uuid, answers
from services.gateway.clients import Gateway
from services.gateway.forge.jobs import own_job
from services.gateway.forge.shapes import AnalysisValues, Data, JobStatus, Started
from services.gateway.forge.tracks import own_track
from services.gateway.forge.wire import data, error_text, json_text, progress, splice, status, time_to_wire
from services.gateway.params import IdempotencyKey, JobId, TrackId, body_of, body_schema

__all__ = ["analysis_routes"]


class AnalyzeParameters(BaseModel):
    """What to measure."""

    track_id: str = Field(
        min_length=1, description="which recording", examples=["0f8fad5b-d9cb-469f-a165-70867728950e"]
    )
    features: list[str] = Field(
        default=["all"],
        max_length=50,
        description="tempo, key, energy, spectral, mfcc, chroma, all",
        examples=[["tempo", "key"]],
    )

    @field_validator("features", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        """A form, or a client in a hurry, gives one name or several with commas between."""
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        return ["all"] if value is None else value


class AnalysisJob(TypedDict):
    """An analysis that was asked for."""

    id: Uuid
    track_id: Uuid
    status: Annotated[JobStatus, Field(examples=["completed"])]
    progress: Annotated[Percent, Field(examples=[100])]
    engine: Annotated[str | None, Field(examples=["librosa"])]
    error: Annotated[str | None, Field(description="why it failed", examples=[None])]
    result: Annotated[AnalysisValues | None, Field(description="null until it is completed")]


class Analysis(AnalysisValues):
    """The latest values of a track."""

    track_id: Uuid
    job_id: Uuid
    engine: Annotated[str, Field(examples=["librosa"])]
    analyzed_at: Time | None


def analysis_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/analysis", tags=["forge analysis"])
    clients = gateway.clients

    @router.post("/analyze", openapi_extra=body_schema(AnalyzeParameters))
    @answers(Data[Started], refusals.TRACK_NOT_FOUND, refusals.VALIDATION_ERROR, status=201, repeatable=True)
    async def analyze(
        parameters: Annotated[AnalyzeParameters, Depends(body_of(AnalyzeParameters))], idempotency_key: IdempotencyKey
    ) -> Response:
        """Measure a track."""
        track = await own_track(clients, parameters.track_id)
        answer = await clients.analysis.CreateJob(
            pb.CreateJobRequest(track_id=track.id, features=parameters.features, idempotency_key=idempotency_key)
        )
        job = answer.job
        started: Started = {"job_id": job.id, "track_id": job.track_id, "status": status(job)}
        return data(started, 200 if answer.existed else 201)

    @router.get("/job/{job_id}")
    @answers(Data[AnalysisJob], refusals.ACCESS_DENIED, refusals.JOB_NOT_FOUND)
    async def get_analysis_job(job_id: JobId) -> Response:
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
    @answers(Data[Analysis], refusals.TRACK_NOT_FOUND, refusals.ANALYSIS_NOT_FOUND)
    async def get_analysis(track_id: TrackId) -> Response:
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
