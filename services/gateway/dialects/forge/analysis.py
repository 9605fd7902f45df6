"""Analysis: start an analysis, poll its job, get the latest values."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, field_validator
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.analysis.v1 import analysis_service_pb2 as pb
from soundwright.kit import errors
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import json_text, splice, started, time_to_wire
from soundwright.services.gateway.dialects.forge.shapes import AnalysisValues, Data, Started
from soundwright.services.gateway.job_views import JobStatus, error_text, progress, status
from soundwright.services.gateway.openapi.responses import Percent, Time, Uuid, documented
from soundwright.services.gateway.records import own_job, own_track
from soundwright.services.gateway.wire.parameters import IdempotencyKey, JobId, TrackId, body_of, body_schema


class AnalyzeParameters(BaseModel):
    """The track to analyse and the features to measure."""

    track_id: str = Field(
        min_length=1, description="The track's ID.", examples=["0f8fad5b-d9cb-469f-a165-70867728950e"]
    )
    features: list[str] = Field(
        default=["all"],
        max_length=50,
        description="Features to measure: `tempo`, `key`, `energy`, `spectral`, `mfcc`, `chroma`, `chords`, `bars`, `sections`, "
        "`notes`, `piano_notes`, `melody`, `vocal_activity`, `lyrics`, or `all` that this server can measure. `piano_notes`, which are "
        "read from the piano stem or else from the mix, and `lyrics` take longer than all others together, so `all` does not "
        "include them.",
        examples=[["tempo", "key"]],
    )

    @field_validator("features", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        """Accept a comma-separated string, which forms send, and null for the default."""
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        return ["all"] if value is None else value


class AnalysisJob(TypedDict):
    """An analysis job."""

    id: Uuid
    track_id: Uuid
    status: Annotated[JobStatus, Field(examples=["completed"])]
    progress: Annotated[Percent, Field(examples=[100])]
    engine: Annotated[str | None, Field(examples=["librosa"])]
    error: Annotated[str | None, Field(description="Why the job failed.")]
    result: Annotated[AnalysisValues | None, Field(description="The measured values. Null until completed.")]


class Analysis(AnalysisValues):
    """What the analyses of a track measured. Job, engine and time are those of the latest one."""

    track_id: Uuid
    job_id: Uuid
    engine: Annotated[str, Field(examples=["librosa"])]
    analyzed_at: Time | None


def analysis_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/analysis", tags=["forge analysis"])
    clients = gateway.clients

    @router.post("/analyze", openapi_extra=body_schema(AnalyzeParameters))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(
        Data[Started],
        errors.TRACK_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        errors.TOO_MANY_PENDING,
        errors.QUEUE_FULL,
        errors.MODEL_UNAVAILABLE,
        errors.VALIDATION_ERROR,
        status=201,
        idempotent=True,
    )
    async def analyze(
        parameters: Annotated[AnalyzeParameters, Depends(body_of(AnalyzeParameters))], idempotency_key: IdempotencyKey
    ) -> Response:
        """Start an analysis of a track.

        Some features need models. If this server lacks one of them, the result names its features in `unavailable`. Notes,
        melody, vocal activity and lyrics are read from the stems of the track if it has some.
        """
        track = await own_track(clients, parameters.track_id, needs_audio=True)
        answer = await clients.analysis.CreateJob(
            pb.CreateJobRequest(track_id=track.id, features=parameters.features, idempotency_key=idempotency_key)
        )
        return started(answer)

    @router.get("/job/{job_id}")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(Data[AnalysisJob], errors.ACCESS_DENIED, errors.JOB_NOT_FOUND)
    async def get_analysis_job(job_id: JobId) -> Response:
        """Get the status of an analysis, and its values once it is completed."""
        job = await own_job(clients, job_id, job_pb2.JOB_KIND_ANALYSIS)
        head = {
            "id": job.id,
            "track_id": job.track_id,
            "status": status(job),
            "progress": progress(job),
            "engine": job.result.engine or None,
            "error": error_text(job),
        }
        # The values may be several megabytes, so the gateway does not parse them.
        result = job.result.analysis_json or "null"
        return json_text('{"data":' + splice(head, '{"result":' + result + "}") + "}")

    @router.get("/{track_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Analysis], errors.TRACK_NOT_FOUND, errors.ANALYSIS_NOT_FOUND)
    async def get_analysis(track_id: TrackId) -> Response:
        """Get what the analyses of a track measured: each feature from the latest analysis that has it."""
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
