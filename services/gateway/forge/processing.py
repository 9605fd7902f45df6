"""Separation: start, poll, list models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from soundwright.library.v1 import job_pb2
from soundwright.separation.v1 import separation_service_pb2 as pb
from starlette.responses import Response
from typing_extensions import TypedDict

from services.gateway import refusals
from services.gateway.answers import Percent, Seconds, Uuid, answers
from services.gateway.clients import Gateway
from services.gateway.forge.jobs import own_job
from services.gateway.forge.shapes import Data, JobStatus, Started, Stem
from services.gateway.forge.tracks import own_track
from services.gateway.forge.wire import data, error_text, progress, progress_message, spec_of, status, stem_to_wire
from services.gateway.params import IdempotencyKey, JobId, body_of, body_schema

__all__ = ["processing_routes"]

_DOCUMENTED_MODELS = ("htdemucs", "htdemucs_ft", "htdemucs_6s", "mdx_extra")


class SeparateParameters(BaseModel):
    """What to separate, and how."""

    track_id: str = Field(
        min_length=1, description="which recording", examples=["0f8fad5b-d9cb-469f-a165-70867728950e"]
    )
    model: str = Field(
        "", max_length=100, description="as GET /api/processing/models lists; empty: the default", examples=["htdemucs"]
    )
    engine: str = Field(
        "",
        max_length=100,
        description="local: whichever engine of ours runs the model; lalalai: lalal.ai, whose models are newest, andromeda, "
        "perseus, orion, phoenix and lyra",
    )
    format: str = Field("", max_length=20, description="of the stems: flac (default), wav16, wav24, wav32f")


class SeparationStarted(Started):
    """A separation that was accepted."""

    model: Annotated[str, Field(examples=["htdemucs"])]


class Separation(TypedDict):
    """A separation and its stems."""

    id: Uuid
    track_id: Uuid
    status: Annotated[JobStatus, Field(examples=["completed"])]
    progress: Annotated[Percent, Field(examples=[100])]
    message: Annotated[str | None, Field(description="what it is doing just now", examples=[None])]
    model: Annotated[str, Field(description="that made it, or will", examples=["htdemucs"])]
    engine: Annotated[str | None, Field(examples=["demucs"])]
    requested_model: Annotated[str, Field(examples=["htdemucs"])]
    degraded: Annotated[bool, Field(description="another model than the requested one made it")]
    degraded_reason: Annotated[str | None, Field(examples=[None])]
    compute_seconds: Seconds | None
    stems: Annotated[list[Stem], Field(description="none until it is completed")]
    lalalai_task_ids: Annotated[list[str], Field(description="what lalal.ai does for it", examples=[[]])]
    error: Annotated[str | None, Field(description="why it failed", examples=[None])]


class SeparationModel(TypedDict):
    """A model that can be asked for."""

    name: Annotated[str, Field(examples=["htdemucs"])]
    description: Annotated[str, Field(examples=["Hybrid Transformer Demucs, four stems"])]
    stems: Annotated[int, Field(description="how many", examples=[4])]
    stem_types: Annotated[list[str], Field(examples=[["drums", "bass", "other", "vocals"]])]
    engine: Annotated[str, Field(examples=["demucs"])]
    needs_weights: bool


class SeparationModels(TypedDict):
    models: list[SeparationModel]


def processing_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/processing", tags=["forge processing"])
    clients = gateway.clients

    @router.post("/separate", openapi_extra=body_schema(SeparateParameters))
    @answers(
        Data[SeparationStarted],
        refusals.TRACK_NOT_FOUND,
        refusals.VALIDATION_ERROR,
        refusals.MODEL_UNAVAILABLE,
        refusals.LALALAI_NOT_CONFIGURED,
        status=201,
        repeatable=True,
    )
    async def separate(
        parameters: Annotated[SeparateParameters, Depends(body_of(SeparateParameters))], idempotency_key: IdempotencyKey
    ) -> Response:
        """Take a track apart into stems."""
        track = await own_track(clients, parameters.track_id)
        answer = await clients.separation.CreateJob(
            pb.CreateJobRequest(
                track_id=track.id,
                model=parameters.model,
                engine=parameters.engine,
                format=parameters.format,
                idempotency_key=idempotency_key,
            )
        )
        job = answer.job
        started: SeparationStarted = {
            "job_id": job.id,
            "track_id": job.track_id,
            "model": _requested_model(job),
            "status": status(job),
        }
        return data(started, 200 if answer.existed else 201)

    @router.get("/job/{job_id}")
    @answers(Data[Separation], refusals.ACCESS_DENIED, refusals.JOB_NOT_FOUND)
    async def get_separation(job_id: JobId) -> Response:
        """How a separation is going; its stems once it is completed."""
        return data(separation_to_wire(await own_job(clients, job_id, job_pb2.JOB_KIND_SEPARATION)))

    @router.get("/models")
    @answers(Data[SeparationModels])
    async def list_models() -> Response:
        """The models that can be asked for."""
        answer = await clients.separation.ListModels(pb.ListModelsRequest())
        rank = {name: place for place, name in enumerate(_DOCUMENTED_MODELS)}
        ordered = sorted(answer.models, key=lambda model: rank.get(model.name, len(rank)))
        models: list[SeparationModel] = [
            {
                "name": model.name,
                "description": model.description,
                "stems": len(model.stems),
                "stem_types": list(model.stems),
                "engine": model.engine,
                "needs_weights": model.needs_weights,
            }
            for model in ordered
        ]
        return data({"models": models})

    return router


def separation_to_wire(job: job_pb2.Job) -> Separation:
    result = job.result if job.HasField("result") else None
    requested = _requested_model(job)
    return {
        "id": job.id,
        "track_id": job.track_id,
        "status": status(job),
        "progress": progress(job),
        "message": progress_message(job),
        "model": result.model if result else requested,
        "engine": result.engine if result else spec_of(job).get("engine") or None,
        "requested_model": requested,
        "degraded": result.degraded if result else False,
        "degraded_reason": (result.degraded_reason or None) if result else None,
        "compute_seconds": result.compute_seconds if result else None,
        "stems": [stem_to_wire(stem) for stem in result.outputs] if result else [],
        "lalalai_task_ids": list(job.outside_work.task_ids),
        "error": error_text(job),
    }


def _requested_model(job: job_pb2.Job) -> str:
    return str(job.result.requested_model or spec_of(job).get("model") or job.result.model)
