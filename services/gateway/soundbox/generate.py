"""Ask for clips, and see how they are coming along."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from soundwright.generation.v1 import generation_service_pb2 as pb
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from starlette.responses import JSONResponse, Response

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import answers
from services.gateway.clients import Gateway
from services.gateway.params import IdempotencyKey, require_uuid
from services.gateway.soundbox.dialect import SuccessRoute
from services.gateway.soundbox.identity import acting
from services.gateway.soundbox.params import (
    MODELS,
    ClipId,
    Integer,
    Number,
    Text,
    UserBody,
    body,
    fitted,
    json_values,
    refusal,
    user_of,
)
from services.gateway.soundbox.shapes import Accepted, ClipJob
from services.gateway.soundbox.wire import hex_id, job_to_wire

__all__ = ["find_job", "generate_routes", "job_routes", "job_view"]

_PRIORITIES = ("admin", "premium", "standard", "free")
_MAX_VARIATIONS = 8
_SEED_LIMIT = 2**63
"""What the wire holds."""
_LIMITS = frozenset({"TOO_MANY_PENDING", "HOURLY_LIMIT", "QUEUE_FULL"})
_REFUSALS = (
    refusals.USER_ID_FOREIGN,
    refusals.GENERATION_NOT_FOUND,
    refusals.TOO_MANY_PENDING,
    refusals.HOURLY_LIMIT,
    refusals.QUEUE_FULL,
    refusals.MODEL_UNAVAILABLE,
)


def _or(default: Any) -> BeforeValidator:
    """null is as good as nothing."""
    return BeforeValidator(lambda value: default if value is None else value)


def _digits(value: object) -> object:
    """A number that came as text."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() and len(value) < 20 else value


class GenerateBody(UserBody):
    """What to generate."""

    model_config = ConfigDict(json_schema_extra={"required": ["prompt"]})

    prompt: Text = Field(
        "",
        description="what it is to sound like",
        json_schema_extra={"minLength": 3, "maxLength": 500},
        examples=["peaceful ambient piano melody"],
    )
    duration: Annotated[Number, _or(8)] = Field(
        8, description="seconds; how many at most, says the caller's tier", json_schema_extra={"minimum": 1}
    )
    model: Annotated[str, _or("music")] = Field(
        "music", description="what makes it", json_schema_extra={"enum": list(MODELS)}
    )
    loop: bool = Field(False, description="the end goes over into the beginning")
    priority: Annotated[str, _or("standard")] = Field(
        "standard", description="a wish", json_schema_extra={"enum": list(_PRIORITIES)}
    )
    seed: Annotated[Integer, BeforeValidator(_digits), _or(-1)] = Field(
        -1,
        description="the same prompt and seed give the same clip; -1: any",
        json_schema_extra={"minimum": -1, "maximum": _SEED_LIMIT - 1},
    )
    variations: Annotated[Integer, BeforeValidator(_digits), _or(1)] = Field(
        1,
        description="so many clips, with seeds that follow each other",
        json_schema_extra={"minimum": 1, "maximum": _MAX_VARIATIONS},
    )
    continue_from: Text = Field("", description="id of a clip to go on from")

    @field_validator("prompt")
    @classmethod
    def _some_prompt(cls, value: str) -> str:
        if not value:
            raise refusal("Prompt is required")
        return value

    @field_validator("duration")
    @classmethod
    def _some_seconds(cls, value: float) -> float:
        if value < 1:
            raise refusal("duration must be at least 1")
        return value

    @field_validator("model", mode="before")
    @classmethod
    def _known_model(cls, value: object) -> object:
        if value is not None and value not in MODELS:
            raise refusal("Invalid model type")
        return value

    @field_validator("loop", mode="before")
    @classmethod
    def _truth(cls, value: object) -> bool:
        return value.strip().lower() not in ("", "0", "false", "no", "off") if isinstance(value, str) else bool(value)

    @field_validator("priority", mode="before")
    @classmethod
    def _known_priority(cls, value: object) -> object:
        return value if value in _PRIORITIES else "standard"

    @field_validator("seed", "variations")
    @classmethod
    def _in_range(cls, value: int, info: ValidationInfo) -> int:
        low, high = (-1, _SEED_LIMIT - 1) if info.field_name == "seed" else (1, _MAX_VARIATIONS)
        if not low <= value <= high:
            raise refusal(f"{info.field_name} must be from {low} to {high}")
        return value


def generate_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox generation"], route_class=SuccessRoute)
    clients = gateway.clients

    @router.post("/generate", openapi_extra=body(GenerateBody))
    @answers(Accepted, *_REFUSALS)
    async def generate(request: Request, idempotency_key: IdempotencyKey) -> Response:
        """Ask for a clip, or for several variations of it. Repeat with the same ``Idempotency-Key`` without harm."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            wanted = fitted(GenerateBody, values)
            order = pb.CreateJobsRequest(
                prompt=wanted.prompt,
                duration_seconds=wanted.duration,
                model=wanted.model,
                seed=wanted.seed,
                idempotency_key=idempotency_key,
                priority=wanted.priority,
                loop=wanted.loop,
                variation_count=wanted.variations,
                continue_from_id=wanted.continue_from[:64],
            )
            try:
                answer = await clients.generation.CreateJobs(order)
            except AppError as error:
                raise _with_figures(error) from None
        return JSONResponse(_accepted(answer))

    return router


def _with_figures(error: AppError) -> AppError:
    """The refusal; one for a limit says how high it is."""
    if error.reason not in _LIMITS:
        return error
    return AppError(error.code, error.reason, error.message, {**error.meta, "details": error.meta})


def _accepted(answer: pb.CreateJobsResponse) -> Accepted:
    ids = [hex_id(job.id) for job in answer.jobs]
    # A new job counts itself, even if it was quick enough to be over.
    position = answer.position if answer.existed else max(1, answer.position)
    ahead = position - 1
    return {
        "success": True,
        "job_id": ids[0],
        "position": position,
        "job_ids": ids,
        "queue_message": f"{ahead} {'job is' if ahead == 1 else 'jobs are'} ahead of yours." if ahead > 0 else None,
        "tier": answer.tier,
        "limits": {"max_duration": round(answer.max_duration_seconds), "per_hour": answer.hourly_limit},
    }


def job_routes(gateway: Gateway) -> APIRouter:
    """``GET /job/{job_id}`` where no other dialect has one too."""
    router = APIRouter(tags=["soundbox generation"])

    @router.get("/job/{job_id}")
    @answers(ClipJob, refusals.JOB_NOT_FOUND)
    async def get_clip_job(job_id: ClipId) -> Response:
        """How a clip is coming along. A cancelled job is gone; somebody else's was never there."""
        try:
            return job_view(await find_job(gateway, job_id))
        except AppError as error:
            raise _no_job() if error.code is Code.PERMISSION_DENIED else error from None

    return router


async def find_job(gateway: Gateway, job_id: str) -> library_pb.GetJobResponse:
    """A generation job that the caller may see, with its place in the queue.

    Raises:
        AppError: ``JOB_NOT_FOUND``, also for one that was cancelled; ``ACCESS_DENIED``.
    """
    request = library_pb.GetJobRequest(job_id=require_uuid(job_id, "job"), with_position=True)
    answer: library_pb.GetJobResponse = await gateway.clients.jobs.GetJob(request)
    if answer.job.kind != job_pb2.JOB_KIND_GENERATION or answer.job.state == job_pb2.JOB_STATE_CANCELLED:
        raise _no_job()
    return answer


@answers(ClipJob)
def job_view(answer: library_pb.GetJobResponse) -> Response:
    """A generation job as ``GET /job/{job_id}`` answers it."""
    if answer.job.state == job_pb2.JOB_STATE_CANCELLED:
        raise _no_job()
    return JSONResponse(job_to_wire(answer))


def _no_job() -> AppError:
    return AppError(Code.NOT_FOUND, "JOB_NOT_FOUND", "Job not found")
