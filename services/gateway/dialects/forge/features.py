"""What the operator has configured."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.features import features
from soundwright.services.gateway.openapi.responses import documented


class Features(TypedDict):
    """What this server can do beyond its own models."""

    language_model: Annotated[
        str | None, Field(description="The model of the agents. Null: they answer by rules.", examples=["llama-3.1-8b"])
    ]
    spotify: Annotated[bool, Field(description="Whether Spotify can be connected and searched.", examples=[True])]


def feature_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/features", tags=["operations"])

    @router.get("")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Features])
    async def get_features() -> Response:
        """Get which optional features the operator has configured."""
        spotify, model = await features(gateway.clients)
        found: Features = {"language_model": model or None, "spotify": spotify}
        return data(found)

    return router
