"""Small things: a prompt to start from, reports of errors in pages, figures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, with_config
from soundwright.generation.v1 import generation_service_pb2 as generation_pb
from soundwright.library.v1 import catalog_service_pb2 as pb
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from kit.log import get_logger
from services.gateway.answers import OPEN, answers
from services.gateway.clients import Gateway
from services.gateway.soundbox.dialect import SuccessRoute
from services.gateway.soundbox.params import body, json_values
from services.gateway.soundbox.shapes import Count, Done

__all__ = ["utility_routes"]

log = get_logger()


class PromptBody(BaseModel):
    """What the prompt is for."""

    model: str = Field("music", description="music; anything else: a sound effect", examples=["music"])


class ErrorBody(BaseModel):
    """What went wrong in a page."""

    message: str = Field("", description="what happened", examples=["Audio playback failed"])
    url: str = Field("", description="what was asked for", examples=["/api/radio/shuffle"])
    stack: str = Field("", description="not kept")
    userAgent: str = Field("", description="which browser")
    timestamp: str = Field("", description="when, by the browser's clock")


class SuggestedPrompt(Done):
    prompt: Annotated[str, Field(examples=["upbeat synthwave with pulsing bass"])]


class Logged(TypedDict):
    logged: Literal[True]


@with_config(OPEN)
class Stats(TypedDict):
    """How much of everything there is."""

    total_generations: Annotated[Count, Field(examples=[31])]
    total_votes: Annotated[Count, Field(examples=[9])]
    total_favorites: Annotated[Count, Field(examples=[4])]
    categories: Annotated[dict[str, int], Field(description="by model", examples=[{"music": 77, "audio": 61}])]
    generations: Annotated[Count, Field(examples=[31])]
    music: Annotated[Count, Field(examples=[20])]
    audio: Annotated[Count, Field(examples=[11])]
    votes: Annotated[Count, Field(examples=[9])]
    feedback: Annotated[Count, Field(examples=[3])]


def utility_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox utility"], route_class=SuccessRoute)
    clients = gateway.clients

    @router.post("/random-prompt", openapi_extra=body(PromptBody, required=False))
    @answers(SuggestedPrompt)
    async def random_prompt(request: Request) -> Response:
        """A prompt to start from."""
        model = (await json_values(request)).get("model")
        wanted = "music" if model in (None, "", "music") else "audio"
        answer = await clients.generation.SuggestPrompt(generation_pb.SuggestPromptRequest(model=wanted))
        return JSONResponse({"success": True, "prompt": answer.prompt})

    @router.post("/api/log-error", openapi_extra=body(ErrorBody))
    @answers(Logged)
    async def log_error(request: Request) -> Response:
        """Tell the server about an error in a page. One short line of it is kept."""
        values = await json_values(request)
        log.warning(
            "client.error",
            error=_line(values.get("message"), 500),
            url=_line(values.get("url"), 200).partition("?")[0],  # queries may hold secrets
            user_agent=_line(values.get("userAgent"), 100),
            client_time=_line(values.get("timestamp"), 50),
        )
        return JSONResponse({"logged": True})

    @router.get("/api/stats")
    @answers(Stats)
    async def get_stats() -> Response:
        """How much of everything there is."""
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
    """What a stranger wrote, as one line of text that can be printed."""
    text = str(value)[:limit] if isinstance(value, str | int | float) else ""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
