"""The storage of an account, and its quota."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.library.v1 import storage_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.openapi.responses import documented


class StorageUsage(TypedDict):
    """The storage of an account in bytes."""

    used_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Size of the tracks, stems, exports and clips, with those that are being stored.",
            examples=[52428800],
        ),
    ]
    limit_bytes: Annotated[int | None, Field(description="The quota. Null: no limit.", examples=[1000000000])]
    available_bytes: Annotated[int | None, Field(description="What is left. Null: no limit.", examples=[947571200])]


def storage_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/users", tags=["forge accounts"])

    @router.get("/me/storage")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[StorageUsage])
    async def get_storage() -> Response:
        """Get the storage that your account uses, and its quota."""
        usage = (await gateway.clients.storage.GetUsage(pb.GetUsageRequest())).usage
        return data(shaped(usage, StorageUsage))

    return router
