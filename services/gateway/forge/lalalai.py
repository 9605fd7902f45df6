"""lalal.ai: one's key, what may still be done with it, and what is to stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from soundwright.library.v1 import connection_service_pb2
from soundwright.separation.v1 import separation_service_pb2 as pb
from starlette.responses import Response
from typing_extensions import TypedDict

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import Uuid, answers
from services.gateway.clients import Gateway
from services.gateway.forge.shapes import Data
from services.gateway.forge.wire import data
from services.gateway.params import LICENSE_KEY, body_of, body_schema

__all__ = ["lalalai_routes"]

_PROVIDER = "lalalai"
# lalal.ai may take its time.
_SECONDS = 60.0
_Minutes = Annotated[float, Field(description="minutes")]
_TASK = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


class CancelParameters(BaseModel):
    """What to cancel."""

    task_id: str = Field("", max_length=200, description="lalal.ai's, or the id of the job; needed", examples=[_TASK])


class KeyParameters(BaseModel):
    """Your own license key."""

    api_key: str = Field(
        pattern=LICENSE_KEY, description="stored encrypted, and never shown", examples=["0123456789abcdef"]
    )


class Quota(TypedDict):
    """Minutes as lalal.ai charges them: the length of a recording for each of its stems."""

    quota_minutes: Annotated[_Minutes, Field(description="what is left and what was used", examples=[120])]
    used_minutes: Annotated[_Minutes, Field(description="for your recordings, from here", examples=[45])]
    remaining_minutes: Annotated[_Minutes, Field(description="what is left of the key's", examples=[75])]
    own_key: Annotated[bool, Field(description="it is your own key; else the platform's")]


class CancelledTask(TypedDict):
    status: Literal["success"]


class Cancelled(TypedDict):
    """What is cancelled now. What waited here had no task there yet."""

    success: Literal[True]
    result: Annotated[dict[str, CancelledTask], Field(examples=[{_TASK: {"status": "success"}}])]
    job_ids: list[Uuid]


class StoredKey(TypedDict):
    own_key: Literal[True]


def lalalai_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/lalalai", tags=["forge lalalai"])
    separation, connections = gateway.clients.separation, gateway.clients.connections

    @router.get("/quota")
    @answers(
        Data[Quota],
        refusals.LALALAI_NOT_CONFIGURED,
        refusals.LALALAI_UNAUTHORIZED,
        refusals.LALALAI_AWAY,
        refusals.LALALAI_BUSY,
    )
    async def get_lalalai_quota() -> Response:
        """How many minutes lalal.ai may still take apart for you."""
        found = await separation.GetLalalaiQuota(pb.GetLalalaiQuotaRequest(), timeout=_SECONDS)
        quota: Quota = {
            "quota_minutes": round(found.remaining_minutes + found.used_minutes, 2),
            "used_minutes": round(found.used_minutes, 2),
            "remaining_minutes": round(found.remaining_minutes, 2),
            "own_key": found.own_key,
        }
        return data(quota)

    @router.post("/cancel", openapi_extra=body_schema(CancelParameters))
    @answers(Data[Cancelled], refusals.TASK_ID_MISSING, refusals.TASK_NOT_FOUND, refusals.JOB_FINISHED)
    async def cancel_lalalai_task(
        parameters: Annotated[CancelParameters, Depends(body_of(CancelParameters))],
    ) -> Response:
        """Cancel one of your tasks at lalal.ai, and its job. What is cancelled already stays so."""
        if not parameters.task_id:
            raise AppError(Code.INVALID_ARGUMENT, "BAD_REQUEST", "task_id parameter is required")
        asked = pb.CancelLalalaiTaskRequest(task_id=parameters.task_id)
        done = await separation.CancelLalalaiTask(asked, timeout=_SECONDS)
        return data(_cancelled([done.job_id], done.task_ids))

    @router.post("/cancel-all")
    @answers(Data[Cancelled])
    async def cancel_lalalai_tasks() -> Response:
        """Cancel all of your tasks at lalal.ai, and their jobs; nobody else's, even where the key is shared."""
        done = await separation.CancelLalalaiTasks(pb.CancelLalalaiTasksRequest(), timeout=_SECONDS)
        return data(_cancelled(done.job_ids, done.task_ids))

    @router.put("/key", openapi_extra=body_schema(KeyParameters))
    @answers(Data[StoredKey], refusals.VALIDATION_ERROR)
    async def put_lalalai_key(parameters: Annotated[KeyParameters, Depends(body_of(KeyParameters))]) -> Response:
        """Use your own key from now on. What is under way keeps the key with which it was begun."""
        asked = connection_service_pb2.PutConnectionRequest(provider=_PROVIDER, secret=parameters.api_key)
        await connections.PutConnection(asked)
        stored: StoredKey = {"own_key": True}
        return data(stored)

    @router.delete("/key")
    @answers(None, status=204)
    async def delete_lalalai_key() -> Response:
        """Remove your own key. The platform's serves you then, if there is one."""
        await connections.DeleteConnection(connection_service_pb2.DeleteConnectionRequest(provider=_PROVIDER))
        return Response(status_code=204)

    return router


def _cancelled(job_ids: Sequence[str], task_ids: Sequence[str]) -> Cancelled:
    return {
        "success": True,
        "result": {task_id: {"status": "success"} for task_id in task_ids},
        "job_ids": list(job_ids),
    }
