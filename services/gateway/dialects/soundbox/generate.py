"""Routes that generate clips and return the status of generation jobs."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from starlette.responses import JSONResponse, Response

from soundwright.generation.v1 import generation_service_pb2 as pb
from soundwright.generation.v1 import jobs_pb2
from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.dialect import SuccessRoute
from soundwright.services.gateway.dialects.soundbox.identity import sent_by_user
from soundwright.services.gateway.dialects.soundbox.model_names import MODELS
from soundwright.services.gateway.dialects.soundbox.params import (
    ClipId,
    Integer,
    Number,
    Text,
    UserBody,
    json_body,
    must,
)
from soundwright.services.gateway.dialects.soundbox.serializers import job_to_wire
from soundwright.services.gateway.dialects.soundbox.shapes import Accepted, ClipJob
from soundwright.services.gateway.file_paths import hex_id
from soundwright.services.gateway.openapi.responses import documented
from soundwright.services.gateway.wire.parameters import IdempotencyKey, require_uuid

_PRIORITIES = ("admin", "premium", "standard", "free")
_MAX_VARIATIONS = 8
_SEED_LIMIT = 2**63
"""Seeds are sent as signed 64-bit integers."""
_LIMITS = frozenset({"TOO_MANY_PENDING", "HOURLY_LIMIT", "QUEUE_FULL"})
_REFUSALS = (
    errors.USER_ID_FOREIGN,
    errors.GENERATION_NOT_FOUND,
    errors.TOO_MANY_PENDING,
    errors.HOURLY_LIMIT,
    errors.QUEUE_FULL,
    errors.MODEL_UNAVAILABLE,
)


def _default_if_null(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


def _parse_digits(value: object) -> object:
    """Return the integer that ``value`` contains as text, otherwise ``value``."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() and len(value) < 20 else value


class GenerateBody(UserBody):
    """The parameters of a generation."""

    model_config = ConfigDict(json_schema_extra={"required": ["prompt"]})

    prompt: Annotated[Text, must(bool, "Prompt is required")] = Field(
        "",
        description="The description of the sound.",
        json_schema_extra={"minLength": 3, "maxLength": 500},
        examples=["peaceful ambient piano melody"],
    )
    duration: Annotated[
        Number, _default_if_null(8), must(lambda seconds: seconds >= 1, "duration must be at least 1")
    ] = Field(
        8,
        description="The duration in seconds. The maximum depends on the tier of the caller.",
        json_schema_extra={"minimum": 1},
    )
    model: Annotated[str, _default_if_null("music")] = Field(
        "music", description="The model that generates the clip.", json_schema_extra={"enum": list(MODELS)}
    )
    loop: bool = Field(False, description="Whether the clip loops seamlessly.")
    priority: Annotated[str, _default_if_null("standard")] = Field(
        "standard",
        description="The requested priority. The tier of the caller limits it.",
        json_schema_extra={"enum": list(_PRIORITIES)},
    )
    seed: Annotated[Integer, BeforeValidator(_parse_digits), _default_if_null(-1)] = Field(
        -1,
        description="The random seed. The same prompt and seed generate the same clip. -1: a random seed.",
        json_schema_extra={"minimum": -1, "maximum": _SEED_LIMIT - 1},
    )
    variations: Annotated[Integer, BeforeValidator(_parse_digits), _default_if_null(1)] = Field(
        1,
        description="The number of clips to generate, with consecutive seeds.",
        json_schema_extra={"minimum": 1, "maximum": _MAX_VARIATIONS},
    )
    continue_from: Text = Field("", description="The ID of a clip to continue.")

    @field_validator("model", mode="before")
    @classmethod
    def _check_model(cls, value: object) -> object:
        if value is not None and value not in MODELS:
            raise errors.MODEL_INVALID()
        return value

    @field_validator("loop", mode="before")
    @classmethod
    def _parse_loop(cls, value: object) -> bool:
        return value.strip().lower() not in ("", "0", "false", "no", "off") if isinstance(value, str) else bool(value)

    @field_validator("priority", mode="before")
    @classmethod
    def _parse_priority(cls, value: object) -> object:
        return value if value in _PRIORITIES else "standard"

    @field_validator("seed", "variations")
    @classmethod
    def _check_range(cls, value: int, info: ValidationInfo) -> int:
        low, high = (-1, _SEED_LIMIT - 1) if info.field_name == "seed" else (1, _MAX_VARIATIONS)
        if not low <= value <= high:
            raise errors.BAD_REQUEST(f"{info.field_name} must be from {low} to {high}")
        return value


def generate_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox generation"], route_class=SuccessRoute)
    clients = gateway.clients

    @router.post("/generate", openapi_extra=json_body(GenerateBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Accepted, *_REFUSALS)
    async def generate(request: Request, idempotency_key: IdempotencyKey) -> Response:
        """Generate a clip or several variations. Returns the IDs of the jobs; poll `GET /job/{job_id}` for their status. Requests
        with the same ``Idempotency-Key`` return the jobs of the first one.
        The limits count each variation: all of them are accepted, or none."""
        async with sent_by_user(request, GenerateBody) as parameters:
            job_request = pb.CreateJobsRequest(
                parameters=jobs_pb2.GenerationSpec(
                    prompt=parameters.prompt,
                    duration_seconds=parameters.duration,
                    model=parameters.model,
                    seed=parameters.seed,
                    loop=parameters.loop,
                    continue_from_id=parameters.continue_from[:64],
                ),
                idempotency_key=idempotency_key,
                priority=parameters.priority,
                variation_count=parameters.variations,
            )
            try:
                answer = await clients.generation.CreateJobs(job_request)
            except AppError as error:
                if error.reason in _LIMITS:
                    error.meta["details"] = dict(error.meta)
                raise
        return JSONResponse(_accepted(answer))

    return router


def _accepted(answer: pb.CreateJobsResponse) -> Accepted:
    ids = [hex_id(job.id) for job in answer.jobs]
    # A new job is reported at position 1 even if it has already started or ended.
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
    """Return the route ``GET /job/{job_id}`` for the listener that serves only this dialect."""
    router = APIRouter(tags=["soundbox generation"])

    @router.get("/job/{job_id}")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(ClipJob, errors.JOB_NOT_FOUND)
    async def get_clip_job(job_id: ClipId) -> Response:
        """Get a generation job. Cancelled jobs and jobs of other users return 404."""
        try:
            return job_view(await find_job(gateway, job_id))
        except AppError as error:
            raise errors.JOB_NOT_FOUND("Job not found") if error.code is Code.PERMISSION_DENIED else error from None

    return router


async def find_job(gateway: Gateway, job_id: str) -> library_pb.GetJobResponse:
    """Return a generation job of the caller with its position in the queue.

    Raises ``JOB_NOT_FOUND``, also for cancelled jobs; ``ACCESS_DENIED``.
    """
    request = library_pb.GetJobRequest(job_id=require_uuid(job_id, errors.JOB_NOT_FOUND), with_position=True)
    answer: library_pb.GetJobResponse = await gateway.clients.jobs.GetJob(request)
    if answer.job.kind != job_pb2.JOB_KIND_GENERATION or answer.job.state == job_pb2.JOB_STATE_CANCELLED:
        raise errors.JOB_NOT_FOUND("Job not found")
    return answer


@documented(ClipJob)
def job_view(answer: library_pb.GetJobResponse) -> Response:
    """Return the response of ``GET /job/{job_id}`` for a generation job."""
    if answer.job.state == job_pb2.JOB_STATE_CANCELLED:
        raise errors.JOB_NOT_FOUND("Job not found")
    return JSONResponse(job_to_wire(answer))
