"""Administration of the platform: components, queues, storage and models."""

import asyncio
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.identity import require_administrator
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.models.v1 import model_pb2, model_service_pb2, model_service_pb2_grpc
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import COMPONENTS, Gateway
from soundwright.services.gateway.dialects.forge.serializers import JOB_TYPES, data, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.openapi.responses import documented
from soundwright.services.gateway.wire.parameters import body_of, body_schema

_FETCH_SECONDS = 30.0
_Component = Literal["separation", "generation"]
_Weights = Literal["built_in", "present", "missing", "fetching", "failed", "not_installed"]
_WEIGHTS: dict[str, _Weights] = {word: word for word in get_args(_Weights)}


class PlatformComponent(TypedDict):
    """A component of the platform, as this gateway reaches it."""

    name: Annotated[str, Field(examples=["separation"])]
    ready: Annotated[bool, Field(examples=[True])]


class Platform(TypedDict):
    """The components, and the version of this gateway."""

    version: Annotated[str, Field(examples=["1.0.0"])]
    components: list[PlatformComponent]


class QueueDepth(TypedDict):
    """The queued jobs of a type and a priority."""

    job_type: Annotated[str, Field(examples=["separation"])]
    priority: Annotated[str, Field(description="`admin`, `premium`, `standard` or `free`.", examples=["standard"])]
    queued: Annotated[int, Field(ge=1, examples=[3])]
    oldest_age_seconds: Annotated[
        float, Field(ge=0, description="How long the oldest job has waited.", examples=[12.5])
    ]


class PlatformStorage(TypedDict):
    """The storage of the platform in bytes."""

    used_bytes: Annotated[
        int, Field(ge=0, description="Tracks, stems, exports and clips of all users.", examples=[52428800])
    ]
    free_bytes: Annotated[
        int | None,
        Field(description="Free space of the file store. Null: the store does not tell.", examples=[81604378624]),
    ]
    total_bytes: Annotated[
        int | None, Field(description="Size of its disk. Null: the store does not tell.", examples=[256060514304])
    ]


class PlatformModel(TypedDict):
    """A model, and the state of its weights."""

    component: Annotated[_Component, Field(examples=["separation"])]
    name: Annotated[str, Field(examples=["htdemucs"])]
    description: Annotated[str, Field(examples=["Separates drums, bass, other and vocals."])]
    engine: Annotated[str, Field(examples=["demucs"])]
    licence: Annotated[str, Field(description="Licence of the weights.", examples=["MIT"])]
    source: Annotated[str | None, Field(description="Repository on the model hub.", examples=["owner/name"])]
    size_bytes: Annotated[int | None, Field(description="Size of the download. Null: unknown.", examples=[84000000])]
    fetched_bytes: Annotated[
        int | None,
        Field(
            description="What is on the server of the download. Null unless the weights are being fetched and the size is known."
        ),
    ]
    licence_note: Annotated[
        str | None, Field(description="What else the authors say about the licence of the weights.")
    ]
    needs_consent: Annotated[
        bool,
        Field(
            description="Whether no licence of the weights is stated, and nobody has allowed them.", examples=[False]
        ),
    ]
    weights: Annotated[_Weights, Field(examples=["present"])]
    problem: Annotated[
        str | None, Field(description="Why the weights may not be used, or why the last download failed.")
    ]


class PlatformModelsMeta(TypedDict):
    """What the list lacks."""

    unavailable: Annotated[list[_Component], Field(description="Components that do not answer.", examples=[[]])]


class PlatformModels(TypedDict):
    """All models of the components that answer."""

    data: list[PlatformModel]
    meta: PlatformModelsMeta


class FetchModelParameters(BaseModel):
    """Whether you allow the weights."""

    allow: bool = Field(
        False,
        description="Allow the weights, although their authors state no licence. The server records your account and the time.",
        examples=[True],
    )


def platform_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/admin", tags=["forge admin"])
    clients = gateway.clients
    stubs: dict[_Component, model_service_pb2_grpc.ModelServiceStub] = {
        "separation": clients.separation_models,
        "generation": clients.generation_models,
    }

    @router.get("/components")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Platform], errors.ROLE_TOO_LOW)
    async def list_components() -> Response:
        """List the components of the platform, and whether they are ready."""
        require_administrator()
        waiting = gateway.health.waiting_for
        components: list[PlatformComponent] = [{"name": name, "ready": name not in waiting} for name in COMPONENTS]
        return data({"version": gateway.health.version, "components": components})

    @router.get("/queues")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[list[QueueDepth]], errors.ROLE_TOO_LOW)
    async def list_queues() -> Response:
        """List the queues that have jobs: how many wait, and how long the oldest has waited."""
        answer = await clients.admin.GetQueues(pb.GetQueuesRequest())
        return data([_queue_to_wire(queue) for queue in answer.queues])

    @router.get("/storage")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[PlatformStorage], errors.ROLE_TOO_LOW)
    async def get_platform_storage() -> Response:
        """Get the storage that all users use, and the free space of the file store."""
        answer = await clients.admin.GetStorage(pb.GetStorageRequest())
        return data(shaped(answer, PlatformStorage))

    @router.get("/models")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(PlatformModels, errors.ROLE_TOO_LOW)
    async def list_platform_models() -> Response:
        """List all models with their licences, and whether their weights are on the server.

        ``meta`` names the components that do not answer, whose models are missing.
        """
        require_administrator()
        asked = model_service_pb2.ListModelsRequest()
        answers = await asyncio.gather(*(models.ListModels(asked) for models in stubs.values()), return_exceptions=True)
        body: PlatformModels = {"data": [], "meta": {"unavailable": []}}
        for name, answer in zip(stubs, answers, strict=True):
            if not isinstance(answer, BaseException):
                body["data"] += [_model_to_wire(name, model) for model in answer.models]
            elif isinstance(answer, AppError) and answer.code in (Code.UNAVAILABLE, Code.TIMEOUT):
                body["meta"]["unavailable"].append(name)
            else:
                raise answer
        return JSONResponse(body)

    @router.post("/models/{component}/{name}/fetch", openapi_extra=body_schema(FetchModelParameters, required=False))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(
        Data[PlatformModel],
        errors.ROLE_TOO_LOW,
        errors.VALIDATION_ERROR,
        errors.MODEL_UNKNOWN,
        errors.FETCH_UNDERWAY,
        errors.MODEL_UNAVAILABLE,
        errors.WEIGHTS_CHANGED,
        status=202,
    )
    async def fetch_model(
        component: Annotated[str, Path(description="`separation` or `generation`.", examples=["separation"])],
        name: Annotated[str, Path(description="The name of the model.", examples=["htdemucs"])],
        parameters: Annotated[FetchModelParameters, Depends(body_of(FetchModelParameters))],
    ) -> Response:
        """Download the weights of a model in the background, and use them from then on, without a restart.

        If `needs_consent` is true, send `allow`. `GET /api/admin/models` shows when the weights are present.
        """
        require_administrator()
        owner = next((name for name in stubs if name == component), None)
        if owner is not None:
            wanted = model_service_pb2.FetchModelRequest(name=name, allow=parameters.allow)
            answer = await stubs[owner].FetchModel(wanted, timeout=_FETCH_SECONDS)
            return data(_model_to_wire(owner, answer.model), 202)
        raise errors.MODEL_UNKNOWN("Models belong to the component separation or generation.")

    return router


def _queue_to_wire(queue: pb.QueueDepth) -> QueueDepth:
    return {
        "job_type": JOB_TYPES.get(queue.kind, "unknown"),
        "priority": job_pb2.Priority.Name(queue.priority).removeprefix("PRIORITY_").lower(),
        "queued": queue.queued_count,
        "oldest_age_seconds": round(queue.oldest_age_seconds, 1),
    }


def _model_to_wire(component: _Component, model: model_pb2.Model) -> PlatformModel:
    return shaped(model, PlatformModel, component=component, weights=_WEIGHTS.get(model.state, "missing"))
