"""Routes of random prompts, error reports of browsers and statistics."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, with_config
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from soundwright.generation.v1 import generation_service_pb2 as generation_pb
from soundwright.kit.log import get_logger
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.dialect import SuccessRoute
from soundwright.services.gateway.dialects.soundbox.params import json_body, read_json
from soundwright.services.gateway.dialects.soundbox.shapes import Count, Done
from soundwright.services.gateway.openapi.responses import EXTRA_FIELDS, documented
from soundwright.services.gateway.wire.logged import without_secrets

log = get_logger()


class PromptBody(BaseModel):
    """The parameters of a random prompt."""

    model: str = Field("music", description="`music`. Other values: a sound effect.", examples=["music"])


class ErrorBody(BaseModel):
    """An error report of a browser."""

    message: str = Field("", description="The error message.", examples=["Audio playback failed"])
    url: str = Field("", description="The URL of the failed request.", examples=["/api/radio/shuffle"])
    stack: str = Field("", description="Ignored.")
    userAgent: str = Field("", description="The user agent.")
    timestamp: str = Field("", description="The time according to the browser.")


class SuggestedPrompt(Done):
    """A random prompt."""

    prompt: Annotated[str, Field(examples=["upbeat synthwave with pulsing bass"])]


class Logged(TypedDict):
    """The result of an error report."""

    logged: Literal[True]


@with_config(EXTRA_FIELDS)
class Stats(TypedDict):
    """The numbers of clips, votes, favorites and more."""

    total_generations: Annotated[Count, Field(examples=[31])]
    total_votes: Annotated[Count, Field(examples=[9])]
    total_favorites: Annotated[Count, Field(examples=[4])]
    categories: Annotated[
        dict[str, int], Field(description="The number of categories by model.", examples=[{"music": 77, "audio": 61}])
    ]
    generations: Annotated[Count, Field(examples=[31])]
    music: Annotated[Count, Field(examples=[20])]
    audio: Annotated[Count, Field(examples=[11])]
    votes: Annotated[Count, Field(examples=[9])]
    feedback: Annotated[Count, Field(examples=[3])]


def utility_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox utility"], route_class=SuccessRoute)
    clients = gateway.clients

    @router.post("/random-prompt", openapi_extra=json_body(PromptBody, required=False))
    @access(Access.OPEN, RateClass.POLLING)
    @documented(SuggestedPrompt)
    async def random_prompt(request: Request) -> Response:
        """Get a random prompt."""
        model = (await read_json(request)).get("model")
        wanted = "music" if model in (None, "", "music") else "audio"
        answer = await clients.generation.SuggestPrompt(generation_pb.SuggestPromptRequest(model=wanted))
        return JSONResponse({"success": True, "prompt": answer.prompt})

    @router.post("/api/log-error", openapi_extra=json_body(ErrorBody))
    @access(Access.OPEN, RateClass.REPORTS)
    @documented(Logged)
    async def log_error(request: Request) -> Response:
        """Report an error of a browser. The server logs the message, the URL without its query, the user agent and the time."""
        values = await read_json(request)
        log.warning(
            "client.error",
            error=without_secrets(_line(values.get("message"), 500)),
            url=without_secrets(_line(values.get("url"), 200).partition("?")[0]),  # queries can contain secrets
            user_agent=_line(values.get("userAgent"), 100),
            client_time=_line(values.get("timestamp"), 50),
        )
        return JSONResponse({"logged": True})

    @router.get("/api/stats")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Stats)
    async def get_stats() -> Response:
        """Get statistics. Returns the numbers of clips, votes, favorites and more. Votes and favorites
        can be ten seconds old."""
        answer = await clients.catalog.GetStats(pb.GetStatsRequest())
        return JSONResponse(
            {
                "total_generations": answer.generation_count,
                "total_votes": answer.vote_count,
                "total_favorites": answer.favorite_count,
                "categories": dict(answer.category_count_by_model),
                "generations": answer.generation_count,
                "music": 0,
                "audio": 0,
                **answer.count_by_model,
                "votes": answer.vote_count,
                "feedback": answer.feedback_count,
            }
        )

    return router


def _line(value: Any, limit: int) -> str:
    """Return untrusted text as one printable line of at most ``limit`` characters."""
    text = str(value)[:limit] if isinstance(value, str | int | float) else ""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
