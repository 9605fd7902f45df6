"""lalal.ai: the user's license key, the remaining quota, and cancellation of tasks."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import connection_service_pb2
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.openapi.responses import Uuid, documented
from soundwright.services.gateway.wire.parameters import LICENSE_KEY, body_of, body_schema, license_key

_PROVIDER = "lalalai"
# Includes slow responses of lalal.ai.
_TIMEOUT_SECONDS = 60.0
_Minutes = Annotated[float, Field(description="Minutes.")]
_TASK = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


class CancelParameters(BaseModel):
    """The task to cancel."""

    task_id: str = Field(
        "", max_length=200, description="The task's ID at lalal.ai, or the job's ID. Required.", examples=[_TASK]
    )


class KeyParameters(BaseModel):
    """Your own license key."""

    api_key: str = Field(
        description="The key. It is stored encrypted and never returned.",
        json_schema_extra={"pattern": LICENSE_KEY},
        examples=["0123456789abcdef"],
    )


class Quota(TypedDict):
    """Minutes as lalal.ai charges them: the length of the recording for each stem."""

    quota_minutes: Annotated[_Minutes, Field(description="Sum of the used and remaining minutes.", examples=[120])]
    used_minutes: Annotated[_Minutes, Field(description="Minutes that your jobs on this server used.", examples=[45])]
    remaining_minutes: Annotated[_Minutes, Field(description="Minutes that remain for the key.", examples=[75])]
    own_key: Annotated[bool, Field(description="Whether the key is your own. False: the platform's key.")]


class CancelledTask(TypedDict):
    status: Literal["success"]


class Cancelled(TypedDict):
    """The cancelled jobs and tasks. A job that was still queued had no task at lalal.ai."""

    success: Literal[True]
    result: Annotated[dict[str, CancelledTask], Field(examples=[{_TASK: {"status": "success"}}])]
    job_ids: list[Uuid]


class StoredKey(TypedDict):
    own_key: Literal[True]


def lalalai_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/lalalai", tags=["forge lalalai"])
    separation, connections = gateway.clients.separation, gateway.clients.connections

    @router.get("/quota")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[Quota],
        errors.LALALAI_NOT_CONFIGURED,
        errors.REGISTRATION_NEEDED,
        errors.LALALAI_UNAUTHORIZED,
        errors.LALALAI_AWAY,
        errors.LALALAI_BUSY,
    )
    async def get_lalalai_quota() -> Response:
        """Get the minutes of audio that lalal.ai can still separate for you."""
        found = await separation.GetLalalaiQuota(pb.GetLalalaiQuotaRequest(), timeout=_TIMEOUT_SECONDS)
        quota: Quota = {
            "quota_minutes": round(found.remaining_minutes + found.used_minutes, 2),
            "used_minutes": round(found.used_minutes, 2),
            "remaining_minutes": round(found.remaining_minutes, 2),
            "own_key": found.own_key,
        }
        return data(quota)

    @router.post("/cancel", openapi_extra=body_schema(CancelParameters))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[Cancelled], errors.TASK_ID_MISSING, errors.TASK_NOT_FOUND, errors.JOB_FINISHED, errors.VALIDATION_ERROR
    )
    async def cancel_lalalai_task(
        parameters: Annotated[CancelParameters, Depends(body_of(CancelParameters))],
    ) -> Response:
        """Cancel one of your tasks at lalal.ai, and its job. Cancelling it again succeeds."""
        if not parameters.task_id:
            raise errors.TASK_ID_MISSING()
        asked = pb.CancelLalalaiTaskRequest(task_id=parameters.task_id)
        done = await separation.CancelLalalaiTask(asked, timeout=_TIMEOUT_SECONDS)
        return data(_cancelled([done.job_id], done.task_ids))

    @router.post("/cancel-all")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Cancelled])
    async def cancel_lalalai_tasks() -> Response:
        """Cancel all of your tasks at lalal.ai, and their jobs. Tasks of other users of the same key continue."""
        done = await separation.CancelLalalaiTasks(pb.CancelLalalaiTasksRequest(), timeout=_TIMEOUT_SECONDS)
        return data(_cancelled(done.job_ids, done.task_ids))

    @router.put("/key", openapi_extra=body_schema(KeyParameters))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[StoredKey], errors.VALIDATION_ERROR, errors.REGISTRATION_NEEDED)
    async def put_lalalai_key(parameters: Annotated[KeyParameters, Depends(body_of(KeyParameters))]) -> Response:
        """Store your own license key and use it for new jobs. Running jobs keep the key that they started with."""
        key = license_key("api_key", parameters.api_key)
        await connections.PutConnection(connection_service_pb2.PutConnectionRequest(provider=_PROVIDER, secret=key))
        stored: StoredKey = {"own_key": True}
        return data(stored)

    @router.delete("/key")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, status=204)
    async def delete_lalalai_key() -> Response:
        """Delete your own license key. New jobs use the platform's key, if one is configured."""
        await connections.DeleteConnection(connection_service_pb2.DeleteConnectionRequest(provider=_PROVIDER))
        return Response(status_code=204)

    return router


def _cancelled(job_ids: Sequence[str], task_ids: Sequence[str]) -> Cancelled:
    return {
        "success": True,
        "result": {task_id: {"status": "success"} for task_id in task_ids},
        "job_ids": list(job_ids),
    }
