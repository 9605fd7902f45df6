"""Plans: what a separation would run, how good it is, and how long it takes, before it starts."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass, charge
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.batches import BatchParameters, batch_request
from soundwright.services.gateway.dialects.forge.serializers import data, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.job_retries import BATCH_SECONDS
from soundwright.services.gateway.openapi.responses import Uuid, documented
from soundwright.services.gateway.wire.parameters import body_of, body_schema

_TRACKS_PER_REQUEST = 10  # that a plan counts for the rate limit
_Quality = Literal["fast", "balanced", "best"]


class PlanParameters(BatchParameters):
    """The separations to plan."""

    qualities: list[_Quality] = Field(
        default_factory=list,
        max_length=3,
        description="Plans each of these qualities in one request, in this order, instead of `quality`. Only for the model `auto`.",
        examples=[["fast", "balanced", "best"]],
    )


class SeparationPlan(TypedDict):
    """What a separation of a track would run now."""

    track_id: Uuid
    quality: Annotated[
        _Quality | None, Field(description="The one of `qualities`. Null: the request has none.", examples=["balanced"])
    ]
    model: Annotated[str, Field(description="The model that would run.", examples=["small"])]
    requested_model: Annotated[
        str, Field(description="The model of the request, or the choice of `auto`.", examples=["small"])
    ]
    model_reason: Annotated[str | None, Field(description="Why `auto` chose it. Null: the request names it.")]
    degraded_reason: Annotated[
        str | None, Field(description="Why another model would run than the requested one, in one sentence.")
    ]
    degraded_details: Annotated[str | None, Field(description="The same, with what to do.")]
    estimated_seconds: Annotated[
        float | None,
        Field(ge=0, description="Computing time, without the wait in the queue. Null: unknown.", examples=[41.5]),
    ]
    measured: Annotated[
        bool,
        Field(description="Whether the estimate follows from jobs on this server since its start.", examples=[True]),
    ]
    gain_db: Annotated[
        float | None,
        Field(
            description="How much better the requested stems are than the mix, on average on real songs (SI-SDR). Null: not measured.",
            examples=[4.9],
        ),
    ]
    better_model: Annotated[
        str | None,
        Field(
            description="What `auto` would choose if an administrator fetched its weights. Null: nothing better.",
            examples=["htdemucs"],
        ),
    ]


def plan_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/processing/plan", tags=["forge processing"])
    clients = gateway.clients

    @router.post("", openapi_extra=body_schema(PlanParameters))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[list[SeparationPlan]],
        errors.TRACKS_NOT_FOUND,
        errors.AUDIOS_NOT_READY,
        errors.VALIDATION_ERROR,
        errors.MODEL_UNAVAILABLE,
        errors.WEIGHTS_CHANGED,
    )
    async def plan_separations(
        request: Request, parameters: Annotated[PlanParameters, Depends(body_of(PlanParameters))]
    ) -> Response:
        """Get what separations of up to 100 tracks would run, how good that is, and how long it takes. Nothing starts."""
        asked = batch_request(parameters)
        await charge(request.scope, len(asked.track_ids) // _TRACKS_PER_REQUEST)

        async def plans(quality: _Quality | None) -> list[SeparationPlan]:
            planned = pb.PlanJobsRequest(parameters=asked.parameters, track_ids=asked.track_ids)
            if quality:
                planned.parameters.quality = quality
            answer = await clients.separation.PlanJobs(planned, timeout=BATCH_SECONDS)
            return [_plan_to_wire(plan, quality) for plan in answer.plans]

        wanted: list[_Quality | None] = [*parameters.qualities] or [None]
        found = await asyncio.gather(*[plans(quality) for quality in wanted])
        return data([plan for each in found for plan in each])

    return router


def _plan_to_wire(plan: pb.JobPlan, quality: _Quality | None) -> SeparationPlan:
    return shaped(
        plan,
        SeparationPlan,
        quality=quality,
        estimated_seconds=round(plan.estimated_seconds, 1) if plan.HasField("estimated_seconds") else None,
        gain_db=round(plan.gain_db, 1) if plan.HasField("gain_db") else None,
    )
